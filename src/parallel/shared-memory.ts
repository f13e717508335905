import type { MessagePort } from 'node:worker_threads';
import { startLate, type Communicator } from './communicator.js';
import { RankLost } from './rank-lost.js';
import { openMessages } from './shared-messages.js';

/** The memory that the ranks of a group share: plain data, to be handed to their threads. */
export interface SharedGroup {
  /** Their numbers in the world. */
  readonly ranks: readonly number[];
  readonly control: SharedArrayBuffer;
  readonly exchange: SharedArrayBuffer;
}

/** Floats that a rank hands over at a time: larger tensors go in pieces, so that memory stays bounded. */
const pieceLength = 2 ** 18;
/** Looks at a number before a rank goes to sleep: waking costs more than a short wait. */
const spins = 2000;

// places in `control`, before a barrier's and a letter box's of each rank
const arrived = 0;
const generation = 1;
const aborted = 2;
const firstOfRanks = 3;

export function createSharedGroup(ranks: readonly number[]): SharedGroup {
  const size = ranks.length;
  return {
    ranks,
    control: new SharedArrayBuffer((firstOfRanks + 2 * size) * Int32Array.BYTES_PER_ELEMENT),
    exchange: new SharedArrayBuffer((size + 1) * pieceLength * Float32Array.BYTES_PER_ELEMENT),
  };
}

/** Wakes every rank that waits, and makes all further communication throw. */
export function abortSharedGroup({ control }: SharedGroup): void {
  const state = new Int32Array(control);
  Atomics.store(state, aborted, 1);
  for (let place = generation; place < state.length; place++) {
    if (place === aborted) continue;
    Atomics.add(state, place, 1);
    Atomics.notify(state, place);
  }
}

export interface JoinOptions {
  /** To each other rank of the group, for messages. */
  readonly ports?: ReadonlyMap<number, MessagePort>;
  /** How long a rank waits for the others before it takes them for lost. */
  readonly timeoutSeconds: number;
}

/**
 * A communicator between threads of one process. Sums are taken in the order of the ranks, so that every
 * rank gets the same bits, and gets them again in every run.
 *
 * @param rank its number in the group
 */
export function joinSharedGroup(
  { ranks, control, exchange }: SharedGroup,
  rank: number,
  { ports = new Map(), timeoutSeconds }: JoinOptions,
): Communicator {
  const size = ranks.length;
  const state = new Int32Array(control);
  const barriersOf = (other: number) => firstOfRanks + other;
  const letterBoxOf = (other: number) => firstOfRanks + size + other;
  const [result, ...slots] = Array.from(
    { length: size + 1 },
    (_, i) => new Float32Array(exchange, i * pieceLength * Float32Array.BYTES_PER_ELEMENT, pieceLength),
  ) as [Float32Array, ...Float32Array[]];

  const checkAborted = (): void => {
    if (Atomics.load(state, aborted)) throw new Error('another rank failed');
  };

  /** Until a number is another one. */
  const waitWhile = (place: number, value: number, awaited: () => readonly number[]): void => {
    for (let i = 0; i < spins && Atomics.load(state, place) === value; i++);
    while (Atomics.load(state, place) === value)
      if (Atomics.wait(state, place, value, 1000 * timeoutSeconds) === 'timed-out')
        throw new RankLost(
          `waited ${timeoutSeconds} s for ${awaited()
            .map((other) => `rank ${ranks[other]}`)
            .join(', ')}`,
        );
    checkAborted();
  };

  const barrier = (): void => {
    const now = Atomics.load(state, generation);
    checkAborted();
    Atomics.add(state, barriersOf(rank), 1);
    if (Atomics.add(state, arrived, 1) === size - 1) {
      Atomics.store(state, arrived, 0);
      Atomics.add(state, generation, 1);
      Atomics.notify(state, generation);
      checkAborted();
    } else {
      const barriers = Atomics.load(state, barriersOf(rank));
      waitWhile(generation, now, () =>
        [...ranks.keys()].filter((other) => Atomics.load(state, barriersOf(other)) < barriers),
      );
    }
  };

  /** result[start, end) = the slots' elements from `offset` on, combined in the order of the ranks. */
  const combine = (target: Float32Array, offset: number, reduction: 'sum' | 'max'): void => {
    target.set(slots[0]!.subarray(offset, offset + target.length));
    for (const slot of slots.slice(1))
      if (reduction === 'sum') for (let i = 0; i < target.length; i++) target[i]! += slot[offset + i]!;
      else for (let i = 0; i < target.length; i++) target[i] = Math.max(target[i]!, slot[offset + i]!);
  };

  const allReduce: Communicator['allReduce'] = (data, reduction) => {
    for (let start = 0; start < data.length; start += pieceLength) {
      const piece = data.subarray(start, start + pieceLength);
      slots[rank]!.set(piece);
      barrier();
      const from = Math.floor((rank * piece.length) / size);
      const to = Math.floor(((rank + 1) * piece.length) / size);
      combine(result.subarray(from, to), from, reduction);
      barrier();
      piece.set(result.subarray(0, piece.length));
    }
  };

  const reduceScatter: Communicator['reduceScatter'] = (whole, part) => {
    const length = Math.floor(pieceLength / size);
    for (let start = 0; start < part.length; start += length) {
      const piece = part.subarray(start, start + length);
      for (let i = 0; i < size; i++)
        slots[rank]!.set(
          whole.subarray(i * part.length + start, i * part.length + start + piece.length),
          i * length,
        );
      barrier();
      combine(piece, rank * length, 'sum');
      barrier();
    }
  };

  return {
    rank,
    size,
    barrier,
    allReduce,
    reduceScatter,
    startSum: startLate({ allReduce, reduceScatter }),
    allGather(part, whole) {
      for (let start = 0; start < part.length; start += pieceLength) {
        const piece = part.subarray(start, start + pieceLength);
        slots[rank]!.set(piece);
        barrier();
        slots.forEach((slot, i) => {
          whole.set(slot.subarray(0, piece.length), i * part.length + start);
        });
        barrier();
      }
    },
    broadcast(data, root) {
      for (let start = 0; start < data.length; start += pieceLength) {
        const piece = data.subarray(start, start + pieceLength);
        // not into `result`, which another rank may still read
        if (rank === root) slots[root]!.set(piece);
        barrier();
        if (rank !== root) piece.set(slots[root]!.subarray(0, piece.length));
        barrier();
      }
    },
    ...openMessages(rank, ports, {
      arrivedAt: (other) => {
        Atomics.add(state, letterBoxOf(other), 1);
        Atomics.notify(state, letterBoxOf(other));
      },
      letters: () => Atomics.load(state, letterBoxOf(rank)),
      waitForLetter: (known, from) => {
        checkAborted();
        waitWhile(letterBoxOf(rank), known, () => [from]);
      },
    }),
  };
}
