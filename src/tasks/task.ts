/** What the six tasks have in common. */
import type { HostArray } from '../engine/engine.js';
import { InputError, shown } from '../errors.js';
import type { TransformerConfig } from '../model/config.js';
import type { TaskClass } from '../model/task-blocks.js';
import type { AnyTokenizer } from '../text/tokenizer-json.js';
import type { Batch } from '../train/chain.js';
import type { EvaluatedBatch, Metrics } from '../train/fine-tuning/workload.js';
import type { Row } from './data/row.js';
import type { Features } from './features.js';
import type { GlueTask } from './metrics/glue.js';

export type { Row } from './data/row.js';

/** Rows, and what they are called in errors: `train.csv: row 3`. */
export interface Rows {
  readonly source: string;
  readonly rows: readonly Row[];
}

/** What labels stand for. */
export interface LabelSet {
  readonly problem: NonNullable<TransformerConfig['problem_type']>;
  /** By their numbers. */
  readonly names: readonly string[];
}

/** How texts become features; plain data but for the tokenizer. */
export interface TaskOptions {
  /** Tokens of a text, special ones included. */
  readonly max_seq_length: number;
  /** Tokens that neighbouring windows of a long context have in common. */
  readonly doc_stride: number;
  /** Whether some questions have no answer in their context. */
  readonly version_2_with_negative: boolean;
  /** By how much "no answer" must be likelier than the best answer. */
  readonly null_score_diff_threshold: number;
  readonly n_best_size: number;
  readonly max_answer_length: number;
  /** Whether each piece of a word has its label, or the first one only. */
  readonly label_all_tokens: boolean;
  readonly mlm_probability: number;
  /** Masks all pieces of a word or none. */
  readonly whole_word_mask: boolean;
  /** Whether a choice comes before its context, as Megatron-LM has it for RACE. */
  readonly choice_first: boolean;
  /** Tokens from one window of WikiText-103 to the next. */
  readonly overlapping_eval: number;
  /** Whether all of LAMBADA's last word counts, or its last token. */
  readonly strict_lambada: boolean;
  /** Each row is a text by itself, and none is joined with others. */
  readonly line_by_line: boolean;
  /** What each class counts in the loss, by its number. */
  readonly class_weights?: readonly number[];
  /** Of masks. */
  readonly seed: number;
  /** The metrics of a task of GLUE in the place of accuracy. */
  readonly glue_task?: GlueTask;
}

/** Tokens that features are made with; plain data. */
export interface TokenIds {
  readonly pad: number;
  readonly mask: number;
  readonly special: readonly number[];
  readonly vocabSize: number;
  /** One for a piece that goes on with the word before it. */
  readonly continues: Uint8Array;
}

export interface EncodeContext {
  readonly tokenizer: AnyTokenizer;
  readonly options: TaskOptions;
  readonly labels: LabelSet;
  /** Whether examples without labels are an error. */
  readonly isTraining: boolean;
}

/** A split's features and what else there is to know of its examples; plain data. */
export interface Split<Example = unknown> {
  readonly features: Features;
  readonly examples: readonly Example[];
}

/** What a rank knows of a task; plain data. */
export interface TaskContext {
  /** That is computed. */
  readonly className: TaskClass;
  readonly config: TransformerConfig;
  readonly options: TaskOptions;
  readonly tokens: TokenIds;
  readonly labels: LabelSet;
}

export interface TextFile {
  readonly name: string;
  readonly text: string;
}

/** An example that was got wrong, and how wrong. */
export interface WrongExample {
  readonly text: string;
  readonly expected: string;
  readonly predicted: string;
  readonly loss: number;
}

/** How well a class is told from others. */
export interface ClassScores {
  readonly label: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Examples that are of this class. */
  readonly support: number;
}

/** What there is to show of an evaluation. */
export interface Predictions {
  readonly files: readonly TextFile[];
  readonly worst: readonly WrongExample[];
  /** How many of each class were taken for each, where there are classes. */
  readonly confusion?: {
    readonly labels: readonly string[];
    readonly counts: readonly (readonly number[])[];
  };
  /** Of entities by their types, and of all together, where labels tell where they begin and go on. */
  readonly entities?: { readonly types: readonly ClassScores[]; readonly all: Omit<ClassScores, 'label'> };
}

export interface Task<Example = unknown> {
  /** Tokens of a text by default, where the model takes as many. */
  readonly defaultLength: number;
  readonly className: TaskClass;
  /** The columns that it reads, by what they are for. */
  readonly columns: readonly string[];
  /** What labels there are. @throws InputError naming the row whose label is none */
  readonly findLabels: (rows: Rows, config: TransformerConfig, isRegression?: boolean) => LabelSet;
  /** @throws InputError naming the row that cannot be used */
  readonly encode: (rows: Rows, context: EncodeContext) => Split<Example>;
  /** Labels of some examples, as the class's head takes them, and where they are drawn what hides them. */
  readonly labelInputs: (
    split: Split<Example>,
    examples: readonly number[],
    sizes: { readonly length: number; readonly draw: number | undefined },
    text: Batch,
    context: TaskContext,
  ) => Batch;
  readonly outputs: readonly string[];
  /** How many numbers of an output are an example's, of `whole` that are computed. */
  readonly ownLength?: (tokens: number, whole: number, length: number) => number;
  /** The metric by which one evaluation is better than another, by default. */
  readonly mainMetric: (context: TaskContext) => { readonly name: string; readonly isGreater: boolean };
  readonly metrics: (
    evaluated: readonly EvaluatedBatch[],
    split: Split<Example>,
    context: TaskContext,
  ) => Metrics;
  readonly predictions: (
    evaluated: readonly EvaluatedBatch[],
    split: Split<Example>,
    context: TaskContext,
  ) => Predictions;
}

/** An output of all examples, in their order. */
export const outputsOf = (evaluated: readonly EvaluatedBatch[], name: string): HostArray[] =>
  evaluated.flatMap(({ outputs }) => [...outputs[name]!]);

/** @throws InputError naming the row */
export function textOf({ source }: Rows, row: Row, i: number, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  throw wrongRow(
    source,
    i,
    `${column}: expected a text, found ${column in row ? shown(value) : `the columns ${Object.keys(row).join(', ')}`}`,
  );
}

export const wrongRow = (source: string, i: number, message: string) =>
  new InputError(`${source}: row ${i + 1}: ${message}`);

export const argmax = (values: ArrayLike<number>): number => {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
};

/** −log of the softmax at a class. */
export function negativeLogLikelihood(logits: ArrayLike<number>, label: number): number {
  let greatest = -Infinity;
  for (let i = 0; i < logits.length; i++) greatest = Math.max(greatest, logits[i]!);
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i]! - greatest);
  return Math.log(total) - (logits[label]! - greatest);
}
