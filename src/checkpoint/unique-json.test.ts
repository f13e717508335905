import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJsonWithUniqueKeys } from './unique-json.js';

describe('parseJsonWithUniqueKeys', () => {
  it('parses what JSON.parse parses', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(3), (text, indent) => {
        const spread = JSON.stringify(JSON.parse(text), null, indent);
        expect(parseJsonWithUniqueKeys(spread)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ['{"a": 1, "a": 2}'],
    ['{"a": 1, "\\u0061" : 2}'],
    ['[{"b": {"a": 1, "c": "}", "a": 1}}]'],
    ['{"\\"": 1, "\\"": 1}'],
  ])('refuses a repeated key: %s', (text) => {
    expect(() => parseJsonWithUniqueKeys(text)).toThrow('occurs twice');
  });

  it.each([['{"a": {"a": "a"}, "b": [{"a": "\\\\"}, {"a": ":"}]}'], ['{"a\\\\": 1, "a": "b\\":"}']])(
    'accepts the same key in different objects, and texts that look like keys: %s',
    (text) => {
      expect(parseJsonWithUniqueKeys(text)).toEqual(JSON.parse(text));
    },
  );
});
