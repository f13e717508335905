import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../errors.js';
import { readLines } from './lines.js';

async function linesOf(...chunks: readonly Uint8Array[]): Promise<(string | InputError)[]> {
  async function* stream() {
    yield* chunks;
  }
  const lines: (string | InputError)[] = [];
  for await (const line of readLines(stream())) lines.push(line);
  return lines;
}

const bytes = (text: string) => new TextEncoder().encode(text);

test('lines are those of the text, wherever the stream is cut', async () => {
  const texts = fc.array(
    fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n\ufeff]/g, '')),
    {
      minLength: 1,
      maxLength: 6,
    },
  );
  await fc.assert(
    fc.asyncProperty(texts, fc.array(fc.nat(200), { maxLength: 5 }), async (lines, cuts) => {
      const whole = bytes(`${lines.join('\n')}\n`);
      const places = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length];
      const chunks = places.slice(1).map((end, i) => whole.subarray(places[i], end));
      expect(await linesOf(...chunks)).toEqual(lines);
    }),
  );
});

test('the last line needs no end, and lines may end as on Windows', async () => {
  expect(await linesOf(bytes('one\r\n\ntwo'))).toEqual(['one', '', 'two']);
  expect(await linesOf()).toEqual([]);
});

test('a line that is not UTF-8 does not harm the others', async () => {
  const lines = await linesOf(bytes('one\n'), Uint8Array.of(0xff, 0x0a), bytes('two\n'));
  expect(lines).toEqual(['one', new InputError('not UTF-8'), 'two']);
});

test('a line without an end is not read forever', async () => {
  const chunk = new Uint8Array(2 ** 24).fill(0x61);
  await expect(linesOf(...new Array<Uint8Array>(5).fill(chunk))).rejects.toThrow('line 1 is longer than');
});
