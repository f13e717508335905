/** How far fine-tuning is: transformers' `trainer_state.json`. */
import { largestConfig, readJsonObject } from '../../checkpoint/json-file.js';
import { InputError, shown } from '../../errors.js';

export type LoggedNumbers = Readonly<Record<string, number>>;

/** What the examples of a step follow from: a run that goes on goes on with the same. */
export interface Sampled {
  readonly examples: number;
  /** Of all examples. */
  readonly tokens: number;
  /** Examples of an update. */
  readonly batch_size: number;
  readonly strategy: string;
  readonly seed: number;
}

export interface TrainerState {
  best_global_step: number | null;
  best_metric: number | null;
  /** The folder of the best checkpoint. */
  best_model_checkpoint: string | null;
  epoch: number;
  global_step: number;
  max_steps: number;
  num_train_epochs: number;
  train_batch_size: number;
  log_history: LoggedNumbers[];
  /** Of losses that were not logged yet. */
  loss_sum: number;
  loss_steps: number;
  /** Of all losses. */
  total_loss: number;
  skipped_steps: number;
  /** Evaluations in a row that were no better. */
  patience_counter: number;
  /** Null where nothing is trained on. */
  sampled: Sampled | null;
}

export const initialState = (
  plan: Pick<TrainerState, 'max_steps' | 'num_train_epochs' | 'train_batch_size' | 'sampled'>,
): TrainerState => ({
  best_global_step: null,
  best_metric: null,
  best_model_checkpoint: null,
  epoch: 0,
  global_step: 0,
  ...plan,
  log_history: [],
  loss_sum: 0,
  loss_steps: 0,
  total_loss: 0,
  skipped_steps: 0,
  patience_counter: 0,
});

export const stateName = 'trainer_state.json';

/** With the fields that transformers expects besides. */
export function stateJson(state: TrainerState): string {
  const { loss_sum, loss_steps, total_loss, skipped_steps, patience_counter, sampled, ...known } = state;
  const fields = {
    ...known,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    stateful_callbacks: {
      EarlyStoppingCallback: { attributes: { early_stopping_patience_counter: patience_counter } },
      Loss: { attributes: { loss_sum, loss_steps, total_loss, skipped_steps } },
      Sampling: { attributes: sampled },
    },
    trial_name: null,
    trial_params: null,
  };
  const sorted = Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify(sorted, null, 2)}\n`;
}

/**
 * @param begun the state that the run began with
 * @throws InputError where it is none that this package wrote, or of a run on other examples
 */
export async function readState(file: string, begun: TrainerState): Promise<TrainerState> {
  const fields = await readJsonObject(file, largestConfig);
  const callbacks = fields.stateful_callbacks as
    Partial<Record<'EarlyStoppingCallback' | 'Loss' | 'Sampling', { attributes?: unknown }>> | undefined;
  const loss = callbacks?.Loss?.attributes as Partial<TrainerState> | undefined;
  const patience = callbacks?.EarlyStoppingCallback?.attributes as
    { early_stopping_patience_counter?: number } | undefined;
  if (typeof fields.global_step !== 'number' || !Array.isArray(fields.log_history) || !loss)
    throw new InputError(`${file}: expected the state of a run of megatron-bert finetune, found another`);
  const sampled = callbacks?.Sampling?.attributes as Partial<Sampled> | undefined;
  for (const [name, value] of Object.entries(begun.sampled ?? {})) {
    const before = sampled?.[name as keyof Sampled];
    if (before !== value)
      throw new InputError(
        `${file}: ${name}: expected ${shown(before)}, as in the run so far, found ${shown(value)}: a run goes on with the same examples, batches and seed`,
      );
  }
  const patience_counter = patience?.early_stopping_patience_counter ?? 0;
  // a run may go on for longer than it was to
  const { max_steps, num_train_epochs } = begun;
  const state = { ...fields, ...loss, patience_counter, sampled, max_steps, num_train_epochs };
  const names = Object.keys(begun) as (keyof TrainerState)[];
  return Object.fromEntries(
    names.map((name) => [name, (state as Partial<TrainerState>)[name]]),
  ) as unknown as TrainerState;
}
