/** Megatron-LM's checkpoints to transformers' layout and back: parity/check_conversion.py asks PyTorch for more. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openFile } from '../src/checkpoint/byte-source.js';
import { openTorch, readTorch } from '../src/checkpoint/torch/read.js';
import { isTensor, readTensor } from '../src/checkpoint/torch/tensor.js';
import { readZipDirectory } from '../src/checkpoint/zip/directory.js';
import { convert } from '../src/convert/convert.js';
import type { ConvertOptions } from '../src/convert/options.js';
import { fixture, readJson, readTensors } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

interface Case {
  readonly name: string;
  readonly kind: 'bert' | 'gpt2';
  readonly version: 0 | 1 | 2 | 3;
  readonly ranks: number;
  readonly stages: number;
  readonly dtype: 'fp32' | 'fp16';
}
const cases = readJson(fixture('megatron/cases.json')) as Case[];
const archive = (name: string) => fixture(`megatron/${name}.zip`);
const kinds = ['bert', 'gpt2'] as const;
const versions = [0, 1, 2, 3] as const;
const layouts = [1, 2, 4].flatMap((ranks) => [1, 2].map((stages) => ({ ranks, stages })));
const heads = { numAttentionHeads: 4 };

const folder = temporaryFolder();
let next = 0;
const fresh = () => path.join(folder, String(next++));

const sizes = (layout: { ranks: number; stages: number }): ConvertOptions => ({
  to: 'megatron',
  tensorModelParallelSize: layout.ranks,
  pipelineModelParallelSize: layout.stages,
});

/** Every tensor of a folder's `model.safetensors`, 16-bit numbers widened. */
const weightsIn = (model: string) => readTensors(path.join(model, 'model.safetensors'));

async function expectKnownWeights(model: string, kind: Case['kind']): Promise<void> {
  const found = await weightsIn(model);
  const expected = await readTensors(fixture(`megatron/${kind}.safetensors`));
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { shape, data }] of expected) expect(found.get(name), name).toEqual({ shape, data });
}

/** Every file of a folder by its checksum. */
function checksumsOf(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ name, parentPath }) => {
      const file = path.join(parentPath, name);
      return [path.relative(root, file), createHash('sha256').update(readFileSync(file)).digest('hex')];
    }),
  );
}

/** `lm_head.bias` and so on: numbers, and tensors with their bytes. */
async function flatten(value: unknown, prefix = ''): Promise<Map<string, unknown>> {
  if (isTensor(value)) {
    const bytes = Buffer.from(await readTensor(value));
    // a counter, which PyTorch keeps as a tensor or as a number
    if (value.shape.length === 0) return new Map([[prefix, bytes.readFloatLE()]]);
    return new Map([[prefix, `${value.dtype} [${value.shape.join(', ')}] ${bytes.toString('hex')}`]]);
  }
  const entries = value instanceof Map ? [...value] : Array.isArray(value) ? [...value.entries()] : undefined;
  if (!entries) return new Map([[prefix, value]]);
  const flat = new Map<string, unknown>();
  for (const [key, item] of entries as [unknown, unknown][])
    for (const [name, found] of await flatten(item, `${prefix}.${String(key)}`)) flat.set(name, found);
  return flat;
}

/** The same entries of all partitions, in what we wrote and in what PyTorch did. */
async function compareEntries(checkpoint: string, name: string, keys: readonly string[]): Promise<void> {
  const source = await openFile(archive(name));
  const directory = await readZipDirectory(source);
  for (const entry of directory.entries.values()) {
    if (!entry.name.endsWith('.pt')) continue;
    const theirs = await readTorch(await directory.open(entry));
    const ours = await openTorch(path.join(checkpoint, entry.name));
    for (const key of keys) {
      const [found, expected] = [ours, theirs].map(({ value }) => (value as Map<string, unknown>).get(key));
      expect(await flatten(found), key).toEqual(await flatten(expected));
    }
    await ours.close();
  }
  await source.close();
}

/** The model folder that a checkpoint becomes. */
const whole: Record<Case['kind'], string> = { bert: '', gpt2: '' };
beforeAll(async () => {
  for (const kind of kinds) {
    whole[kind] = fresh();
    const { name } = cases.find((found) => found.kind === kind && found.dtype === 'fp32')!;
    await convert(archive(name), whole[kind], heads);
  }
});

test.each(cases)('what PyTorch wrote: $name', async ({ name, kind, dtype }) => {
  const target = fresh();
  const summary = await convert(archive(name), target, heads);
  await expectKnownWeights(target, kind);
  expect(summary.dtype).toBe(dtype === 'fp16' ? 'float16' : 'float32');
});

