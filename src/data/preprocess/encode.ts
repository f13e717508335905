/** Makes token ids of a chunk's documents: what each thread does, over and over. */
import type { TextTokenizer } from '../../text/text-tokenizer.js';
import type { EncodedDocuments } from '../indexed/parts.js';
import type { WrittenTokenType } from '../indexed/token-types.js';
import { sentenceSplitter } from '../sentences.js';
import type { ChunkData } from './chunks.js';
import type { EncodingOptions } from './options.js';
import { readRecords, type DocumentText } from './records.js';

export interface EncodedChunk {
  /** For each key. */
  readonly documents: readonly EncodedDocuments[];
  readonly lines: number;
}

/** Characters that are tokenized at once. */
const longestPiece = 2 ** 22;

/** @throws ChunkProblem */
export type EncodeChunk = (data: ChunkData) => Promise<EncodedChunk>;

export function chunkEncoder(
  tokenizer: Pick<TextTokenizer, 'tokenize'>,
  { keys, sentences, documentsBy, longest, endOfDocument, dtype }: EncodingOptions,
): EncodeChunk {
  const split = sentences === null ? null : sentenceSplitter(sentences);

  // with room for the token that ends a document
  const mostTokens = longest === null ? Infinity : longest - (endOfDocument === null ? 0 : 1);

  /** Sequences as lists of tokens to be joined. */
  function* sequencesOf(text: DocumentText): Generator<readonly number[][]> {
    if (typeof text !== 'string') for (const sentence of text) yield [tokenizer.tokenize(sentence)];
    else if (!split) yield Array.from(piecesOf(text), (piece) => tokenizer.tokenize(piece));
    else for (const sentence of split(text)) yield [tokenizer.tokenize(sentence)];
  }

  function encodeDocuments(texts: readonly DocumentText[], data: ChunkData): EncodedDocuments {
    const written = documentWriter(dtype, mostTokens);
    const [continues, goesOn] = data.format === 'text' ? [data.continues, data.goesOn] : [false, false];
    texts.forEach((text, i) => {
      for (const parts of sequencesOf(text)) written.addSequence(parts);
      const isEnd = !(goesOn && i === texts.length - 1);
      const mayBeEmpty = !(continues && i === 0);
      if (endOfDocument !== null && isEnd) written.extend(endOfDocument, mayBeEmpty);
      written.endDocument();
    });
    const isJoined = (!split && longest === null) || (written.isExtensionOnly() && continues);
    return { ...written.finish(), ...(continues && { continues: isJoined ? 'sequence' : 'document' }) };
  }
  return async (data) => {
    const { records, lines } = await readRecords(data, keys, documentsBy);
    const documents = keys.map((key) =>
      encodeDocuments(
        records.map((record) => record[key]!),
        data,
      ),
    );
    return { documents, lines };
  };
}

/** A long text cut where a paragraph, a line or a word ends. */
function* piecesOf(text: string): Generator<string> {
  let at = 0;
  while (text.length - at > longestPiece) {
    const stretch = text.slice(at, at + longestPiece);
    const ends = ['\n\n', '\n', ' '].map((end) => stretch.lastIndexOf(end));
    const end = ends.find((place) => place > 0) ?? longestPiece;
    // before white space, of which GPT-2's tokens depend on what comes after it
    const length = stretch.slice(0, end).trimEnd().length || end;
    yield stretch.slice(0, length);
    at += length;
  }
  yield at === 0 ? text : text.slice(at);
}

/** Collects documents; sequences without tokens are left out, as Megatron-LM leaves them out. */
function documentWriter(dtype: WrittenTokenType, longest: number) {
  const make = (length: number) => (dtype === 'uint16' ? new Uint16Array(length) : new Int32Array(length));
  let tokens = make(2 ** 18);
  let size = 0;
  const lengths: number[] = [];
  const documents: number[] = [];
  let first = 0;
  let firstIsExtension = false;
  const push = (ids: readonly number[]) => {
    if (size + ids.length > tokens.length) {
      const larger = make(Math.max(2 * tokens.length, size + ids.length));
      larger.set(tokens.subarray(0, size));
      tokens = larger;
    }
    tokens.set(ids, size);
    size += ids.length;
  };
  return {
    addSequence(parts: readonly (readonly number[])[]) {
      const length = parts.reduce((sum, ids) => sum + ids.length, 0);
      if (length === 0) return;
      for (const ids of parts) push(ids);
      for (let done = 0; done < length; done += longest) lengths.push(Math.min(longest, length - done));
    },
    /** Adds a token to the document's last sequence; where it has none, to that of a chunk before. */
    extend(id: number, mayBeEmpty: boolean) {
      if (lengths.length > first) lengths[lengths.length - 1]!++;
      else if (mayBeEmpty) return;
      else {
        lengths.push(1);
        firstIsExtension = true;
      }
      push([id]);
    },
    endDocument() {
      documents.push(lengths.length - first);
      first = lengths.length;
    },
    isExtensionOnly: () => firstIsExtension,
    finish(): EncodedDocuments {
      const { buffer, BYTES_PER_ELEMENT } = tokens;
      return {
        tokens: new Uint8Array(buffer.slice(0, size * BYTES_PER_ELEMENT)),
        lengths: Int32Array.from(lengths),
        documents: Int32Array.from(documents),
      };
    },
  };
}
