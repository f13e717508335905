import path from 'node:path';
import { largestConfig, readJsonObject } from '../checkpoint/json-file.js';
import { exists, isFolder } from '../checkpoint/paths.js';
import { InputError, shown } from '../errors.js';
import { openRepository, type FindFile, type HubOptions } from './repository.js';

/** What a folder has whose weights are to be added to another model's. */
export const adapterConfigName = 'adapter_config.json';

/**
 * The files of a model. An adapter of PEFT's has those of the model that it adapts, where it has none of its own.
 *
 * @param model a folder, or the name of a model on the hub
 * @throws InputError where it cannot be had
 */
export async function openModel(model: string, options: HubOptions = {}): Promise<FindFile> {
  const find = await openOwnFiles(model, options);
  // what keeps this file from being had will keep those from it that are needed, and is told then
  const adapter = await find(adapterConfigName).catch(() => undefined);
  if (adapter === undefined) return find;
  const findInBase = await openOwnFiles(baseOf(await readJsonObject(adapter, largestConfig), adapter), {
    ...options,
    revision: 'main',
  });
  return async (name) => (await find(name)) ?? findInBase(name);
}

async function openOwnFiles(model: string, options: HubOptions): Promise<FindFile> {
  if (!(await isFolder(model))) return openRepository(model, options);
  return async (name) => {
    const file = path.join(model, name);
    return (await exists(file)) ? file : undefined;
  };
}

/** The model that an adapter goes on: a folder, or a name. @throws InputError naming the file, where that is not told */
export function baseOf(
  { base_model_name_or_path: base }: Readonly<Record<string, unknown>>,
  file: string,
): string {
  if (typeof base !== 'string' || base === '')
    throw new InputError(
      `${file}: base_model_name_or_path: expected the name of a model, found ${shown(base)}`,
    );
  return base;
}
