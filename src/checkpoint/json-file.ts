import { readText } from './byte-source.js';
import { parseJsonObject } from './json-object.js';

export { largestConfig } from './json-object.js';

/** @param largest bytes @throws InputError where the file is larger, or is no JSON object */
export async function readJsonObject(file: string, largest: number): Promise<Record<string, unknown>> {
  return parseJsonObject(file, await readText(file, largest));
}
