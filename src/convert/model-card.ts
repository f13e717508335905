import type { WholeModel } from '../checkpoint/megatron/model.js';
import { architectureOf } from './config.js';

const tasks: Readonly<Record<string, string>> = {
  MegatronBertForPreTraining: 'fill-mask',
  MegatronBertForMaskedLM: 'fill-mask',
  MegatronBertForSequenceClassification: 'text-classification',
  MegatronBertModel: 'feature-extraction',
  GPT2LMHeadModel: 'text-generation',
};

/** Without what means something in Markdown, or to a terminal. */
const plain = (name: string) => name.replace(/[^\p{L}\p{M}\p{N} ._+-]/gu, '_');

/** The page that a hub shows for a model. */
export function modelCard(model: WholeModel, source: string, from: string, notes: readonly string[]): string {
  const architecture = architectureOf(model);
  const { layers, hiddenSize, heads, ffnHiddenSize, positions, vocabulary } = model.sizes;
  const task = tasks[architecture];
  return `---
library_name: transformers
tags:
  - ${model.kind === 'bert' ? 'megatron-bert' : 'gpt2'}
  - megatron-lm
${task === undefined ? '' : `pipeline_tag: ${task}\n`}---

# ${architecture}, from Megatron-LM

Converted from \`${plain(source)}\` (${from}) with megatron-bert.

| layers | hidden size | attention heads | feed-forward size | positions | vocabulary |
| ------ | ----------- | --------------- | ----------------- | --------- | ---------- |
| ${[layers, hiddenSize, heads, ffnHiddenSize, positions, vocabulary].join(' | ')} |

\`\`\`python
from transformers import ${architecture}

model = ${architecture}.from_pretrained("PATH_OF_THIS_FOLDER")
\`\`\`
${notes.length > 0 ? `\n${notes.map((note) => `- ${note}`).join('\n')}\n` : ''}`;
}
