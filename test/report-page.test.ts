/** The report of a run, in Chromium. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { reportPage } from '../src/tasks/report/report-page.js';
import { chromiumPath, openBrowser } from './support/browser.js';
import { hostile, reportOfLabels } from './support/report.js';
import { temporaryFolder } from './support/workspace.js';

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  test('it fits into narrow and wide windows, and hostile texts stay texts', async () => {
    const browser = await openBrowser();
    const file = path.join(temporaryFolder(), 'report.html');
    for (const labels of [['ham', 'spam'], Array.from({ length: 40 }, (_, i) => `label ${i}`), hostile]) {
      writeFileSync(file, reportPage(reportOfLabels(labels)));
      for (const [width, colorScheme] of [
        [400, 'dark'],
        [1400, 'light'],
      ] as const) {
        const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
        const said: string[] = [];
        page.on('console', (message) => said.push(message.text()));
        page.on('pageerror', (error) => said.push(error.message));
        page.on('dialog', (dialog) => said.push(dialog.message()));
        page.on('request', (request) => {
          if (!/^(file|data):/.test(request.url())) said.push(request.url());
        });
        await page.goto(pathToFileURL(file).href);
        const found = await page.evaluate(
          `({ width: document.documentElement.scrollWidth, scripts: document.scripts.length, images: document.images.length, cells: document.querySelectorAll('svg rect.cell').length })`,
        );
        const drawn = Math.min(labels.length, 30);
        expect(found).toEqual({ width, scripts: 0, images: 0, cells: drawn ** 2 });
        expect(said).toEqual([]);
        await page.close();
      }
    }
  });
});
