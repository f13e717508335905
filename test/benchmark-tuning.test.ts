/** Fine-tuning for the benchmarks of Megatron-LM's paper: its files, and its hyper-parameters where none are given. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FinetuneOptions, TaskEvent, TaskOrBenchmark } from '../src/index.js';
import { fixture, readJson } from './support/fixture.js';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
const model = fixture('pipelines/models/model');
const write = (name: string, text: string) => {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
};

const mnliRow = (premise: string, hypothesis: string, label: string) =>
  ['0', ...Array.from('1234567'), premise, hypothesis, label, label].join('\t');
const mnli = write(
  'train.tsv',
  [
    Array.from({ length: 12 }, (_, i) => `column${i}`).join('\t'),
    mnliRow('The whale rose.', 'A whale came up.', 'entailment'),
    mnliRow('It was dawn.', 'It was night.', 'contradiction'),
    mnliRow('They rowed.', 'They were tired.', 'neutral'),
    '',
  ].join('\n'),
);

const context = 'The old whale rose in the cold sea at dawn.';
const question = (id: string, answers: readonly string[]) => ({
  ...{ id, question: 'When did the whale rise?', is_impossible: answers.length === 0 },
  answers: answers.map((text) => ({ text, answer_start: context.indexOf(text) })),
});
const squad = write(
  'train-v2.0.json',
  JSON.stringify({
    data: [{ title: '', paragraphs: [{ context, qas: [question('a', ['at dawn']), question('b', [])] }] }],
  }),
);

write(
  'race/train/1.txt',
  JSON.stringify({
    ...{ article: context, questions: ['It rose at _ .'], answers: ['A'] },
    options: [['dawn', 'noon', 'night', 'sea']],
  }),
);
const race = path.join(folder, 'race/train');

const swag = write(
  'val.csv',
  'sent1,sent2,ending0,ending1,ending2,ending3,label\nThe whale rose.,It,sank.,sang.,ran.,read.,0\n',
);
const conll = write('eng.train', 'Anna NNP I-NP I-PER\nmet VBD I-VP O\n\nBo NNP I-NP I-PER\n');

let outputs = 0;
const options = () => ({ model, output_dir: path.join(folder, `run-${outputs++}`), threads: 1 });

/** What a run was set to, as its card and state tell, and what it said of it. */
async function tuned(more: Omit<TaskOrBenchmark<FinetuneOptions>, 'model' | 'output_dir'>) {
  const events: TaskEvent[] = [];
  const given = {
    ...{ ...options(), ...more },
    onEvent: (event: TaskEvent) => events.push(event),
  } as TaskOrBenchmark<FinetuneOptions>;
  const results = await built.finetune(given);
  const read = (name: string) => readFileSync(path.join(given.output_dir, name), 'utf8');
  const card = read('README.md');
  const settings = Object.fromEntries(
    [...card.matchAll(/^- (\w+): (\S+)$/gm)].map(([, name, value]) => [name!, value!] as const),
  );
  const said = events.flatMap((event) => (event.kind === 'hyper-parameters' ? [event] : []));
  const { num_train_epochs, max_steps } = readJson(path.join(given.output_dir, 'trainer_state.json')) as {
    readonly num_train_epochs: number;
    readonly max_steps: number;
  };
  return { results, card, page: read('report.html'), settings, said, epochs: num_train_epochs, max_steps };
}

describe('what is not given is as it was published', () => {
  test('of MNLI, whose result stands beside the published ones', async () => {
    const found = await tuned({ benchmark: 'glue/mnli', train: mnli, validation: mnli });
    expect(found.settings).toMatchObject({
      ...{ learning_rate: '1e-05', train_batch_size: '16', gradient_accumulation_steps: '8' },
      ...{ total_train_batch_size: '128', lr_scheduler_warmup_ratio: '0.065', weight_decay: '0.1' },
    });
    expect(found).toMatchObject({ epochs: 10, max_steps: 10 });
    expect(found.said).toEqual([
      expect.objectContaining({ source: expect.stringContaining('table 6 (Megatron 336M)') as string }),
    ]);
    expect(found.results).toMatchObject({ train_samples: 3, eval_samples: 3 });
    for (const shown of [found.card, found.page]) expect(shown).toContain('Megatron 336M     89.7');
  });

  test('of SQuAD 2.0', async () => {
    const { settings, epochs, results } = await tuned({
      ...{ benchmark: 'squad_v2', train: squad, validation: squad },
    });
    expect(settings).toMatchObject({ learning_rate: '3e-05', total_train_batch_size: '48' });
    expect(epochs).toBe(2);
    expect(results).toHaveProperty('eval_NoAns_f1');
  });

  test('of RACE, of whose choices as many texts are computed at once', async () => {
    const { settings, epochs } = await tuned({ benchmark: 'race', train: race });
    expect(settings).toMatchObject({
      ...{ learning_rate: '2e-05', train_batch_size: '4', gradient_accumulation_steps: '8' },
      lr_scheduler_warmup_ratio: '0.06',
    });
    expect(epochs).toBe(3);
  });
});

