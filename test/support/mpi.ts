/** Ranks as processes of an MPI launcher, and what is left of them. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Launcher {
  readonly name: 'Open MPI' | 'MPICH';
  readonly command: string;
  readonly args: readonly string[];
  /** The library of this launcher's kind. */
  readonly library: string;
}

/** Those of this machine. */
export const launchers: readonly Launcher[] = (
  [
    {
      name: 'Open MPI',
      sign: /Open MPI/,
      // as root, and more ranks than processors
      args: ['--allow-run-as-root', '--oversubscribe'],
      library: 'libmpi.so.40',
    },
    { name: 'MPICH', sign: /HYDRA/, args: [], library: 'libmpich.so.12' },
  ] as const
).flatMap(({ sign, ...launcher }) => {
  const command = [`mpirun.${launcher.name.toLowerCase().replace(' ', '')}`, 'mpirun', 'mpiexec'].find(
    (name) => sign.test(spawnSync(name, ['--version'], { encoding: 'utf8' }).stdout),
  );
  return command === undefined ? [] : [{ ...launcher, command }];
});

export interface MpiRun {
  readonly code: number | null;
  /** What the ranks and the launcher printed, in any order. */
  readonly output: string;
  /** What the ranks performed, in their order. */
  readonly reports: readonly unknown[];
  /** From the moment at which a rank said that it is about to fail, until no process of the run was left. */
  readonly secondsToEnd: number;
}

const rankModule = fileURLToPath(new URL('mpi-rank.mjs', import.meta.url));
let runs = 0;

/**
 * Runs support/mpi-rank.mjs on so many ranks, and waits until all their processes have ended.
 *
 * @param folder where the task is written to
 */
export async function runRanks(
  { command, args }: Launcher,
  size: number,
  folder: string,
  task: Readonly<Record<string, unknown>>,
): Promise<MpiRun> {
  const file = path.join(folder, `task-${runs++}.json`);
  const socket = `${file}.socket`;
  const processes: Promise<unknown>[] = [];
  const server = createServer((connection) => {
    processes.push(
      new Promise((resolve) =>
        connection
          .resume()
          .on('error', () => undefined)
          .on('close', resolve),
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  writeFileSync(file, JSON.stringify({ ...task, socket }));

  const child = spawn(command, [...args, '-n', String(size), process.execPath, rankModule, file]);
  let output = '';
  let failing = performance.now();
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      output += text.toString();
      if (text.includes('failing')) failing = performance.now();
    });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  await Promise.all(processes);
  const secondsToEnd = (performance.now() - failing) / 1000;
  server.close();

  const reports = Array.from({ length: size }, (_, rank) => `${file}.${rank}`)
    .filter((name) => existsSync(name))
    .map((name) => JSON.parse(readFileSync(name, 'utf8')) as unknown);
  return { code, output, reports, secondsToEnd };
}
