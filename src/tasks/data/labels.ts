/** What labels a data set has, and their ids. */
import { InputError, shown } from '../../errors.js';
import { columnOf } from './columns.js';
import { kindOf, type Row } from './row.js';

/** Labels of classes: one a row, or a list a row, as of several classes at once or of each token. */
export interface ClassLabels {
  readonly kind: 'one' | 'lists';
  /** By id. */
  readonly names: readonly string[];
  /** Whether numbers are ids, not names that are numbers. */
  readonly areIds: boolean;
  /** How often each is there. */
  readonly counts: readonly number[];
}

/** Numbers to be predicted. */
export interface NumberLabels {
  readonly kind: 'numbers';
  readonly count: number;
  readonly least: number;
  readonly greatest: number;
}

export type Labels = ClassLabels | NumberLabels;

/** Classes of a data set: more are more likely another column. */
const mostLabels = 2 ** 16;

const listed = 20;

/**
 * Reads the labels of all rows.
 *
 * - Texts are classes in the order of their code points, as Python sorts them.
 * - Whole numbers from 0 on are ids, others classes in their order. Texts that all are numbers, as in tables, count as
 *   numbers.
 * - Other numbers are to be predicted themselves.
 * - Truth values are the classes `false` and `true`.
 *
 * @param classNames of ids, where the data set has them
 * @throws InputError naming the row that has no label, or another kind of one
 */
export async function discoverLabels(
  rows: AsyncIterable<Row>,
  column: string,
  classNames?: readonly string[],
): Promise<Labels> {
  const seen = new Map<Label, number>();
  let form: string | undefined;
  let number = 0;
  let areNumbers = true;
  const idOfNamed = classNames && ids({ names: classNames, areIds: true });
  for await (const row of rows) {
    number++;
    const value = columnOf(row, column, number);
    const isList = Array.isArray(value);
    for (const label of isList ? (value as unknown[]) : [value]) {
      const where = `row ${number}: ${column}`;
      const found = `${isList ? 'lists with ' : ''}a ${typeof requireLabel(label, where)}`;
      if (found !== (form ??= found))
        throw new InputError(`${where}: expected ${form}, as before, found ${found}`);
      idOfNamed?.(label as Label, where);
      areNumbers &&= Number.isFinite(toNumber(label as Label));
      seen.set(label as Label, (seen.get(label as Label) ?? 0) + 1);
      const isMany = seen.size > mostLabels && (isList || !areNumbers);
      if (isMany)
        throw new InputError(
          `${column}: expected at most ${mostLabels} labels, found more: is it another column?`,
        );
    }
  }
  if (form === undefined) throw new InputError(`${column}: expected labels, found none`);
  const kind = form.startsWith('lists') ? 'lists' : 'one';
  const numbers = [...seen.keys()].map(toNumber);
  if (areNumbers && kind === 'one' && !classNames && !numbers.every(Number.isInteger))
    return { kind: 'numbers', ...extremes(seen) };
  const names = classNames ?? namesOf([...seen.keys()], areNumbers, column);
  const counts = names.map(() => 0);
  const areIds = classNames !== undefined;
  const idOf = ids({ names, areIds });
  for (const [label, count] of seen) counts[idOf(label, column)]! += count;
  return { kind, names, areIds, counts };
}

/**
 * Rows with ids in place of labels, or with numbers where these are to be predicted.
 *
 * @throws InputError naming the row, its label and those that are known
 */
export async function* encodeLabels(
  rows: AsyncIterable<Row>,
  column: string,
  labels: Labels,
): AsyncGenerator<Row> {
  const idOf = labels.kind === 'numbers' ? numberFor : ids(labels);
  let number = 0;
  for await (const row of rows) {
    number++;
    const where = `row ${number}: ${column}`;
    const value = columnOf(row, column, number);
    if (Array.isArray(value) !== (labels.kind === 'lists'))
      throw new InputError(
        `${where}: expected ${labels.kind === 'lists' ? 'a list' : 'one label'}, found ${kindOf(value)}`,
      );
    const encoded = Array.isArray(value)
      ? value.map((label) => idOf(requireLabel(label, where), where))
      : idOf(requireLabel(value, where), where);
    yield { ...row, [column]: encoded };
  }
}

type Label = string | number | boolean;

function requireLabel(value: unknown, where: string): Label {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new InputError(
    `${where}: expected a label, found ${typeof value === 'number' ? value : kindOf(value)}`,
  );
}

/** NaN for what is none; as Python's and JSON's numbers are written. */
function toNumber(label: Label): number {
  if (typeof label === 'string') return /^-?\d+(\.\d*)?(e[-+]?\d+)?$/i.test(label) ? Number(label) : NaN;
  return typeof label === 'number' ? label : NaN;
}

function numberFor(label: Label, where: string): number {
  const number = toNumber(label);
  if (Number.isFinite(number)) return number;
  throw new InputError(`${where}: expected a number, found ${shown(label)}`);
}

function extremes(seen: ReadonlyMap<Label, number>): Omit<NumberLabels, 'kind'> {
  let [count, least, greatest] = [0, Infinity, -Infinity];
  for (const [label, times] of seen) {
    const number = toNumber(label);
    count += times;
    least = Math.min(least, number);
    greatest = Math.max(greatest, number);
  }
  return { count, least, greatest };
}

function namesOf(labels: readonly Label[], areNumbers: boolean, column: string): string[] {
  if (labels.length > mostLabels)
    throw new InputError(
      `${column}: expected at most ${mostLabels} labels, found more: is it another column?`,
    );
  if (!areNumbers) return labels.map(String).sort(byCodePoints);
  const hidden = labels.find((label) => toNumber(label) < 0);
  if (hidden !== undefined)
    throw new InputError(
      `${column}: expected labels from 0 on, found ${hidden}, which stands for hidden ones`,
    );
  return labels.map(String).sort((a, b) => Number(a) - Number(b));
}

function ids({
  names,
  areIds,
}: Pick<ClassLabels, 'names' | 'areIds'>): (label: Label, where: string) => number {
  const known = new Map(names.map((name, id) => [name, id]));
  return (label, where) => {
    const isNumber = areIds && typeof label === 'number';
    const named = isNumber ? undefined : known.get(String(label));
    const id = named ?? (areIds ? idIn(label, names.length) : undefined);
    if (id !== undefined) return id;
    const more = names.length > listed ? `, … (${names.length})` : '';
    throw new InputError(
      `${where}: expected one of ${names.slice(0, listed).map(shown).join(', ')}${more}, found ${shown(label)}`,
    );
  };
}

function idIn(label: Label, count: number): number | undefined {
  const number = toNumber(label);
  return Number.isInteger(number) && number >= 0 && number < count ? number : undefined;
}

/** As Python compares texts; JavaScript compares units, of which those beyond the basic plane come too early. */
function byCodePoints(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  const at = left.findIndex((character, i) => character !== right[i]);
  if (at < 0) return left.length - right.length;
  return left[at]!.codePointAt(0)! - (right[at]?.codePointAt(0) ?? -1);
}
