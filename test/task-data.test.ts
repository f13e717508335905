/** Reading data sets for fine-tuning, against what pandas, pyarrow and datasets read and write. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputError } from '../src/errors.js';
import { readRows, type ReadRowsOptions } from '../src/tasks/data/rows.js';
import type { Row } from '../src/tasks/data/row.js';
import { fixture, readJson } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
let count = 0;

/** A file of its own. */
function write(name: string, content: string | Uint8Array): string {
  const own = path.join(folder, String(count++));
  mkdirSync(own, { recursive: true });
  writeFileSync(path.join(own, name), content);
  return path.join(own, name);
}

async function rowsOf(file: string, options?: ReadRowsOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of readRows(file, options)) rows.push(row);
  return rows;
}

const reading = (name: string, content: string | Uint8Array, options?: ReadRowsOptions) =>
  rowsOf(write(name, content), options);

/** What is said of a file, without where it is. */
async function problemOf(name: string, content: string | Uint8Array, options?: ReadRowsOptions) {
  const file = write(name, content);
  const error: unknown = await rowsOf(file, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  return (error as Error).message.replaceAll(file, name);
}

describe('what others wrote', () => {
  test.each(['table.csv', 'crlf.csv.gz', 'table.tsv', 'table.jsonl', 'list.json'])('%s', async (name) => {
    expect(await rowsOf(fixture(`task-data/${name}`))).toEqual(
      readJson(fixture('task-data/table.expected.json')),
    );
  });

  test.each(['nested.snappy.parquet', 'nested.zstd.parquet'])('%s', async (name) => {
    expect(await rowsOf(fixture(`task-data/${name}`))).toEqual(
      readJson(fixture('task-data/nested.expected.json')),
    );
  });
});

describe('tables', () => {
  const cell = fc.string({
    unit: fc.constantFrom('a', '"', ',', '\t', '\n', '\r', '', 'é', '🐋', ' '),
    maxLength: 6,
  });
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

  test.each([
    ['csv', ','],
    ['tsv', '\t'],
  ])('are read as they were written: %s', async (extension, separator) => {
    const table = fc.integer({ min: 1, max: 4 }).chain((width) =>
      fc.array(fc.array(fc.tuple(cell, fc.boolean()), { minLength: width, maxLength: width }), {
        maxLength: 5,
      }),
    );
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom('\n', '\r\n'), fc.boolean(), async (lines, end, ends) => {
        const width = lines[0]?.length ?? 1;
        const names = Array.from({ length: width }, (_, i) => `column ${i}`);
        const text = [
          names.join(separator),
          ...lines.map((cells) =>
            cells
              .map(([value, isQuoted]) =>
                isQuoted || cells.length === 1 || /["\r\n]/.test(value) || value.includes(separator)
                  ? quoted(value)
                  : value,
              )
              .join(separator),
          ),
        ].join(end);
        expect(await reading(`table.${extension}`, ends ? text + end : text)).toEqual(
          lines.map((cells) => Object.fromEntries(names.map((name, i) => [name, cells[i]![0]]))),
        );
      }),
      { numRuns: 200 },
    );
  });

  test('may begin with a mark, and have blank lines', async () => {
    expect(await reading('a.csv', '\ufeff\na,b\n\n1,"2"\r\n\r\n,\n')).toEqual([
      { a: '1', b: '2' },
      { a: '', b: '' },
    ]);
  });

  test('may have quotes inside of cells that do not begin with one', async () => {
    expect(await reading('a.tsv', 'a\tb\n5" disk\tx "y"\n')).toEqual([{ a: '5" disk', b: 'x "y"' }]);
  });

  test.each([
    ['', 'a.csv: expected a header with the names of columns, found nothing'],
    ['a,b,a\n', 'a.csv, line 1: expected a header with different names, found "a" twice'],
    ['a,b\n1,2\n"3\n4"\n', 'a.csv, line 3 (row 2): expected 2 cells, as the header has, found 1'],
    ['a,b\n1,2,3\n', 'a.csv, line 2 (row 1): expected 2 cells, as the header has, found 3'],
    [
      'a,b\n1,2\n3,"4\n5,6\n',
      'a.csv, line 3: expected a closing quote, found none to the end of the file: a quote that begins a cell ends it, and one in it is written twice',
    ],
    [
      'a\n"x"y\n',
      'a.csv, line 2: expected the end of the cell after its closing quote, found "y": a quote in a cell is written twice',
    ],
    [
      'a,b\r1,2\r',
      'a.csv, line 1: expected lines that end in \\n or \\r\\n, found a \\r in a cell without quotes',
    ],
  ])('that are broken: %j', async (content, message) => {
    expect(await problemOf('a.csv', content)).toBe(message);
  });
});

