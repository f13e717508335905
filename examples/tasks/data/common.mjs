// What the data sets have in common: texts of packages, a seeded order, sentences, and files of rows.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

export const packageFolder = (packageName) => path.dirname(require.resolve(`${packageName}/package.json`));

/** A text of a package's `data/`, with one space where there are several, or line ends. */
export const readPackageText = (packageName, file) =>
  oneLine(readFileSync(path.join(packageFolder(packageName), 'data', file), 'utf8'));

export const oneLine = (text) => text.replace(/\s+/g, ' ').trim();

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The same items in another order (Fisher and Yates). */
export function shuffled(items, random) {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}

/** The first share of documents is for training, the next for validation, the rest for the test. */
export function splitDocuments(documents, [train, validation]) {
  const first = Math.round(documents.length * train);
  const second = first + Math.round(documents.length * validation);
  return {
    train: documents.slice(0, first),
    validation: documents.slice(first, second),
    test: documents.slice(second),
  };
}

const abbreviation =
  /(?:^|[\s("])(?:Mr|Mrs|Messrs|Dr|St|No|Nos|Gen|Col|Capt|Hon|Jr|Sr|vs|[A-Z](?:\.[A-Z])*)\.$/;

/** Sentences of a text of one line: good enough for prose, with the commonest abbreviations. */
export function sentencesOf(text) {
  const sentences = [];
  for (const part of text.split(/(?<=[.?!]["')]?) (?=["'(]?[A-Z0-9$])/)) {
    const last = sentences.at(-1);
    if (last !== undefined && abbreviation.test(last)) sentences[sentences.length - 1] = `${last} ${part}`;
    else sentences.push(part);
  }
  return sentences;
}

export const wordCount = (text) => text.split(' ').length;

/** What is left of a text where only its letters count: texts that differ in nothing else are taken for the same. */
export const lettersOf = (text) => text.toLowerCase().replace(/[^\p{L}]+/gu, '');

export function writeText(folder, name, text) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, name), text);
}

export const writeRows = (folder, name, rows) =>
  writeText(folder, `${name}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
