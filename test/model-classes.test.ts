/** What transformers computes with random models of its classes (parity/make_model_fixtures.py, make_gpt2_fixtures.py), computed again. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../src/engine/engine.js';
import { openEngine } from '../src/engine/node.js';
import * as classes from '../src/pretrained/classes.js';
import { difference, fixture, relativeError } from './support/fixture.js';
import { lossGradients } from './support/loss-gradients.js';
import {
  expectOutputs,
  givenInputs,
  modelCases as cases,
  startingWith,
  tensorsOf,
} from './support/model-cases.js';

test(`${cases.length} cases of every class`, () => {
  expect(cases.length).toBeGreaterThanOrEqual(100);
  expect(new Set(cases.map((modelCase) => modelCase.class)).size).toBe(12);
});

describe.each(cases)('$class: $name', (modelCase) => {
  test('outputs', async () => {
    const { add_pooling_layer = true, ...options } = modelCase.options;
    const model = await classes[modelCase.class].from_pretrained(
      fixture(`${modelCase.folder}models/${modelCase.model}`),
      {
        config: modelCase.config,
        add_pooling_layer,
        warn: () => undefined,
      },
    );
    expect(model.loading_info).toEqual({
      missing_keys: [],
      unexpected_keys: add_pooling_layer ? [] : ['pooler.dense.bias', 'pooler.dense.weight'],
      mismatched_keys: [],
    });
    const tensors = await tensorsOf(modelCase);
    expectOutputs(await model.forward(givenInputs(tensors) as never, options), tensors);
    await model.dispose();
  });
});

describe("gradients are PyTorch's", () => {
  let engine: Engine;
  beforeAll(() => {
    engine = openEngine({ threads: 1 });
  });
  afterAll(() => engine.release());

  test.each(cases)('$class: $name', async (modelCase) => {
    const tensors = await tensorsOf(modelCase);
    const expected = startingWith(tensors, 'gradient.');
    if (expected.length === 0) return;
    const found = await lossGradients(engine, modelCase, givenInputs(tensors), new Map(expected));
    for (const [name, { data }] of expected) {
      // what is added to all keys, or to the logits of all positions, changes nothing: rounding noise
      const isNoise = Math.max(...data.map(Math.abs)) < 1e-6;
      if (isNoise) expect(difference(found.get(name)!, data), name).toBeLessThan(1e-6);
      else expect(relativeError(found.get(name)!, data), name).toBeLessThan(1e-4);
    }
  });
});
