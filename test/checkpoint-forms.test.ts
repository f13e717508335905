/** Megatron-LM's checkpoints as its releases, and programs after it, name and lay out what is in them. */
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createTorchFile, type PlainTensor } from '../src/checkpoint/torch/write.js';
import { openTorch } from '../src/checkpoint/torch/read.js';
import { isTensor, readTensor } from '../src/checkpoint/torch/tensor.js';
import { convert } from '../src/convert/convert.js';
import type { ConvertOptions } from '../src/convert/options.js';
import { fixture, readJson, readTensors } from './support/fixture.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
let next = 0;
const fresh = () => path.join(folder, String(next++));
const heads = { numAttentionHeads: 4 };
const file = 'release/mp_rank_00/model_optim_rng.pt';

type Tensors = Map<string, { readonly plain: PlainTensor; readonly bytes: Uint8Array }>;
/** The whole model by Megatron-LM's names, such as `language_model.embedding.word_embeddings.weight`. */
const tensors: Tensors = new Map();

beforeAll(async () => {
  const whole = fresh();
  const one = { to: 'megatron', tensorModelParallelSize: 1, ...heads } as const;
  await convert(fixture('megatron/bert-3-1x1-zip-fp16.zip'), whole, { ...one, dtype: 'fp32' });
  const { value, close } = await openTorch(path.join(whole, file));
  const visit = async (item: unknown, prefix: string): Promise<void> => {
    if (isTensor(item)) {
      const plain: PlainTensor = { kind: 'plain', dtype: 'F32', shape: item.shape };
      tensors.set(prefix.slice(1), { plain, bytes: await readTensor(item) });
    } else for (const [key, child] of item as Map<string, unknown>) await visit(child, `${prefix}.${key}`);
  };
  await visit((value as Map<string, unknown>).get('model'), '');
  await close();
});

/** Writes a checkpoint of one rank, whose tensors stand in one dictionary. */
async function write(
  models: Readonly<Record<string, Tensors>>,
  more: readonly [string, unknown][] = [],
): Promise<string> {
  const checkpoint = fresh();
  mkdirSync(path.dirname(path.join(checkpoint, file)), { recursive: true });
  const named = Object.entries(models).map(
    ([key, all]) => [key, new Map([...all].map(([name, { plain }]) => [name, plain]))] as const,
  );
  const value = new Map<string, unknown>([...named, ['checkpoint_version', 3], ...more]);
  const writer = await createTorchFile(path.join(checkpoint, file), value);
  for (const all of Object.values(models))
    for (const { plain, bytes } of all.values()) await writer.write(plain, bytes);
  await writer.finish();
  return checkpoint;
}

const renamed = (rename: (name: string) => string): Tensors =>
  new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
const without = (...patterns: readonly RegExp[]): Tensors =>
  new Map([...tensors].filter(([name]) => !patterns.some((pattern) => pattern.test(name))));

async function converted(source: string, options: ConvertOptions = heads) {
  const target = fresh();
  const summary = await convert(source, target, options);
  const found = await readTensors(path.join(target, 'model.safetensors'));
  return {
    target,
    summary,
    found,
    config: readJson(path.join(target, 'config.json')) as Record<string, unknown>,
  };
}

/** @param missing the beginnings of the names of what is not there */
async function expectKnown(
  { found }: Awaited<ReturnType<typeof converted>>,
  missing: readonly string[] = [],
): Promise<void> {
  const all = await readTensors(fixture('megatron/bert.safetensors'));
  const expected = [...all].filter(([name]) => !missing.some((start) => name.startsWith(start)));
  for (const [name, tensor] of expected) expect(found.get(name), name).toEqual(tensor);
  for (const start of missing) expect([...found.keys()].filter((name) => name.startsWith(start))).toEqual([]);
}

/** Names of Megatron core: layer norms belong to the matrices that follow, and nothing is nested. */
const core = (name: string) =>
  name
    .replace(/^language_model\./, '')
    .replace('.input_layernorm.', '.self_attention.linear_qkv.layer_norm_')
    .replace('.post_attention_layernorm.', '.mlp.linear_fc1.layer_norm_')
    .replace('.query_key_value.', '.linear_qkv.')
    .replace('.self_attention.dense.', '.self_attention.linear_proj.')
    .replace('.dense_h_to_4h.', '.linear_fc1.')
    .replace('.dense_4h_to_h.', '.linear_fc2.')
    .replace('lm_head.layernorm.', 'lm_head.layer_norm.')
    .replace(/^lm_head\.bias$/, 'output_layer.bias');

