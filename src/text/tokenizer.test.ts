import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { readTokenizer, writeTokenizer } from './tokenizer-files.js';
import { parseTokenizer } from './tokenizer-json.js';
import { createTokenizer } from './tokenizer.js';

const fixtures = fileURLToPath(new URL('../../test/fixtures/text/', import.meta.url));
const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tokenizer-'));
});
afterEach(() => rm(folder, { recursive: true }));

const write = (name: string, text: string) => writeFile(path.join(folder, name), text);
const readJson = async (...names: string[]): Promise<unknown> =>
  JSON.parse(await readFile(path.join(...names), 'utf8'));

interface ExpectedEncoding {
  readonly text: string;
  readonly input_ids: number[];
  readonly decoded: string;
  readonly pair: object;
}

describe.each(['uncased', 'cased'])('what transformers saved and computed, %s', (name) => {
  const saved = path.join(fixtures, name);
  const cases = JSON.parse(readFileSync(path.join(saved, 'expected.json'), 'utf8')) as ExpectedEncoding[];

  it.each(cases)('encodes and decodes $text', async ({ text, input_ids, decoded, pair }) => {
    const tokenizer = await readTokenizer(saved);
    expect(tokenizer.encode(text).input_ids).toEqual(input_ids);
    expect(tokenizer.encode(text, cases[0]!.text)).toMatchObject(pair);
    expect(tokenizer.tokenize(text)).toEqual(input_ids.slice(1, -1));
    expect(tokenizer.decode(input_ids, { skip_special_tokens: true })).toBe(decoded);
  });

  it('is written as transformers writes it', async () => {
    await writeTokenizer(folder, await readTokenizer(saved));
    expect(await readJson(folder, 'tokenizer.json')).toEqual(await readJson(saved, 'tokenizer.json'));
    expect(await readFile(path.join(folder, 'vocab.txt'), 'utf8')).toBe(
      await readFile(path.join(saved, 'vocab.txt'), 'utf8'),
    );
    expect(await readJson(saved, 'tokenizer_config.json')).toMatchObject(
      (await readJson(folder, 'tokenizer_config.json')) as object,
    );
  });

  it('is the same when only vocab.txt and the case are given', async () => {
    await write('vocab.txt', await readFile(path.join(saved, 'vocab.txt'), 'utf8'));
    await write('tokenizer_config.json', JSON.stringify({ do_lower_case: name === 'uncased' }));
    const tokenizer = await readTokenizer(folder);
    for (const { text, input_ids } of cases) expect(tokenizer.encode(text).input_ids).toEqual(input_ids);
  });

  it('is the same when tokenizer.json is of 2021, without the type of the model', async () => {
    const json = (await readJson(saved, 'tokenizer.json')) as { model: { type?: string } };
    delete json.model.type;
    await write('tokenizer.json', JSON.stringify(json));
    expect((await readTokenizer(folder)).vocab).toEqual((await readTokenizer(saved)).vocab);
  });
});

describe('createTokenizer', () => {
  const vocab = [...special, 'ab', '##c', 'd', '.'];
  const tokenizer = createTokenizer({ vocab, lowercase: true });

  it('knows its vocabulary', () => {
    expect(tokenizer.vocab).toEqual(vocab);
    expect(tokenizer.vocabSize).toBe(9);
    expect(tokenizer.tokens).toEqual({ pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 });
    expect(vocab.filter((_, id) => tokenizer.isContinuation(id))).toEqual(['##c']);
    expect(tokenizer.isContinuation(99)).toBe(false);
  });

  it('takes the special tokens wherever they stand', () => {
    const reordered = createTokenizer({ vocab: ['a', ...[...special].reverse(), 'b'], lowercase: true });
    expect(reordered.tokens).toEqual({ pad: 5, unk: 4, cls: 3, sep: 2, mask: 1 });
    expect(reordered.encode('a [MASK] b').input_ids).toEqual([3, 0, 1, 6, 2]);
  });

  it('gives back the words of a text that it has the pieces of', () => {
    const words = fc.array(fc.constantFrom('ab', 'abc', 'abcc', 'd'), { maxLength: 20 });
    fc.assert(
      fc.property(words, (list) => {
        const text = list.join(' ');
        expect(tokenizer.decode(tokenizer.tokenize(text))).toBe(text);
      }),
    );
  });

  it('encodes any string with known ids, and each list as long as the others', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { input_ids, token_type_ids, attention_mask } = tokenizer.encode(text);
        expect(input_ids.every((id) => id >= 0 && id < vocab.length)).toBe(true);
        expect(token_type_ids).toEqual(input_ids.map(() => 0));
        expect(attention_mask).toEqual(input_ids.map(() => 1));
      }),
    );
  });

  it('takes more texts at once than a function takes arguments', () => {
    const { input_ids } = tokenizer(new Array<string>(150_000).fill('d'), { padding: true });
    expect(input_ids).toHaveLength(150_000);
    expect(input_ids.at(-1)).toEqual([2, 7, 3]);
  });

  it.each([
    [[], 'the vocabulary is empty'],
    [['[PAD]', 'a', 'b', 'a'], 'the vocabulary: "a" stands on lines 2 and 4'],
    [['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a'], 'the vocabulary has no [MASK]'],
  ])('says what is wrong with %j', (given, message) => {
    expect(() => createTokenizer({ vocab: given, lowercase: true })).toThrow(new InputError(message));
  });
});

