import { InputError, shown } from '../errors.js';
import type { EncodedText } from '../text/encoding.js';
import {
  groupTokens,
  toEntity,
  withoutOverlaps,
  type AggregationStrategy,
  type Entity,
  type EntityGroup,
  type ScoredToken,
} from './entities.js';
import { softmax } from './scores.js';
import { labelNames, toExample, type Task, type TaskModel, type TextOutputs } from './task.js';

export interface TokenClassificationOptions {
  /** What is made of labelled tokens: nothing by default. */
  readonly aggregation_strategy?: AggregationStrategy;
  /** Labels that are left out; `O` by default. */
  readonly ignore_labels?: readonly string[];
  /** Goes through all of a long text, in windows that share so many tokens; otherwise it is cut. */
  readonly stride?: number;
  /** Whether a text is a list of its words; then a list is one text. */
  readonly is_split_into_words?: boolean;
  /** What stands between the words of a text that is given as words, in what `start` and `end` count; a space. */
  readonly delimiter?: string;
}

export interface TokenEntity extends Entity {
  /** The token's place in its window, `[CLS]` being 0. */
  readonly index: number;
}

/** The labelled tokens of a text (a list is its words), or entities made of them, in order. */
export const tokenClassification: Task<
  string | readonly string[],
  TokenClassificationOptions,
  (TokenEntity | EntityGroup)[]
> = (model, options) => {
  const { aggregation_strategy: strategy = 'none', ignore_labels = ['O'], stride, delimiter = ' ' } = options;
  if (!strategies.includes(strategy))
    throw new InputError(
      `aggregation_strategy: expected ${strategies.join(', ')}, found ${JSON.stringify(strategy)}`,
    );
  const labels = labelNames(model.config);
  const join = (words: readonly string[]) => model.tokenizer.convert_tokens_to_string(words);
  return (input) => {
    const { text, wordStarts } = asText(input, delimiter);
    const windows = model.tokenizer.encodeWindows(input, null, {
      truncation: true,
      max_length: model.longest,
      ...(stride !== undefined && { stride }),
    });
    const taken = stride === undefined ? windows.slice(0, 1) : windows;
    return {
      examples: taken.map((window) => toExample(window, model)),
      finish(outputs) {
        const found = taken.flatMap((window, i): (TokenEntity | EntityGroup)[] => {
          const tokens = scoredTokens(window, outputs[i]!, text, wordStarts, model);
          if (strategy === 'none')
            return tokens
              .map((token) => ({ ...toEntity(token, labels), index: token.index }))
              .filter(({ entity }) => !ignore_labels.includes(entity));
          return groupTokens(tokens, strategy, labels, join).filter(
            ({ entity_group }) => !ignore_labels.includes(entity_group),
          );
        });
        return taken.length > 1 ? withoutOverlaps(found) : found;
      },
    };
  };
};

const strategies: readonly string[] = ['none', 'simple', 'first', 'average', 'max'];

/** A text, and where in it its words start where it is given as words. */
function asText(
  input: string | readonly string[],
  delimiter: string,
): { readonly text: string; readonly wordStarts: readonly number[] | undefined } {
  if (typeof input === 'string') return { text: input, wordStarts: undefined };
  if (!Array.isArray(input) || input.some((word) => typeof word !== 'string'))
    throw new InputError(`token-classification: expected a text or a list of words, found ${shown(input)}`);
  let place = 0;
  const wordStarts = input.map((word: string) => {
    const start = place;
    place += word.length + delimiter.length;
    return start;
  });
  return { text: input.join(delimiter), wordStarts };
}

function scoredTokens(
  { input_ids, special_tokens_mask, offset_mapping, word_ids }: EncodedText,
  { logits }: TextOutputs,
  text: string,
  wordStarts: readonly number[] | undefined,
  { tokenizer }: TaskModel,
): ScoredToken[] {
  const width = logits!.dims.at(-1)!;
  return input_ids.flatMap((id, index): ScoredToken[] => {
    if (special_tokens_mask[index]) return [];
    const shift = wordStarts?.[word_ids[index]!] ?? 0;
    const [start, end] = offset_mapping[index]!.map((place) => place + shift) as [number, number];
    const isUnknown = id === tokenizer.tokens.unk;
    const [piece, source] = [tokenizer.vocab[id]!, text.slice(start, end)];
    return [
      {
        word: isUnknown ? source : piece,
        scores: softmax(logits!.data.subarray(index * width, (index + 1) * width)),
        ...{ start, end, index },
        // as transformers tells it: a piece with its ## is longer than what it stands for
        isSubword: !isUnknown && characters(piece) !== characters(source),
      },
    ];
  });
}

const characters = (text: string) => Array.from(text).length;
