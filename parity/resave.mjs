// Loads each model folder of test/fixtures/models with its class and writes it again: node parity/resave.mjs FROM TO
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as classes from '../dist/index.js';

const [from, to] = process.argv.slice(2);
for (const name of readdirSync(from)) {
  const config = JSON.parse(readFileSync(path.join(from, name, 'config.json'), 'utf8'));
  const model = await classes[config.architectures[0]].from_pretrained(path.join(from, name));
  await model.save_pretrained(path.join(to, name));
  await model.dispose();
}
