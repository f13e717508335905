import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openModel } from '../hub/open-model.js';
import type { HubOptions } from '../hub/repository.js';
import { textReader } from '../hub/text-files.js';
import { parseAnyTokenizer, parseTokenizer, tokenizerFiles, type AnyTokenizer } from './tokenizer-json.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * Reads `tokenizer.json`, or else `vocab.txt` with the case of `tokenizer_config.json`.
 *
 * @param model a folder, or the name of a model on the hub
 * @throws InputError naming the file and what is wrong in it
 */
export async function readTokenizer(model: string, options: HubOptions = {}): Promise<Tokenizer> {
  return parseTokenizer(textReader(await openModel(model, options)), model);
}

/** The same for WordPiece and for GPT-2's byte-level BPE, of which `vocab.json` and `merges.txt` do too. */
export async function readAnyTokenizer(model: string, options: HubOptions = {}): Promise<AnyTokenizer> {
  return parseAnyTokenizer(textReader(await openModel(model, options)), model);
}

export interface WriteTokenizerOptions {
  /** Tokens of the longest text that the model takes, special ones included. */
  readonly modelMaxLength?: number;
}

/** Writes the files that transformers reads: vocab.txt (of BPE vocab.json and merges.txt), tokenizer.json, tokenizer_config.json. */
export async function writeTokenizer(
  folder: string,
  tokenizer: AnyTokenizer,
  { modelMaxLength = 512 }: WriteTokenizerOptions = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of tokenizerFiles(tokenizer, modelMaxLength))
    await writeFile(path.join(folder, name), text);
}
