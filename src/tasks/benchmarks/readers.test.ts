import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, readJson } from '../../../test/support/fixture.js';
import { temporaryFolder } from '../../../test/support/workspace.js';
import type { TextTokenizer } from '../../text/text-tokenizer.js';
import { readAnyTokenizer } from '../../text/tokenizer-files.js';
import { readConll2003 } from './conll2003.js';
import { mnliExamples } from './mnli.js';
import type { ChoiceExample } from './multiple-choice.js';
import { qqpExamples } from './qqp.js';
import { raceExamples, readRace } from './race.js';
import { readSwag } from './swag.js';

interface Read<Example> {
  readonly text: string;
  readonly examples: readonly Example[];
}
const files = readJson(fixture('benchmarks/readers.json')) as Readonly<
  Record<'mnli train' | 'mnli test' | 'qqp test' | 'swag', Read<object>>
> & {
  readonly 'qqp train': Read<object> & { readonly skipped: readonly number[] };
  readonly conll2003: Read<{ readonly words: unknown; readonly tags: unknown }>;
  readonly race: Read<ChoiceExample & { readonly pieces: readonly (readonly number[])[] }>;
};
const ofTest = ({ examples }: Read<object>) => examples.map((example) => ({ ...example, label: null }));
const folder = temporaryFolder();

/** What a reader makes of a file. */
async function rowsOf(
  read: (file: string) => AsyncIterable<object>,
  name: string,
  text: string,
): Promise<object[]> {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  const rows: object[] = [];
  for await (const row of read(file)) rows.push(row);
  return rows;
}

const refuseWarning = (message: string) => expect.fail(message);

describe('MNLI', () => {
  const { text } = files['mnli train'];
  it('is read as Megatron-LM reads it', () => {
    expect(mnliExamples(text, 'train.tsv')).toEqual(files['mnli train'].examples);
    expect(mnliExamples(files['mnli test'].text, 'test.tsv')).toEqual(ofTest(files['mnli test']));
  });

  it.each([
    [text.replace('\tcontradiction\n', '\thidden\n'), 'row 2, column 12: expected contradiction, entailment'],
    [text.replace('7 \t', '-7\t'), 'row 3, column 1: expected a whole number, found "-7"'],
    [text.replace(' Two men row . ', '  '), 'row 3, column 9: expected a text, found none'],
    [`${text}13\t1\n`, 'row 5: expected at least 10 columns, found 2'],
    [`index\tlabel\n`, 'row 1: expected at least 10 columns, found 2'],
    ['', 'expected a header, found nothing'],
  ])('refuses what is wrong (%#)', (wrong, message) => {
    expect(() => mnliExamples(wrong, 'train.tsv')).toThrow(message);
    expect(() => mnliExamples(wrong, 'train.tsv')).toThrow('train.tsv');
  });
});

describe('QQP', () => {
  const { text, skipped, examples } = files['qqp train'];
  it('is read as Megatron-LM reads it, without bad rows', () => {
    const warnings: string[] = [];
    expect(qqpExamples(text, 'train.tsv', (message) => warnings.push(message))).toEqual(examples);
    expect(warnings.map((warning) => warning.split(' is left out')[0])).toEqual(
      skipped.map((row) => `train.tsv, row ${row}`),
    );
    expect(warnings[0]).toContain('expected 6 columns, found 4');
    expect(warnings.at(-1)).toContain('expected 6 columns, found 7');
    expect(warnings.join('\n')).toContain('expected a question in column 5, found none');
    expect(qqpExamples(files['qqp test'].text, 'test.tsv', refuseWarning)).toEqual(ofTest(files['qqp test']));
  });

  it.each([
    ['a\tb\n', 'row 1: expected a header of 6 or 3 columns, found 2'],
    [text.replace('?\t1\n', '?\t2\n'), 'row 2, column 6: expected 0 or 1, found "2"'],
    [text.replace('\n10\t', '\nx\t'), 'row 2, column 1: expected a whole number, found "x"'],
    [files['qqp test'].text + '3\tWho?\n', 'row 4: expected 3 columns, found 2'],
    [files['qqp test'].text + '3\t \tWho?\n', 'row 4: expected a question in column 2, found none'],
  ])('refuses what is wrong (%#)', (wrong, message) => {
    expect(() => qqpExamples(wrong, 'q.tsv', refuseWarning)).toThrow(`q.tsv, ${message}`);
  });
});

