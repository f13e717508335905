/** Adapters in PEFT's format as models: with the logits that PEFT gives (parity/make_task_fixtures.py). */
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { convert, MegatronBertForSequenceClassification, pipeline } from '../src/index.js';
import { readAnyTokenizer } from '../src/text/tokenizer-files.js';
import { difference, fixture, readJson, readTensors } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

const { texts, logits, trained_logits } = readJson(fixture('tasks/lora/lora.json')) as {
  readonly texts: readonly string[];
  readonly logits: readonly (readonly number[])[];
  readonly trained_logits: readonly (readonly number[])[];
};
const folder = temporaryFolder();
const adapter = fixture('tasks/lora/adapter');

async function logitsOf(model: string) {
  const tokenizer = await readAnyTokenizer(model);
  const loaded = await MegatronBertForSequenceClassification.from_pretrained(model);
  const all: number[][] = [];
  for (const text of texts) {
    const { input_ids } = tokenizer.encode(text);
    all.push([...(await loaded.forward({ input_ids: [input_ids] })).logits.data]);
  }
  await loaded.dispose();
  return all;
}

const distance = (found: readonly (readonly number[])[], expected: readonly (readonly number[])[]) =>
  Math.max(...found.map((row, i) => difference(row, expected[i]!)));

describe('an adapter', () => {
  test.each([
    ['new', adapter, logits],
    ['trained', fixture('tasks/lora/trained'), trained_logits],
  ])('%s, is loaded with the model that it adapts', async (_, model, expected) => {
    expect(distance(await logitsOf(model), expected)).toBeLessThan(1e-4);
  });

  test('is merged into a folder of its own, in fp32 and fp16', async () => {
    const merged = path.join(folder, 'merged');
    const { from, files } = await convert(adapter, merged);
    expect(from).toBe('a LoRA adapter and the model that it adapts');
    expect(files.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['model.safetensors', 'config.json', 'tokenizer.json']),
    );
    expect(distance(await logitsOf(merged), logits)).toBeLessThan(1e-4);

    const small = path.join(folder, 'small');
    await convert(adapter, small, { dtype: 'fp16' });
    expect(statSync(path.join(small, 'model.safetensors')).size).toBeLessThan(
      0.6 * statSync(path.join(merged, 'model.safetensors')).size,
    );
    expect(distance(await logitsOf(small), logits)).toBeLessThan(0.05);
  });

  test('is merged on the way to Megatron-LM', async () => {
    const megatron = path.join(folder, 'megatron');
    await convert(adapter, megatron, { to: 'megatron', tensorModelParallelSize: 2 });
    const back = path.join(folder, 'back');
    await convert(megatron, back);
    const query = 'bert.encoder.layer.1.attention.self.query.weight';
    const [whole, base] = await Promise.all(
      [path.join(folder, 'merged'), fixture('pipelines/models/classification')].map(
        async (model) => (await readTensors(path.join(model, 'model.safetensors'))).get(query)!.data,
      ),
    );
    const found = (await readTensors(path.join(back, 'model.safetensors'))).get(query)!.data;
    expect(difference(found, whole!)).toBe(0);
    expect(difference(found, base!)).toBeGreaterThan(1e-3);
  });

  test('works in a pipeline', async () => {
    const classify = await pipeline('text-classification', adapter);
    const [{ label }] = (await classify([texts[0]!])) as unknown as [{ label: string }];
    const best = logits[0]!.indexOf(Math.max(...logits[0]!));
    const { id2label } = readJson(fixture('pipelines/models/classification/config.json')) as {
      id2label: Record<number, string>;
    };
    expect(label).toBe(id2label[best]);
    await classify.dispose();
  });
});

describe('what cannot be used is named', () => {
  const changed = (name: string, change: (fields: Record<string, unknown>) => void) => {
    const copy = path.join(folder, name);
    mkdirSync(copy);
    copyFileSync(
      path.join(adapter, 'adapter_model.safetensors'),
      path.join(copy, 'adapter_model.safetensors'),
    );
    const fields = JSON.parse(readFileSync(path.join(adapter, 'adapter_config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    change(fields);
    writeFileSync(path.join(copy, 'adapter_config.json'), JSON.stringify(fields));
    return copy;
  };

  test.each<[string, (fields: Record<string, unknown>) => void, RegExp]>([
    [
      'rank',
      (fields) => (fields.r = 8),
      /adapter_model\.safetensors: expected numbers \[8, \d+\], found F32 \[4, \d+\]$/,
    ],
    ['kind', (fields) => (fields.use_dora = true), /use_dora: expected false or null, found true$/],
    [
      'base',
      (fields) => delete fields.base_model_name_or_path,
      /base_model_name_or_path: expected the name of a model/,
    ],
    ['missing', (fields) => (fields.base_model_name_or_path = 'no such model'), /no such model/],
  ])('%s', async (name, change, message) => {
    await expect(
      MegatronBertForSequenceClassification.from_pretrained(changed(name, change)),
    ).rejects.toThrow(message);
  });
});
