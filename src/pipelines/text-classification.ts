import type { TransformerConfig } from '../model/config.js';
import { InputError } from '../errors.js';
import type { TruncationStrategy } from '../text/truncation.js';
import { largest, sigmoid, softmax } from './scores.js';
import { labelNames, requireText, toExample, type Task } from './task.js';

export interface TextClassificationOptions {
  /** How many labels to give: 1 by default; null for all. */
  readonly top_k?: number | null;
  /** What makes scores of logits; by the model's `problem_type` where it is not said. */
  readonly function_to_apply?: 'softmax' | 'sigmoid' | 'none';
  /** Which of two texts is cut where both are too long together; the longer one by default. */
  readonly truncation?: boolean | TruncationStrategy;
  /** Tokens that texts are cut to; as many as the model takes by default. */
  readonly max_length?: number;
}

/** One text, or two that are judged together. */
export type TextOrPair = string | { readonly text: string; readonly text_pair?: string };

export interface LabelScore {
  readonly label: string;
  readonly score: number;
}

/** The label of a text; the best first where several are asked for. Long texts are cut. */
export const textClassification: Task<TextOrPair, TextClassificationOptions, LabelScore | LabelScore[]> = (
  model,
  { top_k = 1, function_to_apply, truncation = true, max_length = model.longest },
) => {
  const scoresOf = functions[function_to_apply ?? usualFunction(model.config)];
  if (!scoresOf as unknown)
    throw new InputError(
      `function_to_apply: expected ${Object.keys(functions).join(', ')}, found ${JSON.stringify(function_to_apply)}`,
    );
  const labels = labelNames(model.config);
  return (input) => {
    const { text, text_pair } = typeof input === 'string' ? { text: input } : input;
    requireText('text', text);
    const encoded = model.tokenizer.encode(text, text_pair, { truncation, max_length });
    return {
      examples: [toExample(encoded, model)],
      finish([{ logits }]) {
        const scores = scoresOf(logits!.data);
        const best = largest(scores, top_k ?? scores.length).map((id) => ({
          label: labels[id]!,
          score: scores[id]!,
        }));
        return top_k === 1 ? best[0]! : best;
      },
    };
  };
};

const functions: Readonly<Record<'softmax' | 'sigmoid' | 'none', (logits: Float32Array) => number[]>> = {
  softmax,
  sigmoid: (logits) => Array.from(logits, sigmoid),
  none: (logits) => [...logits],
};

function usualFunction({ problem_type, id2label }: TransformerConfig): keyof typeof functions {
  if (problem_type === 'regression') return 'none';
  const isOneOfSeveral = problem_type !== 'multi_label_classification' && Object.keys(id2label).length > 1;
  return isOneOfSeveral ? 'softmax' : 'sigmoid';
}
