/** However large a model is, converting it takes the memory of its largest tensor and of the program. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { writeSafetensors } from '../src/checkpoint/safetensors.js';
import { architectures } from '../src/model/architectures.js';
import { megatronBertConfig } from '../src/model/config.js';
import { flattenParameters } from '../src/model/parameters.js';
import { temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
const source = path.join(folder, 'model');
const at = (name: string) => path.join(folder, name);
let largest = 0;
let total = 0;

beforeAll(async () => {
  mkdirSync(source);
  const config = megatronBertConfig({ vocab_size: 30592, num_hidden_layers: 12 });
  writeFileSync(path.join(source, 'config.json'), JSON.stringify(config));
  const parameters = flattenParameters(architectures.MegatronBertForPreTraining.parameters(config));
  const entries = parameters.map(([name, { shape }], i) => {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    largest = Math.max(largest, 4 * size);
    total += 4 * size;
    return { name, dtype: 'F32' as const, shape, data: () => new Float32Array(size).fill(i) };
  });
  await writeSafetensors(path.join(source, 'model.safetensors'), entries);
}, 120_000);

const peakOf = async (...conversion: readonly unknown[]) => {
  const script = `
    import { convert } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    await convert(...${JSON.stringify(conversion)});
    console.log(1024 * process.resourceUsage().maxRSS);
  `;
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
  return Number(stdout);
};

test.skipIf(process.platform !== 'linux')(
  'there and back (asked of Linux only)',
  async () => {
    const ranks = { to: 'megatron', tensorModelParallelSize: 2, pipelineModelParallelSize: 2 };
    const peaks = {
      'to Megatron-LM': await peakOf(source, at('checkpoint'), ranks),
      'to other partitions': await peakOf(at('checkpoint'), at('other'), {
        ...ranks,
        tensorModelParallelSize: 4,
      }),
      'to transformers': await peakOf(at('other'), at('back'), {}),
      'to fp16': await peakOf(at('other'), at('half'), { dtype: 'fp16' }),
      'to bf16': await peakOf(at('other'), at('brain'), { dtype: 'bf16' }),
    };
    const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20);
    for (const [what, peak] of Object.entries(peaks)) {
      console.log(
        `${what}: ${mebibytes(peak)} MiB for ${mebibytes(total)} of weights, ${mebibytes(largest)} in the largest tensor`,
      );
      expect(peak).toBeLessThan(largest + 300 * 2 ** 20);
    }
  },
  120_000,
);
