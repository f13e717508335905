/** Checkpoints of one layout in another: a whole model is read by parts, adapted, and written by parts. */
import { stat } from 'node:fs/promises';
import { largestConfig, readJsonObject } from '../checkpoint/json-file.js';
import { numberOf } from '../checkpoint/megatron/arguments.js';
import type { WholeModel } from '../checkpoint/megatron/model.js';
import { readMegatron } from '../checkpoint/megatron/read.js';
import { allTensors } from '../checkpoint/megatron/write.js';
import { areNested, makeFolder } from '../checkpoint/new-folder.js';
import { elementsOf, tensorByteLength } from '../checkpoint/torch/tensor.js';
import { InputError } from '../errors.js';
import { adapterConfigName, openModel } from '../hub/open-model.js';
import type { FindFile } from '../hub/repository.js';
import { findWeights } from '../pretrained/stored-weights.js';
import { dtypeOf, paddedVocabulary, withDtype, withVocabulary, wordsOf } from './adapt.js';
import { rowsAsTransformers } from './as-transformers.js';
import { dtypeNames, type ConfigFields } from './config.js';
import { wholeModelOf } from './from-transformers.js';
import { writeMegatronFolder } from './megatron-folder.js';
import type { ConvertOptions, ConvertSummary } from './options.js';
import { mergeAdapterFolder } from './merge-adapter.js';
import { rewriteFolder } from './rewrite-folder.js';
import { writeTransformersFolder } from './transformers-folder.js';

/**
 * Converts a Megatron-LM checkpoint (a folder, an archive, a file) or a model folder of transformers; an adapter of
 * PEFT's is merged into the model that it adapts.
 *
 * @param destination a new folder: it is there when all of it is there
 * @throws InputError naming what is missing or cannot be converted; nothing is left behind then
 */
export async function convert(
  source: string,
  destination: string,
  options: ConvertOptions = {},
): Promise<ConvertSummary> {
  const started = performance.now();
  if (await areNested(source, destination))
    throw new InputError(`${destination}: expected a folder that is neither in ${source} nor around it`);
  const opened = await openSource(source, options);
  try {
    const overwrite = options.overwriteOutputDir ?? false;
    const written = await makeFolder(destination, { overwrite }, (folder) => opened.write(folder, options));
    const seconds = (performance.now() - started) / 1000;
    return { source, destination, from: opened.from, ...written, seconds };
  } finally {
    await opened.close();
  }
}

type Written = Omit<ConvertSummary, 'source' | 'destination' | 'from' | 'seconds'>;

interface Opened {
  /** What it is, for people. */
  readonly from: string;
  readonly write: (folder: string, options: ConvertOptions) => Promise<Written>;
  readonly close: () => Promise<void>;
}

async function openSource(source: string, options: ConvertOptions): Promise<Opened> {
  const status = await stat(source).catch((error: unknown) => {
    throw new InputError(`${source}: cannot be opened: ${(error as Error).message}`, { cause: error });
  });
  if (status.isDirectory()) {
    const find = await openModel(source);
    const isAdapter = (await find(adapterConfigName)) !== undefined;
    const config = await find('config.json');
    if (config !== undefined)
      return openFolder(
        source,
        { find, isAdapter, config: await readJsonObject(config, largestConfig) },
        options,
      );
    if (isAdapter) throw new InputError(`${source}: expected a config.json, found none`);
  }

  const { saveOptim = true, numAttentionHeads, to, dtype } = options;
  const withTraining = saveOptim && (to === 'megatron' || dtype === 'fp32');
  const { close, ...model } = await readMegatron(source, { numAttentionHeads, withTraining });
  const { version, tensorSize, pipelineSize, notes } = model;
  return {
    from: `Megatron-LM, version ${version}, ${tensorSize} × ${pipelineSize} partitions`,
    write: (folder) => writeModel(model, folder, options, source, notes),
    close,
  };
}

interface FoundFolder {
  /** The folder's files, and those of the model that it adapts. */
  readonly find: FindFile;
  readonly isAdapter: boolean;
  readonly config: ConfigFields;
}

async function openFolder(
  source: string,
  { find, isAdapter, config }: FoundFolder,
  options: ConvertOptions,
): Promise<Opened> {
  const close = () => Promise.resolve();
  const from = isAdapter ? 'a LoRA adapter and the model that it adapts' : 'a model folder of transformers';
  if (options.to === 'megatron') {
    const model = wholeModelOf(config, await findWeights(find, source), source);
    return { from, close, write: (folder) => writeModel(model, folder, options, source, []) };
  }
  if (isAdapter)
    return { from, close, write: (folder) => mergeAdapterFolder(source, { find, config }, folder, options) };
  return {
    from,
    close,
    async write(folder, { dtype, onProgress }) {
      const { dtypes, ...rest } = await rewriteFolder(source, folder, dtype, (done, total) =>
        onProgress?.({ done, total }),
      );
      const model_type = typeof config.model_type === 'string' ? config.model_type : 'unknown';
      return { to: 'safetensors', model_type, dtype: [...dtypes].join(', '), ...rest };
    },
  };
}

async function writeModel(
  source: WholeModel,
  folder: string,
  options: ConvertOptions,
  name: string,
  notes: readonly string[],
): Promise<Written> {
  const resized = withPadding(source, options);
  const model = options.dtype ? withDtype(resized, options.dtype) : resized;
  const isMegatron = options.to === 'megatron';
  const tensors = isMegatron ? allTensors(model).map(([, tensor]) => tensor) : [...model.tensors.values()];
  const total = tensors.reduce((sum, tensor) => sum + tensorByteLength(tensor), 0);
  let done = 0;
  const onBytes = (byteLength: number) => options.onProgress?.({ done: (done += byteLength), total });
  const written = isMegatron
    ? await writeMegatronFolder(model, folder, options, onBytes)
    : await writeTransformersFolder(model, folder, options, name, onBytes);
  const dtype = dtypeOf(model);
  return {
    ...written,
    model_type: model.kind === 'bert' ? 'megatron-bert' : 'gpt2',
    parameters: [...model.tensors.values()].reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    dtype: dtype === undefined ? 'mixed' : dtypeNames[dtype],
    notes: [...notes, ...written.notes],
  };
}

/** With as many rows of the word embeddings as the layout has: Megatron-LM pads them to a multiple for its ranks. */
function withPadding(model: WholeModel, options: ConvertOptions): WholeModel {
  const { vocabulary } = model.sizes;
  const { vocabSize, to, tensorModelParallelSize: ranks = 1, asTransformers } = options;
  if (asTransformers) return withVocabulary(model, rowsAsTransformers(model));
  if (to !== 'megatron') return withVocabulary(model, vocabSize ?? vocabulary);
  const words = vocabSize ?? wordsOf(model);
  const divisor = numberOf(model.arguments, 'make_vocab_size_divisible_by') ?? 128;
  const isDivisor = Number.isSafeInteger(divisor) && divisor > 0 && vocabulary % divisor === 0;
  const rows = paddedVocabulary(words, isDivisor ? divisor : 1, ranks);
  const padded = withVocabulary(model, rows);
  return rows > words
    ? { ...padded, arguments: new Map([...padded.arguments, ['vocab_size', words]]) }
    : padded;
}
