import { describe, expect, it } from 'vitest';
import { publishedArguments } from './published-arguments.js';

const large = { parameters: 336e6, choices: 1, dataRanks: 1 };
const stated = { learning_rate: 5e-5, num_train_epochs: 12, warmup_ratio: 0.065, weight_decay: 0.1 };

describe('publishedArguments', () => {
  it.each([
    [1e6, '336M', 5e-5, 128],
    [6.5e8, '336M', 5e-5, 128],
    [6.8e8, '1.3B', 3e-5, 128],
    [8e9, '3.9B', 4e-5, 256],
  ])('of %f parameters are those of the nearest model, %s', (parameters, name, learning_rate, batchSize) => {
    const { arguments: found, source } = publishedArguments('qqp', { ...large, parameters }, {});
    expect(source).toBe(`arXiv 1909.08053, table 6 (Megatron ${name}), and Megatron-LM's scripts`);
    expect(found).toEqual({
      ...{ ...stated, learning_rate, per_device_train_batch_size: 16 },
      gradient_accumulation_steps: batchSize / 16,
    });
  });

  it.each([
    [{ dataRanks: 4 }, {}, [16, 2]],
    [{ dataRanks: 16 }, {}, [8, 1]],
    [{ choices: 4 }, {}, [4, 32]],
    [{ choices: 100 }, {}, [1, 128]],
    [{ dataRanks: 2 }, { per_device_train_batch_size: 8 }, [undefined, 8]],
    [{ dataRanks: 2 }, { gradient_accumulation_steps: 2 }, [32, undefined]],
    [{ dataRanks: 3 }, { per_device_train_batch_size: 8, gradient_accumulation_steps: 5 }, []],
  ])('%o with %o share the batch', (model, given, [atOnce, steps]) => {
    const { arguments: found } = publishedArguments('qqp', { ...large, ...model }, given);
    expect([found.per_device_train_batch_size, found.gradient_accumulation_steps]).toEqual([atOnce, steps]);
  });

  it('are only what was not given, and counts', () => {
    const given = { learning_rate: 1e-3, max_steps: 5, warmup_steps: 0, weight_decay: 0 };
    expect(publishedArguments('race', { ...large, choices: 4 }, given).arguments).toEqual({
      ...{ per_device_train_batch_size: 4, gradient_accumulation_steps: 8 },
    });
    const { warmup_ratio } = publishedArguments('race', large, {}).arguments;
    expect(warmup_ratio).toBe(0.06);
  });

  it('refuses ranks and sizes that do not divide the batch', () => {
    expect(() => publishedArguments('qqp', { ...large, dataRanks: 3 }, {})).toThrow(
      'the published batch of 128 examples: expected 3 data-parallel ranks to divide it: give both',
    );
    expect(() => publishedArguments('qqp', large, { per_device_train_batch_size: 48 })).toThrow(
      'expected 1 data-parallel ranks of 48 examples to divide it',
    );
  });
});
