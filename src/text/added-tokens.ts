/** A token that is not made of pieces, as in tokenizer.json. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Does not stand within a word. */
  readonly single_word: boolean;
  /** Takes the white space on its left. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Is sought in the normalized text. */
  readonly normalized: boolean;
  /** Is left out where special tokens are. */
  readonly special: boolean;
}

/** One that no normalizer touches, and that is no part of a text. */
export const specialToken = (id: number, content: string): AddedToken => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

/** A model's special tokens are found in texts like any that was added. @returns all, by id */
export function withSpecialTokens(
  added: readonly AddedToken[],
  special: readonly AddedToken[],
): AddedToken[] {
  const known = new Set(added.map(({ content }) => content));
  return [...special.filter(({ content }) => !known.has(content)), ...added].sort((a, b) => a.id - b.id);
}

export interface FoundToken {
  readonly id: number;
  readonly from: number;
  readonly to: number;
}

/** Finds added tokens in texts: the leftmost first, of several at one place the longest. */
export function addedTokenFinder(tokens: readonly AddedToken[]): (text: string) => FoundToken[] {
  if (tokens.length === 0) return () => [];
  const sorted = tokens.toSorted((a, b) => b.content.length - a.content.length);
  const pattern = new RegExp(sorted.map(patternOf).join('|'), 'gu');
  return (text) =>
    Array.from(text.matchAll(pattern), ({ index, 0: whole, ...groups }) => {
      const place = sorted.findIndex((_, i) => groups[String(i + 1) as never] !== undefined);
      return { id: sorted[place]!.id, from: index, to: index + whole.length };
    });
}

const letter = '[\\p{L}\\p{M}\\p{N}_]';

function patternOf({ content, single_word, lstrip, rstrip }: AddedToken): string {
  const escaped = content.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&');
  const alone = single_word ? `(?<!${letter})(${escaped})(?!${letter})` : `(${escaped})`;
  return `${lstrip ? '\\s*' : ''}${alone}${rstrip ? '\\s*' : ''}`;
}
