import { expect, test } from 'vitest';
import { fixture, readJson } from '../../test/support/fixture.js';
import { megatronBertConfig } from '../model/config.js';
import { processScores, sharpenScores } from './logits-processors.js';
import { resolveOptions, type GenerationOptions } from './options.js';

const { processors } = readJson(fixture('generation/generation.json')) as {
  readonly processors: {
    readonly input_ids: number[][];
    readonly logits: number[][];
    readonly results: readonly {
      readonly name: string;
      readonly options: GenerationOptions;
      /** null is −∞. */
      readonly rows: (number | null)[][];
    }[];
  };
};

const settingsOf = (options: GenerationOptions) =>
  resolveOptions({ top_k: 0, ...options }, megatronBertConfig({ eos_token_id: 3 }), 6);

test.each(processors.results)('$name gives the scores of transformers', ({ options, rows }) => {
  rows.forEach((expected, i) => {
    const scores = Float32Array.from(processors.logits[i]!);
    processScores(scores, processors.input_ids[i]!, settingsOf(options));
    sharpenScores(scores, settingsOf(options));
    expected.forEach((score, token) => {
      if (score === null) expect(scores[token]).toBe(-Infinity);
      else expect(scores[token]).toBeCloseTo(score, 5);
    });
  });
});

test('no end token before the least length', () => {
  const scores = Float32Array.of(0, 1, 2, 3, 4);
  processScores(scores, [1, 2], settingsOf({ min_length: 3 }));
  expect([...scores]).toEqual([0, 1, 2, -Infinity, 4]);
  const later = Float32Array.of(0, 1, 2, 3, 4);
  processScores(later, [1, 2, 4], settingsOf({ min_length: 3 }));
  expect(later[3]).toBe(3);
});
