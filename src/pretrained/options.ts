import type { HubOptions } from '../hub/repository.js';
import type { Ranks } from '../parallel/ranks.js';

export interface FromPretrainedOptions extends HubOptions {
  /** Threads that each rank computes with; the cores shared out by default. The first model of a process decides. */
  readonly threads?: number;
  /** Fields that take the place of those in `config.json`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Starts parameters at random whose shape is another in the file, instead of refusing it. */
  readonly ignore_mismatched_sizes?: boolean;
  /** Of `MegatronBertModel`: whether it has the pooler; it does by default. */
  readonly add_pooling_layer?: boolean;
  /**
   * The numbers that products are made of: `int8` is about twice as fast, and its results differ by some percent.
   * Such weights are made once and kept beside the model's.
   */
  readonly dtype?: 'fp32' | 'int8';
  /** Ranks that share each layer's matrices, each a thread: for models that one alone cannot hold, or to use more cores. */
  readonly tensor_parallel_size?: number;
  /** Ranks that share the layers. */
  readonly pipeline_parallel_size?: number;
  /** Where ranks are processes of MPI: this one's place among them; the others serve it. */
  readonly ranks?: Ranks;
  /** Where to compute: there is `cpu` only. */
  readonly device?: 'cpu';
  /** Where to say what is not as one may expect; `console.warn` by default. */
  readonly warn?: (message: string) => void;
}
