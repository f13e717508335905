import { WordPiece } from '@huggingface/tokenizers';
import { addedTokenFinder, type AddedToken } from './added-tokens.js';
import {
  chunkPattern,
  normalize,
  splitWords,
  type BertNormalizer,
  type NormalizedText,
} from './bert-words.js';

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

function push(
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
type AddPieces = (pieces: Pieces, text: string, offset: number, word: number) => number;

/** Makes tokens of texts: the added tokens that stand in them, and WordPiece's of all other words. */
export function createPieces(options: PieceOptions): (text: string) => Pieces {
  const { added, normalizer } = options;
  const find = addedTokenFinder(added.filter(({ normalized }) => !normalized));
  const sought = added
    .filter(({ normalized }) => normalized)
    .map((token) => ({ ...token, content: normalize(token.content, normalizer).text }));
  const addStretch = stretchPieces(options, sought);
  // an added token may be longer than a chunk
  const addText = sought.length > 0 ? addStretch : chunkPieces(addStretch);
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
  const addWord = wordPieces(options);
  return (pieces, text, offset, firstWord) => {
    const normalized = normalize(text, options.normalizer, offset);
    const { starts, ends } = normalized;
    let word = firstWord;
    let place = 0;
    const addWords = (upTo: number) => {
      for (const { from, to } of splitWords(normalized.text, place, upTo))
        addWord(pieces, normalized, from, to, word++);
    };
    for (const { id, from, to } of find(normalized.text)) {
      addWords(from);
      push(pieces, id, starts[from]!, ends[to - 1]!, word++);
      place = to;
    }
    addWords(normalized.text.length);
    return word;
  };
}

/** The greedy longest-match pieces of a word, or the unknown token. */
function wordPieces({ ids, unknown, longestWord }: PieceOptions) {
  const model = new WordPiece({
    type: 'WordPiece',
    vocab: Object.fromEntries(ids),
    unk_token: unknown,
    continuing_subword_prefix: continuation,
    max_input_chars_per_word: longestWord,
  });
  return (pieces: Pieces, { text, starts, ends }: NormalizedText, from: number, to: number, word: number) => {
    const found = model.encode([text.slice(from, to)]);
    const isUnknown = found[0] === unknown;
    let start = from;
    for (const piece of found) {
      const length = piece.length - (start > from ? continuation.length : 0);
      const end = isUnknown ? to : start + length;
      push(pieces, ids.get(piece)!, starts[start]!, ends[end - 1]!, word);
      start = end;
    }
  };
}

/** Chunks whose pieces are remembered, and characters of the longest of them. */
const mostChunks = 2 ** 16;
const longestChunk = 32;

/** Words repeat: the pieces of what stands between white space are mostly remembered. */
function chunkPieces(addStretch: AddPieces): AddPieces {
  const known = new Map<string, Pieces & { readonly wordCount: number }>();
  const piecesOf = (chunk: string) => {
    const remembered = known.get(chunk);
    if (remembered) return remembered;
    const pieces = noPieces();
    const found = { ...pieces, wordCount: addStretch(pieces, chunk, 0, 0) };
    if (chunk.length <= longestChunk) {
      if (known.size >= mostChunks) known.clear();
      known.set(chunk, found);
    }
    return found;
  };
  return (pieces, text, offset, firstWord) => {
    let word = firstWord;
    for (const { 0: chunk, index } of text.matchAll(chunkPattern)) {
      const { ids, starts, ends, words, wordCount } = piecesOf(chunk);
      const start = offset + index;
      for (let i = 0; i < ids.length; i++)
        push(pieces, ids[i]!, start + starts[i]!, start + ends[i]!, word + words[i]!);
      word += wordCount;
    }
    return word;
  };
}
