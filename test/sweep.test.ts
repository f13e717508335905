/** Sweeps over hyper-parameters with the built package, on a small model and real text. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { SweepConfiguration, SweepEvent, SweepOptions, SweepResults } from '../src/index.js';
import { difference, fixture, readTensors } from './support/fixture.js';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const model = fixture('pipelines/models/classification');

/** Sentences of the novel, by what the model tells apart. */
let rows: { text: string; label: string }[];

beforeAll(() => {
  writeChapters(path.join(folder, 'novel'), 2);
  const text = readdirSync(path.join(folder, 'novel'))
    .map((name) => readFileSync(path.join(folder, 'novel', name), 'utf8'))
    .join(' ');
  const labelOf = (sentence: string) =>
    sentence.includes(';') ? 'foggy' : sentence.includes(',') ? 'stormy' : 'calm';
  rows = (text.match(/[A-Z][^.!?]{30,200}[.!?]/g) ?? [])
    .slice(0, 60)
    .map((sentence) => ({ text: sentence, label: labelOf(sentence) }));
});

const common = () =>
  ({
    task: 'sequence-classification',
    model,
    validation: rows.slice(40),
    max_seq_length: 48,
    threads: 1,
  }) as const;

async function run(
  name: string,
  sweep: SweepConfiguration | string,
  more: Partial<SweepOptions> = {},
): Promise<{ output: string; results: SweepResults; begun: number[] }> {
  const output = path.join(folder, name);
  const begun: number[] = [];
  const results = await built.sweep({
    ...common(),
    train: rows.slice(0, 40),
    output_dir: output,
    max_steps: 3,
    metric_for_best_model: 'loss',
    sweep,
    ...more,
    onEvent: (event) => {
      if (event.kind === 'run') begun.push(event.run);
      more.onEvent?.(event);
    },
  });
  return { output, results, begun };
}

const resultsIn = (output: string) =>
  JSON.parse(readFileSync(path.join(output, 'sweep_results.json'), 'utf8')) as SweepResults;
const withoutSeconds = ({ runs, ...rest }: SweepResults) => ({
  ...rest,
  runs: runs.map((one) => ({ ...one, seconds: 0 })),
});

// the model has two layers, and numbers that are no more
const grid: SweepConfiguration = {
  method: 'grid',
  parameters: { learning_rate: { values: [0, 1e-3, 1e30] }, freeze_layers: { values: [0, 3] } },
};

describe('a grid', () => {
  test('compares all runs, keeps the best model, and ends alike where it was interrupted', async () => {
    const whole = await run('whole', grid);
    const { output, results } = whole;
    expect(whole.begun).toEqual([1, 2, 3, 4, 5, 6]);
    expect(resultsIn(output)).toEqual(results);
    expect(results.objective).toEqual({ metric: 'eval_loss', greater_is_better: false });
    expect(results.runs.map(({ parameters }) => parameters)).toEqual(
      [0, 1e-3, 1e30].flatMap((learning_rate) =>
        [0, 3].map((freeze_layers) => ({ learning_rate, freeze_layers })),
      ),
    );

    // a rate of 0 leaves the model as it was
    const untrained = await built.evaluate(common());
    const [still, frozen, trained, , exploded] = results.runs;
    expect(still!.objective).toBeCloseTo(untrained.eval_loss!, 6);
    expect(still!.metrics).toMatchObject({ eval_accuracy: untrained.eval_accuracy });
    expect(trained!.objective).toBeLessThan(still!.objective!);
    expect(results.best).toBe(3);
    expect(frozen!.error).toBe('freeze_layers: expected an integer from 0 to 2, found 3');
    expect(exploded!.error).toMatch(/^eval_loss: expected a finite number, found/);
    expect(exploded).not.toHaveProperty('objective');

    // of all models the best one's is there, and is the one that was measured
    const files = readdirSync(output, { recursive: true }) as string[];
    expect(
      files.filter((name) => /\.safetensors$|checkpoint-|config\.json$|vocab/.test(name)).sort(),
    ).toEqual(
      ['config.json', 'model.safetensors', 'tokenizer_config.json', 'vocab.txt'].map((name) =>
        path.join('best', name),
      ),
    );
    for (const name of ['run-1/report.html', 'run-3/report.html', 'run-1/eval_results.json', 'sweep.html'])
      expect(existsSync(path.join(output, name)), name).toBe(true);
    const best = path.join(output, 'best');
    const evaluated = await built.evaluate({ ...common(), model: best });
    expect(evaluated.eval_loss).toBeCloseTo(results.runs[2]!.objective!, 6);
    const classify = await built.pipeline('text-classification', best);
    const [answer] = [await classify('Call me Ishmael.')].flat();
    expect(['calm', 'stormy', 'foggy']).toContain(answer!.label);
    await classify.dispose();

    // asked to stop when a run is about to take its first step
    const stop = new AbortController();
    const interrupted = run('interrupted', grid, {
      stopSignal: stop.signal,
      onEvent: ((current) => (event: SweepEvent) => {
        if (event.kind === 'run') current = event.run;
        if (event.kind === 'ready' && current === 3) stop.abort();
      })(0),
    });
    await expect(interrupted).rejects.toThrow(/^stopped after step 1, which is saved in .*run-3: go on with/);
    expect(resultsIn(path.join(folder, 'interrupted')).runs).toHaveLength(2);
    const other = { ...grid, parameters: { ...grid.parameters, seed: { values: [1] } } };
    await expect(run('interrupted', other, { resume_from_checkpoint: true })).rejects.toThrow(
      /sweep_results\.json: sweep: expected what the sweep began with, .* found .*"seed":\{"values":\[1\]\}/,
    );
    await expect(run('interrupted', grid)).rejects.toThrow(
      /is not empty: go on with --resume-from-checkpoint/,
    );
    const steps: number[] = [];
    const resumed = await run('interrupted', grid, {
      resume_from_checkpoint: true,
      onEvent: (event) => {
        if (event.kind === 'step') steps.push(event.step);
      },
    });
    expect(resumed.begun).toEqual([3, 4, 5, 6]);
    expect(steps.slice(0, 2)).toEqual([2, 3]);
    expect(withoutSeconds(resumed.results)).toEqual(withoutSeconds(results));
    const weights = (of: string) => readTensors(path.join(of, 'best', 'model.safetensors'));
    const [left, right] = [await weights(output), await weights(resumed.output)];
    for (const [name, { data }] of left) expect(difference(data, right.get(name)!.data), name).toBe(0);

    // what is complete has nothing to go on with
    const again = await run('interrupted', grid, { resume_from_checkpoint: true });
    expect(again.begun).toEqual([]);
    expect(again.results).toEqual(resumed.results);
    expect(existsSync(path.join(again.output, 'best', 'model.safetensors'))).toBe(true);
  });

  test('of which all runs fail is an error that says why', async () => {
    const parameters = { freeze_layers: { values: [3, 4] } };
    await expect(run('failed', { method: 'grid', parameters })).rejects.toThrow(
      /^sweep: all 2 runs failed, the last with: freeze_layers: expected an integer from 0 to 2, found 4$/,
    );
    expect(resultsIn(path.join(folder, 'failed'))).toMatchObject({
      best: null,
      runs: [{ run: 1 }, { run: 2 }],
    });
  });
});

