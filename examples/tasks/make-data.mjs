// The data of six tasks, from texts that npm packages ship: node examples/tasks/make-data.mjs [FOLDER]
// Whoever runs this gets the same files: every choice is drawn from a seed. What is for training and what is held out
// come from different documents: mails, text files, chapters, speeches.
import path from 'node:path';
import { makeBrown } from './data/brown.mjs';
import { makeMail } from './data/mail.mjs';
import { makeNovel } from './data/novel.mjs';
import { makeQuestions } from './data/questions.mjs';
import { makeSpeeches } from './data/speeches.mjs';

const folder = process.argv[2] ?? path.join('runs', 'tasks', 'data');

const makers = {
  mail: makeMail,
  brown: makeBrown,
  novel: makeNovel,
  speeches: makeSpeeches,
  questions: makeQuestions,
};
for (const [name, make] of Object.entries(makers)) {
  const sizes = Object.entries(make(path.join(folder, name)));
  console.log(`${name.padEnd(10)}${sizes.map(([split, size]) => `${split}: ${size}`).join(', ')}`);
}
