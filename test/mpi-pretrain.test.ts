/** Pretraining on the processes of a launcher of MPI: what one process makes, whatever the launcher. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { launchers, type Launcher } from './support/mpi.js';
import { expectSameRun } from './support/same-run.js';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const at = (...names: string[]) => path.join(folder, ...names);
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const run = promisify(execFile);

const flags = (output: string) => [
  ...['pretrain', at('corpus'), '--tokenizer', at('tokenizer'), '--output', at(output)],
  ...['--num-layers', '4', '--hidden-size', '16', '--num-attention-heads', '2', '--sequence-length', '16'],
  ...['--micro-batch-size', '2', '--global-batch-size', '8', '--train-iterations', '12', '--threads', '1'],
  ...['--learning-rate', '1e-3', '--evaluation-interval', '6', '--evaluation-sequences', '8'],
  ...['--save-interval', '6'],
];
const mpirun = ({ command, args }: Launcher, size: number, output: string, ...more: string[]) =>
  run(command, [...args, '-n', String(size), process.execPath, main, ...flags(output), ...more]);

beforeAll(async () => {
  writeChapters(at('corpus'), 2);
  const words = ['train-tokenizer', at('corpus'), '--vocab-size', '200', '--output', at('tokenizer')];
  expect((await megatronBert(...words)).code).toBe(0);
  const { code, stderr } = await megatronBert(...flags('whole'), '--make-vocab-size-divisible-by', '256');
  expect(code, stderr).toBe(0);
}, 60_000);

const expectWhole = (output: string) => expectSameRun(at(output), at('whole'));

const tensor = (size: number) => [
  ...['--tensor-model-parallel-size', String(size), '--make-vocab-size-divisible-by', String(256 / size)],
];
const pipeline = (size: number) => ['--pipeline-model-parallel-size', String(size)];
const meshes: [size: number, flags: string[]][] = [
  [2, [...tensor(2), '--sequence-parallel']],
  [4, [...pipeline(2), '--use-distributed-optimizer', ...tensor(1)]],
  [
    8,
    [
      ...tensor(2),
      ...pipeline(2),
      '--num-layers-per-virtual-pipeline-stage',
      '1',
      '--use-distributed-optimizer',
    ],
  ],
];

test.skipIf(launchers.length > 0)(
  'neither Open MPI nor MPICH is here: scripts/install-mpi.sh',
  () => undefined,
);

describe.each(launchers.map((launcher) => [launcher.name, launcher] as const))('%s', (name, launcher) => {
  test.each(meshes)('%i processes, %o', async (size, more) => {
    const output = `${name} ${size}`;
    const { stdout } = await mpirun(launcher, size, output, ...more);
    expect(stdout.match(/held-out loss {2}/g)).toHaveLength(1);
    await expectWhole(output);
  });

  const isFirst = launcher === launchers[0];
  test.runIf(isFirst)('a checkpoint of processes goes on with threads, and the other way round', async () => {
    const more = [...tensor(2), ...pipeline(2)];
    await mpirun(launcher, 4, `${name} begun`, ...more, '--exit-interval', '6');
    const { code, stderr } = await megatronBert(...flags(`${name} begun`), '--resume');
    expect(code, stderr).toBe(0);
    await expectWhole(`${name} begun`);

    await megatronBert(
      ...flags(`${name} ended`),
      '--make-vocab-size-divisible-by',
      '256',
      '--exit-interval',
      '6',
    );
    await mpirun(launcher, 4, `${name} ended`, ...more, '--resume');
    await expectWhole(`${name} ended`);
    expect(readdirSync(at(`${name} ended`, 'checkpoints', 'iter_0000012')).sort()).toEqual([
      'manifest.json',
      ...['mp_rank_00_000', 'mp_rank_00_001', 'mp_rank_01_000', 'mp_rank_01_001'],
    ]);
  });

  test('a number of processes that the mesh does not make up is refused', async () => {
    const failed = mpirun(launcher, 3, `${name} refused`, ...tensor(2));
    await expect(failed).rejects.toThrow(
      'expected a multiple of 2 processes, 2 (tensor) × 1 (pipeline) × data-parallel ranks, found 3',
    );
  });
});
