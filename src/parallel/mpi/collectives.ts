/** Collective operations, made of messages. */
import type { Communicator } from '../communicator.js';
import { largestMessage, ranges, type Channel, type Transfer } from './channel.js';

/** Numbers that are summed at a time: enough to fill a network, and memory stays bounded. */
const pieceLength = 2 ** 22;
/** Up to so many, one exchange of everything is faster than two of parts. */
const smallLength = 2 ** 11;

type PartOf = (rank: number) => Float32Array;
type Reduction = 'sum' | 'max';

/** What other ranks sent: no two collectives of a process are under way at a time. */
let received = new Float32Array(0);

/** Room for a part of each rank. */
function slots(size: number, length: number): PartOf {
  if (received.length < size * length) received = new Float32Array(size * length);
  return (rank) => received.subarray(rank * length, (rank + 1) * length);
}

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
  const transfer = (
    operation: keyof Communicator,
    to: readonly number[],
    sent: PartOf,
    from: readonly number[],
    taken: PartOf,
  ): void => {
    const receives = from.map((other): [Transfer, number] => [
      channel.startReceive(taken(other), other, 'collective'),
      other,
    ]);
    const sends = to.map((other): [Transfer, number] => [
      channel.startSend(sent(other), other, 'collective'),
      other,
    ]);
    for (const [receive, other] of receives) channel.finishReceive(receive, other, operation);
    for (const [send, other] of sends) channel.finishSend(send, other, operation);
  };
  const exchange = (operation: keyof Communicator, sent: PartOf, taken: PartOf): void => {
    transfer(operation, others, sent, others, taken);
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

  const reduceSmall = (data: Float32Array, reduction: Reduction): void => {
    const theirs = slots(size, data.length);
    exchange('allReduce', () => data, theirs);
    combine(data, theirs, reduction);
  };

  const reduceLarge = (data: Float32Array, reduction: Reduction): void => {
    const stretch = stretchesOf(data, size);
    const own = stretch(rank);
    const theirs = slots(size, own.length);
    exchange('allReduce', stretch, theirs);
    combine(own, theirs, reduction);
    exchange('allReduce', () => own, stretch);
  };

  return {
    barrier() {
      const nothing = new Float32Array(0);
      exchange(
        'barrier',
        () => nothing,
        () => nothing,
      );
    },
    allReduce(data, reduction) {
      const reduce = data.length <= smallLength ? reduceSmall : reduceLarge;
      for (const [start, end] of ranges(data.length, pieceLength))
        reduce(data.subarray(start, end), reduction);
    },
    allGather(part, whole) {
      const { length } = part;
      whole.set(part, rank * length);
      for (const [start, end] of ranges(length, largestMessage))
        exchange(
          'allGather',
          () => part.subarray(start, end),
          (other) => whole.subarray(other * length + start, other * length + end),
        );
    },
    reduceScatter(whole, part) {
      const { length } = part;
      for (const [start, end] of ranges(length, Math.ceil(pieceLength / size))) {
        const stretch = (other: number) => whole.subarray(other * length + start, other * length + end);
        const theirs = slots(size, end - start);
        const own = part.subarray(start, end);
        exchange('reduceScatter', stretch, theirs);
        own.set(stretch(rank));
        combine(own, theirs, 'sum');
      }
    },
    broadcast(data, root) {
      const receivers = others.filter((other) => other !== root);
      for (const [start, end] of ranges(data.length, largestMessage)) {
        // the root sends each rank a stretch, which that one passes on
        const stretch = stretchesOf(data.subarray(start, end), size);
        const own = stretch(rank);
        const isRoot = rank === root;
        transfer('broadcast', isRoot ? others : [], stretch, isRoot ? [] : [root], () => own);
        transfer('broadcast', receivers, () => own, isRoot ? [] : others, stretch);
      }
    },
  };
}
