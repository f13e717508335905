/** How models of each task are called and used. */
import type { TaskName } from '../tasks.js';

export interface TaskCard {
  /** transformers' words for it. */
  readonly name: string;
  /** The pipeline on the hub, in transformers and here. */
  readonly pipeline: string;
  readonly autoClass: string;
  readonly does: string;
  /** Arguments of a call: in a shell, in JavaScript, and in Python, if it is no pipeline there. */
  readonly shell: string;
  readonly javascript: string;
  readonly python: string;
}

export const taskCards: Readonly<Record<TaskName, TaskCard>> = {
  'sequence-classification': {
    name: 'Text Classification',
    pipeline: 'text-classification',
    autoClass: 'AutoModelForSequenceClassification',
    does: 'It tells the label of a text.',
    shell: '"A text."',
    javascript: "'A text.'",
    python: '"A text."',
  },
  'token-classification': {
    name: 'Token Classification',
    pipeline: 'token-classification',
    autoClass: 'AutoModelForTokenClassification',
    does: 'It tells the label of each word of a text.',
    shell: '"A text."',
    javascript: "'A text.', { aggregation_strategy: 'simple' }",
    python: '"A text.", aggregation_strategy="simple"',
  },
  'question-answering': {
    name: 'Question Answering',
    pipeline: 'question-answering',
    autoClass: 'AutoModelForQuestionAnswering',
    does: 'It finds the answer to a question in a text.',
    shell: '--context "Call me Ishmael." "What is the name?"',
    javascript: "'What is the name?', 'Call me Ishmael.'",
    python: 'question="What is the name?", context="Call me Ishmael."',
  },
  'multiple-choice': {
    name: 'Multiple Choice',
    pipeline: 'multiple-choice',
    autoClass: 'AutoModelForMultipleChoice',
    does: 'It chooses the text that goes on with another.',
    shell: '"He took his hat" --choices "and left." "and the sea is salt."',
    javascript: "'He took his hat', ['and left.', 'and the sea is salt.']",
    python: '',
  },
  'masked-lm': {
    name: 'Masked Language Modeling',
    pipeline: 'fill-mask',
    autoClass: 'AutoModelForMaskedLM',
    does: 'It finds words for [MASK] in a text.',
    shell: '"Paris is the [MASK] of France."',
    javascript: "'Paris is the [MASK] of France.'",
    python: '"Paris is the [MASK] of France."',
  },
  'causal-lm': {
    name: 'Causal Language Modeling',
    pipeline: 'text-generation',
    autoClass: 'AutoModelForCausalLM',
    does: 'It goes on with a text.',
    shell: '"Call me"',
    javascript: "'Call me'",
    python: '"Call me"',
  },
};

/** Names of metrics, by transformers' keys; those that a card lists. */
export const metricNames: Readonly<Record<string, string>> = {
  accuracy: 'Accuracy',
  f1: 'F1',
  precision: 'Precision',
  recall: 'Recall',
  matthews_correlation: 'Matthews Correlation',
  pearson: 'Pearson',
  spearmanr: 'Spearmanr',
  combined_score: 'Combined Score',
  mse: 'Mse',
  exact_match: 'Exact Match',
  exact: 'Exact',
  perplexity: 'Perplexity',
};

/** `HasAns_f1` has no name but its own. */
export const metricTitle = (name: string): string =>
  name === 'loss' ? 'Loss' : (metricNames[name] ?? name.replaceAll('_', ' '));
