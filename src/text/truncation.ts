import { InputError } from '../errors.js';

/** Which of two texts is cut when both are too long together. */
export type TruncationStrategy = 'longest_first' | 'only_first' | 'only_second';

export interface Truncation {
  readonly strategy: TruncationStrategy;
  /** Tokens of both texts together, without the special ones. */
  readonly room: number;
  /** Tokens that a window repeats of the one before. */
  readonly stride: number;
}

/** Tokens of a text from one place up to another. */
export type Window = readonly [from: number, to: number];

/**
 * Cuts a text, or a pair, into the windows that together show all of it, as the Rust tokenizers do.
 *
 * @param lengths tokens of the text, and of the second text where there is one
 * @returns for each result a window of each text; the first result is what is left after truncation
 * @throws InputError where the text that is to be cut is too short for that, or the stride too long
 */
export function truncate(lengths: readonly number[], truncation: Truncation | undefined): Window[][] {
  const whole = lengths.map((length): Window => [0, length]);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (!truncation || total <= truncation.room) return [whole];
  const kept = cutLengths(lengths, total - truncation.room, truncation);
  const [first, second] = lengths.map((length, i) => windows(length, kept[i]!, truncation.stride));
  if (!second) return first!.map((window) => [window]);
  const [start, ...rest] = first!;
  const [pairStart, ...pairRest] = second;
  return [
    [start!, pairStart!],
    ...rest.flatMap((window) => second.map((pair) => [window, pair])),
    ...pairRest.map((pair) => [start!, pair]),
  ];
}

function cutLengths(
  lengths: readonly number[],
  excess: number,
  { strategy, room }: Truncation,
): readonly number[] {
  if (room === 0) return lengths.map(() => 0);
  if (strategy === 'longest_first') return lengths.length === 1 ? [room] : longestFirst(lengths, room);
  const cut = strategy === 'only_first' ? 0 : 1;
  const length = lengths[cut];
  if (length === undefined)
    throw new InputError('truncation only_second: expected a second text, found one text');
  if (length <= excess)
    throw new InputError(
      `truncation ${strategy}: the ${cut === 0 ? 'first' : 'second'} text has ${length} tokens, but ${excess} would have to go`,
    );
  return lengths.map((each, i) => (i === cut ? each - excess : each));
}

/** The longer text is cut to what the shorter leaves, or both to halves. */
function longestFirst(lengths: readonly number[], room: number): number[] {
  const shorter = Math.min(...lengths);
  const half = Math.floor(room / 2);
  const [less, more] = shorter > half ? [half, room - half] : [shorter, room - shorter];
  return lengths[0]! > lengths[1]! ? [more, less] : [less, more];
}

function windows(length: number, size: number, stride: number): Window[] {
  if (length <= size) return [[0, length]];
  if (stride > 0 && stride >= size)
    throw new InputError(
      `stride: expected fewer than the ${size} tokens that a text is cut to, found ${stride}`,
    );
  if (size === 0)
    return [
      [0, 0],
      [0, length],
    ];
  const result: Window[] = [];
  for (let from = 0, to = 0; to < length; from += size - stride) {
    to = Math.min(from + size, length);
    result.push([from, to]);
  }
  return result;
}
