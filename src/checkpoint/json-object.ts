import { InputError } from '../errors.js';
import { parseJson } from './unique-json.js';

/** Bytes of a model's `config.json`: some name thousands of labels. */
export const largestConfig = 2 ** 20;

/** @param file named in errors @throws InputError where the text is no JSON object */
export function parseJsonObject(file: string, text: string): Record<string, unknown> {
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
