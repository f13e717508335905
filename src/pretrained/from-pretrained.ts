import { largestConfig, parseJsonObject } from '../checkpoint/json-object.js';
import type { Int8Weight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { architectures, type ArchitectureName } from '../model/architectures.js';
import { computeOn } from './computer.js';
import type { Host, ModelSource } from './model-source.js';
import { matchWeights, type LoadingInfo } from './model-weights.js';
import { modelParameters, type LoadedModel } from './model.js';
import type { FromPretrainedOptions } from './options.js';
import type { Division } from './ranks/division.js';

/** @throws InputError naming the file, and what in it is missing or of another shape */
export async function fromPretrained(
  host: Host,
  architecture: ArchitectureName,
  name: string,
  options: FromPretrainedOptions = {},
): Promise<{ readonly model: LoadedModel; readonly info: LoadingInfo }> {
  requireOneOf('dtype', options.dtype, ['fp32', 'int8']);
  requireOneOf('device', options.device, ['cpu']);
  const divided = divisionOf(options);
  if (divided && options.dtype === 'int8') throw new InputError('dtype: int8 is for a model on one rank');
  const source = await host.open(name, options);
  const { warn = console.warn } = options;
  const { readConfig } = architectures[architecture];
  const config = readConfig(...(await readConfigFields(source, options.config)));
  const addPoolingLayer = options.add_pooling_layer ?? true;
  const declared = modelParameters({ architecture, config, addPoolingLayer });
  const { weights, info } = matchWeights(declared, await source.findWeights(), {
    ignoreMismatchedSizes: options.ignore_mismatched_sizes ?? false,
    seed: 0,
  });
  report(info, architecture, name, warn);
  const quantized =
    options.dtype === 'int8' ? await host.quantize(declared, weights, warn) : new Map<string, Int8Weight>();
  if (architecture === 'MegatronBertForCausalLM' && !config.is_decoder)
    warn(`${name}: is_decoder is false, so that every token sees those after it`);
  const computer = divided
    ? await host.openRanks({ architecture, config, addPoolingLayer, weights }, divided)
    : computeOn(await source.openEngine());
  const { readValues } = host;
  return {
    model: {
      ...{ architecture, config, computer, weights, quantized, readValues, addPoolingLayer },
      isDivided: divided !== undefined,
      programs: new Map(),
    },
    info,
  };
}

/** Undefined where one rank holds the whole model. */
function divisionOf({
  tensor_parallel_size: tensor = 1,
  pipeline_parallel_size: pipeline = 1,
  threads,
  ranks,
}: FromPretrainedOptions): Division | undefined {
  if (tensor === 1 && pipeline === 1) return undefined;
  return {
    mesh: { tensor, pipeline, data: 1 },
    ...(threads !== undefined && { threads }),
    ...(ranks && { ranks }),
  };
}

/** From JavaScript any value can come. */
function requireOneOf(name: string, value: string | undefined, known: readonly string[]): void {
  if (value !== undefined && !known.includes(value))
    throw new InputError(`${name}: expected ${known.join(' or ')}, found ${JSON.stringify(value)}`);
}

/** The fields of a model's configuration, and their file. @throws InputError naming the file */
export async function readConfigFields(
  source: ModelSource,
  overrides: Readonly<Record<string, unknown>> = {},
): Promise<[fields: Readonly<Record<string, unknown>>, file: string]> {
  const found = await source.readText('config.json', largestConfig);
  if (!found) throw new InputError(`not a model folder: there is no ${source.name}/config.json`);
  const fields = parseJsonObject(found.file, found.text);
  // a number of labels replaces the labels that were there
  const { id2label, label2id, ...rest } = fields;
  const labels = 'num_labels' in overrides ? {} : { id2label, label2id };
  return [{ ...rest, ...labels, ...overrides }, found.file];
}

function report(
  { missing_keys, unexpected_keys, mismatched_keys }: LoadingInfo,
  architecture: ArchitectureName,
  source: string,
  warn: (message: string) => void,
): void {
  const unknown = unexpected_keys.filter((key) => !headOfOthers.test(key));
  if (unknown.length > 0) warn(`${source}: ${architecture} has no use for ${list(unknown)}`);
  const random = [...missing_keys, ...mismatched_keys];
  if (random.length > 0)
    warn(
      `${source}: not in the weights, or of another size, and started at random: ${list(random)}. ` +
        'Train this model before you rely on what it predicts.',
    );
}

/** Pretrained models are there to be used without their heads. */
const headOfOthers = /^(bert\.)?pooler\.|^(cls|classifier|qa_outputs|lm_head|score)\./;

const list = (names: readonly string[]) =>
  names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ');
