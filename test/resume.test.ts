/** Runs that are stopped, killed or spoilt, and go on. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder, writeChapters, type Finished } from './support/workspace.js';

const folder = temporaryFolder();
const at = (...names: string[]) => path.join(folder, ...names);
const main = new URL('../dist/cli/main.js', import.meta.url).pathname;

const flags = [
  ...['--num-layers', '2', '--hidden-size', '16', '--num-attention-heads', '2', '--sequence-length', '16'],
  ...['--micro-batch-size', '2', '--global-batch-size', '4', '--train-iterations', '20', '--threads', '1'],
  ...['--learning-rate', '1e-3', '--evaluation-interval', '6', '--evaluation-sequences', '4'],
  ...['--save-interval', '4', '--keep-last', '3'],
];
const command = (output: string, ...more: string[]) => [
  'pretrain',
  at('corpus'),
  '--tokenizer',
  at('tokenizer'),
  '--output',
  at(output),
  ...flags,
  ...more,
];

beforeAll(async () => {
  writeChapters(at('corpus'), 2);
  const args = ['train-tokenizer', at('corpus'), '--vocab-size', '200', '--output', at('tokenizer')];
  expect((await megatronBert(...args)).code).toBe(0);
  const whole = await megatronBert(...command('whole'));
  expect(whole.stderr + whole.stdout).toContain('held-out loss');
}, 60_000);

const timings = [
  ...['seconds', 'data_seconds', 'memory'],
  ...['tokens_per_second', 'model_flops_per_second', 'peak_flops_per_second'],
];

/** What a run leaves, but for the time that it took. */
function resultOf(output: string): { readonly model: string; readonly log: unknown[] } {
  const log = readFileSync(at(output, 'log.jsonl'), 'utf8').trimEnd().split('\n');
  return {
    model: readFileSync(at(output, 'model.safetensors')).toString('base64'),
    log: log.map(
      (line) =>
        JSON.parse(line, (key, value: unknown) => (timings.includes(key) ? undefined : value)) as unknown,
    ),
  };
}

const checkpoints = (output: string) => readdirSync(at(output, 'checkpoints')).sort();

/** Runs until it has logged an iteration, and stops it then. */
function runUntil(iteration: number, signal: NodeJS.Signals, ...args: string[]): Promise<Finished> {
  const output = args[args.indexOf('--output') + 1]!;
  const log = path.join(output, 'log.jsonl');
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args]);
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    const watch = setInterval(() => {
      const logged = existsSync(log) ? readFileSync(log, 'utf8') : '';
      if (!logged.includes(`"iteration":${iteration},"loss"`)) return;
      clearInterval(watch);
      child.kill(signal);
    }, 2);
    child.on('exit', (code, killed) => {
      clearInterval(watch);
      resolve({ code: code ?? (killed === 'SIGKILL' ? 137 : -1), stdout: '', stderr });
    });
  });
}

