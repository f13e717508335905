/** `sweep.html`: all runs of a sweep, and what they came to over each parameter. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { shownText } from '../../markup.js';
import { htmlPage } from '../report/html-page.js';
import { scrolling, title } from '../report/report-tables.js';
import { scatterPicture } from './scatter.js';
import { shownParameters, sweepTable } from './sweep-table.js';
import type { SweepResults } from './sweep-results.js';

export const writeSweepPage = (output: string, results: SweepResults): Promise<void> =>
  writeFile(path.join(output, 'sweep.html'), sweepPage(path.basename(path.resolve(output)), results));

/** The whole file. @param name of the sweep */
export function sweepPage(name: string, results: SweepResults): string {
  const { sweep, objective, runs, best } = results;
  const drawings = Object.entries(sweep.parameters).map(([xName, choice]) => {
    const points = runs.flatMap(({ run, parameters, objective: y }) =>
      y === undefined ? [] : [{ x: parameters[xName]!, y, isBest: run === best, name: `run ${run}` }],
    );
    const drawn = scatterPicture({ xName, yName: objective.metric, choice, points });
    return `<figure class="card curves">${drawn}</figure>`;
  });
  const { head, rows } = sweepTable(results);
  const body = rows.map(({ isBest, hasFailed, cells: [run, ...cells] }) => {
    const linked = hasFailed ? run : `<a href="run-${run}/report.html">${run}</a>`;
    return `<tr${isBest ? ' class="best"' : ''}><th scope="row">${linked}${isBest ? ' (best)' : ''}</th>${cells.map((cell) => `<td>${shownText(cell)}</td>`).join('')}</tr>`;
  });
  const failed = runs.flatMap(({ run, parameters, error }) =>
    error === undefined
      ? []
      : [
          `<p class="note">Run ${run} (${shownText(shownParameters(parameters))}) failed: ${shownText(error, 500)}</p>`,
        ],
  );
  return htmlPage(
    name,
    `${sweep.method === 'grid' ? 'Grid' : 'Random'} search · ${runs.length} runs · best by the ${objective.greater_is_better ? 'greatest' : 'least'} ${shownText(objective.metric)}`,
    `<div class="card" style="margin-top:0.75rem">${scrolling(
      'Runs',
      head.map((one) => title(one)),
      body.join('\n'),
    )}
${failed.join('\n')}</div>
<div class="columns">${drawings.join('\n')}</div>`,
  );
}
