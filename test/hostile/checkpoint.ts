/** A small honest checkpoint of BERT, whose parts can be exchanged for hostile ones. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ConvertOptions } from '../../src/convert/options.js';
import { dictionary, elementsOf, integer, list, pickled, tensor, text } from './pickle.js';
import { zip, type ZipFile } from './zip.js';

export interface Attack {
  readonly name: string;
  /** Writes what is to be converted into an empty folder, as `source`. */
  readonly write: (folder: string) => void;
  /** What the error says, or that the model is converted and what is hostile in it does nothing. */
  readonly expected: RegExp | 'converts';
  readonly options?: ConvertOptions;
  /** In the folder: `target` by default. */
  readonly target?: string;
  /** What the converted model's tensors are filled with, where it is not the honest one. */
  readonly weights?: Readonly<Record<string, number>>;
}

/** [Megatron-LM's name, shape, transformers' names]; all numbers of the first are 1, of the second 2, and so on. */
export const parameters: readonly (readonly [string, readonly number[], readonly string[]])[] = [
  ['embedding.word_embeddings.weight', [8, 4], ['bert.embeddings.word_embeddings.weight']],
  ['embedding.position_embeddings.weight', [4, 4], ['bert.embeddings.position_embeddings.weight']],
  ['embedding.tokentype_embeddings.weight', [2, 4], ['bert.embeddings.token_type_embeddings.weight']],
  ...affine('layers.0.input_layernorm', [4], ['layer.0.attention.ln']),
  ...affine(
    'layers.0.self_attention.query_key_value',
    [12, 4],
    ['query', 'key', 'value'].map((part) => `layer.0.attention.self.${part}`),
  ),
  ...affine('layers.0.self_attention.dense', [4, 4], ['layer.0.attention.output.dense']),
  ...affine('layers.0.post_attention_layernorm', [4], ['layer.0.ln']),
  ...affine('layers.0.mlp.dense_h_to_4h', [8, 4], ['layer.0.intermediate.dense']),
  ...affine('layers.0.mlp.dense_4h_to_h', [4, 8], ['layer.0.output.dense']),
  ...affine('final_layernorm', [4], ['ln']),
];

function affine(name: string, shape: readonly number[], theirs: readonly string[]) {
  return [
    [`encoder.${name}.weight`, shape, theirs.map((their) => `bert.encoder.${their}.weight`)] as const,
    [`encoder.${name}.bias`, shape.slice(0, 1), theirs.map((their) => `bert.encoder.${their}.bias`)] as const,
  ];
}

export interface Checkpoint {
  /** Pickled values beside those of an honest checkpoint, or in place of them. */
  readonly entries?: Readonly<Record<string, string>>;
  /** Pickled parameters beside the honest ones, or in place of them, by Megatron-LM's names; empty ones are left out. */
  readonly tensors?: Readonly<Record<string, string>>;
  /** Numbers beside the honest ones. */
  readonly storages?: Readonly<Record<string, Buffer>>;
  /** In place of all values. */
  readonly pickle?: string;
}

export const position = 'embedding.position_embeddings.weight';

/** The parameters' numbers, by the keys of their storages. */
const honestStorages = Object.fromEntries(
  parameters.map(([, shape], i) => [
    String(i),
    Buffer.from(new Float32Array(elementsOf(shape)).fill(i + 1).buffer),
  ]),
);

function valueOf({ entries, tensors, pickle }: Checkpoint): string {
  const honest = parameters.map(([name, shape], i): [string, string] => [
    name,
    tensor({ key: String(i), elements: elementsOf(shape), shape }),
  ]);
  const model = Object.entries({ ...Object.fromEntries(honest), ...tensors })
    .filter(([, value]) => value !== '')
    .map(([name, value]): [string, string] => [`language_model.${name}`, value]);
  const value = dictionary({
    checkpoint_version: integer(3),
    arguments: dictionary({ num_attention_heads: integer(2) }),
    model: dictionary(Object.fromEntries(model)),
    ...entries,
  });
  return pickle ?? pickled(value);
}

/** As PyTorch writes it from 1.6 on. */
export const torchFiles = (checkpoint: Checkpoint = {}): ZipFile[] => [
  { name: 'archive/data.pkl', data: Buffer.from(valueOf(checkpoint), 'latin1') },
  ...Object.entries({ ...honestStorages, ...checkpoint.storages }).map(([key, data]) => ({
    name: `archive/data/${key}`,
    data,
  })),
];
export const torchZip = (checkpoint: Checkpoint = {}) => zip(torchFiles(checkpoint));

const magic = '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.';

export interface LegacyParts {
  readonly version?: string;
  /** Of the storages. */
  readonly keys?: string;
  /** Numbers of elements that are not true, by key. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** As PyTorch wrote it before. */
export function torchLegacy(
  checkpoint: Checkpoint = {},
  { version = integer(1001), keys, counts = {} }: LegacyParts = {},
): Buffer {
  const value = valueOf(checkpoint);
  // just those that the pickle speaks of
  const storages = Object.entries({ ...honestStorages, ...checkpoint.storages }).filter(([key]) =>
    value.includes(`${text(key)}${text('cpu')}`),
  );
  const ofStorages = keys ?? list(...storages.map(([key]) => text(key)));
  const pickles = [magic, pickled(version), pickled(dictionary({})), value, pickled(ofStorages)];
  const numbers = storages.flatMap(([key, data]) => {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(counts[key] ?? data.length / 4));
    return [count, data];
  });
  return Buffer.concat([Buffer.from(pickles.join(''), 'latin1'), ...numbers]);
}

export const partitionOf = (rank: number) =>
  `release/mp_rank_${String(rank).padStart(2, '0')}/model_optim_rng.pt`;
export const partition = partitionOf(0);

/** As NVIDIA's catalogue gives it. */
export const catalogued = (data: Buffer, others: readonly ZipFile[] = []) =>
  zip([{ name: partition, data, isDeflated: true }, ...others]);

/** An attack that is one file. */
export const file = (
  name: string,
  bytes: () => Buffer,
  expected: RegExp | 'converts',
  options: ConvertOptions = {},
): Attack => ({
  name,
  write: (folder) => {
    writeFileSync(path.join(folder, 'source'), bytes());
  },
  expected,
  options,
});

/** An attack that is a folder, given by its files. */
export const folder = (
  name: string,
  files: () => Readonly<Record<string, Buffer | string>>,
  expected: RegExp | 'converts',
  options: ConvertOptions = {},
): Attack => ({
  name,
  write: (sandbox) => {
    writeFiles(path.join(sandbox, 'source'), files());
  },
  expected,
  options,
});

export function writeFiles(root: string, files: Readonly<Record<string, Buffer | string>>): void {
  for (const [name, bytes] of Object.entries(files)) {
    const written = path.join(root, name);
    mkdirSync(path.dirname(written), { recursive: true });
    writeFileSync(written, bytes);
  }
}

/** An attack in both of torch's formats, and in an archive as NVIDIA's catalogue gives it. */
export const everywhere = (
  name: string,
  checkpoint: () => Checkpoint,
  expected: RegExp | 'converts',
  options: ConvertOptions = {},
): Attack[] => [
  file(`${name} (zip)`, () => torchZip(checkpoint()), expected, options),
  file(`${name} (legacy)`, () => torchLegacy(checkpoint()), expected, options),
  file(`${name} (archive)`, () => catalogued(torchZip(checkpoint())), expected, options),
];
