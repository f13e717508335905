/** Runs that begin with the weights of a model, or go on in another folder. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PretrainOptions } from '../src/index.js';
import { difference, fixture, readJson, readTensors } from './support/fixture.js';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const at = (...names: string[]) => path.join(folder, ...names);

const iterations = 8;
const architecture = {
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 32,
  max_position_embeddings: 24,
};

interface Run {
  readonly log: readonly Record<string, number | string>[];
  readonly warnings: readonly string[];
}

/** A run on the same text, with what it said. */
async function pretrain(output: string, more: Partial<PretrainOptions> = {}): Promise<Run> {
  const warnings: string[] = [];
  await built.pretrain({
    corpus: at('corpus'),
    tokenizer: at('tokenizer'),
    output: at(output),
    sequenceLength: 16,
    microBatchSize: 2,
    trainIterations: iterations,
    evaluationInterval: 4,
    evaluationSequences: 8,
    saveInterval: 2,
    learningRate: 1e-2,
    ...more,
    onEvent: (event) => {
      if (event.kind === 'warning') warnings.push(event.message);
    },
  });
  return { log: readLog(output), warnings };
}

const readLog = (output: string) =>
  readFileSync(at(output, 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Run['log'][number]);

const lastLossOf = ({ log }: Run) => log.findLast(({ kind }) => kind === 'evaluation')!.loss as number;

const timings = [
  ...['seconds', 'data_seconds', 'memory'],
  ...['tokens_per_second', 'model_flops_per_second', 'peak_flops_per_second'],
];

/** What a run leaves, but for the time that it took. */
const resultOf = (output: string) => ({
  model: readFileSync(at(output, 'model.safetensors')).toString('base64'),
  log: readLog(output).map((event) =>
    Object.fromEntries(Object.entries(event).filter(([name]) => !timings.includes(name))),
  ),
});

const weightsOf = (model: string) => readTensors(path.join(model, 'model.safetensors'));

/** A run that changes nothing: what it leaves is what it began with. */
const still = { learningRate: 0, trainIterations: 1 };

async function expectSameWeights(output: string, model: string): Promise<void> {
  const [found, expected] = [await weightsOf(at(output)), await weightsOf(model)];
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, { shape, data }] of expected) {
    expect(found.get(name)!.shape).toEqual(shape);
    expect(difference(found.get(name)!.data, data), name).toBe(0);
  }
}

let base: Run;
let vocab: string[];
/** The held-out loss of the base model. */
let lastLoss: number;

beforeAll(async () => {
  writeChapters(at('corpus'), 3);
  vocab = await built.trainWordPiece(built.readTexts({ input: [at('corpus')] }), { vocabSize: 200 });
  await built.writeTokenizer(at('tokenizer'), built.createTokenizer({ vocab, lowercase: true }));
  const added = ['[E1]', '[E2]', ...Array.from({ length: 70 }, (_, i) => `term${i}`)];
  const longer = built.createTokenizer({ vocab: [...vocab, ...added], lowercase: true });
  await built.writeTokenizer(at('longer'), longer);
  base = await pretrain('base', { config: { ...architecture, hidden_act: 'gelu_new' } });
  lastLoss = lastLossOf(base);
  // the model without its run
  cpSync(at('base'), at('model'), { recursive: true });
  rmSync(at('model', 'checkpoints'), { recursive: true });
});