describe.each(kinds)('%s', (kind) => {
  describe.each(versions)('version %i', (version) => {
    test.each(layouts)('$ranks × $stages: written and read', async (layout) => {
      const [checkpoint, back] = [fresh(), fresh()];
      await convert(whole[kind], checkpoint, { ...sizes(layout), checkpointVersion: version });
      await convert(checkpoint, back);
      await expectKnownWeights(back, kind);
    });
  });

  test.each(cases.filter((found) => found.kind === kind))(
    'we write what PyTorch wrote: $name',
    async ({ name, version, ranks, stages, dtype }) => {
      const checkpoint = fresh();
      await convert(whole[kind], checkpoint, {
        ...sizes({ ranks, stages }),
        checkpointVersion: version,
        dtype,
      });
      await compareEntries(checkpoint, name, ['model']);
    },
  );

  test.each(layouts.flatMap((from) => layouts.map((to) => ({ from, to }))))(
    '$from.ranks × $from.stages → $to.ranks × $to.stages and back',
    async ({ from, to }) => {
      const [first, second, third] = [fresh(), fresh(), fresh()];
      await convert(whole[kind], first, sizes(from));
      await convert(first, second, sizes(to));
      await convert(second, third, sizes(from));
      expect(checksumsOf(third)).toEqual(checksumsOf(first));
    },
  );
});

describe('what training goes on from', () => {
  const trained = (version: number, layout: string, dtype: string) =>
    `training-${version}-${layout}-${dtype}`;

  test.each([
    ...['1x1', '2x2', '4x1'].flatMap((from) =>
      ['1x1', '2x2', '4x1'].map((to) => [3, from, to, 'fp16'] as const),
    ),
    [0, '2x1', '2x2', 'fp16'] as const,
    [3, '1x1', '2x2', 'fp32'] as const,
    [3, '2x2', '1x1', 'fp32'] as const,
  ])('version %i, %s → %s in %s: what PyTorch wrote', async (version, from, to, dtype) => {
    const checkpoint = fresh();
    const [ranks, stages] = to.split('x').map(Number) as [number, number];
    await convert(archive(trained(version, from, dtype)), checkpoint, sizes({ ranks, stages }));
    await compareEntries(checkpoint, trained(3, to, dtype), ['model', 'optimizer', 'lr_scheduler']);
  });

  test('a model in fp32 is of the fp32 weights', async () => {
    const [rounded, exact, checkpoint] = [fresh(), fresh(), fresh()];
    const source = archive(trained(3, '2x2', 'fp16'));
    await convert(source, rounded);
    await convert(source, exact, { dtype: 'fp32' });
    await convert(source, checkpoint, { ...sizes({ ranks: 1, stages: 1 }), dtype: 'fp32' });
    const [halves, singles] = [await weightsIn(rounded), await weightsIn(exact)];
    for (const [name, { data }] of singles)
      expect([...data], name).toEqual([...halves.get(name)!.data].map((x) => Math.fround(x + 2 ** -14)));
    const { value, close } = await openTorch(path.join(checkpoint, 'release/mp_rank_00/model_optim_rng.pt'));
    expect([...(value as Map<string, Map<string, unknown>>).get('optimizer')!.keys()]).toEqual([
      'state',
      'param_groups',
    ]);
    await close();
  });

  test('a model in fp16 keeps the fp32 weights it had', async () => {
    const checkpoint = fresh();
    const one = sizes({ ranks: 1, stages: 1 });
    await convert(archive(trained(3, '2x2', 'fp32')), checkpoint, { ...one, dtype: 'fp16' });
    const back = fresh();
    await convert(checkpoint, back, { dtype: 'fp32' });
    await expectKnownWeights(back, 'bert');
  });

  test('is left out where that is asked for, and where version 0 cannot have it', async () => {
    for (const options of [{ saveOptim: false }, { checkpointVersion: 0 as const }]) {
      const checkpoint = fresh();
      await convert(archive(trained(3, '1x1', 'fp16')), checkpoint, {
        ...sizes({ ranks: 1, stages: 1 }),
        ...options,
      });
      const file = await openTorch(path.join(checkpoint, 'release/mp_rank_00/model_optim_rng.pt'));
      expect((file.value as Map<string, unknown>).has('optimizer')).toBe(false);
      await file.close();
    }
  });
});

describe('what the model is', () => {
  const configOf = async (name: string, options: ConvertOptions = {}) => {
    const target = fresh();
    const { notes } = await convert(archive(name), target, { ...heads, ...options });
    return { config: readJson(path.join(target, 'config.json')) as Record<string, unknown>, notes, target };
  };
  const named = (version: number) =>
    cases.find((found) => found.kind === 'bert' && found.version === version && found.name.includes('1x1'))!
      .name;

  test('as it was trained', async () => {
    const withArgs = cases.find(({ kind, version }) => kind === 'bert' && version === 2)!;
    const { config, notes } = await configOf(withArgs.name);
    expect(config).toMatchObject({ layer_norm_eps: 1e-5, num_attention_heads: 4, vocab_size: 16 });
    expect(config.architectures).toEqual(['MegatronBertForPreTraining']);
    expect(notes.join()).toContain('layer_norm_eps');
  });

  test('as transformers’ script makes it', async () => {
    const { config, target } = await configOf(named(0), { asTransformers: true });
    expect(config).toMatchObject({ layer_norm_eps: 1e-12, hidden_act: 'gelu' });
    const { value, close } = await openTorch(path.join(target, 'pytorch_model.bin'));
    const { storage } = (value as Map<string, { storage: object }>).get('cls.predictions.decoder.weight')!;
    expect(
      (value as Map<string, { storage: { key: string } }>).get('bert.embeddings.word_embeddings.weight')!
        .storage,
    ).toMatchObject({ key: (storage as { key: string }).key });
    await close();
  });
});
