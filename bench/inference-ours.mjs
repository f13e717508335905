// Ours in the inference benchmark, by the peers' protocol (bench/peers/serving.py).
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { MegatronBertModel } from '../dist/index.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    inputs: { type: 'string' },
    threads: { type: 'string' },
    dtype: { type: 'string' },
  },
});
const workloads = JSON.parse(readFileSync(flags.inputs, 'utf8'));
const model = await MegatronBertModel.from_pretrained(flags.model, {
  threads: Number(flags.threads),
  dtype: flags.dtype,
  add_pooling_layer: false,
  warn: () => undefined,
});
console.log(JSON.stringify({ version: 'megatron-bert' }));
for await (const line of createInterface({ input: process.stdin })) {
  const start = performance.now();
  const outputs = await model.forwardEach(workloads[line].map((input_ids) => ({ input_ids })));
  const seconds = (performance.now() - start) / 1000;
  const sample = [...outputs[0].last_hidden_state.data.subarray(0, 16)];
  console.log(JSON.stringify({ seconds, sample, peak_mebibytes: process.resourceUsage().maxRSS / 1024 }));
}
await model.dispose();
