/** WikiText-103 and LAMBADA as tasks of a causal model. */
import { ignoredLabel } from '../../model/losses.js';
import type { AnyTokenizer } from '../../text/tokenizer-json.js';
import type { EvaluatedBatch, Metrics } from '../../train/fine-tuning/workload.js';
import { labelBatch, toRagged } from '../features.js';
import type { EncodeContext, Rows, Split, Task } from '../task.js';
import { textOf } from '../task.js';
import type { LabelledTokens } from './labelled-tokens.js';
import { lambadaResult, lambadaSamples } from './lambada.js';
import { readWikitext103, wikitext103Result, wikitext103Windows, type Wikitext103 } from './wikitext103.js';

const languageBenchmark = <Example>(
  encode: (rows: Rows, context: EncodeContext) => Split<Example>,
  metrics: (evaluated: readonly EvaluatedBatch[], split: Split<Example>) => Metrics,
): Task<Example> => ({
  defaultLength: 1024,
  className: 'MegatronBertForCausalLM',
  columns: ['text'],
  findLabels: (_, { id2label }) => ({
    problem: 'single_label_classification',
    names: Object.values(id2label),
  }),
  encode,
  labelInputs: ({ features }, examples, { length }) => ({
    labels: labelBatch(features.labels.labels!, examples, length, ignoredLabel),
  }),
  outputs: [],
  mainMetric: () => ({ name: 'loss', isGreater: false }),
  metrics,
  predictions: () => ({ files: [], worst: [] }),
});

/** The perplexity of words, each token being predicted from those of an overlapping window. */
export const wikitext103 = languageBenchmark<Wikitext103>(
  (rows, { tokenizer, options }) => {
    const read = readWikitext103(wholeText(rows), (text) => tokenizer.tokenize(text));
    const windows = wikitext103Windows(read.tokens, {
      sequenceLength: options.max_seq_length,
      stride: options.overlapping_eval,
      pad: padOf(tokenizer),
    });
    return { features: featuresOf([...windows]), examples: [read] };
  },
  (evaluated, { examples }) => {
    const { tokens, originalTokens } = examples[0]!;
    const lossSum = evaluated.reduce((sum, { scalars }) => sum + scalars.loss! * scalars.lm_count!, 0);
    const found = wikitext103Result({ lossSum, tokens: tokens.length, originalTokens });
    const { loss, perplexity, adjustedPerplexity: adjusted_perplexity, tokenRatio: token_ratio } = found;
    return { loss, perplexity, adjusted_perplexity, token_ratio };
  },
);

/** Whether last words are predicted: of batches of one example, those of which every label is the first choice. */
export const lambada = languageBenchmark(
  (rows, { tokenizer, options }) => {
    const samples = lambadaSamples(wholeText(rows), rows.source, (text) => tokenizer.tokenize(text), {
      sequenceLength: options.max_seq_length,
      pad: padOf(tokenizer),
      isStrict: options.strict_lambada,
    });
    return { features: featuresOf(samples), examples: [] };
  },
  (evaluated) => {
    const correct = evaluated.filter(({ scalars }) => scalars.lm_correct === scalars.lm_count).length;
    return { accuracy: lambadaResult(correct, evaluated.length).accuracy };
  },
);

const wholeText = (rows: Rows) => textOf(rows, rows.rows[0]!, 0, 'text');

const padOf = (tokenizer: AnyTokenizer): number =>
  tokenizer.type === 'BPE' ? tokenizer.tokens.eos : tokenizer.tokens.pad;

const featuresOf = (samples: readonly LabelledTokens[]) => ({
  examples: samples.length,
  choices: 1,
  input_ids: toRagged(samples.map(({ input_ids }) => input_ids)),
  token_type_ids: toRagged(samples.map(({ input_ids }) => new Uint8Array(input_ids.length))),
  labels: { labels: toRagged(samples.map(({ labels }) => labels)) },
});
