/** Megatron-LM's evaluations of a whole model, beside a restatement in Python that computes with transformers. */
import { cpSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { fixture, readJson } from './support/fixture.js';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
const model = path.join(folder, 'gpt2');
const write = (name: string, text: string) => {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
};

beforeAll(() => {
  cpSync(fixture('gpt2-tokenizer/plain'), model, { recursive: true });
  cpSync(fixture('gpt2/text'), model, { recursive: true });
});

const wikitext = readJson(fixture('benchmarks/wikitext103.json')) as {
  readonly text: string;
  readonly cases: readonly {
    readonly sequence_length: number;
    readonly stride: number;
    readonly result: Readonly<Record<string, number>>;
  }[];
};
interface LambadaResult {
  readonly total: number;
  readonly accuracy: number;
}
const lambada = readJson(fixture('benchmarks/lambada.json')) as {
  readonly text: string;
  readonly plain: LambadaResult;
  readonly strict: LambadaResult;
};

test.each(wikitext.cases)(
  'WikiText-103, windows of $sequence_length by $stride',
  async ({ sequence_length, stride, result }) => {
    const found = await built.evaluate({
      benchmark: 'wikitext103',
      model,
      validation: write('wiki.test.tokens', wikitext.text),
      max_seq_length: sequence_length,
      overlapping_eval: stride,
    });
    for (const name of ['loss', 'perplexity', 'adjusted_perplexity', 'token_ratio']) {
      const value = found[name === 'perplexity' ? name : `eval_${name}`]!;
      expect(Math.abs(value / result[name]! - 1), name).toBeLessThan(1e-4);
    }
  },
);

test.each(['plain', 'strict'] as const)('LAMBADA, %s', async (kind) => {
  const found = await built.evaluate({
    benchmark: 'lambada',
    model,
    validation: write('lambada.jsonl', lambada.text),
    strict_lambada: kind === 'strict',
  });
  expect(found).toMatchObject({ eval_accuracy: lambada[kind].accuracy, eval_samples: lambada[kind].total });
});

describe('others are tasks in files of their own', () => {
  const classifier = fixture('pipelines/models/nli');
  const header = Array.from({ length: 12 }, (_, i) => `column${i}`).join('\t');
  const row = (id: number, premise: string, hypothesis: string, label: string) =>
    [id, ...Array.from('1234567'), premise, hypothesis, label, label].join('\t');

  test('MNLI', async () => {
    const rows = [
      row(0, 'The whale rose.', 'A whale came up.', 'entailment'),
      row(1, 'It was dawn.', 'It was night.', 'contradiction'),
    ];
    const file = write('dev_matched.tsv', `${[header, ...rows].join('\n')}\n`);
    const found = await built.evaluate({ benchmark: 'glue/mnli', model: classifier, validation: file });
    expect(found).toMatchObject({ eval_samples: 2, eval_accuracy: expect.any(Number) as number });
  });

  test('SWAG', async () => {
    const swag = write(
      'val.csv',
      ',video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label\n0,a,1,b,The whale rose.,It,gold,sank.,sang.,ran.,read.,0\n',
    );
    const choices = await built.evaluate({
      benchmark: 'swag',
      model: fixture('pipelines/models/multiple-choice'),
      validation: swag,
    });
    expect(choices).toMatchObject({ eval_samples: 1 });
  });
});

test('the command line puts a result beside the published one', async () => {
  const file = write('wiki.test.tokens', wikitext.text);
  const { code, stdout, stderr } = await megatronBert(
    ...['evaluate', '--benchmark', 'wikitext103', '--model', model, '--validation-file', file],
    ...['--max-seq-length', '64'],
  );
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/10\.81/);
});
