/** What fine-tuning leaves, and that it is the same on any mesh and after an interruption. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { difference } from './support/fixture.js';
import { folder, jsonOf, model, rows, run, weightsOf, type Run } from './support/fine-tuning.js';
import { built } from './support/package.js';
import { megatronBert } from './support/workspace.js';

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

  test('ends with the last model where the best was not saved', async () => {
    const steps = { eval_strategy: 'steps', save_strategy: 'steps', eval_steps: 4, save_steps: 8 } as const;
    const trained = await run({ ...steps, max_steps: 16, learning_rate: 0 });
    expect(jsonOf(trained, 'trainer_state.json')).toMatchObject({
      best_global_step: 4,
      best_model_checkpoint: null,
    });
    expect(readFileSync(path.join(trained.output, 'README.md'), 'utf8')).toContain('of the last step, 16');
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
