/** What `run` has for each pipeline: its flags, its inputs, and how its results look. */
import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { InputError } from '../../errors.js';
import type { EntityGroup } from '../../pipelines/entities.js';
import type { FilledMask, FilledMasks } from '../../pipelines/fill-mask.js';
import type { Features } from '../../pipelines/feature-extraction.js';
import { toFeatureTensor } from '../../pipelines/feature-tensor.js';
import type { ScoredChoice } from '../../pipelines/multiple-choice.js';
import type { TaskName } from '../../pipelines/pipelines.js';
import type { Answer, QuestionInput } from '../../pipelines/question-answering.js';
import type { LabelScore } from '../../pipelines/text-classification.js';
import type { GeneratedText } from '../../pipelines/text-generation.js';
import type { TokenEntity } from '../../pipelines/token-classification.js';
import type { ZeroShotResult } from '../../pipelines/zero-shot-classification.js';
import { nonNegativeNumber, positiveInteger } from '../options.js';
import { faint, heading, highlighted, plain, scoreLines } from './look.js';

export type Flags = Readonly<Record<string, unknown>>;

export interface RunTask {
  readonly name: TaskName;
  readonly description: string;
  /** What stands after `run NAME --model my-model`. */
  readonly examples: readonly string[];
  readonly addFlags: (command: Command) => Command;
  /** A pipeline's input for a text; the text itself by default. @throws InputError where a flag is missing */
  readonly toInput?: (text: string, flags: Flags) => unknown;
  /** Which fields of a JSON object make an input; one is the text itself. */
  readonly fields: readonly string[];
  /** Flags that are no options of the pipeline. */
  readonly inputFlags?: readonly string[];
  readonly show: (result: never, input: never) => readonly string[];
  /** What is written of a result as JSON; the result by default. */
  readonly toJson?: (result: never) => unknown;
}

const required = (flags: Flags, flag: string, name: string): string => {
  const value = flags[flag];
  if (typeof value !== 'string') throw new InputError(`${name}: expected one, or JSON lines with both texts`);
  return value;
};

const labelScores = (scores: readonly LabelScore[]) =>
  scoreLines(scores.map(({ label, score }) => ({ name: label, score })));

const countOrAll = (text: string) => (text === 'all' ? Infinity : positiveInteger(text));

