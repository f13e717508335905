import { abbreviationRule } from './abbreviations.js';

/** Characters whose sentences are looked for at once: each one takes as long as all are long. */
const stretchLength = 2 ** 10;
/** Characters; longer ones are cut between words. */
const longestSentence = 2 ** 16;

/** Sentences of prose whose lines may be broken anywhere and whose paragraphs are parted by blank lines. */
export type SentenceSplitter = (text: string) => string[];

/**
 * Sentences end as Unicode says (UAX #29), in the language's variant, but not after what is known to be short for
 * something.
 *
 * @param language such as `en`
 */
export function sentenceSplitter(language: string): SentenceSplitter {
  const segmenter = new Intl.Segmenter(language, { granularity: 'sentence' });
  const goesOn = abbreviationRule(language);

  function* segmentsOf(paragraph: string): Generator<string> {
    let at = 0;
    let length = stretchLength;
    while (at < paragraph.length) {
      const stretch = paragraph.slice(at, at + length);
      const segments = Array.from(segmenter.segment(stretch), ({ segment }) => segment);
      const isEnd = at + stretch.length === paragraph.length;
      // the last one may go on after the stretch
      if (!isEnd && segments.length > 1) segments.pop();
      else if (!isEnd && length < longestSentence) {
        length *= 2;
        continue;
      } else if (!isEnd) segments[0] = stretch.slice(0, stretch.lastIndexOf(' ') + 1 || undefined);
      yield* segments;
      at += segments.reduce((sum, segment) => sum + segment.length, 0);
      length = stretchLength;
    }
  }
  const sentencesOf = (paragraph: string): string[] => {
    const sentences: string[] = [];
    let open = '';
    for (const segment of segmentsOf(paragraph)) {
      if (open !== '' && !goesOn(open, segment)) {
        sentences.push(open.trimEnd());
        open = '';
      }
      open += segment;
    }
    return open.trim() === '' ? sentences : [...sentences, open.trim()];
  };
  return (text) =>
    text.split(/\n\s*\n/).flatMap((paragraph) => sentencesOf(paragraph.replace(/\s+/g, ' ').trim()));
}

/** Of English. */
export const splitSentences = sentenceSplitter('en');
