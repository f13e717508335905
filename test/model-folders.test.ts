/** Model folders in and out: what is read, reported, resized and written. */
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { writeSafetensors } from '../src/checkpoint/safetensors.js';
import { InputError } from '../src/errors.js';
import * as classes from '../src/pretrained/classes.js';
import { fixture, readJson, readTensors, relativeError, type NumberTensor } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

const silent = { warn: () => undefined };
const ids = { input_ids: [[5, 6, 7, 8]] };
const root = temporaryFolder();
let folder: string;
let count = 0;
beforeEach(async () => {
  folder = path.join(root, String(count++));
  await mkdir(folder);
});

/** A copy of a fixture to spoil. */
async function copyOf(name: string): Promise<string> {
  await cp(fixture(`models/${name}`), folder, { recursive: true });
  return folder;
}

async function rewriteConfig(fields: Record<string, unknown>): Promise<void> {
  const file = path.join(folder, 'config.json');
  await writeFile(file, JSON.stringify({ ...(readJson(file) as object), ...fields }));
}

/** Changes the weights of a copy, all of type F32. */
async function rewriteWeights(change: (tensors: Map<string, NumberTensor>) => void): Promise<void> {
  const file = path.join(folder, 'model.safetensors');
  const tensors = await readTensors(file);
  change(tensors);
  const entries = [...tensors].map(([name, { shape, data }]) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: data as Float32Array,
  }));
  await writeSafetensors(file, entries);
}

describe('a folder of transformers is written again with the same bits', () => {
  test.each([
    ['model', 'MegatronBertModel'],
    ['pretraining', 'MegatronBertForPreTraining'],
    ['causal-lm', 'MegatronBertForCausalLM'],
    ['masked-lm', 'MegatronBertForMaskedLM'],
    ['next-sentence', 'MegatronBertForNextSentencePrediction'],
    ['classification', 'MegatronBertForSequenceClassification'],
    ['multiple-choice', 'MegatronBertForMultipleChoice'],
    ['token-classification', 'MegatronBertForTokenClassification'],
    ['question-answering', 'MegatronBertForQuestionAnswering'],
    ['decoder-cross', 'MegatronBertForCausalLM'],
    ['relative-key', 'MegatronBertForMaskedLM'],
    ['untied', 'MegatronBertForMaskedLM'],
    ['bfloat16', 'MegatronBertForTokenClassification'],
  ] as const)('%s', async (name, className) => {
    const model = await classes[className].from_pretrained(fixture(`models/${name}`));
    await model.save_pretrained(folder);
    await model.dispose();
    const [before, after] = await Promise.all(
      [fixture(`models/${name}`), folder].map((place) => readTensors(path.join(place, 'model.safetensors'))),
    );
    expect([...after!.keys()].sort()).toEqual([...before!.keys()].sort());
    for (const [tensor, values] of before!) expect(after!.get(tensor), tensor).toEqual(values);
    const configs = [fixture(`models/${name}`), folder].map(
      (place) => readJson(path.join(place, 'config.json')) as Record<string, unknown>,
    );
    expect(configs[1]).toMatchObject(configs[0]!);
    expect(Object.keys(configs[1]!)).toEqual(Object.keys(configs[1]!).sort());
  });
});

test('above a size a model is several files, which load', async () => {
  const model = await classes.MegatronBertForPreTraining.from_pretrained(fixture('models/pretraining'));
  await writeFile(path.join(folder, 'model.safetensors'), 'of a model that was here before');
  await model.save_pretrained(folder, { max_shard_size: 9000 });
  const files = (await readdir(folder)).sort();
  expect(files).toEqual([
    'config.json',
    'model-00001-of-00003.safetensors',
    'model-00002-of-00003.safetensors',
    'model-00003-of-00003.safetensors',
    'model.safetensors.index.json',
  ]);
  const again = await classes.MegatronBertForPreTraining.from_pretrained(folder);
  expect(again.loading_info.missing_keys).toEqual([]);
  expect(await again.forward(ids)).toEqual(await model.forward(ids));
  await again.save_pretrained(path.join(folder, 'whole'));
  expect((await readdir(path.join(folder, 'whole'))).sort()).toEqual(['config.json', 'model.safetensors']);
});

