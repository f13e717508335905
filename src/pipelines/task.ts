/** A task turns inputs of people into texts for a model, and its outputs into answers. */
import { InputError, shown } from '../errors.js';
import type { TransformerConfig } from '../model/config.js';
import type { Example, ForwardEachOptions } from '../pretrained/forward-each.js';
import type { Tensor } from '../pretrained/tensors.js';
import type { EncodedText } from '../text/encoding.js';
import type { TextTokenizer } from '../text/text-tokenizer.js';
import type { Tokenizer } from '../text/tokenizer.js';

/** What a task works with; MegatronBERT has WordPiece, GPT-2 any tokenizer. */
export interface TaskModel<AnyTokenizer extends TextTokenizer = Tokenizer> {
  readonly config: TransformerConfig;
  readonly tokenizer: AnyTokenizer;
  /** Tokens of the longest text, special ones included. */
  readonly longest: number;
  readonly warn: (message: string) => void;
}

/** The outputs of one text, by their names, without an axis of the batch. */
export type TextOutputs = Readonly<Record<string, Tensor>>;

/** An input, ready to be computed. */
export interface Prepared<Result> {
  /** At least one. */
  readonly examples: readonly Example[];
  /** @param outputs of each example */
  readonly finish: (outputs: readonly [TextOutputs, ...TextOutputs[]]) => Result;
}

/** Prepares an input. @throws InputError where it cannot be used */
export type Prepare<Input, Result> = (input: Input) => Prepared<Result>;

export type Task<Input, Options, Result, AnyTokenizer extends TextTokenizer = Tokenizer> = (
  model: TaskModel<AnyTokenizer>,
  options: Options,
) => Prepare<Input, Result>;

/** A model as tasks run it. */
export interface Computes {
  forwardEach(examples: readonly Example[], options?: ForwardEachOptions): Promise<unknown[]>;
}

/**
 * The results of inputs that are computed together, in order. What is wrong with one of them is in its place: the
 * others come to no harm.
 */
export async function runTask<Input, Result>(
  model: Computes,
  prepare: Prepare<Input, Result>,
  inputs: readonly Input[],
  options: ForwardEachOptions,
): Promise<(Result | InputError)[]> {
  const prepared = inputs.map((input) => orInputError(() => prepare(input)));
  const examples = prepared.flatMap((one) => (one instanceof InputError ? [] : one.examples));
  const outputs = (await model.forwardEach(examples, options)) as TextOutputs[];
  let place = 0;
  return prepared.map((one) => {
    if (one instanceof InputError) return one;
    const own = outputs.slice(place, (place += one.examples.length));
    return orInputError(() => one.finish(own as [TextOutputs, ...TextOutputs[]]));
  });
}

/** What is wrong with an input is a result, anything else is thrown. */
export function orInputError<Value>(compute: () => Value): Value | InputError {
  try {
    return compute();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

/** A text as a model takes it. @throws InputError where it is too long, or the tokenizer is another model's */
export function toExample(
  encoded: EncodedText,
  { config, tokenizer }: Pick<TaskModel<TextTokenizer>, 'config' | 'tokenizer'>,
): Example {
  const { input_ids, token_type_ids } = encoded;
  const most = config.max_position_embeddings;
  if (input_ids.length > most)
    throw new InputError(`the text has ${input_ids.length} tokens, and the model takes ${most} at most`);
  const unknown = input_ids.find((id) => id >= config.vocab_size);
  if (unknown !== undefined)
    throw new InputError(
      `${JSON.stringify(tokenizer.vocab[unknown])} is token ${unknown}, but the model knows ${config.vocab_size}: the tokenizer is not this model's`,
    );
  return { input_ids, token_type_ids };
}

/** From JavaScript any value can come. @throws InputError */
export function requireText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new InputError(`${name}: expected a text, found ${shown(value)}`);
}

/** The names of labels, by their numbers. */
export const labelNames = ({ id2label }: TransformerConfig): string[] =>
  Object.keys(id2label).map((_, id) => id2label[id]!);
