/** Collective operations, made of messages. */
import type { Communicator } from '../communicator.js';
import { largestMessage, ranges, tags, type Channel, type Transfer } from './channel.js';

/** Numbers that are summed at a time: enough to fill a network, and memory stays bounded. */
const pieceLength = 2 ** 22;
/** Up to so many, one exchange of everything is faster than two of parts. */
const smallLength = 2 ** 11;

/** Sums that go on at a time have tags of their own: MPI has 2¹⁵ at least (MPI 4.1, section 9.1.2). */
const mostStarted = 2 ** 12;

type PartOf = (rank: number) => Float32Array;
type Reduction = 'sum' | 'max';

/** Where what other ranks sent is received: room for a part of each. */
type Room = (size: number, length: number) => PartOf;

function makeRoom(): Room {
  let received = new Float32Array(0);
  return (size, length) => {
    if (received.length < size * length) received = new Float32Array(size * length);
    return (rank) => received.subarray(rank * length, (rank + 1) * length);
  };
}

/** No two collectives of a process are under way at a time, but for started ones, which have rooms of their own. */
const room = makeRoom();
const freeRooms: Room[] = [];

/** Messages that are under way, and with whom. */
type Pending = readonly (readonly [transfer: Transfer, other: number])[];
/** A collective: between two of its steps it waits for messages. */
type Steps = Generator<Pending, void, void>;

/** `data` divided among the ranks, as evenly as can be. */
function stretchesOf(data: Float32Array, size: number): PartOf {
  const start = (rank: number) => Math.floor((rank * data.length) / size);
  return (rank) => data.subarray(start(rank), start(rank + 1));
}

/** target ← the greater of both; NaN is the greatest. */
function takeGreater(numbers: Float32Array, target: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i] = Math.max(target[i]!, numbers[i]!);
}

/**
 * All ranks send each other parts directly. A sum is a scattering of stretches, each summed by one rank in the order of
 * the ranks, and a gathering of them: of n ranks each sends and receives 2 (n - 1) / n of the numbers, the least that is
 * possible (Thakur, Rabenseifner and Gropp: Optimization of Collective Communication Operations in MPICH, 2005).
 *
 * So every rank gets the same bits, those that threads of one process get too, and gets them again in every run, with
 * any MPI library; only which NaN a sum is depends on the processor. MPI_Allreduce is merely advised to give the same
 * result twice (MPI 4.1, section 6.9.1), and its non-blocking twin, which a time limit needs, was slower.
 */
export function openCollectives(
  channel: Channel,
): Omit<Communicator, 'rank' | 'size' | 'send' | 'receive' | 'barrier'> & { barrier(): void } {
  const { rank } = channel;
  const size = channel.members.length;
  /** From the next one on, so that not all send to the same at once. */
  const others = Array.from({ length: size - 1 }, (_, i) => (rank + 1 + i) % size);

  /** Sends the ranks `to` their parts while receiving those of the ranks `from`. */
  function* transfer(
    to: readonly number[],
    sent: PartOf,
    from: readonly number[],
    taken: PartOf,
    tag: number,
  ): Steps {
    const receives = from.map((other) => [channel.startReceive(taken(other), other, tag), other] as const);
    const sends = to.map((other) => [channel.startSend(sent(other), other, tag), other] as const);
    yield [...receives, ...sends];
  }
  const exchange = (sent: PartOf, taken: PartOf, tag: number = tags.collective) =>
    transfer(others, sent, others, taken, tag);

  const wait = (pending: Pending, operation: keyof Communicator): void => {
    for (const [transfer, other] of pending) channel.finish(transfer, other, operation);
  };
  const complete = (operation: keyof Communicator, steps: Steps): void => {
    for (const pending of steps) wait(pending, operation);
  };

  /** own ← the parts of all ranks, combined in their order. */
  const combine = (own: Float32Array, theirs: PartOf, reduction: Reduction): void => {
    const [first, ...later] = Array.from({ length: size }, (_, other) =>
      other === rank ? own : theirs(other),
    ) as [Float32Array, ...Float32Array[]];
    for (const part of later)
      if (reduction === 'sum') channel.add(part, first);
      else takeGreater(part, first);
    if (first !== own) own.set(first);
  };

  function* reduceSmall(data: Float32Array, reduction: Reduction, room: Room, tag?: number): Steps {
    const theirs = room(size, data.length);
    yield* exchange(() => data, theirs, tag);
    combine(data, theirs, reduction);
  }

  function* reduceLarge(data: Float32Array, reduction: Reduction, room: Room, tag?: number): Steps {
    const stretch = stretchesOf(data, size);
    const own = stretch(rank);
    const theirs = room(size, own.length);
    yield* exchange(stretch, theirs, tag);
    combine(own, theirs, reduction);
    yield* exchange(() => own, stretch, tag);
  }

  function* allReduce(data: Float32Array, reduction: Reduction, room: Room, tag?: number): Steps {
    const reduce = data.length <= smallLength ? reduceSmall : reduceLarge;
    for (const [start, end] of ranges(data.length, pieceLength))
      yield* reduce(data.subarray(start, end), reduction, room, tag);
  }

  function* reduceScatter(whole: Float32Array, part: Float32Array, room: Room, tag?: number): Steps {
    const { length } = part;
    for (const [start, end] of ranges(length, Math.ceil(pieceLength / size))) {
      const stretch = (other: number) => whole.subarray(other * length + start, other * length + end);
      const theirs = room(size, end - start);
      const own = part.subarray(start, end);
      yield* exchange(stretch, theirs, tag);
      own.set(stretch(rank));
      combine(own, theirs, 'sum');
    }
  }

  let started = 0;

  return {
    barrier() {
      const nothing = new Float32Array(0);
      complete(
        'barrier',
        exchange(
          () => nothing,
          () => nothing,
        ),
      );
    },
    allReduce(data, reduction) {
      complete('allReduce', allReduce(data, reduction, room));
    },
    reduceScatter(whole, part) {
      complete('reduceScatter', reduceScatter(whole, part, room));
    },
    startSum(whole, part) {
      const own = freeRooms.pop() ?? makeRoom();
      const tag = tags.started + (started++ % mostStarted);
      const steps = part ? reduceScatter(whole, part, own, tag) : allReduce(whole, 'sum', own, tag);
      let step = steps.next();
      return {
        advance() {
          while (
            !step.done &&
            step.value.every(([transfer, other]) => channel.isDone(transfer, other, 'startSum'))
          )
            step = steps.next();
        },
        finish() {
          for (; !step.done; step = steps.next()) wait(step.value, 'startSum');
          freeRooms.push(own);
        },
      };
    },
    allGather(part, whole) {
      const { length } = part;
      whole.set(part, rank * length);
      for (const [start, end] of ranges(length, largestMessage))
        complete(
          'allGather',
          exchange(
            () => part.subarray(start, end),
            (other) => whole.subarray(other * length + start, other * length + end),
          ),
        );
    },
    broadcast(data, root) {
      const receivers = others.filter((other) => other !== root);
      for (const [start, end] of ranges(data.length, largestMessage)) {
        // the root sends each rank a stretch, which that one passes on
        const stretch = stretchesOf(data.subarray(start, end), size);
        const own = stretch(rank);
        const isRoot = rank === root;
        const { collective } = tags;
        const fromRoot = transfer(isRoot ? others : [], stretch, isRoot ? [] : [root], () => own, collective);
        complete('broadcast', fromRoot);
        complete(
          'broadcast',
          transfer(receivers, () => own, isRoot ? [] : others, stretch, collective),
        );
      }
    },
  };
}
