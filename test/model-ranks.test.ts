/** Models that several ranks hold between them: they give what transformers gives, as those of one rank do. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GenerationOptions } from '../src/generation/options.js';
import type { CausalLanguageModel } from '../src/pretrained/model-classes.js';
import { fixture, readJson } from './support/fixture.js';
import { expectOutputs, givenInputs, modelCases, tensorsOf, type ModelCase } from './support/model-cases.js';
import { launchers } from './support/mpi.js';
import { megatronBert } from './support/workspace.js';

/** Ranks are threads that run the built package. */
const built = (await import(
  new URL('../dist/index.js', import.meta.url).href
)) as typeof import('../src/index.js');
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const run = promisify(execFile);

const quiet = { warn: () => undefined };
const onFour = { tensor_parallel_size: 2, pipeline_parallel_size: 2 };

/** What other cases show too, unless all are asked for. */
const others =
  process.env.MESHES === 'all'
    ? /^activation-/
    : /^(activation-|relative-key(-loss)?$|decoder-relative|stored-(?!float16|pytorch)|lm-head-(?!cache|loss|untied)|classification-(?!left|loss)|masked-lm-causal|cross-attention-(?!cache))/;

/** Those that one model does for. */
const groups = new Map<string, ModelCase[]>();
for (const modelCase of modelCases) {
  if (others.test(modelCase.name) || modelCase.model === 'pruned') continue;
  const { folder, model, config, options } = modelCase;
  const { class: name } = modelCase;
  // a loss of this class decides of which kind its labels are from then on
  const own = name.endsWith('ForSequenceClassification') && modelCase.name;
  const key = JSON.stringify([name, folder, model, config, options.add_pooling_layer, own]);
  groups.set(key, [...(groups.get(key) ?? []), modelCase]);
}

test.each([...groups.values()].map((group) => ({ ...group[0]!, group })))(
  '$class: $name, on 2 × 2 ranks',
  async ({
    class: name,
    folder,
    model: fixtureName,
    config,
    options: { add_pooling_layer = true },
    group,
  }) => {
    const model = await built[name].from_pretrained(fixture(`${folder}models/${fixtureName}`), {
      ...{ ...quiet, ...onFour, config, add_pooling_layer },
    });
    for (const modelCase of group) {
      const tensors = await tensorsOf(modelCase);
      expectOutputs(await model.forward(givenInputs(tensors) as never, modelCase.options), tensors);
    }
    await model.dispose();
  },
);

describe.each([{ tensor_parallel_size: 2 }, { tensor_parallel_size: 4 }, { pipeline_parallel_size: 2 }])(
  'generation with %j',
  (sizes) => {
    interface Run {
      readonly name: string;
      readonly options: GenerationOptions;
      readonly outputs: readonly { readonly prompt: number[]; readonly sequences: number[][] }[];
    }
    describe.each([
      ['generation/generation.json', 'generation/model'],
      ['gpt2/generation.json', 'gpt2/generation'],
    ])('%s', (file, folder) => {
      const { runs: all } = readJson(fixture(file)) as { readonly runs: Run[] };
      const runs = all.filter(({ name }) => ['greedy', 'greedy-max-length', 'beams-several'].includes(name));
      let model: CausalLanguageModel;
      beforeAll(async () => {
        model = await built.AutoModelForCausalLM.from_pretrained(fixture(folder), { ...quiet, ...sizes });
      });
      afterAll(() => model.dispose());

      test.each(runs)('$name', async ({ options, outputs }) => {
        for (const { prompt, sequences } of outputs)
          expect((await model.generate({ input_ids: [prompt] }, options)).sequences).toEqual(sequences);
      });
    });
  },
);

describe('the command line', () => {
  const words = [
    'run',
    'fill-mask',
    '--model',
    fixture('pipelines/models/masked-lm'),
    'the [MASK] is',
    '--json',
  ];
  const sizes = ['--tensor-model-parallel-size', '2', '--pipeline-model-parallel-size', '2'];
  interface Prediction {
    readonly token_str: string;
    readonly score: number;
  }
  let whole: readonly Prediction[];
  beforeAll(async () => {
    whole = JSON.parse((await megatronBert(...words)).stdout) as Prediction[];
  });
  const expectWhole = (stdout: string) => {
    const found = JSON.parse(stdout) as Prediction[];
    expect(found.map(({ token_str }) => token_str)).toEqual(whole.map(({ token_str }) => token_str));
    found.forEach(({ score }, i) => {
      expect(score).toBeCloseTo(whole[i]!.score, 5);
    });
  };

  test('on threads', async () => {
    expectWhole((await megatronBert(...words, ...sizes)).stdout);
  });

  describe.each(launchers)('on processes of $name', ({ command, args }) => {
    const mpirun = (size: number, ...more: string[]) =>
      run(command, [...args, '-n', String(size), process.execPath, main, ...more]);

    test('one of which answers', async () => {
      expectWhole((await mpirun(4, ...words, ...sizes)).stdout);
    });

    test('one line where they are too few, or the model is none', async () => {
      await expect(mpirun(2, ...words, ...sizes)).rejects.toThrow(
        /expected as many processes as the mesh has ranks, 2 \(tensor\) × 2 \(pipeline\).*found 2/,
      );
      await expect(mpirun(4, ...words.with(3, 'nowhere'), ...sizes)).rejects.toThrow(
        /rank 0 on .*: .*nowhere/,
      );
    });
  });
});

describe('what cannot be', () => {
  const masked = (options: object) =>
    built.MegatronBertForMaskedLM.from_pretrained(fixture('models/masked-lm'), { ...quiet, ...options });

  test.each([
    [{ tensor_parallel_size: 3 }, /attention heads: expected a divisor of 4, such as 2, found 3/],
    [
      { pipeline_parallel_size: 9 },
      /pipeline-parallel size: expected at most \d+, a layer for each stage, found 9/,
    ],
    [{ tensor_parallel_size: 1.5 }, /tensor-parallel size: expected a positive integer, found 1.5/],
    [{ tensor_parallel_size: 2, dtype: 'int8' }, /dtype: int8 is for a model on one rank/],
  ])('%j', async (options, message) => {
    await expect(masked(options)).rejects.toThrow(message);
  });

  test('another vocabulary while ranks hold the model', async () => {
    const model = await masked({ tensor_parallel_size: 2 });
    await expect(model.resize_token_embeddings(8)).rejects.toThrow(/resize it on one, and save it/);
    await model.dispose();
  });

  test('a call after the ranks were let go, or that was given up', async () => {
    const model = await masked({ tensor_parallel_size: 2 });
    const input_ids = [[1, 2, 3]];
    const before = await model.forward({ input_ids });
    const signal = AbortSignal.abort(new Error('given up'));
    await expect(model.forward({ input_ids }, { signal })).rejects.toThrow('given up');
    expect((await model.forward({ input_ids })).logits.data).toEqual(before.logits.data);
    await model.dispose();
    await expect(model.forward({ input_ids })).rejects.toThrow('this model was given back');
  });
});
