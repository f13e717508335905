/**
 * Which file of a data set belongs to which split of which configuration, where only names say so.
 * Source: https://huggingface.co/docs/hub/datasets-file-names-and-splits
 */
import { splitName } from '../../data/preprocess/inputs.js';
import { hasRows, rowExtensions } from './rows.js';

/** Names of files by split, of a configuration. */
export type SplitFiles = ReadonlyMap<string, readonly string[]>;

/** Characters of a path, for which patterns are tried. */
export const longestName = 1000;

const words = {
  train: ['train', 'training'],
  validation: ['validation', 'valid', 'dev', 'val'],
  test: ['test', 'testing', 'eval', 'evaluation'],
};

const sameName = new Map(
  Object.entries(words).flatMap(([name, others]) => others.map((other) => [other, name])),
);
const known = `(?:${[...sameName.keys()].join('|')})(?:_(?:mis)?matched)?`;

/** One name for those that mean the same split. */
export const splitCalled = (name: string): string => sameName.get(name) ?? name;

/** In the order in which they are tried; the first group is the configuration's folder. */
const patterns = [
  /^(?:(.+)\/)?(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*$/,
  /^(?:(.+)\/)?([^/]+)\/\d{4}\.parquet$/,
  new RegExp(`^(?:(.+)/)?(${known})(?:-[^/]*)?(?:\\.[a-z]+){1,2}$`),
  new RegExp(`^(?:(.+)/)?(${known})/[^/]+$`),
];

/** Splits of each configuration, of which the one without a folder is `default`. */
export function configurationsIn(names: readonly string[]): ReadonlyMap<string, SplitFiles> {
  const configurations = new Map<string, Map<string, string[]>>();
  for (const name of names) {
    const isPath = name.length <= longestName && hasRows(name);
    const found = isPath && patterns.map((pattern) => pattern.exec(name)).find(Boolean);
    if (!found) continue;
    const configuration = (found[1] ?? '').replace(/^data(\/|$)/, '') || 'default';
    const splits = configurations.get(configuration) ?? new Map<string, string[]>();
    configurations.set(configuration, splits);
    const split = splitCalled(found[2]!);
    const files = splits.get(split) ?? [];
    splits.set(split, files);
    files.push(name);
  }
  for (const splits of configurations.values())
    for (const [split, files] of splits) splits.set(split, ofOneFormat(files));
  return configurations;
}

/** Where the same rows are there in several forms, those of the first that is known. */
function ofOneFormat(names: readonly string[]): string[] {
  const rank = (name: string) => rowExtensions.indexOf(splitName(name).extension);
  const first = names.map(rank).reduce((a, b) => Math.min(a, b));
  return names.filter((name) => rank(name) === first).sort();
}
