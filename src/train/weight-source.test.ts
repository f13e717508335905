import { describe, expect, test } from 'vitest';
import { difference, fixture, readJson, readTensors } from '../../test/support/fixture.js';
import { pretrainingBlocks } from '../model/blocks.js';
import { layoutOf, placePart } from '../partition.js';
import { declaredParameters } from './parameters.js';
import { openWeights, type WeightSource } from './weight-source.js';

const megatron = (name: string): WeightSource => ({
  layout: 'megatron',
  name: fixture(`megatron/${name}.zip`),
  numAttentionHeads: 4,
});
const folder = (name: string): WeightSource => ({
  layout: 'transformers',
  folder: fixture(`models/${name}`),
});

/** Every parameter of pretraining that is there, put together again of what so many ranks read. */
async function readByRanks(source: WeightSource, ranks: number): Promise<Map<string, Float32Array>> {
  const { config, tensors, close } = await openWeights(source);
  const declared = declaredParameters(pretrainingBlocks(config, { predictionCount: 1 }));
  const wholes = new Map<string, Float32Array>();
  for (const [name, { shape, read }] of tensors) {
    const parameter = declared.get(name);
    if (!parameter) continue;
    const whole = new Float32Array(shape.reduce((product, size) => product * size, 1));
    for (let rank = 0; rank < ranks; rank++) {
      const layout = layoutOf(parameter, ranks, rank);
      placePart(await read(layout), layout, whole);
    }
    wholes.set(name, whole);
  }
  await close();
  return wholes;
}

const cases = (readJson(fixture('megatron/cases.json')) as { name: string; kind: string }[]).filter(
  ({ kind }) => kind === 'bert',
);

describe.each([1, 2, 4])('%i ranks read their parts', (ranks) => {
  test.each(cases)('of $name', async ({ name }) => {
    const found = await readByRanks(megatron(name), ranks);
    const expected = await readTensors(fixture('megatron/bert.safetensors'));
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [parameter, { data }] of expected)
      expect(difference(found.get(parameter)!, data), parameter).toBe(0);
  });

  test.each(['pretraining', 'float16', 'bfloat16'])('of the model folder %s', async (name) => {
    const found = await readByRanks(folder(name), ranks);
    const expected = await readTensors(fixture(`models/${name}/model.safetensors`));
    expect(found.size).toBeGreaterThan(30);
    for (const [parameter, data] of found)
      expect(difference(data, expected.get(parameter)!.data), parameter).toBe(0);
  });

  test.each(['sharded', 'pytorch-bin'])('of the model folder %s as one does', async (name) => {
    const [found, whole] = [await readByRanks(folder(name), ranks), await readByRanks(folder(name), 1)];
    expect(found).toEqual(whole);
    expect(found.size).toBeGreaterThan(30);
  });
});

test('what a Megatron-LM checkpoint holds and is not used is said', async () => {
  const notesOf = async (name: string) => {
    const { notes, close } = await openWeights(megatron(name));
    await close();
    return notes;
  };
  expect(await notesOf('training-3-2x2-fp16')).toEqual([
    "its optimizer's state is not used: the run begins with its weights",
  ]);
  expect(await notesOf('bert-2-1x1-legacy-fp32')).toEqual([]);
});

test('a GPT-2 is refused', async () => {
  await expect(openWeights(megatron('gpt2-0-1x1-zip-fp32'))).rejects.toThrow(
    /expected a BERT, found a GPT-2/,
  );
});
