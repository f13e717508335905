import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import {
  maximumPredictions,
  pretrainingSamples,
  type PretrainingSampleOptions,
} from './pretraining-samples.js';
import type { TokenizedCorpus } from './tokenized-corpus.js';

const tokens = { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };
const firstWord = 5;

/** Every token is another id, in order: a sample then tells where in the corpus each of its tokens was. */
function corpusOf(lengths: readonly (readonly number[])[]): TokenizedCorpus {
  const starts = (sizes: readonly number[]) => {
    let total = 0;
    return Int32Array.from([0, ...sizes.map((size) => (total += size))]);
  };
  const sentences = starts(lengths.flat());
  return {
    tokens: Int32Array.from({ length: sentences.at(-1)! }, (_, i) => firstWord + i),
    sentences,
    documents: starts(lengths.map((document) => document.length)),
  };
}

const optionsFor = (
  corpus: TokenizedCorpus,
  options: Partial<PretrainingSampleOptions> = {},
): PretrainingSampleOptions => {
  const vocabSize = firstWord + corpus.tokens.length;
  return {
    sequenceLength: 32,
    seed: 1,
    vocabSize,
    tokens,
    isContinuation: new Uint8Array(vocabSize),
    ...options,
  };
};

/** A row of a batch as lists, with what was masked put back: `[CLS] a [SEP] b [SEP]`. */
function readSample(corpus: TokenizedCorpus, options: PretrainingSampleOptions, number: number) {
  const batch = pretrainingSamples(corpus, options).batch(number, 1);
  const size = batch.attention_mask.reduce((sum, one) => sum + one, 0);
  const ids = [...batch.input_ids.subarray(0, size)];
  const labels = [...batch.labels];
  const restored = ids.map((id, i) => (labels[i] === -100 ? id : labels[i]!));
  const middle = restored.indexOf(tokens.sep);
  const [a, b] = [restored.slice(1, middle), restored.slice(middle + 1, -1)];
  const isSwapped = batch.next_sentence_label[0] === 1;
  const [first, second] = isSwapped ? [b, a] : [a, b];
  return { batch, size, ids, labels, restored, middle, first, second, isSwapped };
}

const corpora = fc
  .array(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }), {
    minLength: 1,
    maxLength: 6,
  })
  .filter((lengths) => lengths.some((document) => document.length > 1 || document[0]! > 1))
  .map(corpusOf);
const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const numbers = fc.integer({ min: 0, max: 10_000 });
const lengths = fc.integer({ min: 5, max: 64 });

const consecutive = (ids: readonly number[]): boolean => ids.every((id, i) => id === ids[0]! + i);

