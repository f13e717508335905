import type { DataSource, FinetuneOptions, TaskOrBenchmark } from './finetune-options.js';
import { evaluate } from './evaluate.js';
import { finetune } from './finetune.js';
import type { TaskResults } from './results.js';

/** What transformers' users know: arguments and data, then `train`, `evaluate` and `predict`. */
export class Trainer {
  constructor(readonly options: TaskOrBenchmark<FinetuneOptions>) {}

  /** See `finetune`. */
  train(): Promise<TaskResults> {
    return finetune(this.options);
  }

  /** Measures what `train` has left. */
  evaluate(validation: DataSource | undefined = this.options.validation): Promise<TaskResults> {
    return evaluate({ ...this.trained(), ...(validation && { validation }) });
  }

  /** Writes what `train` has left makes of examples. */
  predict(test: DataSource): Promise<TaskResults> {
    return evaluate({ ...this.trained(), test });
  }

  private trained() {
    const kept = Object.entries(this.options).filter(([name]) => name !== 'validation' && name !== 'test');
    return { ...(Object.fromEntries(kept) as unknown as FinetuneOptions), model: this.options.output_dir };
  }
}
