import { stat } from 'node:fs/promises';
import path from 'node:path';
import { openRepository, type FindFile, type HubOptions } from './repository.js';

/** The files of a model. @param model a folder, or the name of a model on the hub */
export async function openModel(model: string, options: HubOptions = {}): Promise<FindFile> {
  const isFolder = await kindOf(model, (found) => found.isDirectory());
  if (!isFolder) return openRepository(model, options);
  return async (name) => {
    const file = path.join(model, name);
    return (await kindOf(file, () => true)) ? file : undefined;
  };
}

const kindOf = (name: string, is: (found: Awaited<ReturnType<typeof stat>>) => boolean) =>
  stat(name).then(is, () => false);
