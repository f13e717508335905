/** GPT-2's folders and pipelines; what its classes compute is compared in model-classes.test.ts. */
import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { pipeline } from '../src/pipelines/node.js';
import * as classes from '../src/pretrained/classes.js';
import { verifyModel } from '../src/pretrained/verify.js';
import { fixture, readJson, readTensors } from './support/fixture.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const root = temporaryFolder();
const modelOf = (name: string) => fixture(`gpt2/models/${name}`);
const ids = { input_ids: [[5, 6, 7, 8]] };

describe('a folder of transformers is written again with the same bits', () => {
  test.each([
    ['model', 'GPT2Model'],
    ['lm-head', 'GPT2LMHeadModel'],
    ['untied', 'GPT2LMHeadModel'],
    ['pruned', 'GPT2Model'],
    ['classification', 'GPT2ForSequenceClassification'],
    ['bfloat16', 'GPT2LMHeadModel'],
  ] as const)('%s', async (name, className) => {
    const folder = path.join(root, `again-${name}`);
    const model = await classes[className].from_pretrained(modelOf(name));
    await model.save_pretrained(folder);
    await model.dispose();
    const [before, after] = await Promise.all(
      [modelOf(name), folder].map((place) => readTensors(path.join(place, 'model.safetensors'))),
    );
    expect([...after!.keys()].sort()).toEqual([...before!.keys()].sort());
    for (const [tensor, values] of before!) expect(after!.get(tensor), tensor).toEqual(values);
    const [saved, written] = [modelOf(name), folder].map((place) =>
      readJson(path.join(place, 'config.json')),
    );
    expect(written).toMatchObject(saved as object);
    expect(written).not.toHaveProperty('hidden_size');
  });
});

test('a head and a body take what they need of each other', async () => {
  const head = await classes.GPT2LMHeadModel.from_pretrained(modelOf('model'));
  expect(head.loading_info).toEqual({ missing_keys: [], unexpected_keys: [], mismatched_keys: [] });
  const warnings: string[] = [];
  const classifier = await classes.GPT2ForSequenceClassification.from_pretrained(modelOf('untied'), {
    warn: (message) => warnings.push(message),
  });
  expect(classifier.loading_info.missing_keys).toEqual(['score.weight']);
  expect(warnings).toEqual([expect.stringContaining('started at random: score.weight')]);
});

test('parameters are counted and the vocabulary is resized', async () => {
  const model = await classes.GPT2LMHeadModel.from_pretrained(modelOf('lm-head'));
  const [vocabulary, positions, width, inner] = [40, 20, 16, 24];
  const layer = 4 * width + (3 * width + 1 * width + 2 * inner) * width + 3 * width + width + inner + width;
  const all = vocabulary * width + positions * width + 2 * layer + 2 * width;
  expect(model.num_parameters()).toBe(all);
  expect(model.num_parameters({ exclude_embeddings: true })).toBe(2 * layer + 2 * width);
  const before = await model.forward(ids);
  await model.resize_token_embeddings(41, { pad_to_multiple_of: 4 });
  const after = await model.forward(ids);
  expect(after.logits.dims).toEqual([1, 4, 44]);
  expect(after.logits.data[44]).toBeCloseTo(before.logits.data[40]!, 5);
});

describe('classes by task', () => {
  test('are those of the family that the configuration names', async () => {
    const model = await classes.AutoModel.from_pretrained(modelOf('lm-head'));
    expect(Object.keys(await model.forward(ids, { use_cache: false }))).toEqual(['last_hidden_state']);
    await expect(classes.AutoModelForMaskedLM.from_pretrained(modelOf('lm-head'))).rejects.toThrow(
      'config.json: expected model_type megatron-bert, found "gpt2"',
    );
    await expect(classes.GPT2Model.from_pretrained(fixture('models/model'))).rejects.toThrow(
      'expected model_type gpt2, found "megatron-bert"',
    );
  });

  test.each([
    [{ token_type_ids: [[0, 0, 0, 0]] }, 'token_type_ids: this class takes no such input'],
    [{ encoder_hidden_states: [[[0]]] }, 'this model has no cross-attention'],
    [{ input_ids: [[40]] }, 'input_ids: expected integers from 0 to 39, found 40'],
  ])('refuse %j', async (inputs, message) => {
    const model = await classes.GPT2LMHeadModel.from_pretrained(modelOf('lm-head'));
    await expect(model.forward({ ...ids, ...inputs })).rejects.toThrow(message);
  });

  test('refuse 8 bits', async () => {
    const loading = classes.GPT2LMHeadModel.from_pretrained(modelOf('lm-head'), { dtype: 'int8' });
    await expect(loading).rejects.toThrow("dtype: expected 'fp32' for GPT-2, found 'int8'");
  });
});

test('texts of several lengths are computed as each alone', async () => {
  const model = await classes.GPT2ForSequenceClassification.from_pretrained(modelOf('classification'));
  const texts = [[5, 6, 7], [8], [9, 10, 11, 12]];
  const together = await model.forwardEach(texts.map((input_ids) => ({ input_ids })));
  for (const [i, { logits }] of together.entries()) {
    const alone = await model.forward({ input_ids: [texts[i]!] });
    logits.data.forEach((x, label) => {
      expect(x).toBeCloseTo(alone.logits.data[label]!, 5);
    });
  }
});

describe('verify and inspect', () => {
  test.each(['model', 'lm-head', 'untied', 'old', 'classification'])('%s', async (name) => {
    const checks = await verifyModel(modelOf(name));
    expect(checks.map(({ passed }) => passed)).toEqual([true, true]);
  });

  test('on the command line', async () => {
    const verified = await megatronBert('verify', modelOf('lm-head'));
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('GPT2LMHeadModel') as string });
    const inspected = await megatronBert('inspect', modelOf('lm-head'));
    expect(inspected.stdout).toContain('1.attn.c_attn.weight  F32   [16, 48]');
  });
});

describe('pipelines', () => {
  const folder = path.join(root, 'with-tokenizer');
  mkdirSync(folder);
  for (const source of [fixture('gpt2-tokenizer/plain'), fixture('gpt2/text')])
    cpSync(source, folder, { recursive: true });
  const { prompts, runs } = readJson(fixture('gpt2/texts.json')) as {
    readonly prompts: string[];
    readonly runs: readonly { readonly options: object; readonly outputs: unknown[] }[];
  };

  test.each(runs)("go on with texts as transformers' with $options", async ({ options, outputs }) => {
    const generate = await pipeline('text-generation', folder);
    expect(await generate(prompts, options)).toEqual(outputs);
    await generate.dispose();
  });

  test('make vectors of texts', async () => {
    const embed = await pipeline('feature-extraction', folder, { warn: () => undefined });
    const vectors = await embed(prompts, { pooling: 'mean' });
    expect(vectors.dims).toEqual([prompts.length, 16]);
    await embed.dispose();
  });

  test('for what GPT-2 has no class are refused', async () => {
    await expect(pipeline('fill-mask', folder)).rejects.toThrow(
      'expected model_type megatron-bert, found "gpt2"',
    );
  });

  test('on the command line', async () => {
    const { stdout } = await megatronBert(
      ...['run', 'text-generation', '--model', folder, '--max-new-tokens', '12', prompts[0]!],
    );
    const [[first]] = runs[0]!.outputs as [{ generated_text: string }[]];
    expect(stdout).toBe(`${first!.generated_text}\n`);
  });
});