describe('a sample', () => {
  it('is two runs of one document, the earlier one first where they are not swapped', () => {
    fc.assert(
      fc.property(corpora, seeds, numbers, lengths, (corpus, seed, number, sequenceLength) => {
        const options = optionsFor(corpus, { seed, sequenceLength });
        const { first, second, size, restored } = readSample(corpus, options, number);
        expect([restored[0], restored.at(-1)]).toEqual([tokens.cls, tokens.sep]);
        expect(Math.min(first.length, second.length)).toBeGreaterThan(0);
        expect(consecutive(first) && consecutive(second)).toBe(true);
        const start = first[0]! - firstWord;
        const end = second.at(-1)! - firstWord + 1;
        expect(first.at(-1)!).toBeLessThan(second[0]!);
        expect(documentOf(corpus, start)).toBe(documentOf(corpus, end - 1));
        // nothing is missing between them unless the sample had to be shortened
        if (size < sequenceLength) expect(consecutive([...first, ...second])).toBe(true);
      }),
    );
  });

  it('is parted where a sentence ends, unless it is a document of one', () => {
    fc.assert(
      fc.property(corpora, seeds, numbers, lengths, (corpus, seed, number, sequenceLength) => {
        const options = optionsFor(corpus, { seed, sequenceLength });
        const { first, second, size } = readSample(corpus, options, number);
        // a segment that was shortened no longer begins with its sentence
        fc.pre(size < sequenceLength);
        const boundary = second[0]! - firstWord;
        const document = documentOf(corpus, boundary);
        if (corpus.documents[document + 1]! - corpus.documents[document]! > 1)
          expect(corpus.sentences).toContain(boundary);
        else expect(second.length - first.length).toBeOneOf([0, 1]);
      }),
    );
  });

  it('is short one time in ten', () => {
    const corpus = corpusOf([Array.from({ length: 20_000 }, () => 5)]);
    const options = optionsFor(corpus, { sequenceLength: 128 });
    const samples = pretrainingSamples(corpus, options);
    const { length } = samples;
    const { attention_mask } = samples.batch(0, length);
    const sizes = Array.from({ length }, (_, i) =>
      attention_mask.subarray(i * 128, (i + 1) * 128).reduce((sum, one) => sum + one, 0),
    );
    expect(sizes.filter((size) => size < 128).length / length).toBeCloseTo(0.1, 1);
  });

  it('has types, mask and padding of its length', () => {
    fc.assert(
      fc.property(corpora, seeds, numbers, (corpus, seed, number) => {
        const { batch, size, middle, ids } = readSample(corpus, optionsFor(corpus, { seed }), number);
        const row = (of: (position: number) => number) => Int32Array.from({ length: 32 }, (_, i) => of(i));
        expect(batch.attention_mask).toEqual(row((i) => Number(i < size)));
        expect(batch.token_type_ids).toEqual(row((i) => Number(i > middle && i < size)));
        expect(batch.input_ids).toEqual(row((i) => ids[i] ?? tokens.pad));
      }),
    );
  });

  it('is a function of the seed and its number', () => {
    fc.assert(
      fc.property(corpora, seeds, numbers, fc.integer({ min: 0, max: 7 }), (corpus, seed, start, row) => {
        const options = optionsFor(corpus, { seed });
        const batch = pretrainingSamples(corpus, options).batch(start, 8);
        const alone = pretrainingSamples(structuredClone(corpus), structuredClone(options)).batch(
          start + row,
          1,
        );
        for (const name of ['input_ids', 'token_type_ids', 'attention_mask', 'labels'] as const)
          expect(batch[name].subarray(row * 32, (row + 1) * 32)).toEqual(alone[name]);
        expect(batch.next_sentence_label[row]).toBe(alone.next_sentence_label[0]);
      }),
    );
  });
});

describe('masking', () => {
  it('predicts one token or more, never above the bound, never a special one', () => {
    const probability = fc.double({ min: 0.01, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        corpora,
        seeds,
        numbers,
        lengths,
        probability,
        (corpus, seed, number, sequenceLength, p) => {
          const options = optionsFor(corpus, { seed, sequenceLength, maskProbability: p });
          const { labels, size, ids, restored } = readSample(corpus, options, number);
          const predicted = labels.filter((label) => label !== -100);
          expect(predicted.length).toBeGreaterThan(0);
          expect(predicted.length).toBeLessThanOrEqual(Math.max(1, Math.round(p * size)));
          expect(predicted.length).toBeLessThanOrEqual(maximumPredictions(sequenceLength, p));
          expect(predicted.every((label) => label >= firstWord)).toBe(true);
          // what is not to be predicted was not touched
          expect(ids.filter((_, i) => labels[i] === -100)).toEqual(
            restored.filter((_, i) => labels[i] === -100),
          );
        },
      ),
    );
  });

  it('hides 15 %, and of these shows [MASK] for 80 %, another word for 10 %, the word for 10 %', () => {
    const corpus = corpusOf(Array.from({ length: 300 }, () => [30, 30, 30, 40]));
    const options = optionsFor(corpus, { sequenceLength: 128 });
    const { input_ids, labels, attention_mask, next_sentence_label } = pretrainingSamples(
      corpus,
      options,
    ).batch(0, 2000);
    const counts = { masked: 0, same: 0, other: 0 };
    labels.forEach((label, i) => {
      if (label === -100) return;
      counts[input_ids[i] === tokens.mask ? 'masked' : input_ids[i] === label ? 'same' : 'other']++;
    });
    const total = counts.masked + counts.same + counts.other;
    const size = attention_mask.reduce((sum, one) => sum + one, 0);
    expect(total / size).toBeCloseTo(0.15, 2);
    expect(counts.masked / total).toBeCloseTo(0.8, 2);
    expect(counts.same / total).toBeCloseTo(0.1, 2);
    expect(counts.other / total).toBeCloseTo(0.1, 2);
    expect(next_sentence_label.reduce((sum, one) => sum + one, 0) / 2000).toBeCloseTo(0.5, 1);
  });
});

