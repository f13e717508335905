import { describe, expect, test } from 'vitest';
import { readGzippedJson } from '../../../test/support/fixture.js';
import { InputError } from '../../errors.js';
import { seqevalMetrics } from './seqeval.js';
import type { TaggingScheme } from './strict-entities.js';

type Scores = readonly [precision: number, recall: number, f1: number, last: number];

const fixtures = readGzippedJson('metrics/seqeval.json.gz') as Readonly<
  Record<
    'lenient' | TaggingScheme,
    {
      readonly tags: readonly string[];
      readonly cases: readonly (readonly [
        predictions: string,
        references: string,
        expected: readonly [overall: Scores, types: Readonly<Record<string, Scores>>] | 'error',
      ])[];
    }
  >
>;

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe.each(Object.entries(fixtures))('%s', (scheme, { tags, cases }) => {
  const sentencesOf = (coded: string) =>
    coded.split('/').map((sentence) => sentence.split('').map((letter) => tags[letters.indexOf(letter)]!));
  const scoresOf = (predictions: string, references: string) =>
    seqevalMetrics(
      sentencesOf(predictions),
      sentencesOf(references),
      scheme === 'lenient' ? undefined : (scheme as TaggingScheme),
    );

  test('scores are as those of seqeval', () => {
    const scored = cases.filter(([, , expected]) => expected !== 'error');
    expect(scored.length).toBeGreaterThanOrEqual(1000);
    for (const [predictions, references, expected] of scored) {
      const [overall, types] = expected as Exclude<typeof expected, 'error'>;
      const where = `${JSON.stringify(sentencesOf(predictions))} for ${JSON.stringify(sentencesOf(references))}`;
      expect(scoresOf(predictions, references), where).toEqual({
        ...Object.fromEntries(Object.entries(types).map(([type, scores]) => [type, named(scores, 'number')])),
        ...Object.fromEntries(
          Object.entries(named(overall, 'accuracy')).map(([name, score]) => [`overall_${name}`, score]),
        ),
      });
    }
  });

  test('what seqeval refuses is refused', () => {
    const refused = cases.filter(([, , expected]) => expected === 'error');
    expect(refused.length).toBeGreaterThanOrEqual(10);
    for (const [predictions, references] of refused)
      expect(() => scoresOf(predictions, references), predictions).toThrow(InputError);
  });
});

const named = ([precision, recall, f1, last]: Scores, name: string): Record<string, number> =>
  Object.fromEntries(
    Object.entries({ precision, recall, f1, [name]: last }).map(([key, score]) => [
      key,
      expect.closeTo(score, 9) as number,
    ]),
  );

describe('what is refused', () => {
  test.each([
    [[['O'], ['O']], [['O']], undefined, 'predictions: expected one for each of 1 references, found 2'],
    [
      [['O'], ['O']],
      [['O'], ['O', 'O']],
      undefined,
      'predictions[1]: expected a tag for each of the 2 of its reference, found 1',
    ],
    [[], [], undefined, 'references: expected at least one, found none'],
    [[[], []], [[], []], undefined, 'references: expected at least one tag, found none'],
    [
      [['O', '']],
      [['O', 'O']],
      undefined,
      'predictions[0][1]: expected a tag, such as "O" or "B-PER", found ""',
    ],
    [
      [[], ['O']],
      [[], ['E-PER']],
      'IOB2',
      'references[1][0]: expected a tag of IOB2 (I, O, B), found "E-PER"',
    ],
    [
      [['O']],
      [['O']],
      'BIOES',
      'scheme: expected one of IOB1, IOB2, IOE1, IOE2, IOBES, BILOU, found "BIOES"',
    ],
  ] as const)('%j for %j in %s', (predictions, references, scheme, message) => {
    expect(() => seqevalMetrics(predictions, references, scheme as TaggingScheme)).toThrow(
      new InputError(message),
    );
  });
});
