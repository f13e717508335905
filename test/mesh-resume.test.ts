/** A run that is saved on one mesh and goes on on another, as a command. */
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectSameRun } from './support/same-run.js';
import { megatronBert, temporaryFolder, writeChapters } from './support/workspace.js';

const folder = temporaryFolder();
const at = (...names: string[]) => path.join(folder, ...names);
const pretrain = (output: string, ...more: string[]) =>
  megatronBert(
    ...['pretrain', at('corpus'), '--tokenizer', at('tokenizer'), '--output', at(output)],
    ...['--num-layers', '4', '--hidden-size', '16', '--num-attention-heads', '2', '--sequence-length', '16'],
    ...['--micro-batch-size', '2', '--global-batch-size', '8', '--train-iterations', '12', '--threads', '1'],
    ...['--learning-rate', '1e-3', '--evaluation-interval', '6', '--evaluation-sequences', '8'],
    ...['--save-interval', '6'],
    ...more,
  );

beforeAll(async () => {
  writeChapters(at('corpus'), 2);
  const args = ['train-tokenizer', at('corpus'), '--vocab-size', '200', '--output', at('tokenizer')];
  expect((await megatronBert(...args)).code).toBe(0);
  const { code, stderr } = await pretrain('whole');
  expect(code, stderr).toBe(0);
}, 60_000);

/** The log and the weights of a run that one rank made in one go. */
const expectWhole = (output: string) => expectSameRun(at(output), at('whole'));

const divided = {
  'a pipeline of 2, interleaved': [
    ...['--pipeline-model-parallel-size', '2', '--num-layers-per-virtual-pipeline-stage', '1'],
  ],
  '2 replicas that share the optimizer': ['--data-parallel-size', '2', '--use-distributed-optimizer'],
  'all of it': [
    ...['--tensor-model-parallel-size', '2', '--sequence-parallel', '--pipeline-model-parallel-size', '2'],
    ...['--data-parallel-size', '2', '--use-distributed-optimizer'],
  ],
};

describe.each(Object.entries(divided))('%s', (name, flags) => {
  const begun = `${name} begun`;

  test('goes on with what one rank has begun', async () => {
    const output = `${name} ended`;
    await pretrain(output, '--exit-interval', '6');
    const { code, stderr } = await pretrain(output, ...flags, '--resume');
    expect(code, stderr).toBe(0);
    await expectWhole(output);
  });

  test('begins what one rank goes on with', async () => {
    await pretrain(begun, ...flags, '--exit-interval', '6');
    const { code, stderr } = await pretrain(begun, '--resume');
    expect(code, stderr).toBe(0);
    await expectWhole(begun);
  });
});

test.each([
  [
    ['--pipeline-model-parallel-size', '8'],
    'pipeline-parallel size: expected at most 4, a layer for each stage, found 8',
  ],
  [
    ['--data-parallel-size', '3'],
    'global batch size: expected a multiple of 6, the micro-batch size 2 times 3 data ranks, such as 6, found 8',
  ],
  [
    ['--pipeline-model-parallel-size', '2', '--num-layers-per-virtual-pipeline-stage', '3'],
    'layers of a virtual pipeline stage: expected a divisor of the 2 layers of each stage (4 layers, 2 stages), found 3',
  ],
  [
    ['--num-layers-per-virtual-pipeline-stage', '1'],
    'layers of a virtual pipeline stage: expected a pipeline-parallel size of 2 or more, found 1',
  ],
  [
    [
      '--pipeline-model-parallel-size',
      '2',
      '--num-layers-per-virtual-pipeline-stage',
      '1',
      '--global-batch-size',
      '6',
    ],
    'global batch size: expected a multiple of 4, the micro-batch size 2 times 2 stages, whose parts are interleaved, such as 8, found 6',
  ],
])('%o is refused before anything starts', async (flags, message) => {
  const { code, stderr } = await pretrain('refused', ...flags);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});