test('what is given wins, and the batch stays', async () => {
  const { settings, said, max_steps } = await tuned({
    ...{ benchmark: 'glue/mnli', train: mnli, max_steps: 2, learning_rate: 1e-3, weight_decay: 0 },
    ...{ warmup_steps: 1, per_device_train_batch_size: 4 },
  });
  expect(settings).toMatchObject({
    ...{ learning_rate: '0.001', train_batch_size: '4', total_train_batch_size: '128' },
    lr_scheduler_warmup_steps: '1',
  });
  expect(settings).not.toHaveProperty('weight_decay');
  expect(max_steps).toBe(2);
  expect(said.map((event) => event.arguments)).toEqual([{ gradient_accumulation_steps: 32 }]);
});

test.each([
  ['swag', swag],
  ['conll2003', conll],
] as const)("%s has no published hyper-parameters: transformers' are taken", async (benchmark, train) => {
  const { settings, said, epochs } = await tuned({ benchmark, train });
  expect(settings).toMatchObject({ learning_rate: '5e-05', train_batch_size: '8' });
  expect([said, epochs]).toEqual([[], 3]);
});

describe('what is refused, and nothing is written', () => {
  test.each<[string, object, RegExp]>([
    [
      'lambada',
      { benchmark: 'lambada' },
      /^benchmark: expected one that .* conll2003, found lambada, which is evaluated as it is$/,
    ],
    ['wikitext103', { benchmark: 'wikitext103' }, /found wikitext103, which is evaluated as it is$/],
    ['a name of none', { benchmark: 'cola' }, /^benchmark: expected glue\/mnli, .* found "cola"$/],
    [
      'another task',
      { benchmark: 'squad', task: 'masked-lm' },
      /^task: expected question-answering, as squad is, or none, found "masked-lm"$/,
    ],
    [
      'ranks that do not divide the batch',
      { benchmark: 'glue/mnli', data_parallel_size: 3 },
      /^the published batch of 128 examples: expected 3 data-parallel ranks to divide it/,
    ],
  ])('%s', async (_, more, message) => {
    const given = { ...options(), train: mnli, ...more } as FinetuneOptions;
    await expect(built.finetune(given)).rejects.toThrow(message);
    expect(existsSync(given.output_dir)).toBe(false);
  });
});

describe('the command line', () => {
  test('says what is taken from where, and shows the published results', async () => {
    const { code, stdout, stderr } = await megatronBert(
      ...['finetune', '--benchmark', 'glue/mnli', '--model', model, '--max-steps', '1'],
      ...['--train-file', mnli, '--validation-file', mnli, '--output-dir', path.join(folder, 'from-cli')],
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(
      /By arXiv 1909\.08053, table 6 \(Megatron 336M\).*: learning_rate 0\.00001, per_device_train_batch_size 16, gradient_accumulation_steps 8, warmup_ratio 0\.065, weight_decay 0\.1\n/,
    );
    expect(stdout).toMatch(/this one +[\d.]+ +–\nMegatron 336M +89\.7 +90\.0/);
  });

  test('names what is not fine-tuned, and what is missing', async () => {
    const refused = (...args: string[]) =>
      megatronBert('finetune', '--model', model, '--output-dir', path.join(folder, 'refused'), ...args);
    expect(await refused('--benchmark', 'lambada')).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining('lambada, which is evaluated as it is') as string },
    });
    expect(await refused()).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining('expected --task or --benchmark') as string },
    });
  });
});

test('a sweep has the files of a benchmark, and its hyper-parameters but for those it goes through', async () => {
  const { output_dir, ...rest } = options();
  await built.sweep({
    ...{ ...rest, output_dir, benchmark: 'glue/mnli', train: mnli, validation: mnli, max_steps: 1 },
    sweep: { method: 'grid', parameters: { learning_rate: { values: [1e-4] } } },
  });
  const card = readFileSync(path.join(output_dir, 'best', 'README.md'), 'utf8');
  expect(card).toContain('learning_rate: 0.0001');
  expect(card).toContain('weight_decay: 0.1');
});
