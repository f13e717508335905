import { access, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { largestConfig, readJsonObject } from '../checkpoint/json-file.js';
import type { Int8Weight } from '../engine/engine.js';
import { openEngine } from '../engine/node.js';
import { InputError } from '../errors.js';
import { openRepository, type FindFile, type HubOptions } from '../hub/repository.js';
import { type ArchitectureName } from '../model/architectures.js';
import { megatronBertConfig, type MegatronBertConfig } from '../model/config.js';
import { matchWeights, type LoadingInfo } from './model-weights.js';
import { modelParameters, type LoadedModel } from './model.js';
import { quantizeWeights } from './quantized-weights.js';
import { findWeights } from './stored-weights.js';

export interface FromPretrainedOptions extends HubOptions {
  /** Threads to compute with; as many as there are cores by default. The first model of a process decides. */
  readonly threads?: number;
  /** Fields that take the place of those in `config.json`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Starts parameters at random whose shape is another in the file, instead of refusing it. */
  readonly ignore_mismatched_sizes?: boolean;
  /** Of `MegatronBertModel`: whether it has the pooler; it does by default. */
  readonly add_pooling_layer?: boolean;
  /**
   * The numbers that products are made of: `int8` is about twice as fast, and its results differ by some percent.
   * Such weights are made once and kept beside the model's.
   */
  readonly dtype?: 'fp32' | 'int8';
  /** Where to compute: there is `cpu` only. */
  readonly device?: 'cpu';
  /** Where to say what is not as one may expect; `console.warn` by default. */
  readonly warn?: (message: string) => void;
}

/** @throws InputError naming the file, and what in it is missing or of another shape */
export async function fromPretrained(
  architecture: ArchitectureName,
  folder: string,
  options: FromPretrainedOptions = {},
): Promise<{ readonly model: LoadedModel; readonly info: LoadingInfo }> {
  requireOneOf('dtype', options.dtype, ['fp32', 'int8']);
  requireOneOf('device', options.device, ['cpu']);
  const find = await filesOf(folder, options);
  const { warn = console.warn } = options;
  const config = await readConfig(find, folder, options.config);
  const addPoolingLayer = options.add_pooling_layer ?? true;
  const declared = modelParameters({ architecture, config, addPoolingLayer });
  const { weights, info } = matchWeights(declared, await findWeights(find, folder), {
    ignoreMismatchedSizes: options.ignore_mismatched_sizes ?? false,
    seed: 0,
  });
  report(info, architecture, folder, warn);
  const quantized =
    options.dtype === 'int8' ? await quantizeWeights(declared, weights, warn) : new Map<string, Int8Weight>();
  if (architecture === 'MegatronBertForCausalLM' && !config.is_decoder)
    warn(`${folder}: is_decoder is false, so that every token sees those after it`);
  const engine = openEngine({ threads: options.threads ?? availableParallelism() });
  return {
    model: { architecture, config, engine, weights, quantized, programs: new Map(), addPoolingLayer },
    info,
  };
}

/** From JavaScript any value can come. */
function requireOneOf(name: string, value: string | undefined, known: readonly string[]): void {
  if (value !== undefined && !known.includes(value))
    throw new InputError(`${name}: expected ${known.join(' or ')}, found ${JSON.stringify(value)}`);
}

/** A model's configuration alone. @throws InputError naming the file, and the field that is wrong */
export async function loadConfig(
  model: string,
  options: FromPretrainedOptions = {},
): Promise<MegatronBertConfig> {
  return readConfig(await filesOf(model, options), model, options.config);
}

/** @param model a folder, or the name of a model on the hub */
async function filesOf(model: string, options: HubOptions): Promise<FindFile> {
  if (!(await isFolder(model))) return openRepository(model, options);
  return async (name) => {
    const file = path.join(model, name);
    return access(file).then(
      () => file,
      () => undefined,
    );
  };
}

const isFolder = (name: string) =>
  stat(name).then(
    (found) => found.isDirectory(),
    () => false,
  );

async function readConfig(
  find: FindFile,
  source: string,
  overrides: Readonly<Record<string, unknown>> = {},
): Promise<MegatronBertConfig> {
  const file = await find('config.json');
  if (file === undefined)
    throw new InputError(`not a model folder: there is no ${path.join(source, 'config.json')}`);
  const fields = await readJsonObject(file, largestConfig);
  // a number of labels replaces the labels that were there
  const { id2label, label2id, ...rest } = fields;
  const labels = 'num_labels' in overrides ? {} : { id2label, label2id };
  return megatronBertConfig({ ...rest, ...labels, ...overrides }, file);
}

function report(
  { missing_keys, unexpected_keys, mismatched_keys }: LoadingInfo,
  architecture: ArchitectureName,
  source: string,
  warn: (message: string) => void,
): void {
  if (unexpected_keys.length > 0) warn(`${source}: ${architecture} has no use for ${list(unexpected_keys)}`);
  const random = [...missing_keys, ...mismatched_keys];
  if (random.length > 0)
    warn(
      `${source}: not in the weights, or of another size, and started at random: ${list(random)}. ` +
        'Train this model before you rely on what it predicts.',
    );
}

const list = (names: readonly string[]) =>
  names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ');
