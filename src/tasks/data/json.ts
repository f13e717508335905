/** Rows of JSON: lines, lists, and the nested form of SQuAD. */
import { InputError, shown } from '../../errors.js';
import { jsonReader, parseValue, type JsonReader } from './json-values.js';
import { isObject, kindOf, largestRow, tooLarge, type Row } from './row.js';
import { squadRows } from './squad.js';
import { readLines, readText } from './text.js';

/** Of each line an object. @throws InputError naming the line */
export async function* readJsonLines(path: string): AsyncGenerator<Row> {
  for await (const { text, number } of readLines(path))
    if (text.trim() !== '') yield rowOf(text, `${path}, line ${number}`);
}

/**
 * The objects of a list, or of the list `data` of an object, one of which may be an article of SQuAD with all its
 * questions; objects without such a list are rows themselves, as many as there are.
 *
 * @throws InputError naming the line
 */
export async function* readJson(path: string): AsyncGenerator<Row> {
  const reader = jsonReader(path, readText(path));
  if ((await reader.peek()) === '[') {
    yield* readList(path, reader);
    const next = await reader.peek();
    if (next !== undefined)
      throw new InputError(
        `${path}, line ${reader.line()}: expected the end of the file after the list, found ${shown(next)}`,
      );
    return;
  }
  while ((await reader.peek()) !== undefined) yield* readObject(path, reader);
}

async function* readList(path: string, reader: JsonReader): AsyncGenerator<Row> {
  await reader.pass('[');
  for (let isFirst = true; (await reader.peek()) !== ']'; isFirst = false) {
    if (!isFirst) await reader.pass(',');
    await reader.peek();
    const where = `${path}, line ${reader.line()}`;
    const row = rowOf(await reader.take(), where);
    if (Array.isArray(row.paragraphs)) yield* squadRows(row, where);
    else yield row;
  }
  await reader.pass(']');
}

/** Without keeping a list `data`, which may be larger than memory. */
async function* readObject(path: string, reader: JsonReader): AsyncGenerator<Row> {
  await reader.pass('{');
  const where = `${path}, line ${reader.line()}`;
  const fields: string[] = [];
  let size = 0;
  let hasList = false;
  for (let isFirst = true; (await reader.peek()) !== '}'; isFirst = false) {
    if (!isFirst) await reader.pass(',');
    const key = await reader.take();
    await reader.pass(':');
    if (parseValue(key, where) === 'data' && (await reader.peek()) === '[') {
      hasList = true;
      yield* readList(path, reader);
      continue;
    }
    const field = `${key}:${await reader.take()}`;
    fields.push(field);
    size += field.length;
    if (size > largestRow) throw tooLarge(where);
  }
  await reader.pass('}');
  if (!hasList) yield rowOf(`{${fields.join(',')}}`, where);
}

function rowOf(text: string, where: string): Row {
  const value = parseValue(text, where);
  if (isObject(value)) return value;
  throw new InputError(`${where}: expected an object, found ${kindOf(value)}`);
}
