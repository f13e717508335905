/** What a hub reads of a model's card. */
import { yamlNumber, yamlText } from './card-text.js';
import { metricName } from './evaluations.js';
import type { Report } from './report.js';
import { metricNames, metricTitle, taskCards } from './task-cards.js';

/** YAML in which all that is anyone's is quoted. */
export function cardMetadata(report: Report): string {
  const { task, model, name, glueTask, training } = report;
  const card = taskCards[task];
  const isAdapter = training?.isAdapter === true;
  const metrics = listedMetrics(report);
  const data = report.data.eval;
  const dataset = glueTask
    ? ['name: "glue"', 'type: "glue"', `config: ${yamlText(glueTask)}`, 'split: "validation"']
    : [`name: ${yamlText(data?.name ?? '')}`, `type: ${yamlText(data?.type ?? '')}`, 'split: "validation"'];
  return [
    `library_name: ${isAdapter ? 'peft' : 'transformers'}`,
    ...(model.isOnHub ? [`base_model: ${yamlText(model.name)}`] : []),
    `pipeline_tag: ${card.pipeline}`,
    `tags:`,
    '- generated_from_trainer',
    '- megatron-bert',
    ...(isAdapter ? ['- lora'] : []),
    ...(glueTask ? ['datasets:', '- glue'] : []),
    ...(metrics.length > 0 ? ['metrics:', ...metrics.map(({ type }) => `- ${type}`)] : []),
    'model-index:',
    `- name: ${yamlText(name)}`,
    ...(metrics.length === 0
      ? ['  results: []']
      : [
          '  results:',
          '  - task:',
          `      name: ${yamlText(card.name)}`,
          `      type: ${yamlText(card.pipeline)}`,
          '    dataset:',
          ...dataset.map((line) => `      ${line}`),
          '    metrics:',
          ...metrics.flatMap(({ type, value }) => [
            `    - name: ${yamlText(metricTitle(type))}`,
            `      type: ${yamlText(type)}`,
            `      value: ${yamlNumber(value)}`,
          ]),
        ]),
  ].join('\n');
}

/** Those that have a name among people, of the evaluation. */
const listedMetrics = ({ evaluations }: Report) =>
  Object.entries(evaluations.eval?.metrics ?? {})
    .map(([key, value]) => ({ type: metricName(key), value }))
    .filter(({ type }) => type in metricNames);
