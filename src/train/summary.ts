import path from 'node:path';
import type { TransformerConfig } from '../model/config.js';
import type { Architecture } from './trained-model.js';

/** What `summary.json` holds: losses in nats per token that is predicted, accuracies as fractions. */
export interface PretrainSummary {
  readonly initial_loss: number;
  readonly heldout_loss: number;
  /** Of text that no evaluation before has seen, where the split leaves some. */
  readonly test_loss?: number;
  /** Of the held-out text under the training text's word counts: what knowing no context would give. */
  readonly unigram_entropy: number;
  readonly accuracy_before: number;
  readonly accuracy_after: number;
  /** Of pairs of held-out segments, those whose order is told rightly. */
  readonly order_accuracy?: number;
  readonly vocab_size: number;
  readonly iterations: number;
  readonly seconds: number;
  readonly tokens_per_second: number;
  /** Of the time of all iterations, what was spent waiting for samples. */
  readonly data_share: number;
  readonly ranks: number;
}

/** What there is to say of each kind of model. */
const cards = {
  bert: {
    name: 'MegatronBERT',
    task: 'fill-mask',
    tag: 'megatron-bert',
    learnt: 'masked words and the order of sentences',
    unit: 'masked token',
    example: 'Call me [MASK].',
  },
  gpt2: {
    name: 'GPT-2',
    task: 'text-generation',
    tag: 'gpt2',
    learnt: 'the next token',
    unit: 'token',
    example: 'Call me',
  },
} as const;

/** The README.md of a model folder, as the hub expects it. @param load what the run began with, if not at random */
export function modelCard(
  architecture: Architecture,
  config: TransformerConfig,
  summary: PretrainSummary,
  load?: string,
): string {
  const beginning = load === undefined ? 'random weights' : `the weights of ${path.basename(load)}`;
  const { name, task, tag, learnt, unit, example } = cards[architecture];
  return `---
library_name: transformers
pipeline_tag: ${task}
tags: [${tag}, ${task}]
---

# ${name}

Pretrained with megatron-bert from ${beginning}: ${learnt}.

| | |
|---|---|
| layers, hidden size, heads | ${config.num_hidden_layers}, ${config.hidden_size}, ${config.num_attention_heads} |
| vocabulary | ${config.vocab_size} |
| iterations | ${summary.iterations} |
| held-out loss (nats per ${unit}) | ${summary.heldout_loss.toFixed(3)} (${summary.initial_loss.toFixed(3)} before training) |
| unigram entropy of the held-out text | ${summary.unigram_entropy.toFixed(3)} |
| right at first choice | ${(100 * summary.accuracy_after).toFixed(1)} % |

\`\`\`sh
npx megatron-bert run ${task} --model . "${example}"
\`\`\`
`;
}