describe('names', () => {
  test.each<[string, (name: string) => string]>([
    [
      'of the first release',
      (name) => name.replace('.encoder.', '.transformer.').replace('.self_attention.', '.attention.'),
    ],
    [
      'of 2023: norms',
      (name) =>
        name
          .replace('.input_layernorm.', '.input_norm.')
          .replace('.post_attention_layernorm.', '.post_attention_norm.')
          .replace('.final_layernorm.', '.final_norm.'),
    ],
    ['of Megatron core', core],
    [
      'of Megatron core, with norms apart',
      (name) => core(name.replace('.post_attention_layernorm.', '.pre_mlp_layernorm.')),
    ],
    [
      'of Transformer Engine’s layers',
      (name) =>
        name
          .replace('.input_layernorm.', '.self_attention.layernorm_qkv.layer_norm_')
          .replace('.query_key_value.', '.layernorm_qkv.')
          .replace('.self_attention.dense.', '.self_attention.proj.')
          .replace('.post_attention_layernorm.', '.layernorm_mlp.layer_norm_')
          .replace('.mlp.dense_h_to_4h.', '.layernorm_mlp.fc1_')
          .replace('.mlp.dense_4h_to_h.', '.layernorm_mlp.fc2_'),
    ],
    ['of a model that was wrapped', (name) => `module.${name}`],
  ])('%s', async (_, rename) => {
    const checkpoint = await write({ model: renamed(rename) });
    await expectKnown(await converted(checkpoint));
  });

  test('that neither BERT nor GPT-2 has', async () => {
    const more: Tensors = new Map([
      ...tensors,
      ['language_model.retriever.weight', tensors.get('binary_head.weight')!],
    ]);
    await expect(converted(await write({ model: more }))).rejects.toThrow(
      'retriever.weight: neither BERT nor GPT-2 has this parameter',
    );
  });
});

describe('parts that a model may lack', () => {
  test('the sentence-order head and its pooler', async () => {
    const result = await converted(await write({ model: without(/^binary_head/, /pooler/) }));
    await expectKnown(result, ['cls.seq_relationship', 'bert.pooler']);
    expect(result.config.architectures).toEqual(['MegatronBertForMaskedLM']);
    expect(result.summary.notes.join()).toContain('no sentence-order head and no pooler');
  });

  test('token types, which are zeros then', async () => {
    const result = await converted(await write({ model: without(/^binary_head/, /pooler/, /tokentype/) }));
    const types = result.found.get('bert.embeddings.token_type_embeddings.weight')!;
    expect([...types.data]).toEqual(new Array(16).fill(0));
    expect(result.summary.notes.join()).toContain('no token types: their embeddings are zeros');
  });

  test('all heads', async () => {
    const result = await converted(await write({ model: without(/^binary_head/, /^lm_head/) }));
    await expectKnown(result, ['cls.']);
    expect(result.config.architectures).toEqual(['MegatronBertModel']);
  });

  test('a classifier in their place', async () => {
    const model = without(/^binary_head/, /^lm_head/);
    for (const kind of ['weight', 'bias'])
      model.set(`classification_head.${kind}`, tensors.get(`binary_head.${kind}`)!);
    const { config, found } = await converted(await write({ model }));
    expect(config.architectures).toEqual(['MegatronBertForSequenceClassification']);
    expect(found.get('classifier.weight')!.shape).toEqual([2, 8]);
  });

  test('a matrix that every model has', async () => {
    const checkpoint = await write({ model: without(/layers\.1\.mlp\.dense_4h_to_h\.weight/) });
    await expect(converted(checkpoint)).rejects.toThrow(/expected .*layers\.1\.mlp\.dense_4h_to_h\.weight/);
  });
});

test('stages that are interleaved are put in order', async () => {
  const isLater = (name: string) => /layers\.1\.|final_layernorm|pooler|_head/.test(name);
  const first: Tensors = new Map([...tensors].filter(([name]) => !isLater(name)));
  const second: Tensors = new Map(
    [...tensors]
      .filter(([name]) => isLater(name))
      .map(([name, tensor]) => [name.replace('layers.1.', 'layers.0.'), tensor]),
  );
  await expectKnown(await converted(await write({ model0: first, model1: second })));
});

