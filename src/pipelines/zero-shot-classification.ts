import { InputError } from '../errors.js';
import { largest, softmax } from './scores.js';
import { requireText, toExample, type Task, type TaskModel, type TextOutputs } from './task.js';

export interface ZeroShotOptions {
  /** A list, or a text with commas. */
  readonly candidate_labels: string | readonly string[];
  /** Has `{}` where the label goes; "This example is {}." by default. */
  readonly hypothesis_template?: string;
  /** Whether several labels can be true at once; false by default. */
  readonly multi_label?: boolean;
}

export interface ZeroShotResult {
  readonly sequence: string;
  /** The best first. */
  readonly labels: string[];
  readonly scores: number[];
}

/** Labels that a model for textual entailment was not trained with: how likely does a text entail them? */
export const zeroShotClassification: Task<string, ZeroShotOptions, ZeroShotResult> = (model, options) => {
  const { hypothesis_template = 'This example is {}.', multi_label = false } = options;
  const labels = parseLabels(options.candidate_labels);
  if (labels.length === 0) throw new InputError('candidate_labels: expected at least one label, found none');
  if (!hypothesis_template.includes('{}'))
    throw new InputError(
      `hypothesis_template: expected {} where the label goes, found ${JSON.stringify(hypothesis_template)}`,
    );
  const { entailment, contradiction } = entailmentIds(model);
  return (text) => {
    requireText('zero-shot-classification', text);
    if (text === '') throw new InputError('zero-shot-classification: expected a text, found an empty one');
    const hypotheses = labels.map((label) => hypothesis_template.replaceAll('{}', () => label));
    return {
      examples: hypotheses.map((hypothesis) => toExample(encodePair(model, text, hypothesis), model)),
      finish(outputs) {
        const scores =
          multi_label || labels.length === 1
            ? outputs.map(
                ({ logits }) => softmax([contradiction, entailment].map((id) => logits!.data.at(id)!))[1]!,
              )
            : softmax(outputs.map(({ logits }: TextOutputs) => logits!.data.at(entailment)!));
        const order = largest(scores, labels.length);
        return {
          sequence: text,
          labels: order.map((i) => labels[i]!),
          scores: order.map((i) => scores[i]!),
        };
      },
    };
  };
};

const parseLabels = (labels: string | readonly string[]): readonly string[] =>
  typeof labels === 'string'
    ? labels
        .split(',')
        .map((label) => label.trim())
        .filter((label) => label !== '')
    : labels;

/** As transformers finds them: contradiction is the first label, or the last where entailment is the first. */
function entailmentIds({ config, warn }: TaskModel): { entailment: number; contradiction: number } {
  const found = Object.entries(config.label2id).find(([label]) => label.toLowerCase().startsWith('entail'));
  if (!found) warn('no label of this model starts with "entail": the last one is taken for entailment');
  const entailment = found?.[1] ?? -1;
  return { entailment, contradiction: entailment === 0 ? -1 : 0 };
}

/** The text is cut, so that the hypothesis stays whole. */
function encodePair({ tokenizer, longest }: TaskModel, text: string, hypothesis: string) {
  const whole = tokenizer.encode(text, hypothesis);
  if (whole.input_ids.length <= longest) return whole;
  return tokenizer.encode(text, hypothesis, { truncation: 'only_first', max_length: longest });
}
