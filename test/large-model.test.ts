/** A model of the shape of NVIDIA's 345M ones: how long it takes to load, and how much memory. */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { writeSafetensors } from '../src/checkpoint/safetensors.js';
import { architectures } from '../src/model/architectures.js';
import { megatronBertConfig } from '../src/model/config.js';
import { flattenParameters } from '../src/model/parameters.js';
import { randomKey, randomNormal } from '../src/random.js';
import { temporaryFolder } from './support/workspace.js';
import { writeFileSync } from 'node:fs';

const folder = temporaryFolder();
const file = path.join(folder, 'model.safetensors');

beforeAll(async () => {
  const config = megatronBertConfig({ vocab_size: 30592 });
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  const key = randomKey('large');
  const numbers = Float32Array.from({ length: 1 << 16 }, (_, i) => 0.02 * randomNormal(key, i));
  const parameters = flattenParameters(architectures.MegatronBertModel.parameters(config));
  const entries = parameters.map(([name, { shape }], i) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: () => {
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
      for (let start = 0; start < values.length; start += numbers.length)
        values.set(numbers.subarray(0, values.length - start), start);
      // no two are equal
      values[0] = i;
      return values;
    },
  }));
  await writeSafetensors(file, entries);
}, 120_000);

const script = `
  import { readFileSync } from 'node:fs';
  import { MegatronBertModel } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
  const resident = () => 1024 * Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  const before = resident();
  const start = performance.now();
  const model = await MegatronBertModel.from_pretrained(${JSON.stringify(folder)});
  await model.forward({ input_ids: [[101, 102]] });
  const milliseconds = performance.now() - start;
  console.log(JSON.stringify({ milliseconds, bytes: resident() - before }));
  await model.dispose();
`;

test.skipIf(process.platform !== 'linux')(
  'loading takes less than a quarter more memory than the file has (asked of Linux only)',
  async () => {
    const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    const { stdout } = await run();
    const { milliseconds, bytes } = JSON.parse(stdout) as { milliseconds: number; bytes: number };
    const { size } = statSync(file);
    console.log(
      `loading and a first call: ${Math.round(milliseconds)} ms, ` +
        `${Math.round(bytes / 2 ** 20)} MiB at most, ${(bytes / size).toFixed(2)} of the file`,
    );
    expect(bytes).toBeLessThan(1.25 * size);
  },
  120_000,
);