test('a random search, of adapters on two ranks, begins no run after its time, and overwrites another', async () => {
  const given = {
    method: 'random',
    parameters: {
      learning_rate: { min: 1e-4, max: 1e-2, distribution: 'log_uniform' },
      lora_r: { min: 1, max: 4, distribution: 'int_uniform' },
      hidden_dropout_prob: { values: [0] },
    },
    budget: { minutes: 1e-9 },
  } as const;
  const { output, results } = await run('random', given, { max_steps: 1, tensor_parallel_size: 2 });
  expect(results).toMatchObject({ best: 1, runs: [{ run: 1 }] });
  const { learning_rate, lora_r } = results.runs[0]!.parameters;
  const adapter = JSON.parse(
    readFileSync(path.join(output, 'best', 'adapter_config.json'), 'utf8'),
  ) as object;
  expect(adapter).toMatchObject({ r: lora_r });
  const { log_history } = JSON.parse(
    readFileSync(path.join(output, 'run-1', 'trainer_state.json'), 'utf8'),
  ) as {
    log_history: Record<string, number>[];
  };
  expect(log_history.at(-1)).toMatchObject({ eval_loss: results.runs[0]!.objective });
  expect(readFileSync(path.join(output, 'run-1', 'report.html'), 'utf8')).toContain(String(learning_rate));
  const overwritten = run(
    'random',
    { method: 'grid', parameters: { freeze_layers: { values: [3] } } },
    { overwrite_output_dir: true },
  );
  await expect(overwritten).rejects.toThrow(/all 1 runs failed/);
  expect(readdirSync(output).sort()).toEqual(['sweep.html', 'sweep_results.json']);
});

