import type { TransformerConfig } from '../model/config.js';
import type { LoraOptions } from '../model/lora.js';
import type { FineTuneEvent } from '../train/fine-tuning/fine-tune-rank.js';
import type { TrainingArguments } from '../train/fine-tuning/arguments.js';
import type { BenchmarkName } from './benchmarks/benchmarks.js';
import type { ColumnMapping } from './columns.js';
import type { Row, TaskOptions } from './task.js';
import type { TaskName } from './tasks.js';

/** A file, several that are read one after the other, or the rows themselves. */
export type DataSource = string | readonly string[] | readonly Row[];

/** What `evaluate` and `Trainer` have in common. */
export interface TaskRunOptions extends Partial<Omit<TaskOptions, 'seed' | 'class_weights'>> {
  readonly task: TaskName;
  /** Reads files as this benchmark has them; what is trained has the published hyper-parameters where none are given. */
  readonly benchmark?: BenchmarkName;
  /** A model folder, or the name of a model on the hub. */
  readonly model: string;
  /** A data set of the hub, where no files or rows are given. */
  readonly dataset_name?: string;
  readonly dataset_config_name?: string;
  /** A branch, tag or commit. */
  readonly dataset_revision?: string;
  readonly validation?: DataSource;
  readonly test?: DataSource;
  /** The columns that are read, where they have other names. */
  readonly columns?: ColumnMapping;
  readonly max_eval_samples?: number;
  readonly max_predict_samples?: number;
  readonly per_device_eval_batch_size?: number;
  readonly tensor_parallel_size?: number;
  readonly pipeline_parallel_size?: number;
  readonly data_parallel_size?: number;
  /** Of ranks that are processes; the launcher's by default. */
  readonly mpi_library?: string;
  /** Of each rank; the cores shared out by default. */
  readonly threads?: number;
  readonly output_dir?: string;
  readonly onEvent?: (event: TaskEvent) => void;
  readonly signal?: AbortSignal;
}

/** Options of a task, or of a benchmark, from which the task follows. */
export type TaskOrBenchmark<Options extends TaskRunOptions> =
  Options | (Omit<Options, 'task'> & { readonly benchmark: BenchmarkName });

/** transformers' names, and what the task takes. */
export interface FinetuneOptions extends TaskRunOptions, TrainingArguments {
  readonly train?: DataSource;
  /** Where the model, checkpoints and results go. */
  readonly output_dir: string;
  readonly overwrite_output_dir?: boolean;
  /** True for the newest checkpoint of the output folder, or the name of one. */
  readonly resume_from_checkpoint?: boolean | string;
  readonly max_train_samples?: number;
  /** Whether labels are numbers to be measured, where that is not to be seen. */
  readonly regression?: boolean;
  readonly config?: Partial<Pick<TransformerConfig, 'hidden_dropout_prob' | 'attention_probs_dropout_prob'>>;
  /** What each class counts: a number for each, by their order, or as many times as it is rarer than others. */
  readonly class_weights?: 'balanced' | readonly number[];
  /** Each layer learns by so much of the rate of the one above it; 1 by default. */
  readonly layerwise_lr_decay?: number;
  readonly freeze_embeddings?: boolean;
  /** The first layers, which stay as they are, and with them the embeddings. */
  readonly freeze_layers?: number;
  /** Trains an adapter, and the head, and nothing else. */
  readonly lora?: Partial<LoraOptions>;
  /** Only the head learns. */
  readonly head_only?: boolean;
  /** Stops after the step that it is in, with a checkpoint. */
  readonly stopSignal?: AbortSignal;
}

export type TaskEvent =
  | FineTuneEvent
  | { readonly kind: 'warning'; readonly message: string }
  /** What was not given, and is as it was published for a benchmark. */
  | {
      readonly kind: 'hyper-parameters';
      readonly arguments: TrainingArguments;
      readonly source: string;
    }
  | {
      readonly kind: 'ready';
      readonly steps: number;
      readonly examples: number;
      readonly trainedParameters: number;
      readonly parameters: number;
      readonly labels: readonly string[];
    };
