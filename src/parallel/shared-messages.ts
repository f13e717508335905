/** Messages between threads: numbers in shared memory, of which the receiver is told through a port. */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { Communicator } from './communicator.js';

/** How ranks wake each other. */
export interface LetterBox {
  readonly arrivedAt: (rank: number) => void;
  /** How many letters have come to this rank. */
  readonly letters: () => number;
  /** Returns when there are more than `known`. */
  readonly waitForLetter: (known: number, from: number) => void;
}

interface Letter {
  /** One integer: 1 until the receiver has read it. */
  readonly state: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

/**
 * Sending never waits: as much memory is kept as there are messages under way at a time, and is used again.
 *
 * @param ports to each other rank of the group
 */
export function openMessages(
  rank: number,
  ports: ReadonlyMap<number, MessagePort>,
  letterBox: LetterBox,
): Pick<Communicator, 'send' | 'receive'> {
  const sent = new Map<number, Letter[]>();

  /** One that was sent to a rank and read there, of that length. */
  const letterTo = (to: number, byteLength: number): Letter => {
    const letters = sent.get(to) ?? [];
    sent.set(to, letters);
    const read = letters.find(
      ({ state, data }) => data.byteLength === byteLength && Atomics.load(new Int32Array(state), 0) === 0,
    );
    if (read) return read;
    const letter = { state: new SharedArrayBuffer(4), data: new SharedArrayBuffer(byteLength) };
    letters.push(letter);
    return letter;
  };

  const portTo = (other: number): MessagePort => {
    const port = ports.get(other);
    if (!port) throw new Error(`rank ${rank} of this group cannot send to ${other} or receive from it`);
    return port;
  };

  return {
    send(data, to) {
      const port = portTo(to);
      const letter = letterTo(to, data.byteLength);
      new Float32Array(letter.data).set(data);
      Atomics.store(new Int32Array(letter.state), 0, 1);
      port.postMessage(letter);
      letterBox.arrivedAt(to);
    },
    receive(data, from) {
      const port = portTo(from);
      for (;;) {
        const known = letterBox.letters();
        const letter = receiveMessageOnPort(port)?.message as Letter | undefined;
        if (letter) {
          const received = new Float32Array(letter.data);
          if (received.length !== data.length)
            throw new Error(`expected ${data.length} numbers from rank ${from}, found ${received.length}`);
          data.set(received);
          Atomics.store(new Int32Array(letter.state), 0, 0);
          return;
        }
        letterBox.waitForLetter(known, from);
      }
    },
  };
}
