import { expect, it } from 'vitest';
import { fixture, readJson } from '../../../test/support/fixture.js';
import { cleanText, linesOf, splitWords, strip } from './python-text.js';

const cleaned = readJson(fixture('benchmarks/clean-text.json')) as readonly (readonly [string, string])[];

it.each(cleaned)('cleanText of %j', (text, expected) => {
  expect(cleanText(text)).toBe(expected);
});

it("strips and splits at Python's whitespace", () => {
  const text = '\u001c\u0085 a\u00a0\u2003\nb\ufeff \u3000';
  expect(strip(text)).toBe('a\u00a0\u2003\nb\ufeff');
  expect(splitWords(text)).toEqual(['a', 'b\ufeff']);
  expect(splitWords(' ')).toEqual([]);
});

it('ends lines at \\n, \\r and \\r\\n only', () => {
  expect(linesOf('a\nb\r\nc\rd\u2028e\u0085f')).toEqual(['a', 'b', 'c', 'd\u2028e\u0085f']);
  expect(linesOf('a\n\n')).toEqual(['a', '']);
  expect(linesOf('')).toEqual([]);
});
