/** Reports of runs that were not run. */
import type { Report, TrainingReport } from '../../src/tasks/report/report.js';

/** Names and texts that want to be something else. */
export const hostile = [
  '<script>alert(1)</script>',
  '</title></svg></style><img src=x onerror=alert(1)>',
  ']]> --> */ ${x} {{x}}',
  '"double" \'single\' `tick` & &amp; &#60;',
  'line\nbreak\r\n---\nkey: value # no comment',
  'nul\u0000 bell\u0007 escape\u001b[31m delete\u007f next\u0085 \ufffe',
  '\u202eright to left\u202c \u2066isolated \u200f',
  'half \ud83d and \ude00 half',
  '| a | table | [link](javascript:alert(1)) ![x](http://example.com/x.png) https://example.com',
  '\u2028separators\u2029 \ufeff',
  ': - ? { } [ ] , & * # ! | > % @ null true 1e3 ~',
  '😀'.repeat(300),
] as const;

export const training: TrainingReport = {
  history: [
    { loss: 1.5, grad_norm: 2, learning_rate: 1e-5, epoch: 0.5, step: 10 },
    { eval_loss: 1.25, eval_accuracy: 0.5, predict_loss: 9, epoch: 0.5, step: 10 },
    { loss: 0.75, grad_norm: 1, learning_rate: 0, epoch: 1, step: 20 },
    { eval_loss: 0.875, eval_accuracy: 0.8125, predict_loss: 9, epoch: 1, step: 20 },
  ],
  results: { epoch: 1, train_loss: 1.1, train_runtime: 90, train_samples: 80 },
  hyperParameters: [
    ['learning_rate', '5e-05'],
    ['class_weights', hostile.join(' ')],
  ],
  bestStep: 20,
  isBestKept: true,
  lastStep: 30,
  isAdapter: false,
};

/** @param labels that the model tells apart, and all else is called by */
export function reportOfLabels(labels: readonly string[]): Report & { readonly training: TrainingReport } {
  const name = labels[0]!;
  const counts = labels.map((_, i) => labels.map((_, j) => (i === j ? 100 + i : i === j + 1 ? 7 : 0)));
  return {
    ...{ name, labels, training, mainMetric: 'accuracy' },
    task: 'sequence-classification',
    className: 'MegatronBertForSequenceClassification',
    problem: 'single_label_classification',
    model: { name, isOnHub: true },
    data: { train: { name, type: 'json' }, eval: { name: labels[1] ?? name, type: name } },
    evaluations: {
      eval: {
        metrics: { eval_loss: 0.875, eval_accuracy: 0.8125 },
        ...{ seconds: 2, examples: 400 },
        predictions: {
          files: [],
          worst: labels.flatMap((text) =>
            labels.map((predicted) => ({ text, expected: name, predicted, loss: 3 })),
          ),
          confusion: { labels, counts },
        },
      },
    },
  };
}
