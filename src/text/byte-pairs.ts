import TinyQueue from 'tinyqueue';

/** Pieces of a word's bytes: ids, and how many bytes each has. */
export interface BytePairs {
  readonly ids: number[];
  readonly lengths: number[];
}

type Merges = readonly (readonly [left: number, right: number, merged: number])[];

/** Of pairs that are not merged. */
const none = 2 ** 31 - 1;

/** Bytes of the longest word in which the best pair is looked for among all, which takes a queue longer until there. */
const longestScanned = 128;

/** A queue's entry is a rank and a place (below 2³⁰), of which the lower comes first. */
const places = 2 ** 30;

/**
 * Merges the pieces of a word, the pair of the lowest rank first and of several the leftmost, until no pair has a rank.
 * The BPE of `@huggingface/tokenizers` joins strings and writes JSON to look a pair up; this one compares numbers.
 *
 * @param merges the pairs by rank, and what each becomes
 */
export function bytePairMerger(merges: Merges): (initial: readonly number[]) => BytePairs {
  const rankOf = rankTable(merges);
  const mergedOf = Int32Array.from(merges, ([, , merged]) => merged);
  const room = listsOf(longestScanned);
  return (initial) => {
    const count = initial.length;
    const isLong = count > longestScanned;
    // pieces are named by the place of their first byte
    const [ids, next, previous, ranks] = isLong ? listsOf(count) : room;
    const queue = isLong ? new TinyQueue<number>() : undefined;
    const setRank = (place: number): void => {
      const right = next[place]!;
      const rank = right < count ? rankOf(ids[place]!, ids[right]!) : none;
      ranks[place] = rank;
      if (rank !== none) queue?.push(rank * places + place);
    };
    for (let place = 0; place < count; place++) {
      ids[place] = initial[place]!;
      next[place] = place + 1;
      previous[place] = place - 1;
    }
    for (let place = 0; place < count; place++) setRank(place);
    for (;;) {
      const place = queue ? takePlace(queue, ranks) : placeOfLeast(ranks, count);
      if (place < 0 || ranks[place] === none) break;
      const right = next[place]!;
      const after = next[right]!;
      ids[place] = mergedOf[ranks[place]!]!;
      ranks[right] = none;
      next[place] = after;
      if (after < count) previous[after] = place;
      setRank(place);
      if (place > 0) setRank(previous[place]!);
    }
    const merged: BytePairs = { ids: [], lengths: [] };
    for (let place = 0; place < count; place = next[place]!) {
      merged.ids.push(ids[place]!);
      merged.lengths.push(next[place]! - place);
    }
    return merged;
  };
}

const listsOf = (length: number) =>
  [new Int32Array(length), new Int32Array(length), new Int32Array(length), new Int32Array(length)] as const;

function placeOfLeast(ranks: Int32Array, count: number): number {
  let best = count - 1;
  for (let place = count - 2; place >= 0; place--) if (ranks[place]! <= ranks[best]!) best = place;
  return best;
}

/** Of the next pair in a queue that is still there; -1 where none is. */
function takePlace(queue: TinyQueue<number>, ranks: Int32Array): number {
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    const place = entry % places;
    if (ranks[place] === Math.floor(entry / places)) return place;
  }
  return -1;
}

/**
 * Ranks by pair, in a hash table of left, right and rank side by side: a `Map` needs a number above 2³¹ for a pair, and
 * five times as long to find it.
 */
function rankTable(merges: Merges): (left: number, right: number) => number {
  const bits = Math.ceil(Math.log2(merges.length + 1)) + 1;
  const table = new Int32Array(4 * 2 ** bits).fill(none);
  /** Where a pair is, or may be put. */
  const placeOf = (left: number, right: number): number => {
    let place = 4 * (Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b) >>> (32 - bits));
    while (table[place + 2] !== none && (table[place] !== left || table[place + 1] !== right))
      place = (place + 4) % table.length;
    return place;
  };
  merges.forEach(([left, right], rank) => {
    table.set([left, right, rank], placeOf(left, right));
  });
  return (left, right) => table[placeOf(left, right) + 2]!;
}
