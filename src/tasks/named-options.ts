/** Names that the command line and sweeps have for what is an option of something within. */
import type { FinetuneOptions } from './finetune-options.js';

const places: Readonly<Record<string, readonly [within: 'lora' | 'config', name: string]>> = {
  lora_r: ['lora', 'r'],
  lora_alpha: ['lora', 'lora_alpha'],
  lora_dropout: ['lora', 'lora_dropout'],
  lora_target_modules: ['lora', 'target_modules'],
  hidden_dropout_prob: ['config', 'hidden_dropout_prob'],
  attention_probs_dropout_prob: ['config', 'attention_probs_dropout_prob'],
};

/** Options with others in their place, by such names: `lora_r` is `lora.r`. */
export function withNamed<Options extends Partial<FinetuneOptions>>(
  options: Options,
  named: Readonly<Record<string, unknown>>,
): Options {
  let all = options;
  for (const [name, value] of Object.entries(named)) {
    const [within, inner] = places[name] ?? [];
    all = {
      ...all,
      ...(within && inner ? { [within]: { ...all[within], [inner]: value } } : { [name]: value }),
    };
  }
  return all;
}
