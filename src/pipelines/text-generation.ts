import type { GenerationOptions } from '../generation/options.js';
import type { CausalLanguageModel } from '../pretrained/model-classes.js';
import type { TextTokenizer } from '../text/text-tokenizer.js';
import { requireText, toExample, type TaskModel } from './task.js';

export interface TextGenerationOptions extends GenerationOptions {
  /** Gives the prompt and what follows; true by default. */
  readonly return_full_text?: boolean;
  /** Of the prompt; true by default. */
  readonly add_special_tokens?: boolean;
  /** Leaves `[SEP]`, `<|endoftext|>` and the like out of the text; true by default. */
  readonly skip_special_tokens?: boolean;
  readonly clean_up_tokenization_spaces?: boolean;
}

export interface GeneratedText {
  readonly generated_text: string;
}

/** Tokens that are generated where nothing is said. */
const usualLength = 256;

/** Continues a prompt, in `num_return_sequences` ways. @throws InputError naming the option or input */
export async function generateText(
  model: CausalLanguageModel,
  task: TaskModel<TextTokenizer>,
  prompt: string,
  options: TextGenerationOptions,
): Promise<GeneratedText[]> {
  const {
    return_full_text = true,
    add_special_tokens = true,
    skip_special_tokens = true,
    clean_up_tokenization_spaces = true,
    ...generation
  } = options;
  requireText('text-generation', prompt);
  const { input_ids } = toExample(task.tokenizer.encode(prompt, null, { add_special_tokens }), task);
  const decode = (ids: readonly number[]) =>
    task.tokenizer.decode(ids, { skip_special_tokens, clean_up_tokenization_spaces });
  const room = Math.max(1, Math.min(usualLength, task.longest - input_ids.length));
  const isLengthSaid = Boolean(generation.max_new_tokens ?? generation.max_length);
  const { sequences } = await model.generate(
    { input_ids: [input_ids] },
    isLengthSaid ? generation : { ...generation, max_new_tokens: room },
  );
  const promptLength = decode(input_ids).length;
  return sequences.map((ids) => ({
    generated_text: (return_full_text ? prompt : '') + decode(ids).slice(promptLength),
  }));
}
