/** A model's files for use without the hub. */
import path from 'node:path';
import { InputError } from '../errors.js';
import { readWeightMap } from '../pretrained/stored-weights.js';
import { openRepository, type FindFile, type HubOptions } from './repository.js';

/** What a model may have beside its configuration and weights. */
const furtherFiles = [
  'generation_config.json',
  'tokenizer_config.json',
  'vocab.txt',
  'special_tokens_map.json',
  'added_tokens.json',
];

/** GPT-2's tokenizer, where there is no `tokenizer.json`. */
const gpt2Files = ['vocab.json', 'merges.txt'];

/** In the order in which transformers looks for them. */
const weightFiles = ['model.safetensors', 'pytorch_model.bin'];

export interface DownloadedModel {
  /** Of the commit in the cache; files that were not asked for may be there too. */
  readonly folder: string;
  readonly files: readonly string[];
}

/**
 * Downloads what it takes to use a model into the cache: configuration, tokenizer and the weights of the form that
 * transformers would load.
 *
 * @param id `owner/name`
 * @returns the folder that has them
 * @throws InputError where one cannot be had, saying what to do
 */
export async function downloadModel(id: string, options: HubOptions = {}): Promise<string> {
  return (await downloadModelFiles(id, options)).folder;
}

/** As `downloadModel`, and says which files those are. */
export async function downloadModelFiles(id: string, options: HubOptions = {}): Promise<DownloadedModel> {
  const find = await openRepository(id, options);
  const config = await find('config.json');
  if (config === undefined) throw new InputError(`${id} has no config.json: not a model of transformers`);
  const findIf = async (name: string) => ((await find(name)) === undefined ? [] : [name]);
  const findTokenizer = async () => {
    const whole = await findIf('tokenizer.json');
    return whole.length > 0 ? whole : (await settleAll(gpt2Files.map(findIf))).flat();
  };
  const [weights, ...further] = await settleAll([
    findWeights(id, find),
    findTokenizer(),
    ...furtherFiles.map(findIf),
  ]);
  return { folder: path.dirname(config), files: ['config.json', ...further.flat(), ...weights!] };
}

async function findWeights(id: string, find: FindFile): Promise<string[]> {
  for (const name of weightFiles) {
    if ((await find(name)) !== undefined) return [name];
    const index = await find(`${name}.index.json`);
    if (index === undefined) continue;
    const shards = [...new Set((await readWeightMap(index)).values())];
    const found = await settleAll(shards.map(find));
    const missing = shards.find((_, i) => found[i] === undefined);
    if (missing !== undefined)
      throw new InputError(`${id}: ${path.basename(index)} names ${missing}, which it has not`);
    return [path.basename(index), ...shards];
  }
  throw new InputError(`${id} has no weights: expected ${weightFiles.join(' or ')}, or one in parts`);
}

/** Nothing is under way any more when it fails. */
async function settleAll<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
