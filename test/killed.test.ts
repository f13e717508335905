/** Programs that are killed at any moment leave what they make either absent or complete, and the next run succeeds. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeSafetensors } from '../src/checkpoint/safetensors.js';
import { architectures } from '../src/model/architectures.js';
import { megatronBertConfig } from '../src/model/config.js';
import { flattenParameters } from '../src/model/parameters.js';
import { randomKey, randomUniform } from '../src/random.js';
import { zip } from './hostile/zip.js';
import { fixture, readJson } from './support/fixture.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const moments = 30;
const folder = temporaryFolder();
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const start = (args: readonly string[]): ChildProcess =>
  spawn(process.execPath, [main, ...args], { stdio: 'ignore' });
const ended = (child: ChildProcess) =>
  new Promise<void>((resolve) =>
    child.once('close', () => {
      resolve();
    }),
  );
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Every file below a folder by its checksum. */
function checksums(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ name, parentPath }) => {
      const file = path.join(parentPath, name);
      return [path.relative(root, file), sha256(readFileSync(file))];
    }),
  );
}

describe('convert', () => {
  const place = path.join(folder, 'convert');
  const source = path.join(place, 'source');
  beforeAll(async () => {
    mkdirSync(source, { recursive: true });
    const config = megatronBertConfig({
      vocab_size: 8192,
      hidden_size: 512,
      num_hidden_layers: 6,
      num_attention_heads: 8,
      intermediate_size: 2048,
    });
    writeFileSync(path.join(source, 'config.json'), JSON.stringify(config));
    const parameters = flattenParameters(architectures.MegatronBertModel.parameters(config));
    const entries = parameters.map(([name, { shape }], i) => ({
      name,
      dtype: 'F32' as const,
      shape,
      data: () => new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(i),
    }));
    await writeSafetensors(path.join(source, 'model.safetensors'), entries);
  });

  const to = (target: string) =>
    ['convert', source, target, '--to', 'megatron', '--tensor-model-parallel-size', '2'] as const;

  test(`killed at ${moments} moments`, async () => {
    const whole = path.join(place, 'whole');
    const started = performance.now();
    await ended(start(to(whole)));
    const duration = performance.now() - started;
    const expected = checksums(whole);
    rmSync(whole, { recursive: true });

    const target = path.join(place, 'target');
    let complete = 0;
    for (let i = 0; i < moments; i++) {
      const child = start(to(target));
      const timer = setTimeout(
        () => child.kill('SIGKILL'),
        1.2 * duration * randomUniform(randomKey('moments'), i),
      );
      await ended(child);
      clearTimeout(timer);
      if (!existsSync(target)) continue;
      expect(checksums(target)).toEqual(expected);
      rmSync(target, { recursive: true });
      complete++;
    }
    console.log(`convert: ${complete} of ${moments} runs had ended before they were killed`);
    const { code } = await megatronBert(...to(target));
    expect(code).toBe(0);
    expect(checksums(target)).toEqual(expected);
    expect(readdirSync(place).sort()).toEqual(['source', 'target']);
  });
});

