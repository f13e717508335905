/** `README.md` of a fine-tuned model: what a hub shows, in the order of transformers' cards. */
import { cardMetadata } from './card-metadata.js';
import { markdownText } from './card-text.js';
import { evaluationTable, metricName, shownNumber } from './evaluations.js';
import { keptModel, type Report, type TrainingReport } from './report.js';
import { metricTitle, taskCards } from './task-cards.js';

/** Labels that are named. */
const mostLabels = 50;

export interface CardFiles {
  /** Names of pictures beside the card. */
  readonly pictures: readonly string[];
  /** Of this package. */
  readonly version: string;
}

/** The whole file. */
export function modelCard(report: Report & { readonly training: TrainingReport }, files: CardFiles): string {
  const { training, model, data, labels, name, task, className } = report;
  const base = model.isOnHub ? linked(model.name) : `the local model ${markdownText(model.name)}`;
  const kind = training.isAdapter ? 'a LoRA adapter of' : 'a fine-tuned version of';
  const results = Object.entries(report.evaluations.eval?.metrics ?? {}).map(
    ([key, value]) => `- ${markdownText(metricTitle(metricName(key)))}: ${shownNumber(value)}`,
  );
  const beside = report.beside === undefined ? '' : `\n\`\`\`text\n${report.beside}\n\`\`\`\n`;
  const isNamed = (picture: string) => files.pictures.includes(picture);
  return `---
${cardMetadata(report)}
---

# ${markdownText(name)}

This model is ${kind} ${base}, trained on ${markdownText(data.train?.name ?? 'other data')}. ${markdownText(keptModel(training, report))}
${results.length > 0 ? `It has these results on ${markdownText(data.eval?.name ?? 'other data')}:\n\n${results.join('\n')}\n${beside}` : ''}
## Model description

${taskCards[task].does} Its class is \`${className}\`.
${labels.length > 0 ? `\n${labelList(labels)}\n` : ''}
## How to use it

${usage(report)}

## Intended uses & limitations

More information needed: write here what the model is meant for, and where it is known to fail.

## Training and evaluation data

${dataLines(report)}
More information needed: write here where the data are from, what they hold, and under which licence.

## Training procedure

### Training hyperparameters

${training.hyperParameters.map(([key, value]) => `- ${key}: ${markdownText(value, 2000)}`).join('\n')}

### Training results

${resultsTable(training)}
${isNamed('curves.svg') ? '\n![Loss and main metric over the steps](curves.svg)\n' : ''}${isNamed('confusion.svg') ? '\n![What is taken for what](confusion.svg)\n' : ''}
### Framework versions

- megatron-bert ${files.version}
- Node ${process.versions.node}
`;
}

const linked = (name: string) =>
  /^[\w.-]+(\/[\w.-]+)?$/.test(name)
    ? `[${markdownText(name)}](https://huggingface.co/${name})`
    : markdownText(name);

function labelList(labels: readonly string[]): string {
  const named = labels.slice(0, mostLabels).map((label) => markdownText(label));
  const rest = labels.length - named.length;
  return `Its labels are ${named.join(', ')}${rest > 0 ? `, and ${rest} others` : ''}.`;
}

function dataLines({ data, training, evaluations }: Report): string {
  const titles = { train: 'Trained', eval: 'Evaluated', predict: 'Tested' } as const;
  const counts: Readonly<Record<string, number | undefined>> = {
    train: training?.results.train_samples,
    eval: evaluations.eval?.examples,
    predict: evaluations.predict?.examples,
  };
  const lines = Object.entries(titles).flatMap(([split, title]) => {
    const one = data[split];
    const count = counts[split];
    return one ? [`- ${title} on ${markdownText(one.name)}: ${shownNumber(count)} examples`] : [];
  });
  return `${lines.join('\n')}\n`;
}

function resultsTable({ history, results }: TrainingReport): string {
  const { metrics, rows } = evaluationTable(history);
  if (rows.length === 0)
    return `The training loss is ${shownNumber(results.train_loss)}. Nothing was evaluated on the way.`;
  const titles = metrics.map((name) => (name === 'loss' ? 'Validation Loss' : metricTitle(name)));
  const header = ['Training Loss', 'Epoch', 'Step', ...titles].map((title) => markdownText(title));
  const body = rows.map(({ trainingLoss, epoch, step, values }) => [
    trainingLoss === undefined ? 'No log' : shownNumber(trainingLoss),
    String(Number(epoch.toFixed(4))),
    String(step),
    ...values.map(shownNumber),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [header, header.map(() => ':---:'), ...body].map(line).join('\n');
}

/** From within the model's folder. */
function usage({ task, training, model }: Report): string {
  const { pipeline, autoClass, shell, javascript, python } = taskCards[task];
  const fence = (language: string, lines: readonly string[]) =>
    `\`\`\`${language}\n${lines.join('\n')}\n\`\`\``;
  if (training?.isAdapter)
    return `With transformers and PEFT, from within this folder:

${fence('python', [
  'from peft import PeftModel',
  `from transformers import ${autoClass}, AutoConfig`,
  '',
  `base = ${autoClass}.from_pretrained(`,
  `    ${JSON.stringify(model.isOnHub ? model.name : 'PATH_OF_THE_BASE_MODEL')}, config=AutoConfig.from_pretrained(".")`,
  ')',
  'model = PeftModel.from_pretrained(base, ".")',
])}`;
  const inPython =
    python === ''
      ? [
          `from transformers import ${autoClass}, AutoTokenizer`,
          '',
          'tokenizer = AutoTokenizer.from_pretrained(".")',
          `model = ${autoClass}.from_pretrained(".")`,
        ]
      : [
          'from transformers import pipeline',
          '',
          `run = pipeline("${pipeline}", model=".")`,
          `print(run(${python}))`,
        ];
  return `With transformers, from within this folder:

${fence('python', inPython)}

In a shell, with megatron-bert:

${fence('sh', [`npx megatron-bert run ${pipeline} --model . ${shell}`])}

In JavaScript:

${fence('js', [
  "import { pipeline } from 'megatron-bert';",
  '',
  `const run = await pipeline('${pipeline}', '.');`,
  `console.log(await run(${javascript}));`,
  'await run.dispose();',
])}`;
}