export const runTasks: readonly RunTask[] = [
  {
    name: 'fill-mask',
    description: 'The likeliest words for [MASK].',
    examples: ['"Paris is the [MASK] of France."', '--top-k 3 --json "Call me [MASK]."'],
    addFlags: (command) =>
      command
        .option('--top-k <n>', 'words to suggest', positiveInteger, 5)
        .option('--targets <words...>', 'the words to choose from'),
    fields: ['text'],
    show: (result: FilledMasks, text: string) => {
      const lists = (Array.isArray(result[0]) ? result : [result]) as FilledMask[][];
      const rows = lists.map((list) =>
        scoreLines(list.map(({ token_str, score }) => ({ name: token_str, score }))),
      );
      return [heading(text), ...rows.flatMap((lines, i) => (i === 0 ? lines : ['', ...lines]))];
    },
  },
  {
    name: 'text-classification',
    description: 'The label of a text, or of two.',
    examples: ['"What a voyage!"', '--top-k all --file reviews.txt --output labels.jsonl'],
    addFlags: (command) =>
      command
        .option('--top-k <n>', 'labels to give, or "all"', countOrAll, 1)
        .option('--text-pair <text>', 'a second text for each')
        .option('--function-to-apply <name>', 'softmax, sigmoid or none (default: by the model)'),
    toInput: (text, { textPair }) => (textPair === undefined ? text : { text, text_pair: textPair }),
    fields: ['text', 'text_pair'],
    inputFlags: ['textPair'],
    show: (result: LabelScore | LabelScore[], input) => [
      heading(typeof input === 'string' ? input : (input as { text: string }).text),
      ...labelScores([result].flat()),
    ],
  },
  {
    name: 'token-classification',
    description: 'The entities in a text.',
    examples: ['"Call me Ishmael."', '--aggregation-strategy first --stride 32 --file chapter.txt --json'],
    addFlags: (command) =>
      command
        .option('--aggregation-strategy <name>', 'none (each token), simple, first, average or max', 'simple')
        .option('--ignore-labels <labels...>', 'labels that are left out', ['O'])
        .option(
          '--stride <n>',
          'go through all of a long text, in windows that share so many tokens',
          positiveInteger,
        ),
    fields: ['text'],
    show: (result: (TokenEntity | EntityGroup)[], text: string) => {
      const labelOf = (entity: TokenEntity | EntityGroup) =>
        'entity' in entity ? entity.entity : entity.entity_group;
      return [
        highlighted(
          text,
          result.map((entity) => ({ ...entity, label: labelOf(entity) })),
        ),
        ...scoreLines(
          result.map((entity) => ({
            name: `${labelOf(entity)} ${text.slice(entity.start, entity.end)}`,
            score: entity.score,
          })),
        ),
      ];
    },
  },
  {
    name: 'question-answering',
    description: 'Stretches of a text that answer a question.',
    examples: [
      '--context "Call me Ishmael." "What is the name?"',
      '--context-file chapter.txt --top-k 3 "Who is the captain?"',
    ],
    addFlags: (command) =>
      command
        .option('--context <text>', 'where the answer is')
        .option('--context-file <file>', 'a file with that text')
        .option('--top-k <n>', 'answers to give', positiveInteger, 1)
        .option('--max-answer-len <n>', 'tokens of the longest answer', positiveInteger)
        .option('--max-seq-len <n>', 'tokens of question and context together', positiveInteger)
        .option('--doc-stride <n>', 'tokens that windows of a long context share', positiveInteger)
        .option('--handle-impossible-answer', 'let "no answer" be one'),
    toInput: (question, flags) => ({
      question,
      context:
        typeof flags.contextFile === 'string'
          ? readContext(flags.contextFile)
          : required(flags, 'context', '--context or --context-file'),
    }),
    fields: ['question', 'context'],
    inputFlags: ['context', 'contextFile'],
    show: (result: Answer | Answer[], { question }: QuestionInput) => [
      heading(question),
      ...scoreLines([result].flat().map(({ answer, score }) => ({ name: answer || '(no answer)', score }))),
    ],
  },
  {
    name: 'zero-shot-classification',
    description: 'Labels that the model was not trained with, by a model for textual entailment.',
    examples: ['--candidate-labels "sea,war,love" "The whale rose to the surface."'],
    addFlags: (command) =>
      command
        .requiredOption('--candidate-labels <labels>', 'with commas between them')
        .option(
          '--hypothesis-template <text>',
          'with {} where the label goes (default: "This example is {}.")',
        )
        .option('--multi-label', 'several labels can be true at once'),
    fields: ['text'],
    show: ({ sequence, labels, scores }: ZeroShotResult) => [
      heading(sequence),
      ...scoreLines(labels.map((label, i) => ({ name: label, score: scores[i]! }))),
    ],
  },
  {
    name: 'multiple-choice',
    description: 'Which of several texts goes on with a text.',
    examples: ['"He took his hat" --choices "and left." "and the sea is salt."'],
    addFlags: (command) => command.option('--choices <texts...>', 'what may follow each text'),
    toInput: (prompt, { choices }) => ({ prompt, choices }),
    fields: ['prompt', 'choices'],
    inputFlags: ['choices'],
    show: (result: ScoredChoice[], { prompt }: { prompt: string }) => [
      heading(prompt),
      ...scoreLines(result.map(({ choice, score }) => ({ name: choice, score }))),
    ],
  },
  {
    name: 'next-sentence',
    description: 'Whether a text follows another.',
    examples: ['"Call me Ishmael." --text-pair "Some years ago I went to sea."'],
    addFlags: (command) => command.option('--text-pair <text>', 'what may follow each text'),
    toInput: (text, flags) => ({ text, text_pair: required(flags, 'textPair', '--text-pair') }),
    fields: ['text', 'text_pair'],
    inputFlags: ['textPair'],
    show: (result: LabelScore[], { text, text_pair }: { text: string; text_pair: string }) => [
      heading(text),
      faint(text_pair),
      ...labelScores(result),
    ],
  },
  {
    name: 'text-generation',
    description: 'Goes on with a text, by a model that was trained for that.',
    examples: ['--max-new-tokens 20 "Call me"', '--do-sample --temperature 0.8 --seed 1 "Call me"'],
    addFlags: (command) =>
      command
        .option('--max-new-tokens <n>', 'tokens to add', positiveInteger)
        .option('--num-beams <n>', 'continuations that are kept in view', positiveInteger)
        .option('--do-sample', 'draw tokens at random')
        .option('--temperature <x>', 'below 1 the likely are likelier', nonNegativeNumber)
        .option('--top-k <n>', 'tokens to draw from', positiveInteger)
        .option('--top-p <x>', 'their probability together', nonNegativeNumber)
        .option('--repetition-penalty <x>', 'above 1 avoids repetition', nonNegativeNumber)
        .option('--seed <n>', 'of the drawing', positiveInteger),
    fields: ['text'],
    show: (result: GeneratedText[]) => result.map(({ generated_text }) => plain(generated_text)),
  },
  {
    name: 'feature-extraction',
    description: 'The vector of a text.',
    examples: [
      '--normalize --json "Call me Ishmael."',
      '--pooling cls --file texts.txt --output vectors.jsonl',
    ],
    addFlags: (command) =>
      command
        .option('--pooling <name>', 'mean, cls, pooler, or none (a vector for each token)', 'mean')
        .option('--normalize', 'make vectors one long'),
    fields: ['text'],
    toJson: (features: Features) => toFeatureTensor([features]).tolist()[0],
    show: ({ dims, data }: Features, text: string) => [
      heading(text),
      `  [${dims.join(', ')}]  ${[...data.subarray(0, 6)].map((x) => x.toFixed(4)).join(' ')} …`,
    ],
  },
];

function readContext(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new InputError(`cannot read ${file}: ${(error as Error).message}`);
  }
}
