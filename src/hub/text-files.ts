import { readText } from '../checkpoint/byte-source.js';
import type { FindFile } from './repository.js';

export interface TextFile {
  readonly text: string;
  /** Named in errors. */
  readonly file: string;
}

/** Undefined where there is no such file. @param largest bytes @throws InputError where it is larger */
export type ReadTextFile = (name: string, largest: number) => Promise<TextFile | undefined>;

/** Reads a model's files where `find` has them. */
export const textReader =
  (find: FindFile): ReadTextFile =>
  async (name, largest) => {
    const file = await find(name);
    return file === undefined ? undefined : { file, text: await readText(file, largest) };
  };
