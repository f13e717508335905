/** GPT-2's words, and the characters that its vocabulary writes bytes as. */
import { bytePairMerger } from './byte-pairs.js';
import { detached } from './bert-words.js';
import { push, type AddPieces } from './pieces.js';

/** GPT-2's pattern; `\s` is Unicode's white space, which JavaScript's is not quite. */
const wordPattern =
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

/** Text of the bytes that tokens stand for; bytes that make no UTF-8 become U+FFFD. Other characters are themselves. */
export function decodeBytes(tokens: readonly string[]): string {
  const encoder = new TextEncoder();
  const bytes = tokens.flatMap((token) => {
    const characters = Array.from(token);
    return characters.every((character) => bytesOf.has(character))
      ? characters.map((character) => bytesOf.get(character)!)
      : [...encoder.encode(token)];
  });
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

/** Words whose pieces are remembered, and UTF-16 units of the longest of them. */
const mostWords = 2 ** 16;
const longestWord = 32;

/** id, start and end of each piece, in UTF-16 units of the word. */
type PackedWord = readonly number[];

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
  const encoder = new TextEncoder();
  const packWord = (word: string): PackedWord => {
    const bytes = encoder.encode(word);
    const starts: number[] = [];
    const ends: number[] = [];
    let place = 0;
    for (const character of word) {
      const codePoint = character.codePointAt(0)!;
      const length = codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
      for (let i = 0; i < length; i++) {
        starts.push(place);
        ends.push(place + character.length);
      }
      place += character.length;
    }
    const { ids: pieces, lengths } = merge(Array.from(bytes, (byte) => byteIds[byte]!));
    let from = 0;
    return pieces.flatMap((id, i) => {
      const to = from + lengths[i]!;
      const packed = [id, starts[from]!, ends[to - 1]!];
      from = to;
      return packed;
    });
  };
  const known = new Map<string, PackedWord>();
  const packOnce = (word: string): PackedWord => {
    const found = known.get(word);
    if (found || word.length > longestWord) return found ?? packWord(word);
    if (known.size >= mostWords) known.clear();
    const made = packWord(word);
    known.set(detached(word), made);
    return made;
  };
  return (pieces, text, offset, firstWord) => {
    const prefix = addPrefixSpace && text !== '' && !text.startsWith(' ') ? ' ' : '';
    // a space that is put before a text stands where its first character does
    const firstEnd = prefix && text.codePointAt(0)! > 0xffff ? 2 : prefix.length;
    let word = firstWord;
    for (const { 0: characters, index } of (prefix + text).matchAll(wordPattern)) {
      const packed = packOnce(characters);
      const at = index - prefix.length;
      for (let i = 0; i < packed.length; i += 3) {
        const start = Math.max(0, at + packed[i + 1]!);
        const end = Math.max(firstEnd, at + packed[i + 2]!);
        push(pieces, packed[i]!, offset + start, offset + end, word);
      }
      word++;
    }
    return word;
  };
}