test('saving over the weights that are in use is refused', async () => {
  const model = await classes.MegatronBertModel.from_pretrained(await copyOf('model'));
  await expect(model.save_pretrained(folder)).rejects.toThrow('save it in another one');
});

describe('what the class and the file do not share', () => {
  test('a body goes into a task class, whose head starts at random and is reported', async () => {
    const warnings: string[] = [];
    const model = await classes.MegatronBertForTokenClassification.from_pretrained(fixture('models/model'), {
      config: { num_labels: 7 },
      warn: (message) => warnings.push(message),
    });
    expect(model.loading_info).toEqual({
      missing_keys: ['classifier.weight', 'classifier.bias'],
      unexpected_keys: ['pooler.dense.bias', 'pooler.dense.weight'],
      mismatched_keys: [],
    });
    expect(warnings.join()).toMatch(/classifier.weight, classifier.bias.*Train this model/s);
    expect(warnings.join()).not.toMatch('pooler');
    const { logits } = await model.forward(ids);
    expect(logits.dims).toEqual([1, 4, 7]);
    expect(model.config.id2label).toMatchObject({ 6: 'LABEL_6' });
  });

  test('a body comes out of a head class', async () => {
    const fromHead = await classes.MegatronBertModel.from_pretrained(fixture('models/pretraining'), silent);
    expect(fromHead.loading_info.missing_keys).toEqual([]);
    expect(fromHead.loading_info.unexpected_keys).toContain('cls.predictions.bias');
  });

  test('another number of labels is refused, or starts at random when allowed', async () => {
    const load = (ignore_mismatched_sizes: boolean) =>
      classes.MegatronBertForTokenClassification.from_pretrained(fixture('models/token-classification'), {
        config: { num_labels: 2 },
        ignore_mismatched_sizes,
        ...silent,
      });
    await expect(load(false)).rejects.toThrow(
      /classifier\.(weight|bias): expected \[2.*\] by the configuration, found \[5.*\]/,
    );
    const { mismatched_keys } = (await load(true)).loading_info;
    expect([...mismatched_keys].sort()).toEqual(['classifier.bias', 'classifier.weight']);
  });

  test('old names of layer norms are understood', async () => {
    const before = await classes.MegatronBertModel.from_pretrained(await copyOf('model'));
    const expected = await before.forward(ids);
    await rewriteWeights((tensors) => {
      for (const [name, tensor] of [...tensors]) {
        const old = name.replace(/ln\.weight$/, 'ln.gamma').replace(/ln\.bias$/, 'ln.beta');
        tensors.delete(name);
        tensors.set(old, tensor);
      }
    });
    const after = await classes.MegatronBertModel.from_pretrained(folder);
    expect(after.loading_info.missing_keys).toEqual([]);
    expect(await after.forward(ids)).toEqual(expected);
  });
});

