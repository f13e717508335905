/** How pipelines are called, whatever the task. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../src/errors.js';
import { pipeline } from '../src/pipelines/node.js';
import type { Pipelines } from '../src/pipelines/pipelines.js';
import { fixture } from './support/fixture.js';

const modelOf = (name: string) => fixture(`pipelines/models/${name}`);

let classify: Pipelines['text-classification'];
let fill: Pipelines['fill-mask'];
beforeAll(async () => {
  classify = await pipeline('text-classification', modelOf('classification'));
  fill = await pipeline('fill-mask', modelOf('masked-lm'));
});
afterAll(async () => {
  await classify.dispose();
  await fill.dispose();
});

const texts = Array.from({ length: 70 }, (_, i) => `${'the white whale '.repeat(1 + ((i * 7) % 13))}${i}`);

async function* stream<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  yield* items;
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const labelsOf = (results: unknown) => (results as { label: string }[]).map(({ label }) => label);

describe('one, a list, a stream', () => {
  test('give the same results, in the order of the inputs', async () => {
    const each: string[] = [];
    for (const text of texts) each.push(...labelsOf(await classify(text)));
    expect(labelsOf(await classify(texts))).toEqual(each);
    expect(labelsOf(await all(classify(stream(texts))))).toEqual(each);
    expect(labelsOf(await all(classify(stream(texts), { batch_size: 7 })))).toEqual(each);
    expect(new Set(each).size).toBeGreaterThan(1);
  });

  test('no inputs give no results', async () => {
    expect(await classify([])).toEqual([]);
    expect(await all(classify(stream([])))).toEqual([]);
  });

  test('a stream is read as its results are', async () => {
    let read = 0;
    async function* counted() {
      for (const text of texts) {
        read++;
        yield text;
      }
    }
    const results = classify(counted(), { batch_size: 5 });
    for (let i = 0; i < 6; i++) await results.next();
    expect(read).toBe(10);
    await results.return();
    expect(read).toBe(10);
  });
});

describe('inputs that cannot be used', () => {
  const masked = ['The [MASK].', 'no mask', 'A [MASK].'];

  test('an only one is thrown as it is, one of several with its number', async () => {
    await expect(fill('no mask')).rejects.toThrow(new InputError('no [MASK] in "no mask"'));
    await expect(fill(masked)).rejects.toThrow(new InputError('input 2: no [MASK] in "no mask"'));
    const results = fill(stream(masked));
    expect((await results.next()).value).toHaveLength(5);
    await expect(results.next()).rejects.toThrow('input 2: no [MASK]');
  });

  test('do the others no harm where all are asked for', async () => {
    const settled = await all(fill.allSettled(masked, { top_k: 2 }));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const whole = await fill([masked[0]!, masked[2]!], { top_k: 2 });
    expect(settled[2]).toMatchObject({ value: [{ token: (whole[1] as { token: number }[])[0]!.token }, {}] });
    expect(settled[1]).toEqual({ status: 'rejected', reason: new InputError('no [MASK] in "no mask"') });
  });

  test.each([
    ['a number', 5, 'fill-mask: expected a text, found 5'],
    ['nothing', undefined, 'fill-mask: expected a text, found undefined'],
    ['an empty text', '', 'no [MASK] in ""'],
  ])('%s', async (_, input, message) => {
    await expect(fill(input as string)).rejects.toThrow(new InputError(message));
  });
});

describe('options that cannot be used', () => {
  test.each([
    [
      'batch_size',
      () => classify('text', { batch_size: 0 }),
      'batch_size: expected a positive integer, found 0',
    ],
    [
      'function_to_apply',
      () => classify('text', { function_to_apply: 'cosine' as never }),
      'function_to_apply: expected softmax, sigmoid, none, found "cosine"',
    ],
    ['targets', () => fill('[MASK]', { targets: [''] }), 'targets: expected words that the tokenizer knows'],
  ])('%s', async (_, call, message) => {
    await expect(call()).rejects.toThrow(message);
  });

  test('a task that there is not', async () => {
    await expect(pipeline('summarization' as never, modelOf('model'))).rejects.toThrow(
      /unknown task "summarization": expected fill-mask, text-classification/,
    );
  });
});

test('a signal stops the computation', async () => {
  const controller = new AbortController();
  controller.abort(new Error('enough'));
  await expect(classify('text', { signal: controller.signal })).rejects.toThrow('enough');
  await expect(classify(texts, { signal: controller.signal })).rejects.toThrow('enough');
});

describe('calls with two texts', () => {
  test('a question and its context, or many of both, or objects', async () => {
    const answer = await pipeline('question-answering', modelOf('question-answering'));
    const [question, context] = ['What is the name?', 'Call me Ishmael. Some years ago I went to sea.'];
    const one = (await answer(question, context)) as { answer: string; start: number; end: number };
    expect(context.slice(one.start, one.end)).toBe(one.answer);
    expect(await answer({ question, context })).toEqual(one);
    expect(await answer([question], [context])).toEqual([one]);
    expect(await answer([{ question, context }])).toEqual([one]);
    await expect(answer('', context)).rejects.toThrow('question: expected a text, found an empty one');
    await expect(answer(question, '')).rejects.toThrow('context: expected a text, found an empty one');
    await answer.dispose();
  });

  test('texts and labels', async () => {
    const classifyAs = await pipeline('zero-shot-classification', modelOf('nli'));
    const { labels, scores } = await classifyAs('The whale.', ['sea', 'war']);
    expect([...labels].sort()).toEqual(['sea', 'war']);
    expect(scores[0]! + scores[1]!).toBeCloseTo(1);
    const many = await classifyAs(['The whale.', 'The ship.'], 'sea, war', { multi_label: true });
    expect(many.map(({ sequence }) => sequence)).toEqual(['The whale.', 'The ship.']);
    await expect(classifyAs('The whale.', [])).rejects.toThrow(
      'candidate_labels: expected at least one label',
    );
    await expect(classifyAs('The whale.', 'sea', { hypothesis_template: 'none' })).rejects.toThrow(
      'hypothesis_template: expected {}',
    );
    await classifyAs.dispose();
  });

  test('a prompt and its choices, a text and the next', async () => {
    const choose = await pipeline('multiple-choice', modelOf('multiple-choice'));
    const chosen = await choose('He took', ['his hat.', 'the sea.']);
    expect(chosen.map(({ index }) => index).sort()).toEqual([0, 1]);
    await expect(choose({ prompt: 'He took', choices: [] })).rejects.toThrow('choices: expected a list');
    await choose.dispose();
    const follows = await pipeline('next-sentence', modelOf('next-sentence'));
    const [first, second] = await follows('He left.', 'She stayed.');
    expect(first!.score).toBeGreaterThan(second!.score);
    expect(await follows([{ text: 'He left.', text_pair: 'She stayed.' }])).toEqual([[first, second]]);
    await follows.dispose();
  });
});

describe('feature-extraction', () => {
  test('one text is a batch of one, several are padded with zeros', async () => {
    const extract = await pipeline('feature-extraction', modelOf('model'));
    const one = await extract('whale');
    expect(one.dims).toEqual([1, 3, 16]);
    const two = await extract(['whale', 'whale whale whale']);
    expect(two.dims).toEqual([2, 5, 16]);
    expect(two.data.subarray(3 * 16, 5 * 16).every((x) => x === 0)).toBe(true);
    expect((two.tolist() as number[][][])[0]![2]).toHaveLength(16);
    expect((await extract('whale', { pooling: 'mean', normalize: true })).dims).toEqual([1, 16]);
    await extract.dispose();
  });

  test('a model without a pooler is quiet until it is asked for', async () => {
    const warnings: string[] = [];
    const extract = await pipeline('feature-extraction', modelOf('masked-lm'), {
      warn: (message) => warnings.push(message),
    });
    expect((await extract('whale', { pooling: 'mean' })).dims).toEqual([1, 16]);
    await expect(extract('whale', { pooling: 'pooler' })).rejects.toThrow('this model has no pooler');
    await expect(extract('whale', { pooling: 'sum' as never })).rejects.toThrow(
      'pooling: expected none, mean',
    );
    expect(warnings).toEqual([]);
    await extract.dispose();
  });
});