describe('a run begins with the weights and the held-out loss of a model', () => {
  beforeAll(async () => {
    for (const ranks of [1, 2])
      await built.convert(at('model'), at(`megatron-${ranks}`), {
        to: 'megatron',
        tensorModelParallelSize: ranks,
        pipelineModelParallelSize: ranks,
      });
    await built.convert(at('megatron-1'), at('pytorch'), { asTransformers: true });
    cpSync(at('model', 'config.json'), at('pytorch', 'config.json'));
    cpSync(at('model', 'vocab.txt'), at('pytorch', 'vocab.txt'));
    const sharded = await built.MegatronBertForPreTraining.from_pretrained(at('model'));
    await sharded.save_pretrained(at('sharded'), { max_shard_size: 20_000 });
    await sharded.dispose();
    expect(readdirSync(at('sharded')).length).toBeGreaterThan(4);
    expect(existsSync(at('pytorch', 'model.safetensors'))).toBe(false);
  });

  test.each(
    ['model', 'sharded', 'pytorch', 'megatron-1', 'megatron-2'].flatMap((load) =>
      [1, 2].map((ranks) => ({ load, ranks })),
    ),
  )('$load on $ranks ranks', async ({ load, ranks }) => {
    const output = `from-${load}-${ranks}`;
    const { log, warnings } = await pretrain(output, {
      load: at(load),
      tensorModelParallelSize: ranks,
      ...still,
    });
    expect(log[0]).toMatchObject({ kind: 'evaluation', iteration: 0 });
    if (ranks === 1) expect(log[0]!.loss).toBe(lastLoss);
    else expect((log[0]!.loss as number) / lastLoss).toBeCloseTo(1, 6);
    await expectSameWeights(output, at('model'));
    expect(readJson(at(output, 'config.json'))).toEqual(readJson(at('model', 'config.json')));
    const says = ['sharded', 'megatron-1', 'megatron-2'].includes(load) ? [/no vocabulary beside it/] : [];
    expect(warnings).toEqual(says.map((text) => expect.stringMatching(text) as string));
  });

  test('and learns from there', async () => {
    const run = await pretrain('on', { load: at('model'), trainIterations: 60 });
    expect(lastLossOf(run)).toBeLessThan(lastLoss);
  });

  test('dropout may be another, and rows of padding more', async () => {
    await pretrain('padded', {
      load: at('model'),
      makeVocabSizeDivisibleBy: 60,
      config: { hidden_dropout_prob: 0 },
      ...still,
    });
    expect(readJson(at('padded', 'config.json'))).toMatchObject({ vocab_size: 240, hidden_dropout_prob: 0 });
    const name = 'bert.embeddings.word_embeddings.weight';
    const [found, before] = [await weightsOf(at('padded')), await weightsOf(at('model'))];
    const words = 200 * architecture.hidden_size;
    expect(found.get(name)!.data.subarray(0, words)).toEqual(before.get(name)!.data.subarray(0, words));
  });
});

test('heads that a model lacks begin at random, what there is no use for is named', async () => {
  const load = fixture('pipelines/models/classification');
  const { warnings } = await pretrain('headless', { load, tokenizer: load, seed: 5, ...still });
  expect(warnings.join('\n')).toMatch(
    /not in the weights, and begun at random: .*cls\.predictions\.bias.*cls\.seq_relationship\.weight/,
  );
  expect(warnings.join('\n')).toMatch(/not used: classifier\.bias, classifier\.weight/);
  const [found, before] = [await weightsOf(at('headless')), await weightsOf(load)];
  for (const [name, { data }] of before)
    if (name.startsWith('bert.')) expect(difference(found.get(name)!.data, data), name).toBe(0);
  const { data } = found.get('cls.seq_relationship.weight')!;
  const deviation = Math.sqrt([...data].reduce((sum, x) => sum + x * x, 0) / data.length);
  expect(deviation).toBeGreaterThan(0.01);
  expect(deviation).toBeLessThan(0.03);
});

