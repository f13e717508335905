/** Messages between the processes of one MPI communicator (MPI 4.1, chapter 3). */
import { check, type MpiLibrary } from './library.js';
import type { Handle } from './kinds.js';
import { waitUntil } from './wait.js';

/** A rank of a group, in words: its number in the world, and where it runs. */
export interface Member {
  readonly rank: number;
  readonly host: string;
}

export const named = ({ rank, host }: Member) => `rank ${rank} on ${host}`;

/** Something under way: MPI reads or writes `data` until it is done. */
export interface Transfer {
  readonly data: Float32Array;
  readonly memory: ArrayBufferLike;
  /** An MPI_Request, of four or eight bytes. */
  readonly request: Uint8Array;
  readonly isReceived: boolean;
  isDone: boolean;
}

/**
 * What keeps messages apart: those that people send, those that collectives are made of, and those of each collective that
 * goes on beside others, which have numbers of their own from `started` on.
 */
export const tags = { message: 0, collective: 1, started: 2 } as const;

/** Numbers of a message: MPI counts them in 32 bits. */
export const largestMessage = 2 ** 30;

export interface Channel {
  readonly rank: number;
  readonly members: readonly Member[];
  startSend(data: Float32Array, to: number, tag: number): Transfer;
  startReceive(data: Float32Array, from: number, tag: number): Transfer;
  /** @throws Error naming the rank that sent more or less */
  isDone(transfer: Transfer, other: number, operation: string): boolean;
  /** @throws Error naming the rank that was waited for too long, or sent more or less */
  finish(transfer: Transfer, other: number, operation: string): void;
  /** Waits for the next message of a rank, without receiving it. @returns how many numbers it has */
  nextLength(from: number, tag: number, operation: string): number;
  /** target ← target + numbers */
  add(numbers: Float32Array, target: Float32Array): void;
}

/** What MPI may read or write: nothing that is named here is collected, be it that an error was thrown. */
const underWay = new Set<Transfer>();

/** Larger than any library's MPI_Status, which only the library looks into. */
const statusBytes = 64;
const requestBytes = 8;
/** Requests that are done: making memory for each would take longer than sending a number. */
const freeRequests: Uint8Array[] = [];

/** @param members the ranks of the communicator, in its order */
export function openChannel(
  library: MpiLibrary,
  communicator: Handle,
  rank: number,
  members: readonly Member[],
  timeoutSeconds: number,
): Channel {
  const { functions, handles } = library;
  const status = new Uint8Array(statusBytes);
  const flag = new Int32Array(1);
  const count = new Int32Array(1);

  const lengthOfStatus = (): number => {
    functions.getCount(status, handles.float, count);
    return count[0]!;
  };

  const start = (
    call: MpiLibrary['functions']['isend'],
    data: Float32Array,
    other: number,
    tag: number,
    isReceived: boolean,
  ): Transfer => {
    const request = freeRequests.pop() ?? new Uint8Array(requestBytes);
    // asking for the buffer moves a small array out of V8's heap, where it would not stay in place
    const transfer = { data, memory: data.buffer, request, isReceived, isDone: false };
    const code = call(data, data.length, handles.float, other, tag, communicator, request);
    check(library, code, isReceived ? 'receive' : 'send');
    underWay.add(transfer);
    return transfer;
  };

  const isDone = (transfer: Transfer, other: number, operation: string): boolean => {
    if (transfer.isDone) return true;
    const code = functions.test(transfer.request, flag, status);
    if (code !== 0) check(library, code, `${operation} with ${named(members[other]!)}`);
    if (flag[0] === 0) return false;
    transfer.isDone = true;
    freeRequests.push(transfer.request);
    underWay.delete(transfer);
    if (transfer.isReceived) checkLength(transfer.data.length, lengthOfStatus(), members[other]!, operation);
    return true;
  };

  const lateFor = (other: number, operation: string) => () =>
    new Error(`${operation}: waited ${timeoutSeconds} s for ${named(members[other]!)}`);

  const finish = (transfer: Transfer, other: number, operation: string): void => {
    waitUntil(() => isDone(transfer, other, operation), timeoutSeconds, lateFor(other, operation));
  };

  return {
    rank,
    members,
    startSend: (data, to, tag) => start(functions.isend, data, to, tag, false),
    startReceive: (data, from, tag) => start(functions.irecv, data, from, tag, true),
    isDone,
    finish,
    nextLength(from, tag, operation) {
      const hasArrived = () => {
        check(library, functions.iprobe(from, tag, communicator, flag, status), operation);
        return flag[0] !== 0;
      };
      waitUntil(hasArrived, timeoutSeconds, lateFor(from, operation));
      return lengthOfStatus();
    },
    add(numbers, target) {
      const code = functions.reduceLocal(numbers, target, target.length, handles.float, handles.sum);
      check(library, code, 'sum');
    },
  };
}

/** @throws Error where a message has another length than its receiver expects */
export function checkLength(expected: number, found: number, from: Member, operation: string): void {
  if (found !== expected)
    throw new Error(`${operation}: expected ${expected} numbers from ${named(from)}, found ${found}`);
}

/** Where the stretches of at most so many numbers begin and end. */
export function* ranges(length: number, longest: number): Generator<readonly [start: number, end: number]> {
  for (let start = 0; start < length; start += longest) yield [start, Math.min(start + longest, length)];
}
