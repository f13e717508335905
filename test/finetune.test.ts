/** Fine-tuning and evaluating with the built package, on small models and real text. */
import { cpSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FinetuneOptions, TaskEvent } from '../src/index.js';
import { difference, fixture, readTensors } from './support/fixture.js';
import { localHub } from './support/local-hub.js';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const model = (name: string) => fixture(`pipelines/models/${name}`);

/** Sentences of the novel, those with a name in them being one class. */
let rows: { text: string; label: string }[];

beforeAll(() => {
  writeChapters(path.join(folder, 'novel'), 6);
  const text = readdirSync(path.join(folder, 'novel'))
    .map((name) => readFileSync(path.join(folder, 'novel', name), 'utf8'))
    .join(' ');
  rows = (text.match(/[A-Z][^.!?]{30,200}[.!?]/g) ?? [])
    .slice(0, 120)
    .map((sentence) => ({ text: sentence, label: sentence.includes(',') ? 'long' : 'short' }));
});

let outputs = 0;

interface Run {
  readonly output: string;
  readonly results: Readonly<Record<string, number>>;
  readonly losses: readonly number[];
  readonly events: readonly TaskEvent[];
}

async function run(more: Partial<FinetuneOptions> = {}): Promise<Run> {
  const output = more.output_dir ?? path.join(folder, `run-${outputs++}`);
  const events: TaskEvent[] = [];
  const results = await built.finetune({
    task: 'sequence-classification',
    model: model('model'),
    train: rows.slice(0, 80),
    validation: rows.slice(80),
    output_dir: output,
    max_steps: 12,
    learning_rate: 1e-3,
    max_seq_length: 64,
    config: { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 },
    threads: 1,
    ...more,
    onEvent: (event) => {
      events.push(event);
      more.onEvent?.(event);
    },
  });
  const losses = events.flatMap((event) => (event.kind === 'step' ? [event.loss] : []));
  return { output, results, losses, events };
}

const weightsOf = ({ output }: Run, file = 'model.safetensors') => readTensors(path.join(output, file));
const jsonOf = ({ output }: Run, name: string) =>
  JSON.parse(readFileSync(path.join(output, name), 'utf8')) as Record<string, unknown>;

async function expectSameWeights(a: Run, b: Run, tolerance = 0): Promise<void> {
  const [left, right] = [await weightsOf(a), await weightsOf(b)];
  expect([...left.keys()].sort()).toEqual([...right.keys()].sort());
  // what is added to all keys changes nothing: those biases move by rounding
  const names = [...left.keys()].filter((name) => tolerance === 0 || !name.endsWith('key.bias'));
  for (const [name, { data }] of [...left].filter(([name]) => names.includes(name)))
    expect(difference(data, right.get(name)!.data), name).toBeLessThanOrEqual(tolerance);
}

