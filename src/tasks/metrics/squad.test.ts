import { describe, expect, test } from 'vitest';
import { readGzippedJson } from '../../../test/support/fixture.js';
import { answerF1, exactMatch, normalizeAnswer } from './answers.js';
import { squadMetrics } from './squad.js';
import { squadV2Metrics } from './squad-v2.js';

/** Answers are places in `texts`. */
const fixtures = readGzippedJson('metrics/squad.json.gz') as {
  readonly texts: readonly (readonly [text: string, normalized: string])[];
  readonly squad: readonly (readonly [
    questions: readonly (readonly [prediction: number, answers: readonly number[]])[],
    expected: readonly [exactMatch: number, f1: number],
  ])[];
  readonly keys: readonly string[];
  readonly squad_v2: readonly (readonly [
    threshold: number,
    order: 1 | -1,
    questions: readonly (readonly [prediction: number, answers: readonly number[], probability: number])[],
    expected: readonly (number | null)[],
  ])[];
};

const textOf = (place: number) => fixtures.texts[place]![0];

const referencesOf = (questions: readonly (readonly [number, readonly number[], ...unknown[]])[]) =>
  questions.map(([, answers], i) => ({ id: `${i}`, answers: answers.map(textOf) }));

const predictionsOf = (questions: readonly (readonly [number, ...unknown[]])[]) =>
  new Map(questions.map(([prediction], i) => [`${i}`, textOf(prediction)]));

const close = (score: number) => expect.closeTo(score, 9) as number;

describe('normalized answers', () => {
  test('are as those of the official scripts', () => {
    expect(fixtures.texts.length).toBeGreaterThanOrEqual(300);
    for (const [text, normalized] of fixtures.texts)
      expect(normalizeAnswer(text), JSON.stringify(text)).toBe(normalized);
  });

  test('are as those of Python for every code point', () => {
    const { kinds, lower } = readGzippedJson('metrics/code-points.json.gz') as {
      readonly kinds: Readonly<
        Record<'word' | 'space' | 'alone' | 'removed', readonly (readonly [number, number])[]>
      >;
      readonly lower: Readonly<Record<string, string>>;
    };
    const expected = {
      word: (small: string) => `the${small}a`,
      space: () => '',
      alone: (small: string) => small,
      removed: () => 'thea',
    };
    const wrong: string[] = [];
    let count = 0;
    for (const kind of ['word', 'space', 'alone', 'removed'] as const)
      for (const [first, last] of kinds[kind])
        for (let code = first; code <= last; code++, count++) {
          const character = String.fromCodePoint(code);
          if (normalizeAnswer(`the${character}a`) !== expected[kind](lower[character] ?? character))
            wrong.push(`U+${code.toString(16)}: expected ${kind}`);
        }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(280_000);
  });
});

describe('SQuAD 1.1', () => {
  test('scores are as those of the official script', () => {
    expect(fixtures.squad.length).toBeGreaterThanOrEqual(1000);
    for (const [questions, [exact_match, f1]] of fixtures.squad)
      expect(
        squadMetrics(predictionsOf(questions), referencesOf(questions)),
        JSON.stringify(questions),
      ).toEqual({
        exact_match: close(exact_match),
        f1: close(f1),
      });
  });

  test('two answers without words match, but have no word in common', () => {
    expect(exactMatch('The', '!')).toBe(1);
    expect(answerF1('The', '!')).toBe(0);
  });

  test('what cannot be scored is refused', () => {
    const predictions = new Map([['a', 'x']]);
    expect(() => squadMetrics(predictions, [])).toThrow(
      'references: expected at least one question, found none',
    );
    expect(() => squadMetrics(predictions, [{ id: 'b', answers: ['x'] }])).toThrow(
      'predictions: expected one for question "b", found none',
    );
    expect(() => squadMetrics(predictions, [{ id: 'a', answers: [] }])).toThrow(
      'references: expected at least one answer of question "a" (only in SQuAD 2.0 may there be none), found none',
    );
    const reference = { id: 'a', answers: ['x'] };
    expect(() => squadMetrics(predictions, [reference, reference])).toThrow(
      'references[1]: expected an id of its own, found "a" again',
    );
  });
});

describe('SQuAD 2.0', () => {
  test('scores are as those of the official script', () => {
    expect(fixtures.squad_v2.length).toBeGreaterThanOrEqual(1000);
    for (const [threshold, order, questions, expected] of fixtures.squad_v2) {
      const probabilities = questions.map(([, , probability], i) => [`${i}`, probability] as const);
      const found = squadV2Metrics(
        predictionsOf(questions),
        referencesOf(questions),
        new Map(order === 1 ? probabilities : probabilities.toReversed()),
        threshold,
      );
      expect(Object.entries(found), JSON.stringify([threshold, order, questions])).toEqual(
        fixtures.keys.flatMap((key, i) => (expected[i] === null ? [] : [[key, close(expected[i]!)]])),
      );
    }
  });

  test('predictions and probabilities of other questions are not looked at', () => {
    const references = [
      { id: 'a', answers: ['x'] },
      { id: 'b', answers: [] },
    ];
    const score = (others: readonly string[]) =>
      squadV2Metrics(
        new Map(['a', 'b', ...others].map((id) => [id, 'x'])),
        references,
        new Map([...others, 'a', 'b'].map((id) => [id, id === 'b' ? 0.9 : 0.1])),
        0.5,
      );
    expect(score(['c', 'd'])).toEqual(score([]));
    expect(score([])).toMatchObject({ exact: 100, best_exact: 100, best_exact_thresh: 0.1 });
  });

  test('what cannot be scored is refused', () => {
    const references = [{ id: 'a', answers: [] }];
    const none = new Map<string, never>();
    const given = new Map([['a', 'x']]);
    expect(() => squadV2Metrics(none, references, none, 1)).toThrow(
      'predictions: expected one for question "a", found none',
    );
    expect(() => squadV2Metrics(given, references, none, 1)).toThrow(
      'noAnswerProbabilities: expected one for question "a", found none',
    );
    expect(() => squadV2Metrics(given, references, new Map([['a', NaN]]), 1)).toThrow(
      'noAnswerProbabilities: expected a number for question "a", found NaN',
    );
  });
});