describe('resizing the vocabulary', () => {
  test('keeps the rows that stay, and new ones are the mean', async () => {
    const model = await classes.MegatronBertForMaskedLM.from_pretrained(fixture('models/masked-lm'));
    const { logits: before } = await model.forward(ids);
    await model.resize_token_embeddings(41, { pad_to_multiple_of: 8 });
    expect(model.config.vocab_size).toBe(48);
    const { logits: after } = await model.forward(ids);
    expect(after.dims).toEqual([1, 4, 48]);
    for (let row = 0; row < 4; row++) {
      const old = before.data.subarray(row * 40, row * 40 + 40);
      expect(relativeError(after.data.subarray(row * 48, row * 48 + 40), old)).toBeLessThan(1e-6);
      // the head is linear in its rows
      const mean = old.reduce((sum, x) => sum + x, 0) / 40;
      expect(after.data[row * 48 + 47]).toBeCloseTo(mean, 4);
    }
    await model.save_pretrained(folder);
    const saved = await readTensors(path.join(folder, 'model.safetensors'));
    expect(saved.get('bert.embeddings.word_embeddings.weight')!.shape).toEqual([48, 16]);
    expect(saved.get('cls.predictions.bias')!.shape).toEqual([48]);
  });

  test('may shrink it', async () => {
    const model = await classes.MegatronBertForMaskedLM.from_pretrained(fixture('models/untied'));
    await model.resize_token_embeddings(10);
    expect((await model.forward(ids)).logits.dims).toEqual([1, 4, 10]);
    await expect(model.forward({ input_ids: [[10]] })).rejects.toThrow(
      'expected integers from 0 to 9, found 10',
    );
  });
});

test('num_parameters counts tied ones once', async () => {
  const model = await classes.MegatronBertForMaskedLM.from_pretrained(fixture('models/masked-lm'));
  const stored = await readTensors(fixture('models/masked-lm/model.safetensors'));
  const sizes = [...stored].map(([name, { data }]) => [name, data.length] as const);
  const total = (all: typeof sizes) => all.reduce((sum, [, size]) => sum + size, 0);
  expect(model.num_parameters()).toBe(total(sizes));
  expect(model.num_parameters({ exclude_embeddings: true })).toBe(
    total(sizes.filter(([name]) => !name.includes('embeddings'))),
  );
});

describe('folders that cannot be used give one clear error', () => {
  const load = () => classes.MegatronBertModel.from_pretrained(folder, silent);

  test('no folder', async () => {
    await expect(classes.MegatronBertModel.from_pretrained(path.join(folder, 'none'))).rejects.toThrow(
      InputError,
    );
  });

  test.each([
    [{ model_type: 'bert' }, 'expected model_type megatron-bert, found "bert"'],
    [{ hidden_size: 17 }, 'hidden_size (17) is not divisible by num_attention_heads (4)'],
    [{ hidden_act: 'prelu' }, 'hidden_act'],
    [{ vocab_size: 41 }, 'word_embeddings.weight: expected [41, 16] by the configuration, found [40, 16]'],
  ])('config.json with %j', async (fields, message) => {
    await copyOf('model');
    await rewriteConfig(fields);
    await expect(load()).rejects.toThrow(InputError);
    await expect(load()).rejects.toThrow(message);
  });

  test.each(['', '[]', '{"a": 1,}', 'null'])('config.json as %j', async (text) => {
    await copyOf('model');
    await writeFile(path.join(folder, 'config.json'), text);
    await expect(load()).rejects.toThrow(InputError);
    await expect(load()).rejects.toThrow('config.json');
  });

  test('no weights', async () => {
    await copyOf('model');
    await rm(path.join(folder, 'model.safetensors'));
    await expect(load()).rejects.toThrow('no weights: expected one of model.safetensors');
  });

  test('weights that end early', async () => {
    await copyOf('model');
    const file = path.join(folder, 'model.safetensors');
    await writeFile(file, (await readFile(file)).subarray(0, -5));
    await expect(load()).rejects.toThrow(InputError);
  });

  test('integers where numbers are needed', async () => {
    await copyOf('model');
    const file = path.join(folder, 'model.safetensors');
    const tensors = [...(await readTensors(file))].map(([name, { shape, data }]) => ({
      name,
      dtype: 'I32' as const,
      shape,
      data: Int32Array.from(data),
    }));
    await writeSafetensors(file, tensors);
    await expect(load()).rejects.toThrow('expected F32, F16 or BF16, found I32');
  });

  test('a NaN in a weight is found when something is computed with it', async () => {
    await copyOf('model');
    await rewriteWeights((tensors) => {
      tensors.get('encoder.layer.1.output.dense.weight')!.data[7] = NaN;
    });
    const model = await load();
    await expect(model.forward(ids)).rejects.toThrow(
      'the weight encoder.layer.1.output.dense.weight has a NaN',
    );
  });

  test.each<[unknown, string]>([
    ['{', 'is not JSON'],
    ['{}', 'expected a weight_map'],
    [{ weight_map: { x: '../../secret' } }, 'expected the name of a file'],
    [{ weight_map: { x: 'model-3.safetensors' } }, 'names model-3.safetensors, which is missing'],
  ])('an index of shards as %j', async (index, message) => {
    await copyOf('sharded');
    await writeFile(
      path.join(folder, 'model.safetensors.index.json'),
      typeof index === 'string' ? index : JSON.stringify(index),
    );
    await expect(load()).rejects.toThrow(message);
  });
});