describe('a run', () => {
  test('leaves a model folder, checkpoints and results, as transformers names them', async () => {
    const trained = await run({ max_steps: -1, num_train_epochs: 2, logging_steps: 5 });
    for (const name of [
      'config.json',
      'model.safetensors',
      'vocab.txt',
      'train_results.json',
      'eval_results.json',
    ])
      expect(existsSync(path.join(trained.output, name)), name).toBe(true);
    expect(readdirSync(path.join(trained.output, 'checkpoint-20'))).toEqual(
      expect.arrayContaining([
        'config.json',
        'model.safetensors',
        'optimizer.safetensors',
        'trainer_state.json',
      ]),
    );
    expect(jsonOf(trained, 'config.json')).toMatchObject({
      id2label: { 0: 'long', 1: 'short' },
      problem_type: 'single_label_classification',
      architectures: ['MegatronBertForSequenceClassification'],
    });
    const state = jsonOf(trained, 'trainer_state.json');
    expect(state).toMatchObject({ global_step: 20, max_steps: 20, epoch: 2, num_train_epochs: 2 });
    const logged = (state.log_history as Record<string, number>[]).filter(({ loss }) => loss !== undefined);
    expect(logged.map(({ step }) => step)).toEqual([5, 10, 15, 20]);
    const mean = (from: number) => trained.losses.slice(from, from + 5).reduce((sum, x) => sum + x, 0) / 5;
    expect(logged[1]!.loss).toBeCloseTo(mean(5), 6);
    expect(jsonOf(trained, 'all_results.json')).toEqual(trained.results);
    const predicted = readFileSync(path.join(trained.output, 'eval_results.txt'), 'utf8').trim().split('\n');
    expect(predicted).toHaveLength(1 + rows.length - 80);
  });

  test('is what the pipeline and evaluate then compute with', async () => {
    const trained = await run();
    const evaluated = await built.evaluate({
      task: 'sequence-classification',
      model: trained.output,
      validation: rows.slice(80),
      max_seq_length: 64,
    });
    expect(evaluated.eval_loss).toBeCloseTo(trained.results.eval_loss!, 6);
    expect(evaluated.eval_accuracy).toBe(trained.results.eval_accuracy);
    const classify = await built.pipeline('text-classification', trained.output);
    const lines = readFileSync(path.join(trained.output, 'eval_results.txt'), 'utf8')
      .trim()
      .split('\n')
      .slice(1);
    const labels = await classify(rows.slice(80).map(({ text }) => text));
    expect(
      labels
        .map((answer) => (Array.isArray(answer) ? answer[0] : answer) as { label: string })
        .map(({ label }) => label),
    ).toEqual(lines.map((line) => line.split('\t')[1]));
    await classify.dispose();
  });

  test('keeps the best model by a metric, and ends when none was better for long', async () => {
    const trained = await run({
      max_steps: 60,
      learning_rate: 0,
      eval_strategy: 'steps',
      save_strategy: 'steps',
      eval_steps: 4,
      save_steps: 4,
      early_stopping_patience: 2,
      metric_for_best_model: 'loss',
    });
    const state = jsonOf(trained, 'trainer_state.json');
    // nothing learns: the first evaluation is the best, and the two after it are no better
    expect(state).toMatchObject({ global_step: 12, best_global_step: 4 });
    expect(state.best_model_checkpoint).toBe(path.join(trained.output, 'checkpoint-4'));
    expect(readFileSync(path.join(trained.output, 'README.md'), 'utf8')).toContain(
      'of step 4, the best by Loss',
    );
    expect(
      readdirSync(trained.output)
        .filter((name) => name.startsWith('checkpoint-'))
        .sort(),
    ).toEqual(['checkpoint-12', 'checkpoint-4']);
  });
});

describe('the same bits', () => {
  test('again, and after an interruption', async () => {
    const steady = {
      save_strategy: 'steps',
      save_steps: 100,
      eval_strategy: 'steps',
      eval_steps: 5,
    } as const;
    const options = { ...steady, load_best_model_at_end: false, logging_steps: 3, max_steps: 24 };
    const whole = await run(options);
    const stop = new AbortController();
    const output = path.join(folder, 'interrupted');
    const interrupted = run({
      ...options,
      output_dir: output,
      stopSignal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'step' && event.step === 7) stop.abort();
      },
    });
    await expect(interrupted).rejects.toThrow(/^stopped after step \d+, which is saved in/);
    const resumed = await run({ ...options, output_dir: output, resume_from_checkpoint: true });
    await expectSameWeights(whole, resumed);
    const history = (one: Run) => jsonOf(one, 'trainer_state.json').log_history;
    expect(history(resumed)).toEqual(history(whole));
    expect(resumed.losses).toEqual(whole.losses.slice(-resumed.losses.length));
  });

  test.each([
    ['tensor', { tensor_parallel_size: 2 }],
    ['pipeline', { pipeline_parallel_size: 2 }],
  ])('on ranks of a %s-parallel mesh, up to the order of sums', async (_, mesh) => {
    const options = { train_sampling_strategy: 'group_by_length', gradient_accumulation_steps: 2 } as const;
    const [one, two] = [await run(options), await run({ ...options, ...mesh })];
    expect(difference(one.losses, two.losses)).toBeLessThan(1e-5);
    await expectSameWeights(one, two, 2e-4);
  });

  test('of replicas that share a batch and of one that takes it in two halves', async () => {
    const options = { max_steps: 10, train_sampling_strategy: 'sequential' } as const;
    const one = await run({ ...options, gradient_accumulation_steps: 2 });
    const two = await run({ ...options, data_parallel_size: 2 });
    expect(difference(one.losses, two.losses)).toBeLessThan(1e-5);
    expect(two.results.eval_loss).toBeCloseTo(one.results.eval_loss!, 4);
  });
});

