import { readFile } from 'node:fs/promises';
import type { Row } from '../task.js';
export async function* readRows(file: string): AsyncIterable<Row> {
  for (const line of (await readFile(file, 'utf8')).split('\n')) if (line) yield JSON.parse(line) as Row;
}