const article = {
  title: 'T',
  paragraphs: [
    {
      context: 'The 🐋 swims.',
      qas: [
        { id: '1', question: 'Who?', answers: [{ text: '🐋', answer_start: 4 }], is_impossible: false },
        {
          id: '2',
          question: 'Why?',
          answers: [],
          plausible_answers: [{ text: 'The', answer_start: 0 }],
          is_impossible: true,
        },
        { id: 3, question: 'Hidden?' },
      ],
    },
  ],
};
const squad = [
  {
    id: '1',
    title: 'T',
    context: 'The 🐋 swims.',
    question: 'Who?',
    answers: { text: ['🐋'], answer_start: [4] },
  },
  {
    id: '2',
    title: 'T',
    context: 'The 🐋 swims.',
    question: 'Why?',
    answers: { text: [], answer_start: [] },
  },
  {
    id: '3',
    title: 'T',
    context: 'The 🐋 swims.',
    question: 'Hidden?',
    answers: { text: [], answer_start: [] },
  },
];

describe('JSON', () => {
  test.each([
    [
      'list.json',
      '[\n{"a": [1, {"b": "]}"}]},\n{"a": "\\"[{"}\n]\n',
      [{ a: [1, { b: ']}' }] }, { a: '"[{' }],
    ],
    ['empty.json', '[]', []],
    ['nothing.json', '', []],
    [
      'object.json',
      '{"version": "1", "data": [{"a": 1}, {"a": null}], "more": {"x": []}}',
      [{ a: 1 }, { a: null }],
    ],
    [
      'lines.json',
      '{"a": 1, "b": [true]}\n{"a": 2, "data": "text"}\n',
      [
        { a: 1, b: [true] },
        { a: 2, data: 'text' },
      ],
    ],
    ['pretty.json', '{\n  "a": 1\n}\n{\n  "a": 2\n}', [{ a: 1 }, { a: 2 }]],
    ['x.jsonl', '{"a": 1}\n\n{"a": -2.5e3}', [{ a: 1 }, { a: -2500 }]],
    ['x.ndjson', '\ufeff{"data": [1]}\r\n', [{ data: [1] }]],
    ['squad.json', JSON.stringify({ version: 'v2.0', data: [article] }), squad],
    [
      'halves.jsonl',
      '{"a": "x\\ud83dy", "\\udc00": ["\\ud83d\\udc0b"]}',
      [{ a: 'x\ufffdy', '\ufffd': ['🐋'] }],
    ],
  ])('%s', async (name, content, expected) => {
    expect(await reading(name, content)).toEqual(expected);
    expect(await reading(`${name}.gz`, gzipSync(content))).toEqual(expected);
  });

  test('values and characters that lie across the ends of what is read at once', async () => {
    const rows = Array.from({ length: 2000 }, (_, i) => ({ i, text: '🐋é"\\\n'.repeat(300 + (i % 7)) }));
    expect(await reading('a.json', JSON.stringify({ data: rows }, undefined, 1))).toEqual(rows);
    expect(await reading('a.json', rows.map((row) => JSON.stringify(row)).join('\n'))).toEqual(rows);
    expect(await reading('a.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'))).toEqual(rows);
  });

  test.each([
    ['a.jsonl', '{"a": 1}\n{"a": }', /^a.jsonl, line 2: not JSON: Unexpected token/],
    ['a.jsonl', '{"a": 1}\n[1]', /^a.jsonl, line 2: expected an object, found a list$/],
    ['a.json', '[\n{"a": 1},\n7]', /^a.json, line 3: expected an object, found a number$/],
    ['a.json', '[{"a": 1} {"a": 2}]', /^a.json, line 1: not JSON: expected ,, found "{"$/],
    ['a.json', '[{"a": 1}', /^a.json, line 1: not JSON: expected ,, found the end of the file$/],
    ['a.json', '[{"a": 1},\n{"a": "x', /^a.json, line 2: not JSON: /],
    ['a.json', '[] []', /^a.json, line 1: expected the end of the file after the list, found "\["$/],
    ['a.json', '"text"', /^a.json, line 1: not JSON: expected {, found "\\""$/],
    ['a.json', '{"data": [[1]]}', /^a.json, line 1: expected an object, found a list$/],
    ['a.json', '{"a" 1}', /^a.json, line 1: not JSON: expected :, found "1"$/],
    [
      'a.jsonl',
      `{"a": ${'['.repeat(600)}${']'.repeat(600)}}`,
      /more than 500 lists and objects in each other$/,
    ],
    [
      'a.json',
      `[{"a": ${'['.repeat(600)}${']'.repeat(600)}}]`,
      /more than 500 lists and objects in each other$/,
    ],
    [
      'a.json',
      JSON.stringify({
        data: [{ paragraphs: [{ context: 'c', qas: [{ id: 'q', question: 'w', answers: [{ text: 1 }] }] }] }],
      }),
      /^a.json, line 1, question q: text: expected a text, found a number$/,
    ],
    [
      'a.json',
      JSON.stringify({ data: [{ paragraphs: [{ context: 'c' }] }] }),
      /^a.json, line 1: qas: expected a list of objects, found nothing$/,
    ],
  ])('that is broken: %s %#', async (name, content, message) => {
    expect(await problemOf(name, content)).toMatch(message);
  });
});

describe('other text', () => {
  const sentences = '-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\n \n\nOK\tO\r\n';
  const expected = [
    { tokens: ['EU', 'rejects'], tags: ['B-ORG', 'O'] },
    { tokens: ['OK'], tags: ['O'] },
  ];
  test('of CoNLL', async () => {
    expect(await reading('a.conll', sentences)).toEqual(expected);
    expect(await reading('a.txt', sentences, { txt: 'conll' })).toEqual(expected);
    expect(await problemOf('a.conll', 'EU O\nalone\n')).toBe(
      'a.conll, line 2: expected a word and a tag, found "alone"',
    );
  });

  test('of lines', async () => {
    expect(await reading('a.txt', 'one\r\n\ntwo ')).toEqual([
      { text: 'one' },
      { text: '' },
      { text: 'two ' },
    ]);
  });

  const advice = 'convert the file to UTF-8, as with iconv -f';
  test.each([
    [
      'Latin-1',
      Buffer.from('{"a":"x"}\n{"a":"é"}', 'latin1'),
      `line 2: expected text in UTF-8, found the byte 0xe9 at byte 16: ${advice} LATIN1 -t UTF-8`,
    ],
    [
      'mixed',
      Buffer.concat([Buffer.from('{"a":"\ufffdé"}\n{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]),
      `line 2: expected text in UTF-8, found the byte 0xff at byte 20: ${advice} LATIN1 -t UTF-8`,
    ],
    [
      'cut off',
      Buffer.from('{"a":"🐋').subarray(0, -1),
      `line 1: expected text in UTF-8, found the byte 0xf0 at byte 6: ${advice} LATIN1 -t UTF-8`,
    ],
    [
      'half characters',
      Buffer.from([0x7b, 0xed, 0xa0, 0x80, 0x7d]),
      `line 1: expected text in UTF-8, found the byte 0xed at byte 1: ${advice} LATIN1 -t UTF-8`,
    ],
    [
      'UTF-16',
      Buffer.from('\ufeff{}', 'utf16le'),
      `line 1: expected text in UTF-8, found the mark of UTF-16 at byte 0: ${advice} UTF-16 -t UTF-8`,
    ],
    [
      'UTF-16 without a mark',
      Buffer.from('{}', 'utf16le'),
      `line 1: expected text in UTF-8, found the byte 0x00 at byte 1: ${advice} LATIN1 -t UTF-8`,
    ],
  ])('in another encoding: %s', async (_, content, message) => {
    expect(await problemOf('a.jsonl', content)).toBe(`a.jsonl, ${message}`);
  });

  test('wrong bytes far into a file', async () => {
    const before = `${'é'.repeat(99)}\n`.repeat(20_000);
    const bytes = Buffer.concat([Buffer.from(before), Buffer.from([0xe9, 0x20])]);
    expect(await problemOf('a.txt', bytes)).toMatch(
      `a.txt, line 20001: expected text in UTF-8, found the byte 0xe9 at byte ${199 * 20_000}`,
    );
  });

  test.each(['a.jsonl', 'a.json', 'a.csv', 'a.txt'])('rows that are too large: %s', async (name) => {
    const text = 'x'.repeat(2 ** 26);
    const content = {
      'a.jsonl': `{"a": "${text}"}`,
      'a.json': `[{"a": "${text}"}]`,
      'a.csv': `a\n"${`${'x'.repeat(1023)}\n`.repeat(2 ** 16)}"`,
      'a.txt': `\n${text}y`,
    }[name]!;
    const line = name === 'a.csv' || name === 'a.txt' ? 2 : 1;
    expect(await problemOf(name, content)).toBe(
      `${name}, line ${line}: expected a row of at most ${2 ** 26} bytes, found a larger one`,
    );
  });
});

describe('files', () => {
  test('of other names', async () => {
    for (const name of ['a.xlsx', 'a', 'a.parquet.gz', '.csv'])
      expect(await problemOf(name, '')).toMatch(
        /expected a name that ends in .parquet, .jsonl, .*, .txt, all but/,
      );
  });

  test.each(['a.csv', 'a.json', 'a.parquet'])('that are not there: %s', async (name) => {
    await expect(rowsOf(path.join(folder, name))).rejects.toThrow(/cannot be opened: ENOENT/);
    const place = path.join(folder, 'folders', name);
    mkdirSync(place, { recursive: true });
    await expect(rowsOf(place)).rejects.toThrow(/not a file$/);
  });

  test('that are no parquet', async () => {
    expect(await problemOf('a.parquet', 'PAR1 but not really')).toMatch(
      /^a.parquet: cannot be read as parquet: /,
    );
    expect(await problemOf('a.parquet', '')).toMatch(/^a.parquet: cannot be read as parquet: /);
  });
});

describe('parquet that claims more than it has', () => {
  test('rows of no bytes', async () => {
    const bytes = readFileSync(fixture('task-data/many-rows.parquet'));
    expect(bytes.length).toBeLessThan(20_000);
    expect(await problemOf('a.parquet', bytes)).toBe(
      'a.parquet: row group 0: expected at most 8388608 rows, found 8388609; write it with smaller row groups',
    );
  });

  test.each([4, 8, 16, 64, 200, 400, 800])('cut off or changed, %i bytes from the end', async (back) => {
    const bytes = Buffer.from(readFileSync(fixture('task-data/nested.snappy.parquet')));
    expect(await problemOf('a.parquet', bytes.subarray(0, -back))).toMatch(/^a.parquet: /);
  });
});