describe('what learns', () => {
  const changed = async (trained: Run, base: string) => {
    const before = await readTensors(path.join(model(base), 'model.safetensors'));
    const after = await weightsOf(trained);
    return [...after].flatMap(([name, { data }]) => {
      const stored = before.get(name) ?? before.get(name.replace(/^bert\./, ''));
      return stored && difference(data, stored.data) > 0 ? [name] : [];
    });
  };

  test('everything by default, the head alone, or what is not frozen', async () => {
    const names = await changed(await run(), 'model');
    expect(names).toContain('bert.embeddings.word_embeddings.weight');
    expect(names.some((name) => name.startsWith('bert.encoder.layer.0.'))).toBe(true);
    expect(await changed(await run({ head_only: true }), 'model')).toEqual([
      'bert.pooler.dense.weight',
      'bert.pooler.dense.bias',
    ]);
    const frozen = await changed(await run({ freeze_layers: 1, pipeline_parallel_size: 2 }), 'model');
    expect(frozen.some((name) => /embeddings|layer\.0\./.test(name))).toBe(false);
    expect(frozen.some((name) => name.includes('layer.1.'))).toBe(true);
  });

  test('lower layers more slowly, where their rate decays', async () => {
    const movement = async (decay: number) => {
      const after = await weightsOf(await run({ max_steps: 1, layerwise_lr_decay: decay, warmup_steps: 0 }));
      const before = await readTensors(path.join(model('model'), 'model.safetensors'));
      return (name: string) => difference(after.get(`bert.${name}`)!.data, before.get(name)!.data);
    };
    const [plain, decayed] = [await movement(1), await movement(0.1)];
    const [first, second] = [0, 1].map((layer) => `encoder.layer.${layer}.output.dense.weight`);
    expect(decayed(second!) / plain(second!)).toBeCloseTo(0.1, 3);
    expect(decayed(first!) / plain(first!)).toBeCloseTo(0.01, 3);
  });

  test('an adapter: the model stays, is read back, and may go on learning on two ranks', async () => {
    const lora = { r: 2, target_modules: ['query', 'intermediate.dense', 'attention.output.dense'] };
    const trained = await run({ lora, max_steps: 20, learning_rate: 1e-2 });
    const tensors = await weightsOf(trained, 'adapter_model.safetensors');
    expect([...tensors.keys()]).toContain(
      'base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight',
    );
    expect([...tensors.keys()].every((name) => /lora_[AB]|classifier/.test(name))).toBe(true);
    expect(existsSync(path.join(trained.output, 'model.safetensors'))).toBe(false);
    expect(jsonOf(trained, 'adapter_config.json')).toMatchObject({
      peft_type: 'LORA',
      r: 2,
      task_type: 'SEQ_CLS',
    });
    const evaluated = await built.evaluate({
      task: 'sequence-classification',
      model: trained.output,
      validation: rows.slice(80),
      max_seq_length: 64,
      tensor_parallel_size: 2,
    });
    expect(evaluated.eval_loss).toBeCloseTo(trained.results.eval_loss!, 5);
    const split = await run({ lora, max_steps: 20, learning_rate: 1e-2, tensor_parallel_size: 2 });
    expect(difference(split.losses, trained.losses)).toBeLessThan(1e-4);
  });
});

describe('bad input is named, and nothing is written', () => {
  const refused = (more: Partial<FinetuneOptions>, message: RegExp) =>
    expect(run({ output_dir: path.join(folder, 'refused'), ...more })).rejects.toThrow(message);

  test.each<[string, () => Partial<FinetuneOptions>, RegExp]>([
    [
      'a label that training does not know',
      () => ({ validation: [...rows.slice(80, 83), { text: 'Whale.', label: 'huge' }] }),
      /^validation: row 4: label: expected one of those of training, long, short, found "huge"$/,
    ],
    [
      'a row without a label',
      () => ({ train: [...rows.slice(0, 3), { text: 'Whale.' }] }),
      /^train: row 4: label: expected/,
    ],
    [
      'an empty validation',
      () => ({ validation: [] }),
      /^validation: expected at least one row, found none$|expected a file/,
    ],
    [
      'a text that is none',
      () => ({ train: [{ text: ['a'], label: 'x' }] }),
      /^train: row 1: text: expected a text/,
    ],
    [
      'a length beyond the model',
      () => ({ max_seq_length: 1000 }),
      /^max_seq_length: expected at most the model's 512 positions, found 1000$/,
    ],
    [
      'a column that is not there',
      () => ({ columns: { text: 'review' } }),
      /^train: expected a column review, found text, label$/,
    ],
    [
      'checkpoints and evaluations apart',
      () => ({ save_strategy: 'no', load_best_model_at_end: true }),
      /^load_best_model_at_end: expected/,
    ],
    [
      'a rate that is none',
      () => ({ learning_rate: -1 }),
      /^learning_rate: expected a number of 0 or more, found -1$/,
    ],
    [
      'class weights for other classes',
      () => ({ class_weights: [1, 2, 3] }),
      /^class_weights: expected 2 numbers/,
    ],
    [
      'an adapter of a matrix that is none',
      () => ({ lora: { target_modules: ['word_embeddings'] } }),
      /^lora_target_modules: expected names of matrices of the model, such as query or output.dense, found word_embeddings$/,
    ],
    [
      'more stages than layers',
      () => ({ pipeline_parallel_size: 3 }),
      /^pipeline-parallel size: expected at most 2/,
    ],
  ])('%s', async (_, more, message) => {
    await refused(more(), message);
    expect(existsSync(path.join(folder, 'refused'))).toBe(false);
  });

  test('a folder with something to lose, and a checkpoint of another run', async () => {
    const output = path.join(folder, 'taken');
    cpSync(path.join(folder, 'novel'), output, { recursive: true });
    await expect(run({ output_dir: output })).rejects.toThrow(/is not empty: choose another/);
    await expect(run({ output_dir: output, resume_from_checkpoint: true })).rejects.toThrow(
      /expected a checkpoint-N/,
    );
  });

  test('answers outside their context, and words without as many labels', async () => {
    const question = { id: 'a', question: 'Who?', context: 'Ishmael called.' };
    await refused(
      {
        task: 'question-answering',
        train: [{ ...question, answers: { text: ['Ahab'], answer_start: [40] } }],
        validation: [],
      },
      /^train: row 1: answers: expected "Ahab" at character 40 of the context, found ""$|expected a file/,
    );
    await refused(
      { task: 'token-classification', train: [{ tokens: ['Call', 'me'], tags: ['O'] }] },
      /^train: row 1: tags: expected 2, one for each word, found 1$/,
    );
  });
});

