/** What MNLI and QQP share: tab-separated tables of text pairs, read as Megatron-LM reads them (tasks/glue). */
import { InputError, shown } from '../../errors.js';
import { cleanText, linesOf, strip } from './python-text.js';

export interface PairExample {
  /** As the file has it. */
  readonly id: number;
  readonly text: string;
  readonly text_pair: string;
  /** Null in a test set, whose labels are not published; Megatron-LM puts 0 there. */
  readonly label: number | null;
}

/** Columns of each line. Quotes mean nothing; an empty column at an end of a line is lost. */
export const tableRows = (text: string): string[][] => linesOf(text).map((line) => strip(line).split('\t'));

export const cellText = (cell: string): string => cleanText(strip(cell));

/** @param where file, row and column */
export function cellNumber(cell: string, where: string): number {
  const number = strip(cell);
  if (!/^\d+$/.test(number)) throw new InputError(`${where}: expected a whole number, found ${shown(cell)}`);
  return Number(number);
}

/** Row 1 is the header. */
export const placeOf = (file: string, index: number): string => `${file}, row ${index + 1}`;