describe('an epoch', () => {
  const corpus = corpusOf([[10, 20, 8, 9, 30, 4], [12], [5, 6], [7, 8, 9, 10, 11, 12, 13, 14], [1], [40, 2]]);

  it('has each part of the text once', () => {
    fc.assert(
      fc.property(corpora, seeds, fc.integer({ min: 0, max: 3 }), (text, seed, epoch) => {
        // long enough that nothing is cut off
        const options = optionsFor(text, { seed, sequenceLength: 400 });
        const { length } = pretrainingSamples(text, options);
        const seen = Array.from({ length }, (_, i) => {
          const { first, second } = readSample(text, options, epoch * length + i);
          return [...first, ...second];
        }).flat();
        expect(new Set(seen).size).toBe(seen.length);
        // all but lone tokens, which cannot be parted
        const isLone = (id: number) => {
          const sentence = text.sentences.findLastIndex((start) => start <= id - firstWord);
          const [start, end] = text.sentences.subarray(sentence, sentence + 2);
          return end === start! + 1;
        };
        const missed = [...text.tokens].filter((id) => !seen.includes(id));
        expect(missed.filter((id) => !isLone(id))).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('has another order than the next one, and than that of another seed', () => {
    const many = corpusOf(Array.from({ length: 50 }, () => [6, 6]));
    const starts = (seed: number, epoch: number) =>
      Array.from(
        { length: 50 },
        (_, i) => readSample(many, optionsFor(many, { seed }), epoch * 50 + i).first[0]! - firstWord,
      );
    const orders = [starts(1, 0), starts(1, 1), starts(2, 0)];
    expect(new Set(orders.map(String)).size).toBe(3);
    for (const list of orders)
      expect(list.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => 12 * i));
  });

  it('masks anew', () => {
    const options = optionsFor(corpus);
    const { length } = pretrainingSamples(corpus, options);
    const epochs = [0, 1].map((epoch) =>
      Array.from({ length }, (_, i) => readSample(corpus, options, epoch * length + i))
        .map(({ labels }) => labels.filter((label) => label !== -100))
        .flat()
        .sort((a, b) => a - b),
    );
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it('is longer where sequences are shorter', () => {
    const [short, long] = [16, 512].map(
      (sequenceLength) => pretrainingSamples(corpus, optionsFor(corpus, { sequenceLength })).length,
    );
    expect(short).toBeGreaterThan(long!);
  });
});

describe('texts with little in them', () => {
  // Megatron-LM finds no sample in these and goes through its epochs for ever (NVIDIA/Megatron-LM issues 67, 70)
  it('makes samples of documents of one sentence', () => {
    const corpus = corpusOf([[9], [4], [2]]);
    const options = optionsFor(corpus);
    expect(pretrainingSamples(corpus, options).length).toBe(3);
    const starts = [0, 1, 2].map((i) => {
      const { first, second } = readSample(corpus, options, i);
      return [first[0]! - firstWord, first.length, second.length] as const;
    });
    expect(starts.sort(([a], [b]) => a - b)).toEqual([
      [0, 4, 5],
      [9, 2, 2],
      [13, 1, 1],
    ]);
  });

  it('says that nothing can be learnt from lone tokens or no text', () => {
    for (const corpus of [corpusOf([[1], [1]]), corpusOf([])])
      expect(() => pretrainingSamples(corpus, optionsFor(corpus))).toThrow(
        new InputError('the corpus has no document of two or more tokens'),
      );
  });

  it('says that a sequence is too short for two segments', () => {
    const corpus = corpusOf([[9, 9]]);
    expect(() => pretrainingSamples(corpus, optionsFor(corpus, { sequenceLength: 4 }))).toThrow(
      new InputError('sequence length: expected 5 or more, found 4'),
    );
  });
});

function documentOf({ sentences, documents }: TokenizedCorpus, token: number): number {
  const sentence = sentences.findLastIndex((start) => start <= token);
  return documents.findLastIndex((start) => start <= sentence);
}
