import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sentenceSplitter, splitSentences } from './sentences.js';

describe('splitSentences', () => {
  it('joins lines that are broken anywhere', () => {
    expect(splitSentences('Call me\nIshmael. Some years\r\n  ago I sailed.')).toEqual([
      'Call me Ishmael.',
      'Some years ago I sailed.',
    ]);
  });

  it('ends a sentence with its paragraph', () => {
    expect(splitSentences('CHAPTER 1\n\nLoomings\r\n \r\nCall me Ishmael.\n')).toEqual([
      'CHAPTER 1',
      'Loomings',
      'Call me Ishmael.',
    ]);
  });

  it('finds none where there is no text', () => {
    expect(splitSentences('')).toEqual([]);
    expect(splitSentences(' \n\n\t')).toEqual([]);
  });
});

describe('sentenceSplitter', () => {
  /** A bar is where sentences part. */
  it.each([
    ['en', 'I met Dr. Smith and Mrs. Jones at St. Paul.| They left.'],
    ['en', 'The U.S. Army came.| He lives in the U.S.| They know.'],
    ['en', 'See No. 5, Fig. 3 and pp. 7 to 9.| No.| Five came.'],
    ['en', 'J. R. R. Tolkien, e.g. Frodo, i.e. Mr. Baggins.| So did I.| Then all went.'],
    ['en', 'We left at 5 p.m. Tuesday.| It was 6 p.m.| The ship sailed.'],
    ['en', 'Acme Inc. Holdings fell, etc.| Many came.'],
    ['en', '“Is it so?” he asked.| “Yes!”| She went.'],
    ['en', 'It cost 3.14 dollars... and more.| Why?!| Because.'],
    ['de', 'Am 3. Oktober kam Dr. Meier, z.B. mit Frau Kunz.| Er war 12.| Die Uhr schlug.'],
    ['de', 'Nr. 5 lebt usw.| Der Wal auch.'],
    ['sv', 'Hon kom bl.a. till Dr. Berg.| Det var sent.'],
    ['sl', 'Dne 3. oktobra je prišel dr. Novak.| To je vse.'],
    ['fr', 'M. Dupont et Mme. Martin sont là.| Ils partent.'],
    ['zh', '我是伊什梅尔。|几年前，我出海了！|你知道吗？'],
  ])('%s: %s', (language, marked) => {
    const parts = marked.split('|');
    expect(sentenceSplitter(language)(parts.join(''))).toEqual(parts.map((part) => part.trim()));
  });

  it('loses no word, in any language', () => {
    const words = fc.constantFrom(
      'Dr.',
      'a',
      'No.',
      '5.',
      'U.S.',
      'I.',
      '“So?”',
      'The',
      'end.',
      '鯨。',
      '\n\n',
      '\n',
    );
    const languages = fc.constantFrom('en', 'de', 'fr', 'zh', 'ar', 'nn');
    fc.assert(
      fc.property(languages, fc.array(words), (language, list) => {
        const text = list.join(' ');
        const found = sentenceSplitter(language)(text).join(' ').split(/\s+/).join('');
        expect(found).toBe(text.replace(/\s+/g, ''));
      }),
    );
  });

  it('finds the sentences of a paragraph of a million characters', () => {
    const sentence = 'It is not down in any map, Mr. Starbuck; true places never are.';
    const count = 16_000;
    const found = splitSentences(Array.from({ length: count }, () => sentence).join(' '));
    expect(found).toEqual(new Array(count).fill(sentence));
  });

  it('cuts what has no end', () => {
    const found = splitSentences('word '.repeat(200_000));
    expect(found.join(' ').match(/word/g)).toHaveLength(200_000);
  });
});
