import { largest, softmax } from './scores.js';
import type { LabelScore } from './text-classification.js';
import { requireText, toExample, type Task } from './task.js';

export interface SentencePair {
  readonly text: string;
  readonly text_pair: string;
}

/** As transformers' class numbers them. */
const labels = ['isNext', 'notNext'] as const;

/** Whether the second text follows the first, the likelier first. Long texts are cut. */
export const nextSentence: Task<SentencePair, object, LabelScore[]> =
  (model) =>
  ({ text, text_pair }) => {
    requireText('text', text);
    requireText('text_pair', text_pair);
    const options = { truncation: true, max_length: model.longest };
    return {
      examples: [toExample(model.tokenizer.encode(text, text_pair, options), model)],
      finish([{ logits }]) {
        const scores = softmax(logits!.data);
        return largest(scores, labels.length).map((id) => ({ label: labels[id]!, score: scores[id]! }));
      },
    };
  };
