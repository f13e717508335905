import { InputError } from '../../errors.js';

/** A row of a data set by its columns: strings, numbers, booleans, null, lists and objects of them. */
export type Row = Readonly<Record<string, unknown>>;

/** Characters of a row, or bytes of a line: what is larger is no example of text. */
export const largestRow = 2 ** 26;

export const tooLarge = (where: string) =>
  new InputError(`${where}: expected a row of at most ${largestRow} bytes, found a larger one`);

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isText = (value: unknown): value is string => typeof value === 'string';

export const kindOf = (value: unknown) =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`;
