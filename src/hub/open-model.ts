import path from 'node:path';
import { exists, isFolder } from '../checkpoint/paths.js';
import { openRepository, type FindFile, type HubOptions } from './repository.js';

/** The files of a model. @param model a folder, or the name of a model on the hub */
export async function openModel(model: string, options: HubOptions = {}): Promise<FindFile> {
  if (!(await isFolder(model))) return openRepository(model, options);
  return async (name) => {
    const file = path.join(model, name);
    return (await exists(file)) ? file : undefined;
  };
}
