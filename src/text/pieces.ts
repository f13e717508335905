import { addedTokenFinder, type AddedToken, type FoundToken } from './added-tokens.js';
import { chunkPattern, detached, normalize, splitWords, type BertNormalizer } from './bert-words.js';

/** The tokens of a text, without those that a model adds; place i of each list is about token i. */
export interface Pieces {
  readonly ids: number[];
  /** Where in the text it stands, in UTF-16 units: `text.slice(start, end)`. */
  readonly starts: number[];
  readonly ends: number[];
  /** The number of its word in the text. */
  readonly words: number[];
}

export interface PieceOptions {
  /** By piece. */
  readonly ids: ReadonlyMap<string, number>;
  /** The token of words without pieces. */
  readonly unknown: string;
  /** Characters; longer words are unknown. */
  readonly longestWord: number;
  readonly normalizer: BertNormalizer;
  readonly added: readonly AddedToken[];
}

/** What pieces that go on with a word begin with. */
export const continuation = '##';

const noPieces = (): Pieces => ({ ids: [], starts: [], ends: [], words: [] });

export function push(
  { ids, starts, ends, words }: Pieces,
  id: number,
  start: number,
  end: number,
  word: number,
): void {
  ids.push(id);
  starts.push(start);
  ends.push(end);
  words.push(word);
}

/** Takes a stretch of text, and the number of its first word; adds its pieces, and gives the number of the next word. */
export type AddPieces = (pieces: Pieces, text: string, offset: number, word: number) => number;

/** Makes tokens of texts: the added tokens that stand in them, and WordPiece's of all other words. */
export function createPieces(options: PieceOptions): (text: string) => Pieces {
  const { added, normalizer } = options;
  const find = addedTokenFinder(added.filter(({ normalized }) => !normalized));
  const sought = added
    .filter(({ normalized }) => normalized)
    .map((token) => ({ ...token, content: normalize(token.content, normalizer).text }));
  const addStretch = stretchPieces(options, sought);
  // an added token may be longer than a chunk
  const addText = sought.length > 0 ? addStretch : chunkPieces(addStretch, chunkPattern);
  return aroundAddedTokens(find, addText);
}

/** Makes tokens of the added ones that are found, and what `addText` makes of the text between them. */
export function aroundAddedTokens(
  find: (text: string) => readonly FoundToken[],
  addText: AddPieces,
): (text: string) => Pieces {
  return (text) => {
    const pieces = noPieces();
    let place = 0;
    let word = 0;
    for (const { id, from, to } of find(text)) {
      word = addText(pieces, text.slice(place, from), place, word);
      push(pieces, id, from, to, word++);
      place = to;
    }
    addText(pieces, place === 0 ? text : text.slice(place), place, word);
    return pieces;
  };
}

function stretchPieces(options: PieceOptions, sought: readonly AddedToken[]): AddPieces {
  const find = addedTokenFinder(sought);
  const match = wordMatcher(options);
  return (pieces, stretch, offset, firstWord) => {
    const { text, starts, ends } = normalize(stretch, options.normalizer);
    let word = firstWord;
    let place = 0;
    const add = (id: number, from: number, to: number) => {
      push(pieces, id, offset + starts[from]!, offset + ends[to - 1]!, word);
    };
    const addWords = (upTo: number) => {
      for (const { from, to } of splitWords(text, place, upTo)) {
        for (const { id, start, end } of match(text.slice(from, to))) add(id, from + start, from + end);
        word++;
      }
    };
    for (const { id, from, to } of find(text)) {
      addWords(from);
      add(id, from, to);
      word++;
      place = to;
    }
    addWords(text.length);
    return word;
  };
}

/** A piece and where in its word it stands. */
interface Match {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

/** The longest pieces that a word begins and goes on with, or the unknown token. */
function wordMatcher({ ids, unknown, longestWord }: PieceOptions): (word: string) => Match[] {
  const beginnings = piecesWith('', ids);
  const continuations = piecesWith(continuation, ids);
  const unknownId = ids.get(unknown)!;
  return (word) => {
    const unmatched = [{ id: unknownId, start: 0, end: word.length }];
    if (word.length > longestWord && Array.from(word).length > longestWord) return unmatched;
    const matches: Match[] = [];
    for (let start = 0; start < word.length;) {
      const { idOf, longest } = start === 0 ? beginnings : continuations;
      let end = Math.min(word.length, start + longest);
      let id = idOf.get(word.slice(start, end));
      while (id === undefined && --end > start) id = idOf.get(word.slice(start, end));
      if (id === undefined) return unmatched;
      matches.push({ id, start, end });
      start = end;
    }
    return matches;
  };
}

/** The pieces with a prefix, by what follows it, and the length of the longest. */
function piecesWith(prefix: string, ids: ReadonlyMap<string, number>) {
  const idOf = new Map<string, number>();
  let longest = 1;
  for (const [piece, id] of ids) {
    if (!piece.startsWith(prefix)) continue;
    idOf.set(piece.slice(prefix.length), id);
    longest = Math.max(longest, piece.length - prefix.length);
  }
  return { idOf, longest };
}

/** Chunks whose pieces are remembered, and characters of the longest of them. */
const mostChunks = 2 ** 16;
const longestChunk = 32;
/** Chunks of which it is remembered that they came once. */
const mostSeen = 2 ** 12;

/**
 * Words repeat: the pieces of a chunk are remembered once it comes again.
 *
 * @param pattern finds the chunks, which are made pieces of each alone
 * @param whenFirstSeen remembers at once, where making pieces takes longer than remembering them in vain
 */
export function chunkPieces(addStretch: AddPieces, pattern: RegExp, whenFirstSeen = false): AddPieces {
  const known = new Map<string, PackedPieces>();
  const seen = new Set<string>();
  const remember = (chunk: string): PackedPieces => {
    const pieces = noPieces();
    const wordCount = addStretch(pieces, chunk, 0, 0);
    const packed = pack(pieces, wordCount);
    if (known.size >= mostChunks) known.clear();
    known.set(detached(chunk), packed);
    return packed;
  };
  const isWorthKnowing = (chunk: string): boolean => {
    if (chunk.length > longestChunk) return false;
    if (whenFirstSeen || seen.delete(chunk)) return true;
    if (seen.size >= mostSeen) seen.clear();
    seen.add(detached(chunk));
    return false;
  };
  return (pieces, text, offset, firstWord) => {
    let word = firstWord;
    for (const { 0: chunk, index } of text.matchAll(pattern)) {
      const packed = known.get(chunk) ?? (isWorthKnowing(chunk) ? remember(chunk) : undefined);
      word = packed
        ? addPacked(pieces, packed, offset + index, word)
        : addStretch(pieces, chunk, offset + index, word);
    }
    return word;
  };
}

/** In one list, which is read faster than several: how many words, then id, start, end and word of each piece. */
type PackedPieces = readonly number[];

function pack({ ids, starts, ends, words }: Pieces, wordCount: number): PackedPieces {
  const packed = [wordCount];
  for (let i = 0; i < ids.length; i++) packed.push(ids[i]!, starts[i]!, ends[i]!, words[i]!);
  return packed;
}

function addPacked(pieces: Pieces, packed: PackedPieces, offset: number, word: number): number {
  for (let i = 1; i < packed.length; i += 4)
    push(pieces, packed[i]!, offset + packed[i + 1]!, offset + packed[i + 2]!, word + packed[i + 3]!);
  return word + packed[0]!;
}