test('checkpoints are rotated, and the tracker names the newest', () => {
  expect(checkpoints('whole')).toEqual([
    'iter_0000012',
    'iter_0000016',
    'iter_0000020',
    'latest_checkpointed_iteration.txt',
  ]);
  expect(readFileSync(at('whole', 'checkpoints', 'latest_checkpointed_iteration.txt'), 'utf8')).toBe('20');
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s saves, ends with a code of its own, and the run goes on',
  async (signal) => {
    const output = `after-${signal}`;
    const stopped = await runUntil(3, signal, ...command(output));
    expect(stopped.code).toBe(signal === 'SIGINT' ? 130 : 143);
    expect(stopped.stderr).toMatch(/stopped after iteration \d+, which is saved in .*: go on with --resume/);
    const again = await megatronBert(...command(output));
    expect(again.stderr).toMatch(/not empty: go on with --resume, choose another/);
    const resumed = await megatronBert(...command(output, '--resume'));
    expect(resumed.stderr).toMatch(/going on after iteration \d+/);
    expect(resumed.code).toBe(0);
    expect(resultOf(output)).toEqual(resultOf('whole'));
  },
);

test('a run that is killed goes on from its last checkpoint, bit for bit', async () => {
  const killed = await runUntil(11, 'SIGKILL', ...command('killed'));
  expect(killed.code).toBe(137);
  expect((await megatronBert(...command('killed', '--resume'))).code).toBe(0);
  expect(resultOf('killed')).toEqual(resultOf('whole'));
});

test('a run goes on with its activations computed again, to the same bits', async () => {
  expect((await runUntil(5, 'SIGINT', ...command('recomputing'))).code).toBe(130);
  const again = await megatronBert(...command('recomputing', '--resume', '--recompute-activations', 'full'));
  expect(again.code).toBe(0);
  expect(resultOf('recomputing')).toEqual(resultOf('whole'));
});

describe('a checkpoint that is damaged is passed over, and said', () => {
  const spoil = (name: string, change: (bytes: Buffer) => Buffer) => (checkpoint: string) => {
    const file = path.join(checkpoint, name);
    writeFileSync(file, change(readFileSync(file)));
  };
  test.each([
    [
      'a bit of its weights',
      spoil('mp_rank_00/model.safetensors', (bytes) => {
        bytes[bytes.length - 3]! ^= 1;
        return bytes;
      }),
    ],
    [
      'a bit of its moments',
      spoil('mp_rank_00/optimizer.safetensors', (bytes) => {
        bytes[bytes.length >> 1]! ^= 64;
        return bytes;
      }),
    ],
    [
      'a file that is cut',
      spoil('mp_rank_00/model.safetensors', (bytes) => bytes.subarray(0, bytes.length >> 1)),
    ],
    ['a manifest that is cut', spoil('manifest.json', (bytes) => bytes.subarray(0, 100))],
    [
      'a manifest of another iteration',
      spoil('manifest.json', (bytes) =>
        Buffer.from(bytes.toString().replace('"iteration": 20', '"iteration": 19')),
      ),
    ],
    [
      'a file that is gone',
      (checkpoint: string) => {
        rmSync(path.join(checkpoint, 'mp_rank_00/model.safetensors'));
      },
    ],
  ])('%s', async (_, damage) => {
    rmSync(at('spoilt'), { recursive: true, force: true });
    cpSync(at('whole'), at('spoilt'), { recursive: true });
    damage(at('spoilt', 'checkpoints', 'iter_0000020'));
    const { code, stderr } = await megatronBert(...command('spoilt', '--resume'));
    expect(stderr).toMatch(/the checkpoint of iteration 20 is damaged, and the one before it is used/);
    expect(stderr).toMatch(/going on after iteration 16/);
    expect(code).toBe(0);
    expect(resultOf('spoilt')).toEqual(resultOf('whole'));
  });

  test('all of them', async () => {
    rmSync(at('spoilt'), { recursive: true, force: true });
    cpSync(at('whole'), at('spoilt'), { recursive: true });
    for (const name of ['iter_0000012', 'iter_0000016', 'iter_0000020'])
      spoil('manifest.json', () => Buffer.from('{}'))(at('spoilt', 'checkpoints', name));
    const { code, stderr } = await megatronBert(...command('spoilt', '--resume'));
    expect(stderr).toMatch(/none of its 3 checkpoints is whole/);
    expect(code).toBe(2);
  });
});

test.each([
  ['another architecture', ['--hidden-size', '32'], /another config: hidden_size: expected 16, found 32/],
  ['another seed', ['--seed', '5'], /another seed: expected 1234, found 5/],
  ['another optimizer', ['--optimizer', 'lamb'], /another optimizer: expected "adamw", found "lamb"/],
  ['another batch', ['--global-batch-size', '8'], /another global batch size: expected 4, found 8/],
])('a run does not go on with %s', async (_, more, message) => {
  const before = checkpoints('whole');
  const { code, stderr } = await megatronBert(...command('whole', '--resume', ...more));
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(message);
  expect(code).toBe(2);
  expect(checkpoints('whole')).toEqual(before);
});

describe('a run ends where it is told to, and goes on', () => {
  const stopsAfter = async (iteration: number, output: string, ...more: string[]) => {
    const { code, stderr, stdout } = await megatronBert(...command(output, ...more));
    expect(stderr).toContain(`stopped after iteration ${iteration}, which is saved in ${at(output)}: go on`);
    expect([code, stdout]).toEqual([0, '']);
    expect(checkpoints(output)).toContain(`iter_${String(iteration).padStart(7, '0')}`);
  };

  test('after an iteration', async () => {
    await stopsAfter(9, 'exits', '--exit-interval', '9');
    await stopsAfter(18, 'exits', '--exit-interval', '9', '--resume');
    expect((await megatronBert(...command('exits', '--exit-interval', '9', '--resume'))).code).toBe(0);
    expect(resultOf('exits')).toEqual(resultOf('whole'));
  });

  test('after a time, all ranks together', async () => {
    const ranks = ['--tensor-model-parallel-size', '2'];
    await stopsAfter(1, 'expires', ...ranks, '--exit-duration-in-mins', '0');
    await stopsAfter(2, 'expires', ...ranks, '--exit-duration-in-mins', '1e-9', '--resume');
    const long = command('expires', ...ranks, '--exit-duration-in-mins', '1e9', '--resume');
    expect((await megatronBert(...long)).code).toBe(0);
  });

  test.each([
    ['adam-l2', ['--optimizer', 'adam-l2']],
    ['sgd', ['--optimizer', 'sgd']],
    ['lamb', ['--optimizer', 'lamb']],
    ['spikes', ['--loss-spike-factor', '1.005', '--most-skipped', '20']],
  ])('with %s', async (name, more) => {
    expect((await megatronBert(...command(name, ...more))).code).toBe(0);
    await stopsAfter(7, `${name}-stopped`, ...more, '--exit-interval', '7');
    expect((await megatronBert(...command(`${name}-stopped`, ...more, '--resume'))).code).toBe(0);
    expect(resultOf(`${name}-stopped`)).toEqual(resultOf(name));
    expect(resultOf(name).model).not.toBe(resultOf('whole').model);
  });
});

test('a batch that grows goes on growing', async () => {
  const growing = ['--rampup-batch-size', '2', '2', '24', '--learning-rate-decay-style', 'cosine'];
  expect((await megatronBert(...command('growing', ...growing))).code).toBe(0);
  const stopped = await runUntil(5, 'SIGINT', ...command('growing-stopped', ...growing));
  expect(stopped.code).toBe(130);
  expect((await megatronBert(...command('growing-stopped', ...growing, '--resume'))).code).toBe(0);
  expect(resultOf('growing-stopped')).toEqual(resultOf('growing'));
});

test('two ranks, stopped and resumed, are as two ranks in one go', async () => {
  const options = {
    corpus: at('corpus'),
    tokenizer: at('tokenizer'),
    config: { num_hidden_layers: 1, hidden_size: 16, num_attention_heads: 2, intermediate_size: 32 },
    tensorModelParallelSize: 2,
    sequenceLength: 16,
    microBatchSize: 2,
    trainIterations: 8,
    evaluationInterval: 4,
    evaluationSequences: 4,
    saveInterval: 3,
  };
  await built.pretrain({ ...options, output: at('two') });
  const stop = new AbortController();
  const output = at('two-stopped');
  const stopped = built.pretrain({
    ...options,
    output,
    stopSignal: stop.signal,
    onEvent: (event) => {
      if (event.kind === 'step' && event.iteration === 2) stop.abort();
    },
  });
  await expect(stopped).rejects.toThrow(/stopped after iteration \d/);
  await built.pretrain({ ...options, output, resume: true });
  expect(resultOf('two-stopped')).toEqual(resultOf('two'));
});
