/** `plan` as a user meets it. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { builtInMachines } from '../src/plan/machines.js';
import { fixture } from './support/fixture.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
const at = (name: string) => path.join(folder, name);
const write = (name: string, content: unknown) => {
  writeFileSync(at(name), JSON.stringify(content));
  return at(name);
};
const plan = (words: string, ...more: string[]) => megatronBert('plan', ...words.split(' '), ...more);

interface Summary {
  readonly best: {
    readonly mesh: { readonly tensor: number; readonly pipeline: number; readonly data: number };
    readonly memory: { readonly total: number };
    readonly parameters: { readonly model: number };
    readonly step: { readonly seconds: number };
    readonly days: number | null;
  };
  readonly others: readonly unknown[];
}

test('a mesh is found, with one JSON document and a picture', async () => {
  const picture = at('step.svg');
  const { code, stdout, stderr } = await plan(
    '--model gpt2-8.3b --machine dgx-2h --devices 64 --global-batch-size 64 --tokens 35e9 --json',
    '--picture',
    picture,
  );
  expect([code, stderr]).toEqual([0, '']);
  const { best, others } = JSON.parse(stdout) as Summary;
  const { tensor, pipeline, data } = best.mesh;
  expect(tensor * pipeline * data).toBe(64);
  expect(best.memory.total).toBeLessThanOrEqual(builtInMachines['dgx-2h'].device.memory);
  expect(best.parameters.model).toBe(8_317_040_640);
  expect(best.days).toBeCloseTo((35e9 / 64 / 1024) * (best.step.seconds / 86_400), 9);
  expect(others.length).toBeGreaterThan(0);
  const drawn = readFileSync(picture, 'utf8');
  expect(drawn).toMatch(/^<svg [^]*<\/svg>\n$/);
  expect(drawn.match(/>stage \d+</g)).toHaveLength(pipeline);
  expect(drawn).not.toMatch(/NaN|Infinity|undefined/);
});

test('a table says the same', async () => {
  const { stdout } = await plan(
    '--model megatron-bert-345m --devices 8 --global-batch-size 64 --tensor-model-parallel-size 2 --pipeline-model-parallel-size 1 --tokens 1e9',
  );
  for (const line of [
    /^model .* 24 layers, hidden size 1024, 16 heads, sequences of 512; 336,297,858 parameters$/m,
    /^mesh +2 × 1 × 4 \(tensor × pipeline × data\)$/m,
    /^memory of a rank +[\d.]+ GB of 85\.9 GB: weights/m,
    /^step +[\d.]+ m?s: matrix products/m,
    /^time +[\d.]+ days for 1\.00e\+9 tokens$/m,
  ])
    expect(stdout).toMatch(line);
});

test('a model folder, its config.json, and sizes are the same model', async () => {
  const model = fixture('pipelines/models/masked-lm');
  const config = JSON.parse(readFileSync(path.join(model, 'config.json'), 'utf8')) as Record<string, number>;
  const sizes = `--num-layers ${config.num_hidden_layers} --hidden-size ${config.hidden_size} --num-attention-heads ${config.num_attention_heads} --ffn-hidden-size ${config.intermediate_size} --vocab-size ${config.vocab_size} --sequence-length ${config.max_position_embeddings}`;
  const rest = ['--machine', 'laptop', '--precision', 'fp32', '--global-batch-size', '8', '--json'];
  const summaries = await Promise.all(
    [`--model ${model}`, `--model ${model}/config.json`, sizes].map(async (words) => {
      const { stdout, stderr } = await plan(words, ...rest);
      expect(stderr).toBe('');
      return (JSON.parse(stdout) as Summary).best;
    }),
  );
  expect(summaries[1]).toEqual(summaries[0]);
  expect(summaries[2]).toEqual(summaries[0]);
});

test('a machine of one’s own', async () => {
  const machine = write('machine.json', {
    ...builtInMachines['dgx-a100'],
    name: 'mine',
    devicesPerServer: 2,
  });
  const { stdout } = await plan('--model bert-base --global-batch-size 16', '--machine', machine);
  expect(stdout).toMatch(/^machine +mine, 2 devices, fp16$/m);
});

test('published figures stand beside the simulated, and are simulated alike with --json', async () => {
  const table = await plan('--paper');
  expect(table.stdout).toMatch(/^gpt2-8\.3b +512 +8 +64 +[\d.]+ s +[\d.]+ +74 +[-+][\d.]+$/m);
  const { stdout } = await plan('--paper --json');
  const { rows } = JSON.parse(stdout) as { rows: { model: string; simulated: number; published: number }[] };
  expect(rows.map(({ published }) => published)).toEqual([100, 95, 82, 77, 96, 83, 79, 74]);
  expect(table.stdout).toContain(rows.at(-1)!.simulated.toFixed(1));
});

describe('bad input', () => {
  const { device, ...withoutDevice } = builtInMachines['dgx-2h'];
  test.each([
    ['--model gpt5', /^megatron-bert: model: expected bert-base, .* found "gpt5"\n$/],
    [
      '--model bert-base --machine cray',
      /machine: expected dgx-2h, dgx-a100, laptop or a \.json file, found "cray"/,
    ],
    ['--num-layers 2', /expected --model, or --num-layers, --hidden-size and --num-attention-heads/],
    ['--model bert-base --num-layers 2', /expected --model or sizes, found both/],
    ['--num-layers 2 --hidden-size 30 --num-attention-heads 4', /hidden_size \(30\) is not divisible/],
    ['--model bert-base --devices 7', /no mesh: 7 devices, 12 heads/],
    ['--model bert-base --tensor-model-parallel-size 5', /no mesh: 8 devices/],
    ['--model gpt-1t --devices 8', /no mesh fits: the least takes [\d.]+ GB of a device's 85\.9 GB/],
    [
      `--model ${fixture('pipelines/models/masked-lm')} --sequence-length 4096`,
      /sequence length: expected at most/,
    ],
    [
      `--model bert-base --machine ${write('none.json', withoutDevice)}`,
      /none\.json: device: .*expected object/,
    ],
    [
      `--model bert-base --machine ${write('wrong.json', { ...withoutDevice, device: { ...device, memory: -1 } })}`,
      /wrong\.json: device: memory: .*found -1/,
    ],
    [`--model bert-base --machine ${at('absent.json')}`, /absent\.json/],
    ['--model bert-base --devices none', /expected a positive integer/],
  ])('%s', async (words, message) => {
    const { code, stdout, stderr } = await plan(words);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, '']);
  });
});
