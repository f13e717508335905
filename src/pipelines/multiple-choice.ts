import { InputError, shown } from '../errors.js';
import { largest, softmax } from './scores.js';
import { requireText, toExample, type Task } from './task.js';

/** A text, and what could follow it. */
export interface ChoiceInput {
  readonly prompt: string;
  readonly choices: readonly string[];
}

export interface ScoredChoice {
  readonly choice: string;
  /** Its place among the choices. */
  readonly index: number;
  readonly score: number;
}

/** The choices for a text, the likeliest first. Long texts are cut. */
export const multipleChoice: Task<ChoiceInput, object, ScoredChoice[]> =
  (model) =>
  ({ prompt, choices }) => {
    requireText('prompt', prompt);
    if (!(choices instanceof Array) || choices.length === 0)
      throw new InputError(`choices: expected a list of texts, found ${shown(choices)}`);
    const options = { truncation: true, max_length: model.longest };
    return {
      examples: choices.map((choice) => {
        requireText('choices', choice);
        return toExample(model.tokenizer.encode(prompt, choice, options), model);
      }),
      finish(outputs) {
        const scores = softmax(outputs.map(({ logits }) => logits!.data[0]!));
        return largest(scores, scores.length).map((index) => ({
          choice: choices[index]!,
          index,
          score: scores[index]!,
        }));
      },
    };
  };
