/** What a run was set to, as transformers' cards list it. */
import type { TrainingPlan } from '../../train/fine-tuning/fine-tune-rank.js';
import type { FinetuneOptions } from '../finetune-options.js';
import type { TaskContext } from '../task.js';

export type NamedValue = readonly [name: string, value: string];

/** transformers' lines in their order, then what else is not as usual. */
export function hyperParameters(
  options: FinetuneOptions,
  { sampling, optimizer, schedule, maxSteps, epochs, seed }: TrainingPlan,
  context: TaskContext,
): NamedValue[] {
  const accumulation = options.gradient_accumulation_steps ?? 1;
  const devices = sampling.microBatches / accumulation;
  const { beta1, beta2, epsilon, weightDecay, clipGradient } = optimizer;
  const { warmup_steps = 0, warmup_ratio = 0, max_steps = -1, lora } = options;
  const evaluationSize = options.per_device_eval_batch_size ?? 8;
  const all: readonly (readonly [name: string, value: string | number, isTold?: boolean])[] = [
    ['learning_rate', pythonNumber(schedule.learningRate)],
    ['train_batch_size', sampling.microBatchSize],
    ['eval_batch_size', evaluationSize],
    ['seed', seed],
    ['distributed_type', 'multi-CPU', devices > 1],
    ['num_devices', devices, devices > 1],
    ['gradient_accumulation_steps', accumulation, accumulation > 1],
    ['total_train_batch_size', sampling.microBatchSize * sampling.microBatches, sampling.microBatches > 1],
    ['total_eval_batch_size', evaluationSize * devices, devices > 1],
    [
      'optimizer',
      `${optimizer.optimizer} with betas=(${beta1},${beta2}) and epsilon=${pythonNumber(epsilon)}`,
    ],
    ['lr_scheduler_type', options.lr_scheduler_type ?? 'linear'],
    ['lr_scheduler_warmup_ratio', warmup_ratio, warmup_ratio > 0 && warmup_steps === 0],
    ['lr_scheduler_warmup_steps', warmup_steps, warmup_steps > 0],
    ['training_steps', maxSteps, max_steps > 0],
    ['num_epochs', epochs, !(max_steps > 0)],
    [
      'label_smoothing_factor',
      options.label_smoothing_factor ?? 0,
      (options.label_smoothing_factor ?? 0) > 0,
    ],
    ['weight_decay', weightDecay, weightDecay > 0],
    ['max_grad_norm', clipGradient],
    ['max_seq_length', context.options.max_seq_length],
    ['train_sampling_strategy', sampling.strategy, sampling.strategy !== 'random'],
    ['class_weights', weightsOf(context), context.options.class_weights !== undefined],
    ['layerwise_lr_decay', options.layerwise_lr_decay ?? 1, (options.layerwise_lr_decay ?? 1) !== 1],
    ['freeze_embeddings', 'true', options.freeze_embeddings === true],
    ['freeze_layers', options.freeze_layers ?? 0, (options.freeze_layers ?? 0) > 0],
    ['head_only', 'true', options.head_only === true],
    ['lora', lora ? JSON.stringify(lora) : '', lora !== undefined],
    ['doc_stride', context.options.doc_stride, options.task === 'question-answering'],
    ['mlm_probability', context.options.mlm_probability, options.task === 'masked-lm'],
  ];
  return all.filter(([, , isTold = true]) => isTold).map(([name, value]) => [name, String(value)]);
}

const weightsOf = ({ options: { class_weights = [] }, labels }: TaskContext) =>
  class_weights
    .slice(0, 100)
    .map((weight, i) => `${labels.names[i] ?? i}: ${Number(weight.toPrecision(4))}`)
    .join(', ');

/** As Python writes it: 5e-05. */
const pythonNumber = (x: number) =>
  x !== 0 && Math.abs(x) < 1e-4 ? x.toExponential().replace(/e([-+])(\d)$/, 'e$10$2') : String(x);
