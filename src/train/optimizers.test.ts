import { afterAll, describe, expect, test } from 'vitest';
import { readGzippedJson, relativeError } from '../../test/support/fixture.js';
import { openEngine } from '../engine/node.js';
import { sizeOf } from '../graph/value.js';
import type { Block } from '../model/blocks.js';
import { linearParameters } from '../model/parameters.js';
import { singleRank } from '../model/run.js';
import { singleRanks } from '../parallel/ranks.js';
import { defaultOptimizer, resolveOptimizer, updateParameters, type OptimizerChoice } from './optimizer.js';
import { optimizers, type OptimizerName } from './optimizers.js';
import { allocateParameters } from './parameters.js';

const engine = openEngine({ threads: 1 });
afterAll(() => engine.release());

const fixtures = readGzippedJson('optimizers.json.gz') as readonly {
  readonly optimizer: OptimizerName;
  readonly options: OptimizerChoice & { readonly learningRate: number };
  readonly steps: readonly {
    readonly step: number;
    readonly values: Readonly<Record<string, readonly number[]>>;
  }[];
}[];

/** Park and Miller's generator, from which the reference draws too. */
function createDraw() {
  let state = 1;
  return (count: number, center: number) =>
    Float32Array.from({ length: count }, () => {
      state = (state * 48271) % (2 ** 31 - 1);
      return state / 2 ** 31 - center;
    });
}

const block: Block = {
  kind: 'linear',
  prefix: '',
  parameters: linearParameters(6, 7, 1),
  outputs: () => ({}),
};

describe('1,000 steps, beside PyTorch and the formulas in float64', () => {
  test.each(fixtures)('$optimizer', async ({ optimizer, options, steps }) => {
    const resolved = resolveOptimizer({ ...options, optimizer, clipGradient: 0 });
    const allocated = allocateParameters(engine, [block], singleRank, optimizers[optimizer].moments.length);
    const { parameters } = allocated;
    const draw = createDraw();
    for (const { value } of parameters.values()) await engine.write(value, draw(sizeOf(value.shape), 0.5));
    for (let step = 1; step <= 1000; step++) {
      for (const { gradient } of parameters.values())
        await engine.write(gradient!, draw(sizeOf(gradient!.shape), 0.4));
      await updateParameters(engine, allocated, singleRanks, resolved, 1, step, () => options.learningRate);
      const expected = steps.find((other) => other.step === step)?.values;
      if (!expected) continue;
      for (const [name, { value }] of parameters)
        expect(
          relativeError(await engine.read(value), expected[name]!),
          `${name} after ${step} steps`,
        ).toBeLessThanOrEqual(1e-6);
    }
  });
});

test('only what the optimizer keeps takes memory', () => {
  const bytesOf = (optimizer: OptimizerName) => {
    const before = engine.allocatedBytes();
    allocateParameters(engine, [block], singleRank, optimizers[optimizer].moments.length);
    return engine.allocatedBytes() - before;
  };
  expect(bytesOf('sgd') / 3).toBe(bytesOf('adamw') / 4);
});

test.each([
  [{ optimizer: 'adamax' }, 'optimizer: expected adam, adamw, adam-l2, sgd, lamb, found "adamax"'],
  [{ beta2: 1 }, 'beta2: expected a number from 0 to less than 1, found 1'],
  [{ momentum: NaN }, 'momentum: expected a number from 0 to less than 1, found NaN'],
  [{ epsilon: -1 }, 'epsilon: expected a number of 0 or more, found -1'],
])('%o is refused', (choice, message) => {
  expect(() => resolveOptimizer(choice as OptimizerChoice)).toThrow(message);
});

test("Megatron-LM's adam is AdamW, and LAMB has an epsilon of its own", () => {
  expect(resolveOptimizer({ optimizer: 'adam' })).toEqual(resolveOptimizer({}));
  expect(resolveOptimizer({ optimizer: 'adamw' })).toEqual(defaultOptimizer);
  expect(resolveOptimizer({ optimizer: 'lamb' }).epsilon).toBe(1e-6);
  expect(resolveOptimizer({ optimizer: 'lamb', epsilon: 1e-8 }).epsilon).toBe(1e-8);
});
