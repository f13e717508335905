/** The job scripts of `examples/`: their syntax, and that they say what `pretrain` knows. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { megatronBert } from './support/workspace.js';

const example = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));

async function expectKnown(flags: readonly string[]): Promise<void> {
  const { stdout } = await megatronBert('pretrain', '--help');
  expect(flags.length).toBeGreaterThan(5);
  for (const flag of flags) expect(stdout).toContain(`${flag} `);
}

test('slurm.sh', async () => {
  execFileSync('bash', ['-n', example('slurm.sh')]);
  const script = readFileSync(example('slurm.sh'), 'utf8');
  const [, command] = /^srun ((?:.*\\\n)*.*)$/m.exec(script)!;
  await expectKnown(command!.match(/--[a-z-]+/g)!);
});

test('mpijob.yaml', async () => {
  interface Template {
    readonly replicas: number;
    readonly template: { readonly spec: { readonly containers: { readonly args?: string[] }[] } };
  }
  const job = parse(readFileSync(example('mpijob.yaml'), 'utf8')) as {
    readonly apiVersion: string;
    readonly kind: string;
    readonly spec: { readonly slotsPerWorker: number; readonly mpiReplicaSpecs: Record<string, Template> };
  };
  expect([job.apiVersion, job.kind]).toEqual(['kubeflow.org/v2beta1', 'MPIJob']);
  const { Launcher, Worker } = job.spec.mpiReplicaSpecs;
  const { args } = Launcher!.template.spec.containers[0]!;
  expect(Number(args![args!.indexOf('-n') + 1])).toBe(job.spec.slotsPerWorker * Worker!.replicas);
  await expectKnown(args!.flatMap((word) => /^--[a-z-]+/.exec(word)?.[0] ?? []));
});
