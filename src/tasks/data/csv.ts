/** Tables as text. Format: RFC 4180, with a header; lines may end in `\n` too. */
import { InputError, shown } from '../../errors.js';
import { largestRow, tooLarge, type Row } from './row.js';
import { readRawLines, withoutReturn } from './text.js';

/**
 * Rows of a table by the names in its header. All cells are texts. Lines without a character are passed over.
 *
 * @throws InputError naming the line and the row
 */
export async function* readCsv(path: string, separator: ',' | '\t'): AsyncGenerator<Row> {
  let names: readonly string[] | undefined;
  let row = 0;
  for await (const { cells, line } of readRecords(path, separator)) {
    if (!names) {
      names = cells;
      requireDifferent(`${path}, line ${line}`, names);
      continue;
    }
    row++;
    if (cells.length !== names.length)
      throw new InputError(
        `${path}, line ${line} (row ${row}): expected ${names.length} cells, as the header has, found ${cells.length}`,
      );
    yield Object.fromEntries(names.map((name, i) => [name, cells[i]!]));
  }
  if (!names) throw new InputError(`${path}: expected a header with the names of columns, found nothing`);
}

function requireDifferent(where: string, names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name))
      throw new InputError(`${where}: expected a header with different names, found ${shown(name)} twice`);
    seen.add(name);
  }
}

interface TableRecord {
  readonly cells: readonly string[];
  /** Where it begins, from 1. */
  readonly line: number;
}

/** Cells with quotes may go on in further lines. */
async function* readRecords(path: string, separator: string): AsyncGenerator<TableRecord> {
  let begun: Begun = { cells: [], open: undefined };
  let size = 0;
  let first = 0;
  for await (const { text, number } of readRawLines(path)) {
    if (size === 0) {
      if (withoutReturn(text) === '') continue;
      first = number;
    }
    size += text.length + 1;
    if (size > largestRow) throw tooLarge(`${path}, line ${first}`);
    begun = addLine(begun, text, separator, `${path}, line ${number}`);
    if (begun.open !== undefined) continue;
    yield { cells: begun.cells, line: first };
    begun = { cells: [], open: undefined };
    size = 0;
  }
  if (begun.open !== undefined)
    throw new InputError(
      `${path}, line ${first}: expected a closing quote, found none to the end of the file: a quote that begins a cell ends it, and one in it is written twice`,
    );
}

interface Begun {
  readonly cells: string[];
  /** What is read of a cell with quotes that has not ended. */
  readonly open: string | undefined;
}

/** @param where of errors */
function addLine({ cells, open: before }: Begun, line: string, separator: string, where: string): Begun {
  let open = before;
  let at = 0;
  for (;;) {
    if (open === undefined && line[at] === '"') {
      open = '';
      at++;
    } else if (open === undefined) {
      const end = line.indexOf(separator, at);
      const cell = end < 0 ? withoutReturn(line.slice(at)) : line.slice(at, end);
      if (cell.includes('\r'))
        throw new InputError(
          `${where}: expected lines that end in \\n or \\r\\n, found a \\r in a cell without quotes`,
        );
      cells.push(cell);
      if (end < 0) return { cells, open };
      at = end + 1;
    } else {
      const quote = line.indexOf('"', at);
      if (quote < 0) return { cells, open: `${open}${line.slice(at)}\n` };
      open += line.slice(at, quote);
      at = quote + 1;
      if (line[at] === '"') {
        open += '"';
        at++;
        continue;
      }
      cells.push(open);
      open = undefined;
      if (withoutReturn(line.slice(at)) === '') return { cells, open };
      if (line[at] !== separator)
        throw new InputError(
          `${where}: expected the end of the cell after its closing quote, found ${shown(line.slice(at))}: a quote in a cell is written twice`,
        );
      at++;
    }
  }
}
