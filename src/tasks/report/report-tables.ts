/** Tables of the report: each is wide in itself, and not the page. */
import { shownText } from '../../markup.js';
import type { ClassScores, Predictions, WrongExample } from '../task.js';
import {
  classScores,
  evaluationTable,
  meanScores,
  shownNumber,
  type Confusion,
  type EvaluationTable,
} from './evaluations.js';
import type { TrainingReport } from './report.js';
import { metricTitle } from './task-cards.js';

/** Errors that are shown. */
const mostErrors = 50;
/** Characters of a text that is shown. */
const longestText = 400;

/** A table that can be scrolled by keyboard, too. */
export const scrolling = (label: string, head: readonly string[], body: string, foot = '') =>
  `<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table>
<thead><tr>${head.join('')}</tr></thead>
<tbody>
${body}
</tbody>${foot}
</table></div>`;

export const title = (text: string, className = '') =>
  `<th scope="col"${className ? ` class="${className}"` : ''}>${shownText(text)}</th>`;

/** Precision, recall, F1 and support of each class, and their means. */
export function classTable(confusion: Confusion): string {
  const scores = classScores(confusion);
  return scoresTable('Class', scores, ['Mean of classes', meanScores(scores)]);
}

/** Those of entities by their types, and of all together. */
export const entityTable = ({ types, all }: NonNullable<Predictions['entities']>) =>
  scoresTable('Entity', types, ['All entities', all]);

function scoresTable(
  kind: string,
  scores: readonly ClassScores[],
  [name, last]: readonly [name: string, scores: Omit<ClassScores, 'label'>],
): string {
  const cells = ({ precision, recall, f1, support }: Omit<ClassScores, 'label'>) =>
    `<td>${precision.toFixed(3)}</td><td>${recall.toFixed(3)}</td><td class="bar" style="--share:${(100 * f1).toFixed(0)}%">${f1.toFixed(3)}</td><td>${shownNumber(support)}</td>`;
  const rows = scores.map(
    (one) => `<tr><th scope="row" class="text label">${shownText(one.label)}</th>${cells(one)}</tr>`,
  );
  const foot = `<tfoot><tr><th scope="row" class="text">${name}</th>${cells(last)}</tr></tfoot>`;
  const head = [title(kind, 'text'), ...['Precision', 'Recall', 'F1', 'Support'].map((name) => title(name))];
  return scrolling(`Metrics of each ${kind.toLowerCase()}`, head, rows.join('\n'), foot);
}

const evaluated = (name: string) => (name === 'loss' ? 'Evaluation loss' : metricTitle(name));

/** Undefined where nothing was evaluated on the way. */
export function evaluationsTable({ history, bestStep }: TrainingReport): string | undefined {
  const { metrics, rows }: EvaluationTable = evaluationTable(history);
  if (rows.length === 0) return undefined;
  const head = ['Step', 'Epoch', 'Training loss', ...metrics.map(evaluated)];
  const body = rows.map(({ step, epoch, trainingLoss, values }) => {
    const isBest = step === bestStep;
    const cells = [epoch.toFixed(2), shownNumber(trainingLoss), ...values.map(shownNumber)];
    return `<tr${isBest ? ' class="best"' : ''}><th scope="row">${step}${isBest ? ' (best)' : ''}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return scrolling(
    'Evaluations',
    head.map((name) => title(name)),
    body.join('\n'),
  );
}

/** The first errors, which are the worst. @param textName what texts are */
export function errorsTable(worst: readonly WrongExample[], textName: string): string {
  const cell = (name: string, shown: string, className = '') =>
    `<td data-name="${name}"${className ? ` class="${className}"` : ''}><bdi>${shown}</bdi></td>`;
  const body = worst.slice(0, mostErrors).map(({ text, expected, predicted, loss }) => {
    const cells = [
      cell(textName, shownText(text, longestText), 'text long'),
      cell('Expected', shownText(expected || '(nothing)'), 'text label'),
      cell('Predicted', shownText(predicted || '(nothing)'), 'text label'),
      cell('Loss', Number.isFinite(loss) ? loss.toFixed(2) : String(loss)),
    ];
    return `<tr>${cells.join('')}</tr>`;
  });
  const head = [...[textName, 'Expected', 'Predicted'].map((name) => title(name, 'text')), title('Loss')];
  return scrolling('Worst errors', head, body.join('\n'));
}

/** How many of them the table shows. */
export const shownErrors = (worst: readonly WrongExample[]) => Math.min(worst.length, mostErrors);