describe('places', () => {
  /** A folder with checkpoints of two iterations, of which the tracker names the first. */
  async function several(): Promise<string> {
    const checkpoint = await write({ model: tensors }, [['iteration', 100]]);
    renameSync(path.join(checkpoint, 'release'), path.join(checkpoint, 'iter_0000100'));
    cpSync(path.join(checkpoint, 'iter_0000100'), path.join(checkpoint, 'iter_0000200'), { recursive: true });
    writeFileSync(path.join(checkpoint, 'iter_0000200/mp_rank_00/model_optim_rng.pt'), 'incomplete');
    writeFileSync(path.join(checkpoint, 'latest_checkpointed_iteration.txt'), '100');
    return checkpoint;
  }

  test('of several checkpoints, the one that the tracker names, or that is given', async () => {
    const checkpoint = await several();
    await expectKnown(await converted(checkpoint));
    await expectKnown(await converted(path.join(checkpoint, 'iter_0000100')));
    await expect(converted(path.join(checkpoint, 'iter_0000200'))).rejects.toThrow(
      'not a file of torch.save',
    );
    rmSync(path.join(checkpoint, 'latest_checkpointed_iteration.txt'));
    await expect(converted(checkpoint)).rejects.toThrow(
      /2 checkpoints and no latest_checkpointed_iteration.txt; give one of iter_0000100, iter_0000200/,
    );
  });

  test('a single file, by any name', async () => {
    const checkpoint = await write({ model: tensors });
    const alone = path.join(folder, 'alone.pt');
    cpSync(path.join(checkpoint, file), alone);
    await expectKnown(await converted(alone));
  });

  test('Megatron-LM goes on from the iteration that it was', async () => {
    const [checkpoint, target] = [await several(), fresh()];
    await convert(checkpoint, target, { to: 'megatron', ...heads });
    expect(readFileSync(path.join(target, 'latest_checkpointed_iteration.txt'), 'utf8')).toBe('100');
    const { value, close } = await openTorch(path.join(target, 'iter_0000100/mp_rank_00/model_optim_rng.pt'));
    expect((value as Map<string, unknown>).get('iteration')).toBe(100);
    await close();
  });
});

describe('the vocabulary', () => {
  const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'whale', 'sea', '##s'];
  const vocab = (name: string, more: readonly string[] = []) => {
    const target = path.join(folder, name);
    writeFileSync(target, [...words, ...more].join('\n'));
    return target;
  };

  test.each([
    ['small letters', [], true],
    ['capitals', ['Ahab'], false],
  ])('of %s: the tokenizer beside the model', async (name, more, do_lower_case) => {
    const { target, summary } = await converted(await write({ model: tensors }), {
      ...heads,
      vocabFile: vocab(name, more),
    });
    expect(readJson(path.join(target, 'tokenizer_config.json'))).toMatchObject({
      do_lower_case,
      model_max_length: 4,
    });
    expect(summary.notes.join()).toContain(`${16 - 8 - more.length} rows of the word embeddings are padding`);
  });

  test('of another model', async () => {
    const vocabFile = vocab(
      'long',
      Array.from({ length: 20 }, (_, i) => `word${i}`),
    );
    await expect(converted(await write({ model: tensors }), { ...heads, vocabFile })).rejects.toThrow(
      /expected at most the model's 16 words, found more: another model's vocabulary\?/,
    );
  });

  test('is padded for the ranks, and comes back as it was', async () => {
    const checkpoint = await write({ model: tensors }, [
      ['arguments', new Map([['make_vocab_size_divisible_by', 8]])],
    ]);
    const padded = fresh();
    const { notes } = await convert(checkpoint, padded, {
      to: 'megatron',
      tensorModelParallelSize: 4,
      ...heads,
    });
    expect(notes.join()).toContain('the vocabulary has 16 rows, padded to 32');
    const back = fresh();
    await convert(padded, back, { to: 'megatron' });
    await expectKnown(await converted(back));
  });
});