describe('a data set of the hub', () => {
  const hub = localHub();
  const card = `---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': short
          '1': long
---
`;

  test('is downloaded once, and its classes have their names', async () => {
    const split = (part: typeof rows) =>
      Buffer.from(
        part
          .map(({ text, label }) => `${JSON.stringify({ text, label: label === 'long' ? 1 : 0 })}\n`)
          .join(''),
      );
    hub.files.set('README.md', Buffer.from(card));
    hub.files.set('train.jsonl', split(rows.slice(0, 40)));
    hub.files.set('validation.jsonl', split(rows.slice(80)));
    const trained = await built.finetune({
      dataset_name: 'some/data',
      max_steps: 2,
      task: 'sequence-classification',
      model: model('model'),
      output_dir: path.join(folder, 'from-hub'),
      max_seq_length: 64,
    });
    expect(trained.train_samples).toBe(40);
    expect(trained.eval_samples).toBe(rows.length - 80);
    const config = JSON.parse(readFileSync(path.join(folder, 'from-hub', 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ id2label: { 0: 'long', 1: 'short' } });
    expect(hub.gets('train.jsonl')).toHaveLength(1);
  });

  test('that is not there, or a hub that fails, is named, and nothing is written', async () => {
    const given = {
      task: 'sequence-classification',
      model: model('model'),
      output_dir: path.join(folder, 'refused'),
    } as const;
    await expect(built.finetune({ ...given, dataset_name: 'some/other' })).rejects.toThrow(/some\/other/);
    hub.instead = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
    await expect(
      built.finetune({ ...given, dataset_name: 'some/data', dataset_revision: 'next' }),
    ).rejects.toThrow(/503/);
    expect(existsSync(path.join(folder, 'refused'))).toBe(false);
  });
});

describe('the command line', () => {
  test('fine-tunes from a file, prints what it wrote, and evaluates', async () => {
    const file = path.join(folder, 'train.jsonl');
    writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const output = path.join(folder, 'from-cli');
    const common = [
      '--task',
      'sequence-classification',
      '--max-seq-length',
      '64',
      '--threads',
      '1',
      '--json',
    ];
    const trained = await megatronBert(
      ...['finetune', '--model', model('model'), '--train-file', file, '--validation-file', file],
      ...['--max-train-samples', '40', '--max-steps', '4', '--output-dir', output, ...common],
    );
    expect(trained.code, trained.stderr).toBe(0);
    const results = JSON.parse(trained.stdout) as Record<string, number>;
    const evaluated = await megatronBert('evaluate', '--model', output, '--validation-file', file, ...common);
    expect((JSON.parse(evaluated.stdout) as Record<string, number>).eval_loss).toBeCloseTo(
      results.eval_loss!,
      6,
    );
    const again = await megatronBert(
      ...['finetune', '--model', model('model'), '--train-file', file, '--output-dir', output, ...common],
    );
    expect([again.code, again.stderr]).toEqual([
      2,
      expect.stringMatching(/is not empty: go on with --resume/),
    ]);
  });
});
