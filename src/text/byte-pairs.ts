import TinyQueue from 'tinyqueue';
import { pairKey } from './piece-pairs.js';

/** Pieces of a word's bytes: ids, and how many bytes each has. */
export interface BytePairs {
  readonly ids: number[];
  readonly lengths: number[];
}

/** A queue's entry is a rank and a place (below 2³⁰), of which the lower comes first. */
const places = 2 ** 30;

/**
 * Merges the pieces of a word, the pair of the lowest rank first and of several the leftmost, until no pair has a rank.
 * The BPE of `@huggingface/tokenizers` joins strings and writes JSON to look a pair up; this one compares numbers.
 *
 * @param merges the pairs by rank, and what each becomes
 */
export function bytePairMerger(
  merges: readonly (readonly [left: number, right: number, merged: number])[],
): (initial: readonly number[]) => BytePairs {
  const ranks = new Map(merges.map(([left, right], rank) => [pairKey(left, right), rank]));
  return (initial) => {
    const count = initial.length;
    const ids = Int32Array.from(initial);
    // pieces are named by the place of their first byte
    const next = Int32Array.from(initial, (_, place) => place + 1);
    const previous = Int32Array.from(initial, (_, place) => place - 1);
    const rankAt = (place: number) =>
      next[place]! < count ? ranks.get(pairKey(ids[place]!, ids[next[place]!]!)) : undefined;
    const entryAt = (place: number) => {
      const rank = rankAt(place);
      return rank === undefined ? [] : [rank * places + place];
    };
    const queue = new TinyQueue<number>(Array.from(initial.keys()).flatMap(entryAt));
    const enqueue = (place: number) => {
      for (const entry of entryAt(place)) queue.push(entry);
    };
    for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
      const place = entry % places;
      const rank = Math.floor(entry / places);
      // the pair may be gone since
      if (ids[place]! < 0 || rankAt(place) !== rank) continue;
      const right = next[place]!;
      const after = next[right]!;
      ids[place] = merges[rank]![2];
      ids[right] = -1;
      next[place] = after;
      if (after < count) previous[after] = place;
      enqueue(place);
      if (place > 0) enqueue(previous[place]!);
    }
    const merged: BytePairs = { ids: [], lengths: [] };
    for (let place = 0; place < count; place = next[place]!) {
      merged.ids.push(ids[place]!);
      merged.lengths.push(next[place]! - place);
    }
    return merged;
  };
}
