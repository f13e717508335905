/** What models are given of examples: plain numbers in memory that threads share. */
import type { Batch } from '../train/chain.js';

type Numbers = Int32Array | Float32Array;

/** Lists of numbers, one after the other: list i is from `starts[i]` to `starts[i + 1]`. */
export interface Ragged<Values extends Numbers = Int32Array> {
  readonly values: Values;
  readonly starts: Int32Array;
}

/** Of a split's examples, each of which has as many texts. */
export interface Features {
  readonly examples: number;
  /** Texts of each: its choices, or one. */
  readonly choices: number;
  /** Tokens of each text. */
  readonly input_ids: Ragged;
  readonly token_type_ids: Ragged;
  /** By name, of each example. */
  readonly labels: Readonly<Record<string, Ragged<Numbers>>>;
}

type Kind<Values> = new (memory: SharedArrayBuffer) => Values;

export function toRagged(lists: readonly ArrayLike<number>[]): Ragged;
export function toRagged<Values extends Numbers>(
  lists: readonly ArrayLike<number>[],
  kind: Kind<Values>,
): Ragged<Values>;
export function toRagged(
  lists: readonly ArrayLike<number>[],
  kind: Kind<Numbers> = Int32Array,
): Ragged<Numbers> {
  const starts = new Int32Array(new SharedArrayBuffer(4 * (lists.length + 1)));
  lists.forEach((list, i) => (starts[i + 1] = starts[i]! + list.length));
  const values = new kind(new SharedArrayBuffer(4 * starts[lists.length]!));
  lists.forEach((list, i) => {
    values.set(list, starts[i]);
  });
  return { values, starts };
}

export const listOf = <Values extends Numbers>({ values, starts }: Ragged<Values>, i: number) =>
  values.subarray(starts[i], starts[i + 1]) as Values;

export const lengthOf = ({ starts }: Ragged<Numbers>, i: number) => starts[i + 1]! - starts[i]!;

/** Tokens of each example's longest text. */
export const exampleLengths = ({ examples, choices, input_ids }: Features): Int32Array =>
  Int32Array.from({ length: examples }, (_, example) =>
    Math.max(...Array.from({ length: choices }, (_, i) => lengthOf(input_ids, example * choices + i))),
  );

/**
 * Texts side by side, [texts, length] each. What is no example is a text of one padding token: with nothing to attend to a
 * row would be uniform over all, and that is as good.
 *
 * @param examples their numbers; negative ones are none
 * @param pad the token of padding
 */
export function textBatch(
  { choices, input_ids, token_type_ids }: Features,
  examples: readonly number[],
  length: number,
  pad: number,
): Batch {
  const texts = examples.length * choices;
  const batch = {
    input_ids: new Int32Array(texts * length).fill(pad),
    token_type_ids: new Int32Array(texts * length),
    attention_mask: new Int32Array(texts * length),
    position_ids: Int32Array.from({ length: texts * length }, (_, i) => i % length),
  };
  for (let row = 0; row < texts; row++) {
    const example = examples[Math.floor(row / choices)]!;
    if (example < 0) continue;
    const text = example * choices + (row % choices);
    batch.input_ids.set(listOf(input_ids, text), row * length);
    batch.token_type_ids.set(listOf(token_type_ids, text), row * length);
    batch.attention_mask.fill(1, row * length, row * length + lengthOf(input_ids, text));
  }
  return batch;
}

/**
 * Labels of examples side by side, [examples, width].
 *
 * @param filling where there are none
 */
export function labelBatch(
  labels: Ragged<Numbers>,
  examples: readonly number[],
  width: number,
  filling: number,
): Numbers {
  const size = examples.length * width;
  const batch = labels.values instanceof Int32Array ? new Int32Array(size) : new Float32Array(size);
  batch.fill(filling);
  examples.forEach((example, row) => {
    if (example >= 0) batch.set(listOf(labels, example), row * width);
  });
  return batch;
}
