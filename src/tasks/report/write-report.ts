/** Writes what there is to look at into a run's folder. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { confusionPicture } from './confusion-picture.js';
import { modelCard } from './model-card.js';
import { curvesPicture } from './pictures.js';
import { reportOf, type Report, type ReportedTraining, type ReportSubject } from './report.js';
import { reportPage } from './report-page.js';

const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };

/**
 * `report.html`, and `confusion.svg` where there are classes; of a run that trains `README.md` and `curves.svg`, too.
 *
 * @param output a folder that is there
 */
export async function writeReport(
  output: string,
  { options, context }: Omit<ReportSubject, 'isOnHub'>,
  evaluations: Report['evaluations'],
  training?: ReportedTraining,
): Promise<void> {
  const isOnHub = !existsSync(options.model);
  const report = reportOf({ options, context, isOnHub }, evaluations, training);
  const files = new Map<string, string>();
  for (const [prefix, { predictions }] of Object.entries(evaluations))
    if (predictions.confusion) {
      const name = prefix === 'eval' ? 'confusion.svg' : `${prefix}_confusion.svg`;
      files.set(name, confusionPicture(predictions.confusion, 'What is taken for what'));
    }
  if (report.training) {
    const drawn = curvesPicture(report.training, report.mainMetric);
    if (drawn !== undefined) files.set('curves.svg', drawn);
    const card = modelCard(
      { ...report, training: report.training },
      { pictures: [...files.keys()], version },
    );
    files.set('README.md', card);
  }
  files.set('report.html', reportPage(report));
  for (const [name, text] of files) await writeFile(path.join(output, name), text);
}