describe('RACE', () => {
  let tokenizer: TextTokenizer;
  beforeAll(async () => {
    tokenizer = await readAnyTokenizer(fixture('text/uncased'));
  });
  const { text, examples } = files.race;
  const lines = text.trimEnd().split('\n');

  it('is read as Megatron-LM reads it, with questions of 128 pieces at most', () => {
    const found = raceExamples([{ file: 'a.txt', text }], tokenizer);
    for (const [i, { choices, ...rest }] of found.entries()) {
      const { choices: whole, pieces, ...expected } = examples[i]!;
      expect(rest).toEqual(expected);
      expect(choices.map((choice) => tokenizer.tokenize(choice))).toEqual(pieces);
      for (const [place, choice] of choices.entries()) expect(whole[place]!.startsWith(choice)).toBe(true);
      if (pieces.every((ids) => ids.length < 128)) expect(choices).toEqual(whole);
    }
    expect(found.length).toBe(examples.length);
    expect(examples.at(-1)!.pieces[0]!.length).toBe(128);
  });

  it('is read of all text files of a folder, by name', async () => {
    const folder = path.join(temporaryFolder(), 'test');
    mkdirSync(folder);
    writeFileSync(path.join(folder, '2.txt'), lines.slice(1).join('\n'));
    writeFileSync(path.join(folder, '1.txt'), lines[0]!);
    writeFileSync(path.join(folder, 'readme.md'), 'not read');
    expect(await readRace(folder, tokenizer)).toEqual(raceExamples([{ file: 'a.txt', text }], tokenizer));
    await expect(readRace(path.join(folder, 'high'), tokenizer)).rejects.toThrow('expected a folder of RACE');
    mkdirSync(path.join(folder, 'high'));
    await expect(readRace(path.join(folder, 'high'), tokenizer)).rejects.toThrow('expected .txt files');
  });

  it.each([
    [lines[1]!.replace('"D"', '"E"'), 'answers: 0'],
    [lines[1]!.replace('"$$", ', ''), 'options: 0'],
    [lines[1]!.replace('["D"]', '[]'), 'for each of 1 questions, found 1 and 0'],
    [lines[1]!.replace('article', 'text'), 'article'],
    ['{', 'not JSON'],
  ])('refuses what is wrong (%#)', (line, message) => {
    const wrong = [{ file: 'a.txt', text: `${lines[0]!}\n${line}\n` }];
    expect(() => raceExamples(wrong, tokenizer)).toThrow('a.txt, line 2');
    expect(() => raceExamples(wrong, tokenizer)).toThrow(message);
  });
});

describe('SWAG', () => {
  const { text, examples } = files.swag;
  const read = (written: string) => rowsOf(readSwag, 'val.csv', written);

  it('is read by the names of its columns', async () => {
    expect(await read(text)).toEqual(examples);
    const hidden = text.replace(',label\n', '\n').replace(/,[01]\n/g, '\n');
    expect(await read(hidden)).toEqual(ofTest(files.swag));
    expect(await read(text.trimEnd().replace(/(?<!loudly\.")\n/g, '\r\n'))).toHaveLength(2);
  });

  it.each([
    [text.replace('ending2', 'ending'), ': expected a column ending2, found , video-id'],
    [text.replace(/,0\n$/, ',4\n'), ', row 2, column label: expected 0 to 3, found "4"'],
    [text.replace(/,0\n$/, '\n'), ', line 3 (row 2): expected 12 cells, as the header has, found 11'],
    [text.replace('loudly."', 'loudly.'), ', line 3: expected a closing quote'],
    [text.replace('goes."', 'goes." so'), ', line 2: expected the end of the cell after its closing quote'],
  ])('refuses what is wrong (%#)', async (wrong, message) => {
    await expect(read(wrong)).rejects.toThrow(`val.csv${message}`);
  });
});

describe('CoNLL-2003', () => {
  const { text, examples } = files.conll2003;
  const sentences = examples.map(({ words: tokens, tags }) => ({ tokens, tags }));

  it('has a sentence between empty lines', async () => {
    expect(await rowsOf(readConll2003, 'eng.testa', text)).toEqual(sentences);
    const dense = text.replace('\n\n\n-DOCSTART- -X- -X- O\n\n', '\n-DOCSTART- -X- -X- O\n');
    expect(await rowsOf(readConll2003, 'eng.testa', dense)).toEqual(sentences);
  });

  it.each(['a B I-NP', 'a B  I-NP', 'a\tB\tI-NP\tO', 'a B C D E'])('refuses %j', async (line) => {
    await expect(rowsOf(readConll2003, 'eng.testa', `${text}${line}\n`)).rejects.toThrow(
      'eng.testa, line 13: expected 4 columns',
    );
  });
});
