/** How far fine-tuning is: transformers' `trainer_state.json`. */
import { largestConfig, readJsonObject } from '../../checkpoint/json-file.js';
import { InputError } from '../../errors.js';

export type LoggedNumbers = Readonly<Record<string, number>>;

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
}

export const initialState = (
  plan: Pick<TrainerState, 'max_steps' | 'num_train_epochs' | 'train_batch_size'>,
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
  const { loss_sum, loss_steps, total_loss, skipped_steps, patience_counter, ...known } = state;
  const fields = {
    ...known,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    stateful_callbacks: {
      EarlyStoppingCallback: { attributes: { early_stopping_patience_counter: patience_counter } },
      Loss: { attributes: { loss_sum, loss_steps, total_loss, skipped_steps } },
    },
    trial_name: null,
    trial_params: null,
  };
  const sorted = Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify(sorted, null, 2)}\n`;
}

/** @throws InputError where it is none that this package wrote */
export async function readState(file: string): Promise<TrainerState> {
  const fields = await readJsonObject(file, largestConfig);
  const callbacks = fields.stateful_callbacks as
    { EarlyStoppingCallback?: { attributes?: unknown }; Loss?: { attributes?: unknown } } | undefined;
  const loss = callbacks?.Loss?.attributes as Partial<TrainerState> | undefined;
  const patience = callbacks?.EarlyStoppingCallback?.attributes as
    { early_stopping_patience_counter?: number } | undefined;
  if (typeof fields.global_step !== 'number' || !Array.isArray(fields.log_history) || !loss)
    throw new InputError(`${file}: expected the state of a run of megatron-bert finetune, found another`);
  const state = { ...fields, ...loss, patience_counter: patience?.early_stopping_patience_counter ?? 0 };
  const names = Object.keys(
    initialState({ max_steps: 0, num_train_epochs: 0, train_batch_size: 0 }),
  ) as (keyof TrainerState)[];
  return Object.fromEntries(
    names.map((name) => [name, (state as Partial<TrainerState>)[name]]),
  ) as unknown as TrainerState;
}
