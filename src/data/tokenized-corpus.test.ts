import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { createTokenizer } from '../text/tokenizer.js';
import { splitCorpus, tokenizeCorpus, unigramEntropy, type TokenizedCorpus } from './tokenized-corpus.js';

const vocab = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', '##b', '.'];
const tokenizer = createTokenizer({ vocab, lowercase: true });

/** Sentences of each document, read back by the description of the type. */
function contents({ tokens, sentences, documents }: TokenizedCorpus): number[][][] {
  const list: number[][][] = [];
  for (let j = 0; j + 1 < documents.length; j++) {
    list.push([]);
    for (let i = documents[j]!; i < documents[j + 1]!; i++)
      list.at(-1)!.push([...tokens.slice(sentences[i], sentences[i + 1])]);
  }
  return list;
}

/** Documents of sentences of so many words each; words differ from sentence to sentence. */
const corpusOf = (lengths: readonly (readonly number[])[]): TokenizedCorpus => {
  let sentence = 0;
  return tokenizeCorpus(
    lengths.map((document) =>
      document.map((length) => (sentence++ % 2 === 0 ? 'A ' : 'B ').repeat(length)).join('\n\n'),
    ),
    tokenizer,
  );
};

describe('tokenizeCorpus', () => {
  it('keeps sentences and documents apart', () => {
    const corpus = tokenizeCorpus(['A ab.\n\nb', 'a. Ab ab.'], tokenizer);
    expect(contents(corpus)).toEqual([
      [[5, 5, 7, 8], [6]],
      [
        [5, 8],
        [5, 7, 5, 7, 8],
      ],
    ]);
  });

  it('is in memory that threads share', () => {
    for (const array of Object.values(corpusOf([[3, 2], [4]])))
      expect((array as Int32Array).buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('drops documents without tokens', () => {
    expect(contents(tokenizeCorpus(['', 'a', ' \n\n ', '\u200b', 'b'], tokenizer))).toEqual([[[5]], [[6]]]);
    expect(contents(tokenizeCorpus([''], tokenizer))).toEqual([]);
  });

  it('cuts sentences after 512 tokens', () => {
    const [document] = contents(corpusOf([[1100, 512]]));
    expect(document!.map((sentence) => sentence.length)).toEqual([512, 512, 76, 512]);
  });

  it('tells how far it is', () => {
    const calls: number[][] = [];
    tokenizeCorpus(['a', '', 'b'], tokenizer, (...call) => calls.push(call));
    expect(calls).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  });
});

describe('splitCorpus', () => {
  it('holds out every tenth of many documents', () => {
    const corpus = corpusOf(Array.from({ length: 40 }, (_, i) => [20 + i]));
    const { train, heldOut } = splitCorpus(corpus, 0.1);
    const isHeldOut = (_: unknown, i: number) => i % 10 === 9;
    expect(contents(heldOut)).toEqual(contents(corpus).filter(isHeldOut));
    expect(contents(train)).toEqual(contents(corpus).filter((_, i) => !isHeldOut(_, i)));
  });

  it('holds out the last sentences of a few documents', () => {
    const corpus = corpusOf([Array.from({ length: 60 }, () => 10), Array.from({ length: 40 }, () => 10)]);
    const { train, heldOut } = splitCorpus(corpus, 0.2);
    const [first, second] = contents(corpus) as [number[][], number[][]];
    expect(contents(train)).toEqual([first, second.slice(0, 20)]);
    expect(contents(heldOut)).toEqual([second.slice(20)]);
  });

  it('loses and doubles nothing', () => {
    const documents = fc.array(fc.array(fc.integer({ min: 70, max: 90 }), { minLength: 2, maxLength: 5 }), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(documents, fc.double({ min: 0.05, max: 0.5, noNaN: true }), (lengths, fraction) => {
        const corpus = corpusOf(lengths);
        const { train, heldOut } = splitCorpus(corpus, fraction);
        const sentences = (part: TokenizedCorpus) => contents(part).flat().map(String);
        expect([...sentences(train), ...sentences(heldOut)].sort()).toEqual(sentences(corpus).sort());
        expect((train.tokens.buffer as unknown) instanceof SharedArrayBuffer).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('says when there is too little text for a part', () => {
    expect(() => splitCorpus(corpusOf([[50, 50, 20]]), 0.1)).toThrow(
      new InputError('the corpus is too small: 120 tokens leave 20 to evaluate with, at least 64 are needed'),
    );
    expect(() => splitCorpus(corpusOf([[100]]), 0.1)).toThrow(/leave 0 to train on, at least 64/);
    expect(() => splitCorpus(corpusOf([]), 0.1)).toThrow(InputError);
  });

  it.each([0, 1, -0.5, NaN])('refuses to hold out %d of the text', (fraction) => {
    expect(() => splitCorpus(corpusOf([[500, 500]]), fraction)).toThrow(InputError);
  });
});

describe('unigramEntropy', () => {
  const corpus = (ids: readonly number[]): TokenizedCorpus => ({
    tokens: Int32Array.from(ids),
    sentences: Int32Array.of(0, ids.length),
    documents: Int32Array.of(0, 1),
  });

  it('is the cross entropy under counts to which one is added', () => {
    // of three words and a vocabulary of two: (2 + 1) / 5 and (1 + 1) / 5
    const entropy = unigramEntropy(corpus([0, 0, 1]), corpus([0, 1, 1, 1]), 2);
    expect(entropy).toBeCloseTo(-(Math.log(3 / 5) + 3 * Math.log(2 / 5)) / 4, 12);
  });

  it('is the logarithm of the vocabulary where training taught nothing', () => {
    expect(unigramEntropy(corpus([]), corpus([3, 1]), 100)).toBeCloseTo(Math.log(100), 12);
  });
});