describe('bad input is named, and nothing is written', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  const refused = async (sweep: unknown, message: RegExp, more: Partial<SweepOptions> = {}) => {
    await expect(run('refused', sweep as SweepConfiguration, more)).rejects.toThrow(message);
    expect(existsSync(path.join(folder, 'refused'))).toBe(false);
  };
  const rate = (learning_rate: unknown, more: object = {}) => ({
    method: 'random',
    parameters: { learning_rate },
    ...more,
  });

  test.each<[string, unknown, RegExp]>([
    [
      'a name',
      { method: 'grid', parameters: { lr: { values: [1] } } },
      /^sweep: parameters: lr: expected one of learning_rate, .*, found "lr"$/,
    ],
    [
      'a method',
      { ...rate({ values: [1] }), method: 'bayes' },
      /^sweep: method: .*"grid"\|"random", found "bayes"$/,
    ],
    ['a key', rate({ values: [1] }, { metric: 'loss' }), /^sweep: Unrecognized key: "metric"/],
    [
      'a key of a range',
      rate({ min: 1, max: 2, mu: 3 }),
      /^sweep: parameters: learning_rate: Unrecognized key: "mu"/,
    ],
    [
      'a type',
      rate({ values: [1, 'fast'] }),
      /^sweep: parameters: learning_rate: values: 1: .*expected number.*, found "fast"$/,
    ],
    [
      'a number that is no integer',
      { method: 'grid', parameters: { lora_r: { values: [1.5] } } },
      /lora_r: values: 0: .*expected int.*, found 1\.5$/,
    ],
    [
      'a scheduler',
      { method: 'grid', parameters: { lr_scheduler_type: { values: ['step'] } } },
      /lr_scheduler_type: values: 0: .*"linear".*, found "step"$/,
    ],
    ['no values', rate({ values: [] }), /learning_rate: values: .*, found \[\]$/],
    ['a value twice', rate({ values: [1, 1] }), /learning_rate: values: expected each once, found \[1,1\]$/],
    ['a range of one end', rate({ min: 1 }), /learning_rate: max: .*expected number.*, found undefined$/],
    [
      'an empty range',
      rate({ min: 2, max: 2 }),
      /learning_rate: min: expected less than max, which is 2, found 2$/,
    ],
    [
      'a logarithm of 0',
      rate({ min: 0, max: 2, distribution: 'log_uniform' }),
      /min: expected a number above 0 for log_uniform, found 0$/,
    ],
    [
      'integers between others',
      rate({ min: 0.5, max: 2, distribution: 'int_uniform' }),
      /expected integers for int_uniform, found 0\.5, 2$/,
    ],
    [
      'fractions of an integer',
      { method: 'random', parameters: { lora_r: { min: 1, max: 8 } } },
      /lora_r: distribution: expected int_uniform, .*, found uniform$/,
    ],
    [
      'a range of a grid',
      { ...rate({ min: 1, max: 2 }), method: 'grid' },
      /^sweep: parameters: learning_rate: expected values, as the method is grid, found \{"min":1,"max":2\}$/,
    ],
    [
      'a range of booleans',
      { method: 'random', parameters: { head_only: { min: 0, max: 1 } } },
      /head_only: .*values/,
    ],
    ['no end', rate({ min: 1, max: 2 }), /^sweep: budget: expected runs or minutes, .*, found neither$/],
    ['no runs', rate({ values: [1] }, { budget: { runs: 0 } }), /^sweep: budget: runs: .*, found 0$/],
    [
      'no parameters',
      { method: 'grid', parameters: {} },
      /^sweep: parameters: expected at least one, found none$/,
    ],
  ])('%s', async (_, sweep, message) => {
    await refused(sweep, message);
  });

  test('what is not evaluated, a launcher, a file that is none, nothing to go on with', async () => {
    await refused(grid, /^sweep: expected runs that are evaluated, found eval_strategy no$/, {
      eval_strategy: 'no',
    });
    await refused(path.join(folder, 'missing.json'), /missing\.json/);
    await refused(grid, /sweep_results\.json: expected the results of a sweep to go on with, found none$/, {
      resume_from_checkpoint: true,
    });
    vi.stubEnv('OMPI_COMM_WORLD_RANK', '0');
    vi.stubEnv('OMPI_COMM_WORLD_SIZE', '2');
    await refused(grid, /^sweep: expected a process by itself, .* found one that Open MPI started$/);
  });
});

test('the command line prints what it runs and a table, the best first', async () => {
  const [train, file, output] = ['train.jsonl', 'sweep.json', 'from-cli'].map((name) =>
    path.join(folder, name),
  ) as [string, string, string];
  writeFileSync(train, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const parameters = { learning_rate: { values: [3e-5, 1e-3] }, freeze_layers: { values: [3, 0] } };
  writeFileSync(file, JSON.stringify({ method: 'grid', parameters, budget: { runs: 2 } }));
  const given = [
    ...[
      'finetune',
      '--task',
      'sequence-classification',
      '--model',
      model,
      '--max-seq-length',
      '48',
      '--threads',
      '1',
    ],
    ...[
      '--train-file',
      train,
      '--validation-file',
      train,
      '--max-steps',
      '1',
      '--output-dir',
      output,
      '--sweep',
      file,
    ],
  ];
  const { code, stdout, stderr } = await megatronBert(...given);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain(
    'run 1 of 2: learning_rate 3e-5, freeze_layers 3\nrun 1 failed: freeze_layers: expected',
  );
  expect(stderr).toContain('run 2 of 2: learning_rate 3e-5, freeze_layers 0\n');
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  expect(lines.slice(0, 3).map((line) => line.slice(0, -1))).toEqual([
    ['run', 'learning_rate', 'freeze_layers', 'eval_accuracy'],
    ['2', '3e-5', '0', expect.stringMatching(/^0\.\d+$/)],
    ['1', '3e-5', '3', 'failed'],
  ]);
  expect(stdout).toContain(`The best model, of run 2, is in ${path.join(output, 'best')}`);
  const again = await megatronBert(...given, '--resume-from-checkpoint', '--json');
  expect(JSON.parse(again.stdout)).toEqual(resultsIn(output));
  const wrong = await megatronBert(...given, '--resume-from-checkpoint', output);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/expected no folder/)]);
});
