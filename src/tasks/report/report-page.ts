/** `report.html`: what there is to see of a run, in one file that needs no other and no script. */
import { shownText } from '../../markup.js';
import { curvePicture, curves } from './pictures.js';
import { confusionPicture } from './confusion-picture.js';
import { metricName, shownNumber } from './evaluations.js';
import { htmlPage } from './html-page.js';
import type { NamedValue } from './hyper-parameters.js';
import { keptModel, type Report, type TrainingReport } from './report.js';
import { classTable, entityTable, errorsTable, evaluationsTable, shownErrors } from './report-tables.js';
import { metricTitle, taskCards } from './task-cards.js';
import type { EvaluationResult } from '../task-rank.js';

/** Of a drawing of curves; letters in it are legible on a telephone. */
const chartSize = { width: 560, height: 340 };

/** Labels of a matrix that has nothing beside it. */
const wideMatrix = 10;

const splitTitles: Readonly<Record<string, string>> = { eval: 'Evaluation', predict: 'Test' };

/** The whole file. */
export function reportPage(report: Report): string {
  const { name, training, evaluations, beside } = report;
  const heading = training ? name : `Evaluation of ${name}`;
  return htmlPage(
    heading,
    about(report),
    `${Object.entries(evaluations)
      .map(([prefix, one]) => figures(report, prefix, one))
      .join('\n')}
${beside === undefined ? '' : `<div class="card scroll" tabindex="0" role="region" aria-label="Published results"><pre>${beside}</pre></div>`}
${training ? trainingSection(training, report) : ''}
${Object.entries(evaluations)
  .map(([prefix, one]) => predictionsSection(report, prefix, one))
  .join('\n')}
${training ? settingsSection(training) : ''}`,
  );
}

function about({ task, className, model, training, data }: Report): string {
  const begun = training && `begun with ${model.isOnHub ? '' : 'the local model '}${model.name}`;
  const trained = data.train && `trained on ${data.train.name}`;
  return [taskCards[task].name, className, begun, trained]
    .flatMap((one) => (one === undefined ? [] : [shownText(one)]))
    .join(' · ');
}

/** What counts, large; the main metric first. */
function figures({ mainMetric, data, evaluations }: Report, prefix: string, one: EvaluationResult): string {
  const metrics = Object.entries(one.metrics).map(
    ([key, value]) => [metricName(key, prefix), value] as const,
  );
  const ordered = [
    ...metrics.filter(([name]) => name === mainMetric),
    ...metrics.filter(([name]) => name !== mainMetric),
  ];
  const tiles = [
    ...ordered.map(([name, value]) => tile(metricTitle(name), shownNumber(value), name === mainMetric)),
    tile('Examples', shownNumber(one.examples)),
    tile('Examples / s', rate(one.examples / one.seconds)),
  ];
  const source = data[prefix];
  const heading = splitTitles[prefix] ?? prefix;
  const isOnly = Object.keys(evaluations).length === 1 && source === undefined;
  return `${isOnly ? '' : `<h2>${shownText(heading)}${source ? ` <span class="note">on ${shownText(source.name)}</span>` : ''}</h2>`}
<dl class="tiles">${tiles.join('')}</dl>`;
}

const tile = (name: string, value: string, isMain = false) =>
  `<div${isMain ? ' class="main"' : ''}><dt>${shownText(name)}</dt><dd>${value}</dd></div>`;

function trainingSection(training: TrainingReport, { mainMetric }: Report): string {
  const { results } = training;
  const drawings = curves(training, mainMetric).map(
    (chart) => `<figure class="card curves">${curvePicture(chart, chartSize)}</figure>`,
  );
  const table = evaluationsTable(training);
  const tiles = [
    tile('Mean loss', shownNumber(results.train_loss)),
    tile('Epochs', String(Number((results.epoch ?? 0).toFixed(2)))),
    tile('Examples', shownNumber(results.train_samples)),
    tile('Time', duration(results.train_runtime ?? 0)),
    tile('Examples / s', rate(results.train_samples_per_second ?? 0)),
    tile('Steps / s', rate(results.train_steps_per_second ?? 0)),
  ];
  return `<section>
<h2>Training</h2>
<p class="note">${shownText(keptModel(training, { mainMetric }))}</p>
<dl class="tiles">${tiles.join('')}</dl>
<div class="columns">${drawings.join('\n')}</div>
${table ? `<div class="card" style="margin-top:0.75rem"><h3>Evaluations on the way</h3>\n${table}</div>` : ''}
</section>`;
}

function predictionsSection(
  { evaluations, task }: Report,
  prefix: string,
  { predictions: { confusion, entities, worst } }: EvaluationResult,
): string {
  if (!confusion && worst.length === 0) return '';
  const of = Object.keys(evaluations).length > 1 ? ` (${(splitTitles[prefix] ?? prefix).toLowerCase()})` : '';
  const matrix = confusion
    ? `<div class="columns">
<figure class="card ${confusion.labels.length > wideMatrix ? 'wide ' : ''}matrix"><div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">${confusionPicture(confusion, 'What is taken for what')}</div></figure>
<div class="card">${entities ? `<h3>Each entity</h3>\n${entityTable(entities)}` : `<h3>Each class</h3>\n${classTable(confusion)}`}</div>
</div>`
    : '';
  const count = shownErrors(worst);
  const text = task === 'question-answering' ? 'Question' : 'Text';
  const errors =
    worst.length === 0
      ? ''
      : `<h2>Worst errors${shownText(of)}</h2>
<div class="card errors"><p class="note">${count === worst.length ? `All ${count} of them` : `The first ${count} of ${shownNumber(worst.length)}`}, by their loss.</p>
${errorsTable(worst, text)}</div>`;
  return `<section>${confusion ? `<h2>Classes${shownText(of)}</h2>` : ''}${matrix}${errors}</section>`;
}

function settingsSection({ hyperParameters, results }: TrainingReport): string {
  const speed = Object.entries(results).map(([key, value]): NamedValue => [key, shownNumber(value)]);
  return `<section>
<h2>Settings</h2>
<div class="columns">
<details class="card" open><summary>Hyper-parameters</summary>${list(hyperParameters)}</details>
<details class="card" open><summary>Time and speed</summary>${list(speed)}</details>
</div>
</section>`;
}

const list = (values: readonly NamedValue[]) =>
  `<dl>${values.map(([name, value]) => `<dt>${shownText(name)}</dt><dd>${shownText(value, 2000)}</dd>`).join('')}</dl>`;

const rate = (x: number) => x.toLocaleString('en', { maximumSignificantDigits: 3 });

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = seconds / 60;
  return minutes < 60 ? `${minutes.toFixed(1)} min` : `${(minutes / 60).toFixed(1)} h`;
}
