import type { MegatronBertConfig } from '../model/config.js';

/** What `summary.json` holds: losses in nats per masked token, accuracies as fractions. */
export interface PretrainSummary {
  readonly initial_loss: number;
  readonly heldout_loss: number;
  /** Of text that no evaluation before has seen, where the split leaves some. */
  readonly test_loss?: number;
  /** Of the held-out text under the training text's word counts: what knowing no context would give. */
  readonly unigram_entropy: number;
  readonly masked_accuracy_before: number;
  readonly masked_accuracy_after: number;
  readonly vocab_size: number;
  readonly iterations: number;
  readonly seconds: number;
  readonly tokens_per_second: number;
  readonly ranks: number;
}

/** The README.md of a model folder, as the hub expects it. */
export function modelCard(config: MegatronBertConfig, summary: PretrainSummary): string {
  return `---
library_name: transformers
pipeline_tag: fill-mask
tags: [megatron-bert, fill-mask]
---

# MegatronBERT

Pretrained with megatron-bert from random weights: masked words (whole words, 15 %) and sentence order.

| | |
|---|---|
| layers, hidden size, heads | ${config.num_hidden_layers}, ${config.hidden_size}, ${config.num_attention_heads} |
| vocabulary | ${config.vocab_size} |
| iterations | ${summary.iterations} |
| held-out loss (nats per masked token) | ${summary.heldout_loss.toFixed(3)} (${summary.initial_loss.toFixed(3)} before training) |
| unigram entropy of the held-out text | ${summary.unigram_entropy.toFixed(3)} |
| masked words right at first choice | ${(100 * summary.masked_accuracy_after).toFixed(1)} % |

\`\`\`sh
npx megatron-bert run fill-mask --model . "Call me [MASK]."
\`\`\`
`;
}
