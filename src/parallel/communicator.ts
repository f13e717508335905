import type { Collectives } from '../engine/engine.js';

/**
 * A group of ranks as one of them sees it. Every rank calls the same operations in the same order; messages between two
 * ranks arrive in the order in which they were sent.
 */
export interface Communicator extends Collectives {
  readonly rank: number;
  readonly size: number;
  /** Returns when every rank has come here. */
  barrier(): void | Promise<void>;
}

/** Where ranks share the processors that they compute on, nothing goes on beside that: all is done at the end. */
export const startLate =
  ({
    allReduce,
    reduceScatter,
  }: Pick<Communicator, 'allReduce' | 'reduceScatter'>): Communicator['startSum'] =>
  (whole, part) => ({
    advance: () => undefined,
    finish: () => (part ? reduceScatter(whole, part) : allReduce(whole, 'sum')),
  });

/** One rank alone. */
export const singleCommunicator: Communicator = {
  rank: 0,
  size: 1,
  allReduce: () => undefined,
  allGather: (part, whole) => {
    whole.set(part);
  },
  reduceScatter: (whole, part) => {
    part.set(whole);
  },
  startSum: (whole, part) => {
    part?.set(whole);
    return { advance: () => undefined, finish: () => undefined };
  },
  broadcast: () => undefined,
  send: () => refuseMessage(),
  receive: () => refuseMessage(),
  barrier: () => undefined,
};

function refuseMessage(): never {
  throw new Error('a rank that is alone has nobody to send to');
}
