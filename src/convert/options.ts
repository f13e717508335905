import type { CheckpointVersion } from '../checkpoint/megatron/query-key-value.js';
import type { ModelFile } from '../pretrained/model-files.js';

export interface ConvertOptions {
  /** Whose layout to write: transformers' by default. */
  readonly to?: 'transformers' | 'megatron';
  /** The type of the numbers; as they are by default. */
  readonly dtype?: 'fp32' | 'fp16' | 'bf16';
  /** A `vocab.txt`: makes the tokenizer's files. */
  readonly vocabFile?: string;
  /** Rows to keep of the word embeddings, without those that pad them. */
  readonly vocabSize?: number;
  /** Of checkpoints that do not say it. */
  readonly numAttentionHeads?: number;
  /** Writes what transformers' own script makes: its defaults, its copies, and `pytorch_model.bin`. */
  readonly asTransformers?: boolean;
  /** Of Megatron-LM's checkpoints; 3 by default. */
  readonly checkpointVersion?: CheckpointVersion;
  readonly tensorModelParallelSize?: number;
  readonly pipelineModelParallelSize?: number;
  /** Stores the command line as Megatron-LM does: `torch.load` then needs `weights_only=False`. */
  readonly withArguments?: boolean;
  /** Whether Megatron-LM's checkpoints keep what training goes on from; they do by default. */
  readonly saveOptim?: boolean;
  readonly overwriteOutputDir?: boolean;
  readonly onProgress?: (progress: ConvertProgress) => void;
}

export interface ConvertProgress {
  /** Bytes of the numbers written. */
  readonly done: number;
  readonly total: number;
}

export interface ConvertSummary {
  readonly source: string;
  readonly destination: string;
  /** What was found: layout, version, partitions. */
  readonly from: string;
  readonly to: string;
  readonly model_type: string;
  readonly parameters: number;
  readonly dtype: string;
  readonly files: readonly ModelFile[];
  readonly seconds: number;
  /** What was guessed, and what is otherwise than transformers' script makes it. */
  readonly notes: readonly string[];
}

/** What a writer of one layout says. */
export type WrittenFolder = Pick<ConvertSummary, 'to' | 'files' | 'notes'>;
