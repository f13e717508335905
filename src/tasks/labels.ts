import { shown } from '../errors.js';
import { labelCount, type TransformerConfig } from '../model/config.js';
import { wrongRow, type LabelSet, type Rows } from './task.js';

/** As Python sorts strings: by code points. */
export const byCodePoints = (a: string, b: string): number => {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
};

/**
 * Names of labels in their order: the model's, where they are the same; else sorted, numbers as numbers.
 *
 * @param values of all rows
 */
export function sortedLabels(values: Iterable<string>, config: TransformerConfig): string[] {
  const unique = [...new Set(values)];
  const known = Object.keys(config.id2label).map((id) => config.id2label[id]!);
  if (unique.length <= known.length && unique.every((name) => known.includes(name))) return known;
  const areNumbers = unique.every((name) => /^-?\d+$/.test(name));
  return unique.sort(areNumbers ? (a, b) => Number(a) - Number(b) : byCodePoints);
}

/** What a row's label is called; null for one that is none. */
export const labelName = (value: unknown): string | null =>
  typeof value === 'string' && value !== ''
    ? value
    : typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
      ? String(value)
      : null;

/**
 * What kind of labels texts have: names or whole numbers are classes, lists of them several at once, other numbers are
 * something to be measured.
 *
 * @throws InputError naming the row that has none
 */
export function textLabels(
  { source, rows }: Rows,
  config: TransformerConfig,
  isRegression: boolean,
): LabelSet {
  const values = rows.map((row, i) => {
    const { label } = row;
    if (!Array.isArray(label) && labelName(label) === null)
      throw wrongRow(source, i, `label: expected a name, a number or a list, found ${shown(label)}`);
    return label;
  });
  if (values.some(Array.isArray)) {
    const names = values.flatMap((value) => (Array.isArray(value) ? value.map(String) : [String(value)]));
    return { problem: 'multi_label_classification', names: sortedLabels(names, config) };
  }
  const isFloat = values.some((value) => typeof value === 'number' && !Number.isInteger(value));
  const isFloatText = values.every((value) => /^-?\d*\.\d+$/.test(String(value)));
  if (isRegression || isFloat || isFloatText) return { problem: 'regression', names: ['LABEL_0'] };
  const names = sortedLabels(
    values.map((value) => labelName(value)!),
    config,
  );
  return {
    problem: 'single_label_classification',
    names: names.length === 1 && labelCount(config) > 1 ? Object.values(config.id2label) : names,
  };
}

/** @throws InputError naming the row whose label is not known */
export function labelNumber(name: string, names: readonly string[], source: string, i: number): number {
  const number = names.indexOf(name);
  if (number < 0)
    throw wrongRow(
      source,
      i,
      `label: expected one of those of training, ${names.slice(0, 20).join(', ')}, found ${shown(name)}`,
    );
  return number;
}
