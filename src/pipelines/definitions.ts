import type { AutoClassName } from '../pretrained/auto-classes.js';
import type { CausalLanguageModel } from '../pretrained/model-classes.js';
import { featureExtraction, type Features } from './feature-extraction.js';
import { toFeatureTensor } from './feature-tensor.js';
import { fillMask } from './fill-mask.js';
import { multipleChoice } from './multiple-choice.js';
import { nextSentence } from './next-sentence.js';
import { questionAnswering } from './question-answering.js';
import type { CallOptions, RunBatch } from './run.js';
import { orInputError, runTask, type Computes, type Task, type TaskModel } from './task.js';
import { textClassification } from './text-classification.js';
import { generateText } from './text-generation.js';
import { tokenClassification } from './token-classification.js';
import { zeroShotClassification } from './zero-shot-classification.js';

type Options = Readonly<Record<string, unknown>> & CallOptions;

/** What a pipeline is, whatever its task: who calls it is told its types by `Pipelines`. */
export interface Definition {
  readonly model: AutoClassName;
  readonly run: (model: Computes, task: TaskModel, options: Options) => RunBatch<unknown, unknown>;
  /** The inputs and options among a call's arguments; the first two by default. */
  readonly parse?: (values: readonly unknown[]) => readonly [inputs: unknown, options?: Options];
  /** Whether inputs are one; all but lists are by default. */
  readonly isOne?: (inputs: unknown, options: Options) => boolean;
  /** What a call with one input gives; its result by default. */
  readonly one?: (result: never) => unknown;
  /** What a call with a list gives; the list of results by default. */
  readonly many?: (results: readonly never[]) => unknown;
}

const computing =
  <Input, TaskOptions extends object, Result>(task: Task<Input, TaskOptions, Result>): Definition['run'] =>
  (model, taskModel, { signal, ...options }) => {
    const prepare = task(taskModel, options as TaskOptions);
    return (inputs) => runTask(model, prepare, inputs as readonly Input[], signal ? { signal } : {});
  };

/** Two texts may come one after the other. */
const pairOf =
  (first: string, second: string): NonNullable<Definition['parse']> =>
  ([a, b, options]) => {
    if (typeof a === 'string') return [{ [first]: a, [second]: b }, options as Options];
    if (Array.isArray(a) && Array.isArray(b)) {
      const pairs = (a as unknown[]).map((one, i) => ({ [first]: one, [second]: (b as unknown[])[i] }));
      return [pairs, options as Options];
    }
    return [a, b as Options];
  };

const isWords = (inputs: unknown) =>
  Array.isArray(inputs) && inputs.every((word) => typeof word === 'string');

/** By task; what each class of models is for. */
export const definitions = {
  'fill-mask': { model: 'AutoModelForMaskedLM', run: computing(fillMask) },
  'text-classification': {
    model: 'AutoModelForSequenceClassification',
    run: computing(textClassification),
    one: (result: unknown) => [result].flat(),
  },
  'token-classification': {
    model: 'AutoModelForTokenClassification',
    run: computing(tokenClassification),
    isOne: (inputs, { is_split_into_words }) =>
      is_split_into_words ? isWords(inputs) : !Array.isArray(inputs),
  },
  'question-answering': {
    model: 'AutoModelForQuestionAnswering',
    run: computing(questionAnswering),
    parse: pairOf('question', 'context'),
  },
  'zero-shot-classification': {
    model: 'AutoModelForSequenceClassification',
    run: computing(zeroShotClassification),
    parse: ([texts, labels, options]) =>
      typeof labels === 'string' || Array.isArray(labels)
        ? [texts, { ...(options as Options), candidate_labels: labels }]
        : [texts, labels as Options],
  },
  'multiple-choice': {
    model: 'AutoModelForMultipleChoice',
    run: computing(multipleChoice),
    parse: ([first, second, options]) =>
      typeof first === 'string'
        ? [{ prompt: first, choices: second }, options as Options]
        : [first, second as Options],
  },
  'next-sentence': {
    model: 'AutoModelForNextSentencePrediction',
    run: computing(nextSentence),
    parse: pairOf('text', 'text_pair'),
  },
  'text-generation': {
    model: 'AutoModelForCausalLM',
    run: (model, task, options) => async (prompts) => {
      const results = [];
      for (const prompt of prompts)
        results.push(
          await orInputError(() =>
            generateText(model as unknown as CausalLanguageModel, task, prompt as string, options),
          ),
        );
      return results;
    },
  },
  'feature-extraction': {
    model: 'AutoModel',
    run: computing(featureExtraction),
    one: (features: Features) => toFeatureTensor([features]),
    many: (all: readonly Features[]) => toFeatureTensor(all),
  },
} as const satisfies Record<string, Definition>;

/** Other names that transformers has for them. */
export const taskAliases: Readonly<Record<string, keyof typeof definitions>> = {
  'sentiment-analysis': 'text-classification',
  ner: 'token-classification',
};
