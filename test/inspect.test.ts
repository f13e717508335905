/** What `inspect` and `verify` say of files and folders. */
import { cpSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeSafetensors } from '../src/checkpoint/safetensors.js';
import { convert } from '../src/convert/convert.js';
import { inspect, type Inspection } from '../src/inspect/inspect.js';
import type { TreeNode } from '../src/inspect/tree.js';
import { verifyModel } from '../src/pretrained/verify.js';
import { fixture, readTensors } from './support/fixture.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();

/** The nodes of the first file by their paths in its tree. */
function leaves(inspection: Inspection): Map<string, TreeNode> {
  const found = new Map<string, TreeNode>();
  const visit = (node: TreeNode, prefix: string) => {
    if ('children' in node) for (const child of node.children) visit(child, `${prefix}.${child.name}`);
    else found.set(prefix.slice(1), node);
  };
  visit(inspection.files[0]!.content, '');
  return found;
}

describe('inspect', () => {
  test('a catalogue’s archive: model, version, partitions, tensors, arguments', async () => {
    const found = await inspect(fixture('megatron/training-3-2x2-fp16.zip'));
    expect(found.checkpoint).toMatchObject({
      model: 'bert',
      checkpoint_version: 3,
      iteration: 'release',
      tensor_model_parallel_size: 2,
      pipeline_model_parallel_size: 2,
      sizes: { layers: 2, hiddenSize: 8, heads: 4, ffnHiddenSize: 32, positions: 4, vocabulary: 16 },
    });
    const whole = await readTensors(fixture('megatron/bert.safetensors'));
    expect(found.checkpoint!.parameters).toBe(
      [...whole.values()].reduce((sum, { data }) => sum + data.length, 0),
    );
    expect(found.files.map(({ format }) => format)).toEqual(new Array(4).fill('torch, zip'));
    const nodes = leaves(found);
    expect(
      nodes.get('model.language_model.encoder.layers.0.self_attention.query_key_value.weight'),
    ).toMatchObject({
      dtype: 'F16',
      shape: [12, 8],
    });
    expect(nodes.get('args.hidden_size')).toMatchObject({ value: '8' });
    expect(nodes.get('optimizer.optimizer.state.0.exp_avg')).toMatchObject({ dtype: 'F32', shape: [8, 8] });
  });

  test('a part of a checkpoint, and why it cannot be converted', async () => {
    const whole = path.join(folder, 'checkpoint');
    await convert(fixture('megatron/bert-3-1x1-zip-fp16.zip'), whole, {
      to: 'megatron',
      tensorModelParallelSize: 2,
      numAttentionHeads: 4,
    });
    const found = await inspect(path.join(whole, 'release/mp_rank_00/model_optim_rng.pt'));
    expect(found.problem).toContain('one of 2 × 1 partitions');
    expect(found.files[0]!.parameters).toBeGreaterThan(0);
  });

  test('a model folder', async () => {
    const found = await inspect(fixture('models/sharded'));
    expect(found.config).toMatchObject({ model_type: 'megatron-bert' });
    expect(found.files.map(({ name }) => path.basename(name))).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
    ]);
    expect(leaves(found).get('bert.embeddings.token_type_embeddings.weight')).toMatchObject({
      dtype: 'F32',
      shape: [2, 16],
    });
  });

  test('what a file wants to execute', async () => {
    const { files } = await inspect(fixture('torch/hostile.bin'));
    expect(files[0]!.suspicious).toEqual(['posix.system']);
    const { stdout, code } = await megatronBert('inspect', fixture('torch/hostile.bin'));
    expect(code).toBe(0);
    expect(stdout).toMatch(/! names posix\.system, which weights have no need of; it was not called/);
  });

  test('layers that are alike are one line, and JSON has them all', async () => {
    const archive = fixture('megatron/bert-0-1x1-zip-fp32.zip');
    const { stdout } = await megatronBert('inspect', archive);
    expect(stdout).toContain('Megatron-LM BERT, checkpoint version 0, 1 × 1 partitions');
    expect(stdout).toMatch(/layers\.0…1\.mlp\.dense_h_to_4h\.weight +F32 +\[32, 8\] +2 × 256/);
    const { stdout: json } = await megatronBert('inspect', archive, '--json');
    expect(JSON.parse(json)).toMatchObject({ checkpoint: { model: 'bert' } });
    expect(json).toContain('layers.1.mlp.dense_h_to_4h.weight');
  });

  test('names that a terminal would obey are shown, and not obeyed', async () => {
    const file = path.join(folder, 'escape.safetensors');
    await writeSafetensors(file, [
      { name: 'a\u001b[31mred', dtype: 'U8', shape: [1], data: Uint8Array.of(1) },
    ]);
    const { stdout } = await megatronBert('inspect', file);
    expect(stdout).toContain('a\\u{1b}[31mred');
  });

  test('a file of 16 GiB, in no time and memory', async () => {
    const file = path.join(folder, 'huge.safetensors');
    const length = 2 ** 34;
    const header = Buffer.from(
      JSON.stringify({ w: { dtype: 'U8', shape: [length], data_offsets: [0, length] } }),
    );
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(header.length));
    const descriptor = openSync(file, 'w');
    writeSync(descriptor, Buffer.concat([prefix, header]));
    closeSync(descriptor);
    truncateSync(file, 8 + header.length + length);
    const before = process.memoryUsage().rss;
    const { files } = await inspect(file);
    expect(files[0]!.parameters).toBe(length);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });

  test.each([
    ['nowhere', 'cannot be opened'],
    ['fixture.ts', 'not a file of torch.save'],
  ])('%s is refused', async (name, message) => {
    await expect(inspect(path.join(import.meta.dirname, 'support', name))).rejects.toThrow(message);
  });
});

describe('verify', () => {
  test.each([
    'model',
    'pretraining',
    'causal-lm',
    'masked-lm',
    'next-sentence',
    'classification',
    'multiple-choice',
    'token-classification',
    'question-answering',
    'decoder-cross',
  ])('a whole %s passes', async (name) => {
    const checks = await verifyModel(fixture(`models/${name}`));
    expect(checks.map(({ name: check, passed }) => [check, passed])).toEqual([
      ['weights', true],
      ['numbers', true],
    ]);
  });

  test('a head that is missing, and one of another shape, do not', async () => {
    const model = path.join(folder, 'spoilt');
    cpSync(fixture('models/token-classification'), model, { recursive: true });
    const config = path.join(model, 'config.json');
    const fields = JSON.parse(readFileSync(config, 'utf8')) as { id2label: object };
    writeFileSync(config, JSON.stringify({ ...fields, id2label: { 0: 'a' }, label2id: { a: 0 } }));
    const [weights] = await verifyModel(model);
    expect(weights).toMatchObject({ passed: false });
    expect(weights!.detail).toMatch(/of another shape: classifier/);
    writeFileSync(config, JSON.stringify({ ...fields, architectures: ['MegatronBertForMaskedLM'] }));
    const [others] = await verifyModel(model);
    expect(others!.detail).toMatch(/missing: .*cls\.predictions.*not used: classifier/);
    expect((await megatronBert('verify', model)).code).toBe(1);
  });
});