describe('a vocabulary that goes on behind the model’s', () => {
  const tables = [
    ['bert.embeddings.word_embeddings.weight', architecture.hidden_size],
    ['cls.predictions.bias', 1],
  ] as const;
  test.each([
    ['model', 1],
    ['model', 2],
    ['base', 1],
  ] as const)('%s on %i ranks: old rows stay, new ones are their mean', async (load, ranks) => {
    const output = `longer-${load}-${ranks}`;
    const { warnings } = await pretrain(output, {
      load: at(load),
      finetune: true,
      tokenizer: at('longer'),
      tensorModelParallelSize: ranks,
      ...still,
    });
    expect(warnings.join('\n')).toMatch(/72 new tokens begin as the mean of the 200 that it has/);
    const [found, before] = [await weightsOf(at(output)), await weightsOf(at('model'))];
    for (const [name, width] of tables) {
      const { data, shape } = found.get(name)!;
      const old = before.get(name)!.data;
      expect(shape[0]).toBe(ranks === 1 ? 384 : 512);
      expect(data.subarray(0, 200 * width)).toEqual(old.subarray(0, 200 * width));
      for (let column = 0; column < width; column++) {
        let sum = 0;
        for (let row = 0; row < 200; row++) sum += old[row * width + column]!;
        for (const row of [200, 271, shape[0]! - 1])
          expect(data[row * width + column]).toBeCloseTo(sum / 200, 6);
      }
    }
  });

  test('a run without its tokenizer knows how much of it is old', async () => {
    cpSync(at('base'), at('begun'), { recursive: true });
    for (const name of ['vocab.txt', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'])
      rmSync(at('begun', name));
    const { warnings } = await pretrain('longer-begun', {
      load: at('begun'),
      finetune: true,
      tokenizer: at('longer'),
      ...still,
    });
    expect(warnings.join('\n')).toMatch(/72 new tokens begin as the mean of the 200 that it has/);
  });
});

describe('a run is loaded', () => {
  test('with finetune its weights only', async () => {
    const { log } = await pretrain('tuned', { load: at('base'), finetune: true });
    await pretrain('tuned-model', { load: at('model') });
    expect(log[0]).toMatchObject({ kind: 'evaluation', iteration: 0, loss: lastLoss });
    const first = log.find(({ kind }) => kind === 'step');
    expect(first).toMatchObject({ kind: 'step', iteration: 1, consumed_samples: 2 });
    // moments and schedule are those of a new run
    expect(resultOf('tuned')).toEqual(resultOf('tuned-model'));
  });

  test('and else it goes on in the other folder, to the bits of the run in one go', async () => {
    const stop = new AbortController();
    const config = architecture;
    await pretrain('whole', { config, trainIterations: 12 });
    const options = { config, trainIterations: 12, stopSignal: stop.signal, saveInterval: 5 };
    stop.abort();
    await expect(pretrain('first', options)).rejects.toThrow('stopped after iteration 1');
    await pretrain('second', { load: at('first'), trainIterations: 12, saveInterval: 3 });
    expect(resultOf('second')).toEqual(resultOf('whole'));
    expect(readdirSync(at('first', 'checkpoints'))).toContain('iter_0000001');
    expect(readLog('first').at(-1)).toMatchObject({ kind: 'step', iteration: 1 });
  });

  test.each([
    ['another seed', { seed: 3 }, /another seed: expected 1234, found 3; --finetune begins a new run/],
    ['another text', { corpus: at('other-corpus') }, /another text: .*; --finetune/],
    [
      'more words',
      { tokenizer: at('longer') },
      /goes on with its 200 tokens, found a tokenizer of 272; --finetune/,
    ],
  ])('which it does not with %s', async (_, given, message) => {
    writeChapters(at('other-corpus'), 4);
    await expect(pretrain('refused', { load: at('base'), ...given })).rejects.toThrow(message);
    expect(existsSync(at('refused'))).toBe(false);
  });
});

test('the same command again goes on with the run, and needs the model no more', async () => {
  cpSync(at('model'), at('leaving'), { recursive: true });
  const options = { load: at('leaving'), resume: true };
  await pretrain('at-once', options);
  const stop = new AbortController();
  stop.abort();
  await expect(pretrain('restarted', { ...options, stopSignal: stop.signal })).rejects.toThrow(
    /stopped after/,
  );
  rmSync(at('leaving'), { recursive: true });
  await pretrain('restarted', options);
  expect(resultOf('restarted')).toEqual(resultOf('at-once'));
});

describe('refused before anything is written', () => {
  beforeAll(async () => {
    const other = vocab.with(150, 'other');
    await built.writeTokenizer(at('other'), built.createTokenizer({ vocab: other, lowercase: true }));
    const fewer = vocab.slice(0, 190);
    await built.writeTokenizer(at('fewer'), built.createTokenizer({ vocab: fewer, lowercase: true }));
    cpSync(at('model'), at('lossy'), { recursive: true });
    const config = readJson(at('model', 'config.json')) as object;
    writeFileSync(at('lossy', 'config.json'), JSON.stringify({ ...config, num_hidden_layers: 3 }));
    cpSync(at('model'), at('wrong'), { recursive: true });
    writeFileSync(at('wrong', 'config.json'), JSON.stringify({ ...config, intermediate_size: 64 }));
  });

  const cases: readonly [what: string, options: () => Partial<PretrainOptions>, message: RegExp][] = [
    [
      'another architecture',
      () => ({ load: at('model'), config: { num_hidden_layers: 4 } }),
      /num_hidden_layers: expected 2, as .*model has it, found 4/,
    ],
    [
      'another architecture than the run has',
      () => ({ load: at('base'), config: { hidden_act: 'gelu' } }),
      /hidden_act: expected "gelu_new", as .*base has it, found "gelu"/,
    ],
    [
      'longer text than the model takes',
      () => ({ load: at('model'), sequenceLength: 32 }),
      /sequence length: expected 8 to 24/,
    ],
    [
      'another vocabulary',
      () => ({ load: at('model'), tokenizer: at('other') }),
      /token 150: expected ".*", found "other"/,
    ],
    [
      'a vocabulary that ends before',
      () => ({ load: at('base'), tokenizer: at('fewer') }),
      /token 190: expected ".*", found none/,
    ],
    [
      'more words than rows, and no vocabulary to compare with',
      () => ({ load: fixture('models/pretraining') }),
      /expected a tokenizer of at most 40 tokens, found one of 200; .* vocab\.txt/,
    ],
    ['nothing', () => ({ load: at('nothing') }), /nothing: expected a model folder, .*, found nothing/],
    [
      'a folder that is no model',
      () => ({ load: at('corpus') }),
      /corpus: expected a model folder \(config\.json\), a run's \(checkpoints\) or a Megatron-LM checkpoint/,
    ],
    ['a GPT-2', () => ({ load: fixture('megatron/gpt2-0-1x1-zip-fp32.zip') }), /num-attention-heads|a GPT-2/],
    ['a decoder', () => ({ load: fixture('models/decoder-cross') }), /expects an encoder, found a decoder/],
    [
      'pruned heads',
      () => ({ load: fixture('models/pruned') }),
      /expects layers that are alike, found pruned/,
    ],
    [
      'positions of another kind',
      () => ({ load: fixture('models/relative-key') }),
      /expects absolute positions, found position_embedding_type "relative_key"/,
    ],
    [
      'a model without a layer',
      () => ({ load: at('lossy') }),
      /lossy: expected a bert\.encoder\.layer\.2\.\S+, found none/,
    ],
    [
      'weights of another shape',
      () => ({ load: at('wrong') }),
      /intermediate\.dense\.weight: expected \[64, 16\] by its configuration, found \[32, 16\]/,
    ],
    [
      'the output folder itself',
      () => ({ load: at('base'), output: at('base') }),
      /neither in .*base nor around/,
    ],
    ['finetune alone', () => ({ finetune: true }), /--finetune needs --load/],
  ];

  test.each(cases)('%s', async (_, options, message) => {
    const before = resultOf('base');
    await expect(pretrain('refused', options())).rejects.toThrow(message);
    expect(existsSync(at('refused'))).toBe(false);
    expect(resultOf('base')).toEqual(before);
  });
});

test('on the command line, sizes are those of the model', async () => {
  const common = ['--tokenizer', at('tokenizer'), '--sequence-length', '16', '--train-iterations', '2'];
  const args = ['pretrain', at('corpus'), ...common, '--load', at('model'), '--output', at('typed')];
  const { code, stderr } = await megatronBert(...args, '--evaluation-sequences', '4');
  expect(stderr).toMatch(/beginning with the weights of .*model \(a model folder\)/);
  expect(code).toBe(0);
  expect(readJson(at('typed', 'config.json'))).toMatchObject(architecture);
  expect(readFileSync(at('typed', 'README.md'), 'utf8')).toContain('from the weights of model');
  const refused = await megatronBert(...args.slice(0, -1), at('refused'), '--hidden-size', '32');
  expect(refused.stderr).toMatch(/hidden_size: expected 16, as .* has it, found 32/);
  expect(refused.code).toBe(2);
  expect(existsSync(at('refused'))).toBe(false);
});
