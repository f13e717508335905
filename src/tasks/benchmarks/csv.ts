import { InputError, shown } from '../../errors.js';

/** A cell in quotes, which are doubled inside it, or a plain one, and what ends it. */
const cell = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n][^,\r\n]*|))(,|\r\n|\r|\n|$)/y;

/** Rows of comma-separated values (RFC 4180). @throws InputError naming the row where a quote does not end its cell */
export function parseCsv(text: string, file: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  cell.lastIndex = 0;
  while (cell.lastIndex < text.length || row.length > 0) {
    const start = cell.lastIndex;
    const found = cell.exec(text);
    if (!found)
      throw new InputError(
        `${file}, row ${rows.length + 1}: expected a cell and a comma or the line's end, found ${shown(text.slice(start, start + 50))}`,
      );
    const [, quoted, plain, end] = found;
    row.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}
