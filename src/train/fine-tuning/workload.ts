/** What is fine-tuned, as the loop sees it: batches to learn from, batches to be measured by. */
import type { HostArray } from '../../engine/engine.js';
import type { Batch, Scalars } from '../chain.js';
import type { BatchLayout } from '../trainer.js';

export interface LaidOutBatches {
  readonly layout: BatchLayout;
  readonly batches: readonly Batch[];
}

export interface TrainingExamples {
  /** Tokens of each. */
  readonly lengths: ArrayLike<number>;
  /**
   * Micro-batches of one layout.
   *
   * @param examples of each; `filler` for none
   * @param epoch tells one pass over the examples from another, where what is learned of them is drawn
   */
  readonly batches: (examples: readonly (readonly number[])[], epoch: number) => LaidOutBatches;
}

/** What is computed of examples that are not learned from. */
export interface EvaluatedBatch {
  readonly examples: readonly number[];
  /** The loss, and what a language model counts; none where examples have no labels. */
  readonly scalars: Scalars;
  /** By name and example, as far as its tokens go. */
  readonly outputs: Readonly<Record<string, readonly HostArray[]>>;
}

export type Metrics = Readonly<Record<string, number>>;

export interface EvaluationExamples {
  readonly count: number;
  readonly batchSize: number;
  readonly batch: (examples: readonly number[]) => LaidOutBatches;
  /** The blocks' outputs that are kept of each example. */
  readonly outputs: readonly string[];
  /** How many of an output's numbers, that `whole` are computed of each example, are the example's. */
  readonly ownLength: (example: number, whole: number, layout: BatchLayout) => number;
  readonly metrics: (evaluated: readonly EvaluatedBatch[]) => Metrics;
}

/** Of what is predicted at the end of a run, and not looked at on the way. */
export const predictPrefix = 'predict';

export interface Workload {
  /** Of the largest batches. */
  readonly largest: BatchLayout;
  readonly train?: TrainingExamples;
  /** By what comes before their metrics' names: `eval`. */
  readonly evaluations: Readonly<Record<string, EvaluationExamples>>;
}
