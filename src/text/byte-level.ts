/** GPT-2's words, and the characters that its vocabulary writes bytes as. */
import { bytePairMerger } from './byte-pairs.js';
import { chunkPieces, push, type AddPieces } from './pieces.js';

/** GPT-2's pattern; `\s` is Unicode's white space, which JavaScript's is not quite. */
export const wordPattern =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Printable characters stand for the bytes that they are in Latin-1, those from U+0100 on for the others in turn. */
export const byteCharacters: readonly string[] = (() => {
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = /[!-~¡-¬®-ÿ]/.test(String.fromCharCode(byte));
    return String.fromCharCode(isPrintable ? byte : 0x100 + others++);
  });
})();

const bytesOf = new Map(byteCharacters.map((character, byte) => [character, byte]));

const encoder = new TextEncoder();

/** Text of the bytes that tokens stand for; bytes that make no UTF-8 become U+FFFD. Other characters are themselves. */
export function decodeBytes(tokens: readonly string[]): string {
  const bytes = tokens.flatMap((token) => {
    const characters = Array.from(token);
    return characters.every((character) => bytesOf.has(character))
      ? characters.map((character) => bytesOf.get(character)!)
      : [...encoder.encode(token)];
  });
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

/**
 * Byte-level BPE of stretches between added tokens. A piece of a part of a character's bytes stands where the whole
 * character does, as the Rust tokenizers have it.
 *
 * @param ids by token
 * @param merges by rank
 */
export function byteLevelPieces(
  ids: ReadonlyMap<string, number>,
  merges: readonly (readonly [left: string, right: string])[],
  addPrefixSpace: boolean,
): AddPieces {
  const byteIds = byteCharacters.map((character) => ids.get(character)!);
  const merge = bytePairMerger(
    merges.map(([left, right]) => [ids.get(left)!, ids.get(right)!, ids.get(left + right)!]),
  );
  const addWord: AddPieces = (pieces, text, offset, word) => {
    const bytes = encoder.encode(text);
    const { ids: tokens, lengths } = merge(Array.from(bytes, (byte) => byteIds[byte]!));
    // the character of a byte, which begins where the one before ends
    let [start, end] = [offset, offset];
    let place = 0;
    const nextByte = () => {
      const byte = bytes[place++]!;
      if ((byte & 0xc0) === 0x80) return;
      start = end;
      end += byte < 0xf0 ? 1 : 2;
    };
    tokens.forEach((id, i) => {
      nextByte();
      const first = start;
      for (let left = lengths[i]! - 1; left > 0; left--) nextByte();
      push(pieces, id, first, end, word);
    });
    return word + 1;
  };
  const addWords = chunkPieces(addWord, wordPattern, true);
  return (pieces, text, offset, word) => {
    if (!addPrefixSpace || text === '' || text.startsWith(' ')) return addWords(pieces, text, offset, word);
    const { ids: tokens, starts, ends } = pieces;
    const first = tokens.length;
    const next = addWords(pieces, ` ${text}`, offset - 1, word);
    // a space that is put before a text stands where its first character does
    const firstEnd = offset + (text.codePointAt(0)! > 0xffff ? 2 : 1);
    for (let i = first; i < tokens.length && starts[i]! < firstEnd; i++) {
      starts[i] = Math.max(offset, starts[i]!);
      ends[i] = Math.max(firstEnd, ends[i]!);
    }
    return next;
  };
}
