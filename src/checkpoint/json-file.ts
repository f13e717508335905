import { InputError } from '../errors.js';
import { readText } from './byte-source.js';
import { parseJson } from './unique-json.js';

/** Bytes of a model's `config.json`: some name thousands of labels. */
export const largestConfig = 2 ** 20;

/** @param largest bytes @throws InputError where the file is larger, or is no JSON object */
export async function readJsonObject(file: string, largest: number): Promise<Record<string, unknown>> {
  const text = await readText(file, largest);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new InputError(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new InputError(`${file}: expected an object, found ${JSON.stringify(value).slice(0, 100)}`);
}
