import { expect, it } from 'vitest';
import { fixture, readJson } from '../../../test/support/fixture.js';
import { detokenizeLambada, detokenizePtb, detokenizeWikitext } from './detokenizers.js';

type Pairs = readonly (readonly [text: string, expected: string])[];
const { wikitext, ptb } = readJson(fixture('benchmarks/detokenizers.json')) as {
  readonly wikitext: Pairs;
  readonly ptb: Pairs;
};

it.each(wikitext)('of WikiText: %j', (text, expected) => {
  expect(detokenizeWikitext(text)).toBe(expected);
});

it.each(ptb)('of Penn Treebank: %j', (text, expected) => {
  expect(detokenizePtb(text)).toBe(expected);
});

it('of LAMBADA leaves the text as it is', () => {
  expect(detokenizeLambada(wikitext[0]![0])).toBe(wikitext[0]![0]);
});