test('2,000 spoilt files load or are refused, with no more memory than they have', async () => {
  await copyOf('masked-lm');
  const file = path.join(folder, 'model.safetensors');
  const bytes = await readFile(file);
  const header = 8 + Number(bytes.readBigUInt64LE());
  const load = async () => {
    const model = await classes.MegatronBertForMaskedLM.from_pretrained(folder, silent);
    await model.forward(ids).finally(() => model.dispose());
  };
  // what the runtime takes for good is none of the file's doing
  for (let i = 0; i < 200; i++) await load();
  const before = process.memoryUsage().rss;
  let most = before;
  let refused = 0;
  // three of four changes hit the header, where they matter most
  const place = fc.oneof(
    { weight: 1, arbitrary: fc.nat(7) },
    { weight: 2, arbitrary: fc.nat(header - 1) },
    { weight: 1, arbitrary: fc.nat(bytes.length - 1) },
  );
  const change = fc.record({
    place,
    byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('0123456789[]{},":'))),
  });
  const spoilt = fc.record({
    changes: fc.array(change, { minLength: 1, maxLength: 4 }),
    length: fc.option(fc.nat(bytes.length), { freq: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(spoilt, async ({ changes, length }) => {
      const copy = Buffer.from(bytes.subarray(0, length ?? bytes.length));
      for (const { place, byte } of changes) if (place < copy.length) copy[place] = byte;
      await writeFile(file, copy);
      try {
        await load();
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        refused++;
      }
      most = Math.max(most, process.memoryUsage().rss);
    }),
    { numRuns: 2000 },
  );
  expect(refused).toBeGreaterThan(500);
  expect(most - before).toBeLessThan(bytes.length + 64 * 2 ** 20);
}, 120_000);

describe('inputs that cannot be used give one clear error', () => {
  type Given = Parameters<
    Awaited<ReturnType<typeof classes.MegatronBertModel.from_pretrained>>['forward']
  >[0];
  test.each<[Given, string]>([
    [{}, 'expected input_ids or inputs_embeds, found neither'],
    [{ input_ids: [[]] }, 'input_ids: expected [batch, sequence], found [1, 0]'],
    [{ input_ids: [[1, 2], [3]] }, 'input_ids: expected rows of one length, found [2] and [1]'],
    [{ input_ids: [[1, 40]] }, 'input_ids: expected integers from 0 to 39, found 40'],
    [{ input_ids: [[1, -1]] }, 'input_ids: expected integers from 0 to 39, found -1'],
    [{ input_ids: [[1, 1.5]] }, 'input_ids: expected integers from 0 to 39, found 1.5'],
    [{ input_ids: [[1, NaN]] }, 'input_ids: expected integers from 0 to 39, found NaN'],
    [
      { input_ids: [new Array<number>(21).fill(1)] },
      'input_ids: expected at most 20 tokens (max_position_embeddings), found 21',
    ],
    [
      { input_ids: [[1, 2]], token_type_ids: [[0, 2]] },
      'token_type_ids: expected integers from 0 to 1, found 2',
    ],
    [
      { input_ids: [[1, 2]], position_ids: [[0, 20]] },
      'position_ids: expected integers from 0 to 19, found 20',
    ],
    [
      { input_ids: [[1, 2]], attention_mask: [[1]] },
      'attention_mask: expected [1, 2] or [1, 2, 2], found [1, 1]',
    ],
    [
      { input_ids: [[1, 2]], attention_mask: [[1, 0.5]] },
      'attention_mask: expected integers from 0 to 1, found 0.5',
    ],
    [{ input_ids: [[1, 2]], head_mask: [1, 1] }, 'head_mask: expected [4] or [2, 4], found [2]'],
    [{ inputs_embeds: [[[1, 2]]] }, 'inputs_embeds: expected [batch, sequence, 16], found [1, 1, 2]'],
    [
      { input_ids: [[1]], encoder_hidden_states: [[[1]]] },
      'encoder_hidden_states: this model has no cross-attention',
    ],
    [{ input_ids: { dims: [1, 3], data: [1, 2] } }, 'input_ids: expected 3 numbers for [1, 3], found 2'],
    [{ input_ids: [[1]], labels: [[1]] } as Given, 'labels: this class takes no such input, but'],
  ])('%j', async (inputs, message) => {
    const model = await classes.MegatronBertModel.from_pretrained(fixture('models/model'));
    await expect(model.forward(inputs)).rejects.toThrow(InputError);
    await expect(model.forward(inputs)).rejects.toThrow(message);
  });

  test.each([
    [[0, 3], 'labels: expected integers from -100 to 2, found 3'],
    [[0, -1], 'labels: expected integers from 0 to 2, or -100 for none, found -1'],
    [[0], 'labels: expected [2], found [1]'],
  ])('labels %j', async (labels, message) => {
    const model = await classes.MegatronBertForSequenceClassification.from_pretrained(
      fixture('models/classification'),
    );
    await expect(model.forward({ input_ids: [[5], [6]], labels })).rejects.toThrow(message);
  });
});

test('calls side by side give what calls in turn give', async () => {
  const model = await classes.MegatronBertForMaskedLM.from_pretrained(fixture('models/masked-lm'));
  const calls = Array.from({ length: 12 }, (_, i) => ({
    input_ids: [Array.from({ length: 3 + i }, (_, j) => 5 + ((i * 7 + j) % 30))],
  }));
  const inTurn = [];
  for (const call of calls) inTurn.push(await model.forward(call));
  expect(await Promise.all(calls.map((call) => model.forward(call)))).toEqual(inTurn);
});

test('logits only where they are wanted are those of all positions', async () => {
  const model = await classes.MegatronBertForMaskedLM.from_pretrained(fixture('models/masked-lm'));
  const inputs = {
    input_ids: [
      [5, 6, 7, 8],
      [9, 10, 11, 12],
    ],
    attention_mask: [
      [1, 1, 1, 1],
      [1, 1, 1, 0],
    ],
  };
  const { logits: all } = await model.forward(inputs);
  const { logits } = await model.forward({
    ...inputs,
    prediction_positions: [
      [3, 1],
      [0, 2],
    ],
  });
  expect(logits.dims).toEqual([2, 2, 40]);
  [3, 1, 4, 6].forEach((row, i) => {
    const expected = all.data.subarray(row * 40, row * 40 + 40);
    expect(relativeError(logits.data.subarray(i * 40, i * 40 + 40), expected)).toBeLessThan(1e-5);
  });
});

test('an aborted call stops', async () => {
  const model = await classes.MegatronBertModel.from_pretrained(fixture('models/model'));
  await expect(model.forward(ids, { signal: AbortSignal.abort(new Error('no more')) })).rejects.toThrow(
    'no more',
  );
  const aborter = new AbortController();
  const running = model.forward(ids, { signal: aborter.signal });
  aborter.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
  expect((await model.forward(ids)).last_hidden_state.dims).toEqual([1, 4, 16]);
});