describe('weights of any model in safetensors', () => {
  test('a folder with pytorch_model.bin', async () => {
    const { target, summary } = await converted(fixture('models/pytorch-bin'), {});
    const expected = await openTorch(fixture('models/pytorch-bin/pytorch_model.bin'));
    const found = await readTensors(path.join(target, 'model.safetensors'));
    for (const [name, tensor] of expected.value as Map<string, unknown>)
      if (isTensor(tensor) && found.has(name)) {
        const { data } = found.get(name)!;
        expect(Buffer.from((data as Float32Array).buffer), name).toEqual(
          Buffer.from(await readTensor(tensor)),
        );
      }
    await expected.close();
    expect(readJson(path.join(target, 'config.json'))).toEqual(
      readJson(fixture('models/pytorch-bin/config.json')),
    );
    expect(summary.files.map(({ name }) => name)).toEqual(['model.safetensors', 'config.json']);
  });

  test.skipIf(process.platform === 'win32')(
    'other files too, but not what links lead to elsewhere',
    async () => {
      const repository = fresh();
      const [blobs, snapshot] = [path.join(repository, 'blobs'), path.join(repository, 'snapshots/main')];
      mkdirSync(blobs, { recursive: true });
      cpSync(fixture('models/pytorch-bin'), snapshot, { recursive: true });
      writeFileSync(path.join(blobs, 'words'), '[PAD]');
      symlinkSync('../../blobs/words', path.join(snapshot, 'vocab.txt'));
      writeFileSync(path.join(repository, 'private'), 'private');
      symlinkSync('../../private', path.join(snapshot, 'README.md'));
      const { summary, target } = await converted(snapshot, {});
      expect(summary.files.map(({ name }) => name).sort()).toEqual([
        'config.json',
        'model.safetensors',
        'vocab.txt',
      ]);
      expect(readFileSync(path.join(target, 'vocab.txt'), 'utf8')).toBe('[PAD]');
    },
  );

  test('that is safetensors already has nothing to be done', async () => {
    await expect(converted(fixture('models/model'), {})).rejects.toThrow(
      'its weights are safetensors already',
    );
  });
});

describe('the command line', () => {
  test('says what it found, what it wrote and what is otherwise', async () => {
    const target = fresh();
    const archive = fixture('megatron/bert-3-1x1-zip-fp16.zip');
    const { code, stdout, stderr } = await megatronBert(
      'convert',
      archive,
      target,
      '--num-attention-heads',
      '4',
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Megatron-LM, version 3, 1 × 1 partitions → transformers\n/);
    expect(stdout).toMatch(/model\.safetensors +\d+ {2}sha256 [0-9a-f]{16}…/);
    expect(stdout).toContain(
      "layer_norm_eps is 0.00001, as it was trained (transformers' script says 1e-12)",
    );
  });

  test('one JSON document', async () => {
    const archive = fixture('megatron/gpt2-0-4x2-zip-fp16.zip');
    const { stdout } = await megatronBert(
      'convert',
      archive,
      fresh(),
      '--num-attention-heads',
      '4',
      '--json',
    );
    expect(JSON.parse(stdout)).toMatchObject({ model_type: 'gpt2', dtype: 'float16', to: 'transformers' });
  });

  test.each<[string, () => string[], RegExp]>([
    [
      'a source that is not there',
      () => [path.join(folder, 'nowhere'), fresh()],
      /nowhere: cannot be opened/,
    ],
    [
      'a destination that is not empty',
      () => [fixture('megatron/bert-3-1x1-zip-fp16.zip'), folder],
      /is not empty; give another folder, or --overwrite-output-dir/,
    ],
    [
      'heads that nobody knows',
      () => [fixture('megatron/bert-1-2x2-zip-fp32.zip'), fresh()],
      /does not say how many attention heads it has; give --num-attention-heads/,
    ],
    [
      'more ranks than heads',
      () => [fixture('models/model'), fresh(), '--to', 'megatron', '--tensor-model-parallel-size', '8'],
      /4 attention heads cannot be shared out to 8 tensor-parallel ranks/,
    ],
    [
      'a layout that there is not',
      () => [fixture('models/model'), fresh(), '--to', 'onnx'],
      /Allowed choices are transformers, megatron/,
    ],
    [
      'a model that Megatron-LM does not have',
      () => [fixture('models/relative-key'), fresh(), '--to', 'megatron'],
      /Megatron-LM has no position embeddings "relative_key"/,
    ],
  ])('%s: one line, and exit code 2', async (_, args, message) => {
    const { code, stdout, stderr } = await megatronBert('convert', ...args());
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.trim()).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

test.skipIf(process.platform === 'win32')(
  'a link in the place of the destination is not followed',
  async () => {
    const [elsewhere, link] = [fresh(), fresh()];
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, link);
    await expect(convert(fixture('megatron/bert-3-1x1-zip-fp16.zip'), link, heads)).rejects.toThrow(
      'a link; give the folder that it leads to',
    );
  },
);
