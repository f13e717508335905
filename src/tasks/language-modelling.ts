/** Masked words, or the next token (transformers' `run_mlm.py` and `run_clm.py`). */
import { InputError } from '../errors.js';
import { ignoredLabel } from '../model/losses.js';
import type { TaskClass } from '../model/task-blocks.js';
import { randomBits, randomKey, randomUniform } from '../random.js';
import { meanLoss } from '../train/fine-tuning/evaluate.js';
import type { EvaluatedBatch, Metrics } from '../train/fine-tuning/workload.js';
import { lengthOf, listOf, toRagged } from './features.js';
import { perplexity } from './metrics/perplexity.js';
import { textOf, type EncodeContext, type Rows, type Split, type Task, type TaskContext } from './task.js';

const languageModelling = (className: TaskClass, labelInputs: Task<never>['labelInputs']): Task<never> => ({
  defaultLength: 1024,
  className,
  columns: ['text'],
  findLabels: (_, { id2label }) => ({
    problem: 'single_label_classification',
    names: Object.values(id2label),
  }),
  encode(rows, context) {
    const blocks = context.options.line_by_line ? encodeLines(rows, context) : encodeBlocks(rows, context);
    if (blocks.length === 0)
      throw new InputError(
        `${rows.source}: expected at least the ${context.options.max_seq_length} tokens of a block, found fewer: a smaller max_seq_length or line_by_line takes less`,
      );
    return {
      examples: [],
      features: {
        examples: blocks.length,
        choices: 1,
        input_ids: toRagged(blocks),
        token_type_ids: toRagged(blocks.map(({ length }) => new Uint8Array(length))),
        labels: {},
      },
    };
  },
  labelInputs,
  outputs: [],
  mainMetric: () => ({ name: 'loss', isGreater: false }),
  metrics: languageMetrics,
  predictions: () => ({ files: [], worst: [] }),
});

export const maskedLanguageModelling = languageModelling('MegatronBertForMaskedLM', maskTokens);
export const causalLanguageModelling = languageModelling('MegatronBertForCausalLM', nextTokens);

/** Texts that are joined before they are cut, and whose rest is dropped: a batch of `datasets.map`. */
const textsTogether = 1000;

/** Texts one after the other, with their special tokens, in blocks of one length. */
function encodeBlocks(
  rows: Rows,
  { tokenizer, options: { max_seq_length: size } }: EncodeContext,
): number[][] {
  const blocks: number[][] = [];
  for (let start = 0; start < rows.rows.length; start += textsTogether) {
    const together = rows.rows.slice(start, start + textsTogether).flatMap((row, i) => {
      const text = textOf(rows, row, start + i, 'text');
      return tokenizer.encode(text, null, { truncation: false }).input_ids;
    });
    for (let at = 0; at + size <= together.length; at += size) blocks.push(together.slice(at, at + size));
  }
  return blocks;
}

/** Each text by itself; empty ones are left out. */
const encodeLines = (rows: Rows, { tokenizer, options }: EncodeContext): number[][] =>
  rows.rows.flatMap((row, i) => {
    const text = textOf(rows, row, i, 'text');
    if (text.trim() === '') return [];
    return [tokenizer.encode(text, null, { max_length: options.max_seq_length, truncation: true }).input_ids];
  });

/**
 * Hides tokens of a batch: of those that are chosen, 80 % become `[MASK]`, 10 % any token, the others stay. Which ones is a
 * function of the seed, the draw, the example and the place.
 */
function maskTokens(
  { features }: Split,
  examples: readonly number[],
  { length, draw }: { readonly length: number; readonly draw: number | undefined },
  text: Readonly<Record<string, ArrayLike<number>>>,
  { options, tokens }: TaskContext,
) {
  const input_ids = text.input_ids as Int32Array;
  const positions: number[] = [];
  const labels: number[] = [];
  examples.forEach((example, row) => {
    if (example < 0) return;
    const ids = listOf(features.input_ids, example);
    const key = (use: string) => randomKey(options.seed, use, draw ?? 'evaluation', example);
    const [chosen, change, replacement] = [key('mask'), key('mask change'), key('mask replacement')];
    let word = -1;
    ids.forEach((id, place) => {
      if (options.whole_word_mask ? !tokens.continues[id] : true) word = place;
      if (tokens.special.includes(id) || randomUniform(chosen, word) >= options.mlm_probability) return;
      const position = row * length + place;
      positions.push(position);
      labels.push(id);
      const share = randomUniform(change, place);
      if (share < 0.8) input_ids[position] = tokens.mask;
      else if (share < 0.9) input_ids[position] = randomBits(replacement, place) % tokens.vocabSize;
    });
  });
  return { prediction_positions: Int32Array.from(positions), prediction_labels: Int32Array.from(labels) };
}

/** Each position's label is the token after it. */
function nextTokens(
  { features: { input_ids } }: Split,
  examples: readonly number[],
  { length }: { readonly length: number },
) {
  const labels = new Int32Array(examples.length * length).fill(ignoredLabel);
  examples.forEach((example, row) => {
    if (example >= 0 && lengthOf(input_ids, example) > 0)
      labels.set(listOf(input_ids, example).subarray(1), row * length);
  });
  return { labels };
}

function languageMetrics(evaluated: readonly EvaluatedBatch[]): Metrics {
  const loss = meanLoss(evaluated);
  const sum = (name: string) => evaluated.reduce((total, { scalars }) => total + scalars[name]!, 0);
  return { loss, accuracy: sum('lm_correct') / sum('lm_count'), perplexity: perplexity(loss) };
}