describe('download', () => {
  const place = path.join(folder, 'download');
  const name = 'megatron_bert_345m_v0.1_cased.zip';
  const numbers = Buffer.alloc(2 ** 25, 'numbers');
  const archive = zip([{ name: 'release/mp_rank_00/model_optim_rng.pt', data: numbers }]);
  /** Called for each piece that is sent, but for those of the first request, which asks for the length. */
  let onPiece: () => void = () => undefined;
  let requests = 0;
  const ranges: string[] = [];

  const server = createServer((request, response) => {
    if (!request.url!.endsWith('/v0.1_cased/zip')) return void response.writeHead(401).end();
    const { range } = request.headers;
    if (range !== undefined) ranges.push(range);
    const from = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': archive.length - from, ETag: '"archive"' });
    send(response, from, requests++ > 0);
  });
  function send(response: ServerResponse, from: number, isCounted: boolean): void {
    if (from >= archive.length) return void response.end();
    if (isCounted) onPiece();
    const next = from + 2 ** 16;
    response.write(archive.subarray(from, next), (error) => {
      if (!error) send(response, next, isCounted);
    });
  }
  beforeAll(async () => {
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test(`killed at ${moments} moments, and resumed`, async () => {
    const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const args = ['download', 'cased', '--output', place, '--mirror', mirror];
    const target = path.join(place, name);
    const env = { ...process.env, HF_ENDPOINT: mirror, HF_HUB_CACHE: path.join(folder, 'cache') };
    for (let i = 0; i < moments; i++) {
      const child = spawn(process.execPath, [main, ...args], { stdio: 'ignore', env });
      requests = 0;
      let left = 1 + Math.floor(500 * randomUniform(randomKey('pieces'), i));
      onPiece = () => {
        if (--left === 0) child.kill('SIGKILL');
      };
      await ended(child);
      if (!existsSync(target)) continue;
      expect(sha256(readFileSync(target))).toBe(sha256(archive));
      rmSync(target);
    }
    onPiece = () => undefined;
    const child = spawn(process.execPath, [main, ...args], { stdio: 'ignore', env });
    await ended(child);
    expect(child.exitCode).toBe(0);
    expect(sha256(readFileSync(target))).toBe(sha256(archive));
    expect(readdirSync(place)).toEqual([name]);
    console.log(`download: ${ranges.length} of ${moments} runs went on from where another was killed`);
    expect(ranges.length).toBeGreaterThan(5);
  });
});

describe('finetune', () => {
  const place = path.join(folder, 'finetune');
  const train = path.join(place, 'train.jsonl');
  const rowsOf = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => {
      const number = from + i;
      const text = `${number} whales, ${number % 7} boats and ${number % 3} captains`;
      return `${JSON.stringify({ text, label: number % 3 === 0 ? 'calm' : 'storm' })}\n`;
    }).join('');
  beforeAll(() => {
    mkdirSync(place);
    writeFileSync(train, rowsOf(0, 96));
    writeFileSync(path.join(place, 'validation.jsonl'), rowsOf(96, 16));
  });

  const to = (output: string, ...more: readonly string[]) => [
    ...['finetune', '--task', 'sequence-classification', '--model', fixture('pipelines/models/model')],
    ...['--train-file', train, '--validation-file', path.join(place, 'validation.jsonl')],
    ...['--output-dir', output, '--max-steps', '40', '--learning-rate', '1e-3', '--threads', '1'],
    ...['--max-seq-length', '32', '--eval-strategy', 'steps', '--eval-steps', '4', '--logging-steps', '3'],
    ...['--save-strategy', 'steps', '--save-steps', '4', '--hidden-dropout-prob', '0.1', ...more],
  ];
  const isBegun = (output: string) =>
    existsSync(output) && readdirSync(output).some((name) => name.startsWith('checkpoint-'));
  const goOn = (output: string) =>
    to(output, isBegun(output) ? '--resume-from-checkpoint' : '--overwrite-output-dir');
  /** What a run leaves, but for folders and seconds. */
  const left = (output: string) => {
    const { log_history, best_metric, best_global_step } = readJson(
      path.join(output, 'trainer_state.json'),
    ) as Record<string, unknown>;
    const files = ['model.safetensors', 'checkpoint-40/optimizer.safetensors', 'eval_results.txt'];
    const sums = files.map((name) => sha256(readFileSync(path.join(output, name))));
    return { sums, log_history, best_metric, best_global_step };
  };

  const kills = 12;
  test(`killed at ${kills} moments, and resumed each time: the bits of a run that nobody killed`, async () => {
    const whole = path.join(place, 'whole');
    const started = performance.now();
    await ended(start(to(whole)));
    const duration = performance.now() - started;
    const output = path.join(place, 'output');
    let resumed = 0;
    for (let i = 0; i < kills; i++) {
      if (isBegun(output)) resumed++;
      const child = start(goOn(output));
      const timer = setTimeout(
        () => child.kill('SIGKILL'),
        duration * randomUniform(randomKey('fine-tuning'), i),
      );
      await ended(child);
      clearTimeout(timer);
    }
    console.log(`finetune: ${resumed} of ${kills} runs went on from where another was killed`);
    const { code } = await megatronBert(...goOn(output));
    expect(code).toBe(0);
    expect(left(output)).toEqual(left(whole));
  });

  test('goes on with nothing but the same examples and seed', async () => {
    const output = path.join(place, 'whole');
    const other = await megatronBert(...to(output, '--resume-from-checkpoint', '--seed', '7'));
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/trainer_state\.json: seed: expected 42, as in the run so far, found 7/);
    const fewer = await megatronBert(...to(output, '--resume-from-checkpoint', '--max-train-samples', '90'));
    expect(fewer.stderr).toMatch(/examples: expected 96, as in the run so far, found 90/);
  });
});
