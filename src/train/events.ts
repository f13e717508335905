/** What a pretraining run tells while it goes: the lines of `log.jsonl`. */

/** How well held-out text is predicted: nats per token to predict, and the fractions whose first choice is right. */
export interface Evaluation {
  readonly loss: number;
  readonly accuracy: number;
  /** Of pairs of segments, those whose order is told rightly. */
  readonly order_accuracy?: number;
}

/** What an iteration took; the only fields that differ between a run and its repetition. */
export interface Timings {
  /** Seconds of this iteration, evaluations and checkpoints left out. */
  readonly seconds: number;
  /** Of those, waiting for samples. */
  readonly data_seconds: number;
  /** Positions computed, padding included, since the process began; evaluation time left out. */
  readonly tokens_per_second: number;
  /** Floating-point operations a second that the model takes (`modelFlops`), in this iteration. */
  readonly model_flops_per_second: number;
  /** Those that all ranks reach in a large matrix product, measured when the process began. */
  readonly peak_flops_per_second: number;
  /** Resident memory of the process, in bytes. */
  readonly memory: number;
}

export interface StepEvent extends Timings {
  readonly kind: 'step';
  /** Iterations completed. */
  readonly iteration: number;
  readonly loss: number;
  readonly lm_loss: number;
  /** Where the order of sentences is learnt. */
  readonly next_sentence_loss?: number;
  readonly learning_rate: number;
  readonly global_batch_size: number;
  readonly consumed_samples: number;
  readonly gradient_norm: number;
  /** Whether nothing was updated: the gradient was not finite, or the loss a spike. */
  readonly skipped?: true;
}

export interface EvaluationEvent extends Evaluation {
  readonly kind: 'evaluation';
  readonly iteration: number;
}

/** A masked word, and what the model takes it for. */
export interface PredictedWord {
  readonly word: string;
  readonly predicted: string;
  /** Of all its pieces together. */
  readonly probability: number;
}

/** Some held-out samples, long ones cut, in every evaluation the same: text, and the words that are predicted in it. */
export interface PredictionsEvent {
  readonly kind: 'predictions';
  readonly iteration: number;
  readonly sentences: readonly (readonly (string | PredictedWord)[])[];
}

export type PretrainEvent = StepEvent | EvaluationEvent | PredictionsEvent;
