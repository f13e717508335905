import { lambada, wikitext103 } from './benchmarks/language.js';
import { causalLanguageModelling, maskedLanguageModelling } from './language-modelling.js';
import { multipleChoice } from './multiple-choice.js';
import { questionAnswering } from './question-answering.js';
import { sequenceClassification } from './sequence-classification.js';
import type { Task } from './task.js';
import { tokenClassification } from './token-classification.js';

export const taskNames = [
  'sequence-classification',
  'token-classification',
  'question-answering',
  'multiple-choice',
  'masked-lm',
  'causal-lm',
] as const;
export type TaskName = (typeof taskNames)[number];

/** Besides, what can only be measured. */
export type MeasuredTask = TaskName | 'wikitext103' | 'lambada';

const byName: Readonly<Record<MeasuredTask, unknown>> = {
  'sequence-classification': sequenceClassification,
  'token-classification': tokenClassification,
  'question-answering': questionAnswering,
  'multiple-choice': multipleChoice,
  'masked-lm': maskedLanguageModelling,
  'causal-lm': causalLanguageModelling,
  wikitext103,
  lambada,
};

/** Its examples are what it has made of rows itself. */
export const taskOf = (name: MeasuredTask) => byName[name] as Task;
