// Writes inputs and what our MegatronBertForPreTraining or GPT2LMHeadModel makes of them, for check_model_folder.py to
// compare with transformers: `node parity/write_logits.mjs MODEL_FOLDER OUTPUT_FOLDER` (after `npm run build`).
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { writeSafetensors } from '../dist/checkpoint/safetensors.js';
import { AutoModelForPreTraining, readAnyTokenizer } from '../dist/index.js';

const [folder, output] = process.argv.slice(2);
const tokenizer = await readAnyTokenizer(folder);
const isBert = tokenizer.type === 'WordPiece';
const encoded = [
  tokenizer.encode('Call me [MASK].', 'Some years ago, never mind how long precisely.'),
  tokenizer.encode('The whale rose to the surface of the sea.'),
];
const length = Math.max(...encoded.map(({ input_ids }) => input_ids.length));
const pad = (row, value) => [...row, ...new Array(length - row.length).fill(value)];
const inputs = {
  input_ids: encoded.map(({ input_ids }) => pad(input_ids, tokenizer.tokens.pad ?? 0)),
  attention_mask: encoded.map(({ attention_mask }) => pad(attention_mask, 0)),
  ...(isBert && { token_type_ids: encoded.map(({ token_type_ids }) => pad(token_type_ids, 0)) }),
};
const model = await AutoModelForPreTraining.from_pretrained(folder);
const outputs = await model.forward(inputs, { use_cache: false });
await model.dispose();

mkdirSync(output, { recursive: true });
await writeSafetensors(
  path.join(output, 'inputs.safetensors'),
  Object.entries(inputs).map(([name, rows]) => ({
    name,
    dtype: 'I32',
    shape: [rows.length, length],
    data: Int32Array.from(rows.flat()),
  })),
);
await writeSafetensors(
  path.join(output, 'logits.safetensors'),
  Object.entries(outputs).map(([name, { dims, data }]) => ({ name, dtype: 'F32', shape: dims, data })),
);
