import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import { relativeError } from './fixture.js';

interface Line {
  readonly kind: string;
  readonly iteration: number;
  readonly loss?: number;
  readonly consumed_samples?: number;
}

const linesOf = (output: string) =>
  readFileSync(path.join(output, 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
    .filter(({ loss }) => loss !== undefined);

/** That a run left the log and the weights of another, up to the order of sums. */
export async function expectSameRun(output: string, expectedOutput: string): Promise<void> {
  const expected = linesOf(expectedOutput);
  const found = linesOf(output);
  expect(found.map(({ kind, iteration, consumed_samples }) => [kind, iteration, consumed_samples])).toEqual(
    expected.map(({ kind, iteration, consumed_samples }) => [kind, iteration, consumed_samples]),
  );
  for (const [i, { loss, iteration }] of found.entries())
    expect(Math.abs(loss! / expected[i]!.loss! - 1), `loss of iteration ${iteration}`).toBeLessThan(1e-5);
  const [whole, own] = await Promise.all(
    [expectedOutput, output].map((folder) => readSafetensors(path.join(folder, 'model.safetensors'))),
  );
  expect([...own!.tensors.keys()]).toEqual([...whole!.tensors.keys()]);
  for (const name of whole!.tensors.keys())
    // the gradient of the keys' biases is rounding alone
    if (!name.endsWith('key.bias'))
      expect(
        relativeError((await own!.read(name)) as Float32Array, (await whole!.read(name)) as Float32Array),
        name,
      ).toBeLessThan(1e-4);
  await Promise.all([whole!.close(), own!.close()]);
}
