import { groupByLength } from './group-by-length.js';
import { hasTokenTypes, type AnyInputs } from './model-inputs.js';
import type { AnyOutputs } from './model-outputs.js';
import { forward, type ForwardOptions, type LoadedModel } from './model.js';
import type { Tensor } from './tensors.js';

/** One text, without an axis of the batch and without padding. */
export interface Example {
  readonly input_ids: readonly number[];
  /** Of no use to a model without types. */
  readonly token_type_ids?: readonly number[];
  /** Where logits are wanted; everywhere without it. */
  readonly prediction_positions?: readonly number[];
}

export interface ForwardEachOptions extends Pick<ForwardOptions, 'output_hidden_states' | 'signal'> {
  /** Tokens that are computed together at most, padding included. */
  readonly batch_tokens?: number;
}

/**
 * Computes texts of any lengths, those of about one length together, so that little padding is computed.
 *
 * @returns for each text its outputs, without an axis of the batch and without padding
 */
export async function forwardEach(
  model: LoadedModel,
  examples: readonly Example[],
  { batch_tokens = 4096, ...options }: ForwardEachOptions = {},
): Promise<AnyOutputs[]> {
  const results = new Array<AnyOutputs>(examples.length);
  const lengths = examples.map(({ input_ids }) => input_ids.length);
  for (const group of groupByLength(lengths, batch_tokens)) {
    const texts = group.map((place) => examples[place]!);
    const longest = Math.max(...texts.map(({ input_ids }) => input_ids.length));
    const batch = batchOf(texts, longest, hasTokenTypes(model.config));
    const inputs = model.architecture === 'MegatronBertForMultipleChoice' ? oneChoiceEach(batch) : batch;
    const outputs = await forward(model, inputs, { ...options, use_cache: false });
    group.forEach((place, row) => {
      results[place] = rowOf(outputs, row, texts[row]!, longest);
    });
  }
  return results;
}

const pad = (row: readonly number[], length: number, filling: number) =>
  row.length < length ? [...row, ...new Array<number>(length - row.length).fill(filling)] : row;

/** A choice is scored by itself: [texts, sequence] → [texts, 1, sequence] */
const oneChoiceEach = (batch: AnyInputs): AnyInputs =>
  Object.fromEntries(
    Object.entries(batch).map(([name, rows]) => [name, (rows as unknown[]).map((row) => [row])]),
  );

function batchOf(texts: readonly Example[], longest: number, withTypes: boolean): AnyInputs {
  const counts = texts.map(({ prediction_positions }) => prediction_positions?.length ?? 0);
  const most = Math.max(...counts);
  return {
    input_ids: texts.map(({ input_ids }) => pad(input_ids, longest, 0)),
    attention_mask: texts.map(({ input_ids }) =>
      pad(
        input_ids.map(() => 1),
        longest,
        0,
      ),
    ),
    ...(withTypes && {
      token_type_ids: texts.map(({ input_ids, token_type_ids }) =>
        pad(token_type_ids ?? input_ids.map(() => 0), longest, 0),
      ),
    }),
    ...(most > 0 && {
      prediction_positions: texts.map(({ prediction_positions }) => pad(prediction_positions ?? [], most, 0)),
    }),
  };
}

/** What has a number for each position; of logits only those of tokens do. */
const ofPositions = new Set([
  'last_hidden_state',
  'hidden_states',
  'logits',
  'prediction_logits',
  'start_logits',
  'end_logits',
]);

function rowOf(outputs: AnyOutputs, row: number, text: Example, longest: number): AnyOutputs {
  const cut = (name: string, { type, dims, data }: Tensor): Tensor => {
    const [, ...rest] = dims;
    const size = data.length / dims[0]!;
    const whole = data.subarray(row * size, (row + 1) * size);
    const isScored = name.endsWith('logits') && text.prediction_positions;
    const own = isScored ? text.prediction_positions.length : text.input_ids.length;
    const hasPositions =
      ofPositions.has(name) && (dims.length > 2 || name === 'start_logits' || name === 'end_logits');
    if (!hasPositions || (!isScored && own === longest)) return { type, dims: rest, data: whole };
    return {
      type,
      dims: [own, ...rest.slice(1)],
      data: whole.subarray(0, (size / rest[0]!) * own),
    };
  };
  return Object.fromEntries(
    Object.entries(outputs).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((member: Tensor) => cut(name, member)) : cut(name, value as Tensor),
    ]),
  );
}
