/** The metrics of GLUE's tasks, under the names that transformers' `run_glue.py` reports. */
import { InputError, shown } from '../../errors.js';
import { accuracy, f1, matthewsCorrelation } from './classification.js';
import { pearson, spearman } from './correlation.js';

export const glueTasks = [
  ...(['cola', 'sst2', 'mrpc', 'stsb', 'qqp', 'mnli', 'mnli_mismatched'] as const),
  ...(['qnli', 'rte', 'wnli', 'hans', 'ax'] as const),
] as const;
export type GlueTask = (typeof glueTasks)[number];

/**
 * A task's metrics of predictions [n] and references [n], as `evaluate`'s `glue`: classes, or of stsb scores. Where
 * there are two, `combined_score` is their mean.
 *
 * @throws InputError for another task, and as each metric does
 */
export function glueMetrics(
  task: GlueTask,
  predictions: ArrayLike<number>,
  references: ArrayLike<number>,
): Record<string, number> {
  if (!glueTasks.includes(task))
    throw new InputError(`task: expected one of ${glueTasks.join(', ')}, found ${shown(task)}`);
  const metrics = metricsOf(task, predictions, references);
  const values = Object.values(metrics);
  if (values.length === 1) return metrics;
  return { ...metrics, combined_score: values.reduce((sum, x) => sum + x, 0) / values.length };
}

function metricsOf(
  task: GlueTask,
  predictions: ArrayLike<number>,
  references: ArrayLike<number>,
): Record<string, number> {
  switch (task) {
    case 'cola':
      return { matthews_correlation: matthewsCorrelation(predictions, references) };
    case 'stsb':
      return { pearson: pearson(predictions, references), spearmanr: spearman(predictions, references) };
    case 'mrpc':
    case 'qqp':
      return { accuracy: accuracy(predictions, references), f1: f1(predictions, references) };
    default:
      return { accuracy: accuracy(predictions, references) };
  }
}
