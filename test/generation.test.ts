/** What transformers generates with random decoders (parity/make_generation_fixtures.py, make_gpt2_fixtures.py), generated again. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GenerationOptions } from '../src/generation/options.js';
import { AutoModelForCausalLM } from '../src/pretrained/classes.js';
import type { CausalLanguageModel } from '../src/pretrained/model-classes.js';
import { fixture, readJson } from './support/fixture.js';

interface Run {
  readonly name: string;
  readonly options: GenerationOptions;
  readonly outputs: readonly {
    readonly prompt: number[];
    readonly sequences: number[][];
    readonly scores: number[] | null;
  }[];
}
interface Fixture {
  readonly runs: readonly Run[];
  readonly padded: {
    readonly input_ids: number[][];
    readonly attention_mask: number[][];
    readonly runs: readonly { readonly options: GenerationOptions; readonly sequences: number[][] }[];
  };
}

describe.each([
  ['MegatronBertForCausalLM', 'generation/generation.json', 'generation/model'],
  ['GPT2LMHeadModel', 'gpt2/generation.json', 'gpt2/generation'],
])('%s', (_, file, folder) => {
  const { runs, padded } = readJson(fixture(file)) as Fixture;
  let model: CausalLanguageModel;
  beforeAll(async () => {
    model = await AutoModelForCausalLM.from_pretrained(fixture(folder));
  });
  afterAll(() => model.dispose());

  describe.each([true, false])('with use_cache %s', (use_cache) => {
    test.each(runs)('$name gives the tokens of transformers', async ({ options, outputs }) => {
      for (const { prompt, sequences, scores } of outputs) {
        const found = await model.generate({ input_ids: [prompt] }, { ...options, use_cache });
        expect(found.sequences).toEqual(sequences);
        scores?.forEach((score, i) => {
          expect(found.sequences_scores![i]).toBeCloseTo(score, 4);
        });
      }
    });

    test.each(padded.runs)('a batch padded on the left: $options', async ({ options, sequences }) => {
      const { input_ids, attention_mask } = padded;
      const found = await model.generate({ input_ids, attention_mask }, { ...options, use_cache });
      expect(found.sequences).toEqual(sequences);
    });
  });
});

let model: CausalLanguageModel;
beforeAll(async () => {
  model = await AutoModelForCausalLM.from_pretrained(fixture('generation/model'));
});
afterAll(() => model.dispose());

describe('drawing', () => {
  const prompt = { input_ids: [[5, 6, 7]] };
  const sample = (options: GenerationOptions) =>
    model.generate(prompt, { do_sample: true, max_new_tokens: 12, ...options });

  test('one seed gives one sequence, others give others', async () => {
    const [first, again, other] = [
      await sample({ seed: 1 }),
      await sample({ seed: 1 }),
      await sample({ seed: 2 }),
    ];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test('among one token is greedy', async () => {
    const greedy = await model.generate(prompt, { max_new_tokens: 12 });
    expect(await sample({ top_k: 1 })).toEqual(greedy);
    expect(await sample({ top_p: 1e-6 })).toEqual(greedy);
  });

  test('follows the probabilities', async () => {
    const draws = 4000;
    const { logits } = await model.forward(prompt);
    const last = [...logits.data.subarray(-model.config.vocab_size)];
    const total = last.reduce((sum, score) => sum + Math.exp(score), 0);
    const { sequences } = await sample({ max_new_tokens: 1, num_return_sequences: draws, top_k: 0 });
    last.forEach((score, token) => {
      const probability = Math.exp(score) / total;
      const share = sequences.filter((sequence) => sequence[3] === token).length / draws;
      // five standard deviations
      expect(Math.abs(share - probability)).toBeLessThan(5 * Math.sqrt(probability / draws) + 1e-3);
    });
  });

  test('tells each token as it comes', async () => {
    const told: number[] = [];
    const { sequences } = await sample({ seed: 3, on_tokens: (tokens) => told.push(...tokens) });
    expect(sequences[0]!.slice(3)).toEqual(told);
  });
});

test.each<[GenerationOptions, string]>([
  [{ max_length: 3 }, "max_length: expected more than the prompt's 3 tokens, found 3"],
  [{ max_new_tokens: 90 }, 'expected at most 64 tokens with the prompt (max_position_embeddings), found 93'],
  [{ temperature: 0 }, 'temperature: expected more than 0, found 0'],
  [{ top_p: 2 }, 'top_p: expected a number above 0 and up to 1, found 2'],
  [{ num_return_sequences: 2 }, 'num_return_sequences: expected at most num_beams (1)'],
  [{ num_beams: 2, do_sample: true }, 'num_beams: beams are not drawn at random'],
])('%j is refused', async (options, message) => {
  await expect(model.generate({ input_ids: [[5, 6, 7]] }, options)).rejects.toThrow(message);
});

test('an aborted generation stops', async () => {
  const aborter = new AbortController();
  const generation = model.generate(
    { input_ids: [[5, 6, 7]] },
    {
      max_new_tokens: 40,
      eos_token_id: [],
      signal: aborter.signal,
      on_tokens: () => {
        aborter.abort(new Error('enough'));
      },
    },
  );
  await expect(generation).rejects.toThrow('enough');
});
