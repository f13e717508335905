import type { Communicator } from '../communicator.js';
import { checkLength, largestMessage, ranges, tags, type Channel, type Transfer } from './channel.js';
import { openCollectives } from './collectives.js';

/** A communicator between processes, and the end of its sending. */
export interface ProcessCommunicator extends Communicator {
  barrier(): void;
  /** Returns when all that was sent has been received. */
  finishSending(): void;
}

export function openCommunicator(channel: Channel): ProcessCommunicator {
  const { members } = channel;
  /** As much memory as there have been messages under way at a time; by the rank that each was last sent to. */
  const sent: { readonly letter: Float32Array; transfer: Transfer; to: number }[] = [];

  /** Sending never waits: what is sent is a copy, in memory that is used again when MPI is done with it. */
  const sendPiece = (piece: Float32Array, to: number): void => {
    const free = sent.find(
      ({ letter, transfer, to }) => letter.length === piece.length && channel.isDone(transfer, to, 'send'),
    );
    const letter = free?.letter ?? new Float32Array(piece.length);
    letter.set(piece);
    const transfer = channel.startSend(letter, to, tags.message);
    if (free) Object.assign(free, { transfer, to });
    else sent.push({ letter, transfer, to });
  };

  const receivePiece = (piece: Float32Array, from: number): void => {
    const found = channel.nextLength(from, tags.message, 'receive');
    checkLength(piece.length, found, members[from]!, 'receive');
    channel.finish(channel.startReceive(piece, from, tags.message), from, 'receive');
  };

  /** A message of no numbers is one, too. */
  const messagesOf = (data: Float32Array): Float32Array[] =>
    data.length === 0
      ? [data]
      : [...ranges(data.length, largestMessage)].map(([start, end]) => data.subarray(start, end));

  return {
    rank: channel.rank,
    size: members.length,
    ...openCollectives(channel),
    send(data, to) {
      for (const piece of messagesOf(data)) sendPiece(piece, to);
    },
    receive(data, from) {
      for (const piece of messagesOf(data)) receivePiece(piece, from);
    },
    finishSending() {
      for (const { transfer, to } of sent) channel.finish(transfer, to, 'send');
    },
  };
}
