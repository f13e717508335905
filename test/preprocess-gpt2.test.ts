/** Data sets of GPT-2's tokens, compared with those that transformers makes of the same texts. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { fixture, readGzippedJson } from './support/fixture.js';
import { built } from './support/package.js';
import { megatronBert, temporaryFolder } from './support/workspace.js';

const root = temporaryFolder();
const { cases } = readGzippedJson('gpt2-tokenizer/cases.json.gz') as {
  readonly cases: readonly {
    readonly tokenizer: string;
    readonly text: string;
    readonly pair: string | null;
    readonly options: object;
    readonly encodings: readonly { readonly ids: readonly number[] }[];
  }[];
};
const documents = cases.filter(
  ({ tokenizer, text, pair, options }) =>
    tokenizer === 'plain' && pair === null && text !== '' && Object.keys(options).length === 0,
);

test(`${documents.length} documents, each with <|endoftext|> behind it, and what inspect shows of them`, async () => {
  const input = path.join(root, 'documents.jsonl');
  await writeFile(input, documents.map(({ text }) => `${JSON.stringify({ text })}\n`).join(''));
  const tokenizer = fixture('gpt2-tokenizer/plain');
  const outputPrefix = path.join(root, 'data');
  await built.preprocess({ input: [input], tokenizer, outputPrefix, appendEod: true, workers: 2 });
  const { tokens } = (await built.readAnyTokenizer(tokenizer)) as {
    readonly tokens: { readonly eos: number };
  };
  const dataset = await built.openIndexedDataset(`${outputPrefix}_text_document`);
  expect(dataset.sequenceCount).toBe(documents.length);
  for (const [i, { text, encodings }] of documents.entries())
    expect([...(await dataset.read(i))], text).toEqual([...encodings[0]!.ids, tokens.eos]);
  await dataset.close();

  const shown = await megatronBert('inspect', `${outputPrefix}_text_document`, '--tokenizer', tokenizer);
  expect(shown.code, shown.stderr).toBe(0);
  expect(shown.stdout).toContain('made with a vocabulary of 1,000 tokens');
  expect(shown.stdout).toContain('<|endoftext|>');
  const other = await megatronBert(
    ...['inspect', `${outputPrefix}_text_document`, '--tokenizer', fixture('tokenizer/uncased')],
  );
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('made with another');
});

test.each(['txt', 'jsonl'])('a text in parts (.%s) has the tokens that it has as a whole', async (type) => {
  // tokens of several spaces and line breaks, also where a part may end
  const spaces = ['\n\n', '\n\n\n\n', '\n\n\n   ', ' ', '  ', '\n', '\t\n\n\t'];
  const words = Array.from({ length: 900_000 }, (_, i) => `whale${i % 977}${spaces[(i * i) % 7]!}`);
  const text = words.join('').trimEnd();
  const trained = await built.trainByteLevelBpe([text.slice(0, 100_000)], { vocabSize: 400 });
  expect(trained.vocab).toContain('ĊĊ');
  const tokenizer = built.createGpt2Tokenizer(trained);
  await built.writeTokenizer(path.join(root, 'spaces'), tokenizer);
  const input = path.join(root, `long.${type}`);
  await writeFile(input, type === 'txt' ? text : JSON.stringify({ text }));
  const outputPrefix = path.join(root, `long-${type}`);
  await built.preprocess({ input: [input], tokenizer: path.join(root, 'spaces'), outputPrefix, workers: 1 });
  const dataset = await built.openIndexedDataset(`${outputPrefix}_text_document`);
  expect(dataset.sequenceCount).toBe(1);
  const bytes = (ids: ArrayLike<number>) => Buffer.from(Uint16Array.from(ids).buffer);
  expect(bytes(await dataset.read(0)).equals(bytes(tokenizer.tokenize(text)))).toBe(true);
  await dataset.close();
});
