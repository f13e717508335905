/** Whole models as transformers' model folders. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { WholeModel } from '../checkpoint/megatron/model.js';
import { InputError } from '../errors.js';
import { megatronBertConfig } from '../model/config.js';
import { describeFiles, writeModelFiles } from '../pretrained/model-files.js';
import { configJson } from '../pretrained/save-pretrained.js';
import { dtypeOf } from './adapt.js';
import { fieldsAsTransformers, requireConvertible, writeAsTransformers } from './as-transformers.js';
import { activationOf, architectureOf, bertFields, dtypeNames, epsilonOf, gpt2Fields } from './config.js';
import { modelCard } from './model-card.js';
import type { ConvertOptions, WrittenFolder } from './options.js';
import { writeTokenizerFiles } from './tokenizer-files.js';
import { transformersEntries } from './to-transformers.js';

/** @param source named in the model's card and in errors */
export async function writeTransformersFolder(
  model: WholeModel,
  folder: string,
  options: ConvertOptions,
  source: string,
  onBytes: (byteLength: number) => void,
): Promise<WrittenFolder> {
  const { asTransformers = false, vocabFile } = options;
  if (asTransformers) requireConvertible(model, source);
  const notes = asTransformers ? [] : [...differences(model), ...precision(model, options)];
  const tokenizerNotes = vocabFile === undefined ? [] : await writeTokenizerFiles(folder, vocabFile, model);
  const tokenizerFiles =
    vocabFile === undefined ? [] : ['vocab.txt', 'tokenizer.json', 'tokenizer_config.json'];
  await writeFile(path.join(folder, 'config.json'), configText(model, asTransformers));
  const weights = asTransformers
    ? await describeFiles(folder, await writeAsTransformers(model, folder, onBytes))
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
    files: [...weights, ...(await describeFiles(folder, ['config.json', ...tokenizerFiles, 'README.md']))],
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
  for (const [name, value] of all)
    if (typeof value === 'number' && !Number.isFinite(value))
      throw new InputError(`configuration: ${name}: expected a number, found ${String(value)}`);
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

const precision = ({ training }: WholeModel, { dtype }: ConvertOptions) =>
  dtype === 'fp32' && training
    ? ["the weights are the optimizer's, in fp32; those of the model are the same, rounded"]
    : [];
