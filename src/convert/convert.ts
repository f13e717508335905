/** Checkpoints of one layout in another: a whole model is read by parts, adapted, and written by parts. */
import { access, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { checksumOf } from '../checkpoint/file-bytes.js';
import { numberOf } from '../checkpoint/megatron/arguments.js';
import type { WholeModel } from '../checkpoint/megatron/model.js';
import { readMegatron } from '../checkpoint/megatron/read.js';
import { requireDivisible, writeMegatron } from '../checkpoint/megatron/write.js';
import { areNested, makeFolder } from '../checkpoint/new-folder.js';
import { itemSize } from '../checkpoint/torch/tensor.js';
import { InputError } from '../errors.js';
import { megatronBertConfig } from '../model/config.js';
import { writeModelFiles, type ModelFile } from '../pretrained/model-files.js';
import { configJson } from '../pretrained/save-pretrained.js';
import { findWeights } from '../pretrained/stored-weights.js';
import { dtypeOf, paddedVocabulary, withDtype, withVocabulary } from './adapt.js';
import {
  fieldsAsTransformers,
  requireConvertible,
  rowsAsTransformers,
  writeAsTransformers,
} from './as-transformers.js';
import {
  activationOf,
  architectureOf,
  bertFields,
  dtypeNames,
  epsilonOf,
  gpt2Fields,
  type ConfigFields,
} from './config.js';
import { wholeModelOf } from './from-transformers.js';
import { modelCard } from './model-card.js';
import type { ConvertOptions, ConvertSummary } from './options.js';
import { rewriteFolder } from './rewrite-folder.js';
import { writeTokenizerFiles } from './tokenizer-files.js';
import { transformersEntries } from './to-transformers.js';

/**
 * Converts a Megatron-LM checkpoint (a folder, an archive, a file) or a model folder of transformers.
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
  const config = path.join(source, 'config.json');
  if (status.isDirectory() && (await exists(config)))
    return openFolder(source, await readConfig(config), options);

  const { close, ...model } = await readMegatron(source, options);
  const { version, tensorSize, pipelineSize, notes } = model;
  return {
    from: `Megatron-LM, version ${version}, ${tensorSize} × ${pipelineSize} partitions`,
    write: (folder) => writeModel(model, folder, options, source, notes),
    close,
  };
}

const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );

async function readConfig(file: string): Promise<ConfigFields> {
  try {
    const fields: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof fields === 'object' && fields !== null) return fields as ConfigFields;
  } catch (error) {
    throw new InputError(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  throw new InputError(`${file}: expected an object`);
}

async function openFolder(source: string, config: ConfigFields, options: ConvertOptions): Promise<Opened> {
  const close = () => Promise.resolve();
  const from = 'a model folder of transformers';
  if (options.to !== 'megatron')
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
  const find = async (name: string) => {
    const file = path.join(source, name);
    return (await exists(file)) ? file : undefined;
  };
  const model = wholeModelOf(config, await findWeights(find, source), source);
  return { from, close, write: (folder) => writeModel(model, folder, options, source, []) };
}

async function writeModel(
  source: WholeModel,
  folder: string,
  options: ConvertOptions,
  name: string,
  notes: readonly string[],
): Promise<Written> {
  const isMegatron = options.to === 'megatron';
  const rows = rowsOf(source, options);
  const resized = withVocabulary(source, rows);
  const model = options.dtype ? withDtype(resized, options.dtype) : resized;
  const sizes = [...model.tensors.values()].map(({ dtype, shape }) => elements(shape) * itemSize(dtype));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let done = 0;
  const onBytes = (byteLength: number) => options.onProgress?.({ done: (done += byteLength), total });
  const found = isMegatron
    ? await writeMegatronFolder(model, source, folder, options, onBytes)
    : await writeTransformersFolder(model, folder, options, name, onBytes);
  const dtype = dtypeOf(model);
  return {
    ...found,
    model_type: model.kind === 'bert' ? 'megatron-bert' : 'gpt2',
    parameters: [...model.tensors.values()].reduce((sum, { shape }) => sum + elements(shape), 0),
    dtype: dtype === undefined ? 'mixed' : dtypeNames[dtype],
    notes: [...notes, ...found.notes],
  };
}

const elements = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/** Rows of the word embeddings that the result has: Megatron-LM pads them to a multiple of a number times the ranks. */
function rowsOf(model: WholeModel, options: ConvertOptions): number {
  const { vocabulary } = model.sizes;
  const { vocabSize, to, tensorModelParallelSize: ranks = 1, asTransformers } = options;
  if (asTransformers) return rowsAsTransformers(model);
  if (to !== 'megatron') return vocabSize ?? vocabulary;
  const known = vocabSize ?? numberOf(model.arguments, 'vocab_size') ?? vocabulary;
  const divisor = numberOf(model.arguments, 'make_vocab_size_divisible_by') ?? 128;
  return paddedVocabulary(known, vocabulary % divisor === 0 ? divisor : 1, ranks);
}

type Found = Pick<Written, 'to' | 'files' | 'notes'>;

async function writeMegatronFolder(
  model: WholeModel,
  source: WholeModel,
  folder: string,
  options: ConvertOptions,
  onBytes: (byteLength: number) => void,
): Promise<Found> {
  const layout = {
    version: options.checkpointVersion ?? 3,
    tensorSize: options.tensorModelParallelSize ?? 1,
    pipelineSize: options.pipelineModelParallelSize ?? 1,
    withArguments: options.withArguments ?? false,
  };
  requireDivisible(model, layout);
  const known = options.vocabSize ?? numberOf(source.arguments, 'vocab_size') ?? source.sizes.vocabulary;
  const isPadded = model.sizes.vocabulary > known;
  const told: WholeModel = isPadded
    ? { ...model, arguments: new Map([...model.arguments, ['vocab_size', known]]) }
    : model;
  const files = await writeMegatron(told, folder, layout, ({ dtype, shape }) => {
    onBytes(elements(shape) * itemSize(dtype));
  });
  const { version, tensorSize, pipelineSize } = layout;
  return {
    to: `Megatron-LM, version ${version}, ${tensorSize} × ${pipelineSize} partitions`,
    files: await withChecksums(folder, files),
    notes: isPadded
      ? [
          `padded the vocabulary from ${known} to ${model.sizes.vocabulary} rows, as Megatron-LM does for so many ranks`,
        ]
      : [],
  };
}

async function writeTransformersFolder(
  model: WholeModel,
  folder: string,
  options: ConvertOptions,
  source: string,
  onBytes: (byteLength: number) => void,
): Promise<Found> {
  const { asTransformers = false, vocabFile } = options;
  if (asTransformers) requireConvertible(model, source);
  const notes = asTransformers ? [] : differences(model);
  const tokenizerNotes = vocabFile === undefined ? [] : await writeTokenizerFiles(folder, vocabFile, model);
  const tokenizerFiles =
    vocabFile === undefined ? [] : ['vocab.txt', 'tokenizer.json', 'tokenizer_config.json'];
  await writeFile(path.join(folder, 'config.json'), configText(model, asTransformers));
  const weights = asTransformers
    ? await withChecksums(folder, await writeAsTransformers(model, folder, onBytes))
    : await writeModelFiles(
        folder,
        transformersEntries(model).map((entry) => ({
          ...entry,
          data: async () => {
            const values = typeof entry.data === 'function' ? await entry.data() : entry.data;
            onBytes(entry.byteLength);
            return values;
          },
        })),
      );
  const all = [...notes, ...tokenizerNotes];
  const described = `Megatron-LM, ${dtypeOf(model) === undefined ? 'mixed' : dtypeNames[dtypeOf(model)!]}`;
  await writeFile(path.join(folder, 'README.md'), modelCard(model, path.basename(source), described, all));
  return {
    to: asTransformers ? 'transformers, as its script does' : 'transformers',
    files: [...weights, ...(await withChecksums(folder, ['config.json', ...tokenizerFiles, 'README.md']))],
    notes: all,
  };
}

function configText(model: WholeModel, asTransformers: boolean): string {
  const architecture = architectureOf(model);
  const dtype = dtypeOf(model);
  const torch_dtype = asTransformers || dtype === undefined ? {} : { torch_dtype: dtypeNames[dtype] };
  if (model.kind === 'bert') {
    const fields = asTransformers ? fieldsAsTransformers(model) : bertFields(model);
    return configJson(megatronBertConfig({ ...fields, ...torch_dtype }), architecture);
  }
  const fields = asTransformers ? fieldsAsTransformers(model) : gpt2Fields(model);
  const all = Object.entries({ ...fields, ...torch_dtype, architectures: [architecture] });
  return `${JSON.stringify(Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1))), null, 2)}\n`;
}

/** Where transformers' script leaves a default that this checkpoint was not trained with. */
function differences(model: WholeModel): string[] {
  const { kind, tensors } = model;
  const notes: string[] = [];
  const lacks = (name: string) => !tensors.has(name);
  if (kind === 'bert') {
    notes.push(`layer_norm_eps is ${epsilonOf(model)}, as it was trained (transformers' script says 1e-12)`);
    if (activationOf(model) !== 'gelu')
      notes.push(
        "hidden_act is gelu_new, as Megatron-LM's feed-forward layers computed (transformers' script says gelu)",
      );
    if (lacks('embedding.tokentype_embeddings.weight'))
      notes.push('no token types: their embeddings are zeros');
    if (!lacks('lm_head.bias') && lacks('binary_head.weight'))
      notes.push('no sentence-order head and no pooler');
  }
  return notes;
}

async function withChecksums(folder: string, names: readonly string[]): Promise<ModelFile[]> {
  const files: ModelFile[] = [];
  for (const name of names) files.push({ name, ...(await checksumOf(path.join(folder, name))) });
  return files;
}
