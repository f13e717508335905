import { copyFile, cp, mkdir, readFile, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fixture, relativeError } from '../../test/support/fixture.js';
import { temporaryFolder } from '../../test/support/workspace.js';
import { MegatronBertForMaskedLM, MegatronBertModel } from './classes.js';
import { quantizeRows } from './quantized-weights.js';

test('each number is within half a step of its row', () => {
  const number = fc.integer({ min: -(2 ** 24), max: 2 ** 24 }).map((x) => x / 2 ** 22);
  fc.assert(
    fc.property(fc.nat(80), fc.nat(80), fc.infiniteStream(number), (outputs, inputs, numbers) => {
      const weights = Float32Array.from({ length: outputs * inputs }, () => numbers.next().value as number);
      const { values, scales } = quantizeRows(weights, outputs, inputs);
      weights.forEach((weight, i) => {
        const [row, column] = [Math.floor(i / inputs), i % inputs];
        const found = values[column * outputs + row]! * scales[row]!;
        expect(Math.abs(found - weight)).toBeLessThanOrEqual(scales[row]! * 0.5001);
      });
    }),
    { numRuns: 30 },
  );
});

describe("dtype 'int8'", () => {
  const root = temporaryFolder();
  const inputs = { input_ids: [[5, 6, 7, 8, 9, 10]] };
  const folderOf = async (name: string) => {
    const folder = path.join(root, name);
    await mkdir(folder, { recursive: true });
    await cp(fixture('models/masked-lm'), folder, { recursive: true });
    return folder;
  };

  test('comes close to the whole numbers', async () => {
    const folder = await folderOf('close');
    const whole = await MegatronBertForMaskedLM.from_pretrained(folder);
    const rounded = await MegatronBertForMaskedLM.from_pretrained(folder, { dtype: 'int8' });
    const [expected, found] = [await whole.forward(inputs), await rounded.forward(inputs)];
    const error = relativeError(found.logits.data, expected.logits.data);
    expect(error).toBeLessThan(0.05);
    expect(error).toBeGreaterThan(0);
  });

  test('is made once, and anew for other weights', async () => {
    const folder = await folderOf('once');
    const file = path.join(folder, 'model.int8.safetensors');
    const load = async () =>
      (await MegatronBertForMaskedLM.from_pretrained(folder, { dtype: 'int8' })).forward(inputs);
    const first = await load();
    const made = await stat(file);
    expect(await load()).toEqual(first);
    expect((await stat(file)).ino).toBe(made.ino);

    await copyFile(fixture('models/untied/model.safetensors'), path.join(folder, 'model.safetensors'));
    await utimes(path.join(folder, 'model.safetensors'), 1, 1);
    expect(await load()).not.toEqual(first);
    expect((await stat(file)).ino).not.toBe(made.ino);
  });

  test('leaves the weights as they are for saving', async () => {
    const folder = await folderOf('saving');
    const model = await MegatronBertForMaskedLM.from_pretrained(folder, { dtype: 'int8' });
    await model.save_pretrained(path.join(root, 'saved'));
    expect(await readFile(path.join(root, 'saved', 'model.safetensors'))).toHaveLength(
      (await readFile(path.join(folder, 'model.safetensors'))).length,
    );
  });

  test.each([
    [{ dtype: 'int4' }, 'dtype: expected fp32 or int8, found "int4"'],
    [{ device: 'gpu' }, 'device: expected cpu, found "gpu"'],
  ])('%j is refused', async (options, message) => {
    await expect(
      MegatronBertModel.from_pretrained(fixture('models/model'), options as never),
    ).rejects.toThrow(message);
  });
});