describe('readTokenizer', () => {
  const rejected = async (): Promise<string> => {
    const error: unknown = await readTokenizer(folder).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).message;
  };

  it('takes lines that end as on Windows', async () => {
    await write('vocab.txt', [...special, 'a', ''].join('\r\n'));
    expect((await readTokenizer(folder)).vocab).toEqual([...special, 'a']);
  });

  it('looks for no other files where it has its own: in a page each is a request', async () => {
    const names: string[] = [];
    const text = [...special, 'a'].join('\n');
    await parseTokenizer((name) => {
      names.push(name);
      return Promise.resolve(name === 'vocab.txt' ? { text, file: name } : undefined);
    }, 'here');
    expect(names.sort()).toEqual(['tokenizer.json', 'tokenizer_config.json', 'vocab.txt']);
  });

  it('says that there is no tokenizer', async () => {
    expect(await rejected()).toBe(
      `no tokenizer in ${folder}: it has neither tokenizer.json nor vocab.txt, nor vocab.json with merges.txt`,
    );
  });

  it('names a vocabulary that is empty, repeats a token or lacks one', async () => {
    const file = path.join(folder, 'vocab.txt');
    await write('vocab.txt', '');
    expect(await rejected()).toBe(`${file} is empty`);
    await write('vocab.txt', [...special, 'a', 'b', 'a', ''].join('\n'));
    expect(await rejected()).toBe(`${file}: "a" stands on lines 6 and 8`);
    await write('vocab.txt', 'a\nb\n');
    expect(await rejected()).toBe(`${file} has no [PAD]`);
  });

  it('names a tokenizer.json that it cannot use', async () => {
    const file = path.join(folder, 'tokenizer.json');
    await write('tokenizer.json', '{');
    expect(await rejected()).toContain(`${file} is not JSON`);
    await write('tokenizer.json', '{"model": {"type": "Unigram", "vocab": []}}');
    expect(await rejected()).toBe(`${file}: expected a WordPiece or BPE model, found Unigram`);
    await write(
      'tokenizer.json',
      '{"model": {"type": "BPE", "vocab": {}}, "pre_tokenizer": {"type": "Split"}}',
    );
    expect(await rejected()).toBe(
      `${file}: pre_tokenizer: expected ByteLevel with GPT-2's pattern, found {"type":"Split"}`,
    );
    await write('tokenizer.json', '{"model": {"type": "WordPiece", "vocab": {"a": 0, "b": 2}}}');
    expect(await rejected()).toBe(`${file}: the id of "b": expected each of 0, 1, 2 … once, found 2`);
    await write('tokenizer.json', '{"model": {"type": "WordPiece", "vocab": {"a": 0}}}');
    expect(await rejected()).toBe(`${file} has no [PAD]`);
  });
});

describe('writeTokenizer', () => {
  it('tells transformers how long a text the model takes', async () => {
    const tokenizer = createTokenizer({ vocab: special, lowercase: true });
    await writeTokenizer(folder, tokenizer, { modelMaxLength: 128 });
    expect(await readJson(folder, 'tokenizer_config.json')).toMatchObject({ model_max_length: 128 });
  });
});
