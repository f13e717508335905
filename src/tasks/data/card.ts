/**
 * What the header of a data set's README.md says of its files and columns.
 * Sources: https://huggingface.co/docs/hub/datasets-manual-configuration, `DatasetInfo` of datasets
 */
import { parse } from 'yaml';
import { parseJson } from '../../checkpoint/unique-json.js';
import { InputError, shown } from '../../errors.js';
import { isObject, isText } from './row.js';
import { longestName } from './split-names.js';

/** Bytes of a README.md: some describe hundreds of configurations. */
export const largestCard = 2 ** 24;

/** Names of the ids of classes, by column. */
export type ClassNames = Readonly<Record<string, readonly string[]>>;

export interface CardConfiguration {
  readonly name: string;
  readonly isDefault: boolean;
  /** Where names of files say the splits; undefined for everything. */
  readonly folder: string | undefined;
  /** Patterns of files by split; undefined where names of files say the splits. */
  readonly patterns: ReadonlyMap<string, readonly string[]> | undefined;
}

export interface Card {
  readonly configurations: readonly CardConfiguration[];
  /** By configuration; `default` where it has no name. */
  readonly classNames: ReadonlyMap<string, ClassNames>;
}

/** @param file named in errors @throws InputError where the header is none */
export function readCard(text: string, file: string): Card {
  const header = /^\ufeff?---[ \t]*\r?\n([^]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(text)?.[1];
  let fields: unknown;
  try {
    // aliases could make much out of little
    fields = parse(header ?? '', { maxAliasCount: 0, logLevel: 'error', uniqueKeys: false }) ?? {};
  } catch (error) {
    throw new InputError(`${file}: its header is not YAML: ${(error as Error).message}`, { cause: error });
  }
  if (!isObject(fields))
    throw new InputError(`${file}: expected a header with fields, found ${shown(fields)}`);
  const fail = (key: string, value: unknown) =>
    new InputError(`${file}: ${key}: expected it as the hub documents it, found ${shown(value)}`);
  return {
    configurations: listOf(fields.configs).map((value) => configurationOf(value, fail)),
    classNames: new Map(
      listOf(fields.dataset_info)
        .filter(isObject)
        .map((info) => [
          isText(info.config_name) ? info.config_name : 'default',
          classNamesOf(info.features),
        ]),
    ),
  };
}

const listOf = (value: unknown): unknown[] =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];

const isPattern = (value: unknown): value is string => isText(value) && value.length <= longestName;

type Fail = (key: string, value: unknown) => InputError;

function configurationOf(value: unknown, fail: Fail): CardConfiguration {
  if (!isObject(value)) throw fail('configs', value);
  const { config_name: name = 'default', data_files: files, data_dir: folder } = value;
  if (!isText(name)) throw fail('config_name', name);
  if (folder !== undefined && !isPattern(folder)) throw fail('data_dir', folder);
  const patterns = files === undefined || files === null ? undefined : patternsOf(files, fail);
  return { name, isDefault: value.default === true, folder, patterns };
}

/** A pattern, or a list, is of `train`. */
function patternsOf(files: unknown, fail: Fail): Map<string, readonly string[]> {
  const patterns = new Map<string, readonly string[]>();
  const add = (split: unknown, value: unknown) => {
    const list = listOf(value);
    if (!isText(split) || !list.every(isPattern)) throw fail('data_files', value);
    patterns.set(split, [...(patterns.get(split) ?? []), ...list]);
  };
  if (isObject(files)) for (const [split, value] of Object.entries(files)) add(split, value);
  else
    for (const entry of listOf(files)) {
      if (isObject(entry)) add(entry.split, entry.path);
      else add('train', entry);
    }
  return patterns;
}

/** Of a list of features: `{name, dtype: {class_label: {names}}}`, where a list's are below `sequence` or `list`. */
function classNamesOf(features: unknown): ClassNames {
  const named = listOf(features)
    .filter(isObject)
    .map(({ name, ...feature }) => [name, namesIn(feature)] as const)
    .filter((entry): entry is readonly [string, string[]] => isText(entry[0]) && entry[1] !== undefined);
  return Object.fromEntries(named);
}

function namesIn(feature: unknown): string[] | undefined {
  if (!isObject(feature)) return undefined;
  if (isObject(feature.class_label)) return orderedNames(feature.class_label.names);
  return namesIn(feature.dtype) ?? namesIn(feature.sequence) ?? namesIn(feature.list);
}

/** A list, or an object whose keys are the ids. */
function orderedNames(names: unknown): string[] | undefined {
  const values = isObject(names) ? Object.keys(names).map((_, id) => names[id]) : listOf(names);
  const isWhole = values.length > 0 && values.every((value) => value !== undefined && value !== null);
  return isWhole ? values.map((value) => (isText(value) ? value : JSON.stringify(value))) : undefined;
}

/**
 * What datasets notes in files of parquet as `huggingface`.
 *
 * @returns no names where it is something else
 */
export function classNamesNoted(note: string | undefined): ClassNames {
  let value: unknown;
  try {
    value = parseJson(note ?? '{}');
  } catch {
    return {};
  }
  const info = isObject(value) ? value.info : undefined;
  const features = isObject(info) && isObject(info.features) ? info.features : {};
  const named = Object.entries(features).map(([name, feature]) => [name, namesNoted(feature)] as const);
  return Object.fromEntries(
    named.filter((entry): entry is readonly [string, string[]] => entry[1] !== undefined),
  );
}

function namesNoted(feature: unknown): string[] | undefined {
  if (Array.isArray(feature)) return namesNoted(feature[0]);
  if (!isObject(feature)) return undefined;
  return feature._type === 'ClassLabel' ? orderedNames(feature.names) : namesNoted(feature.feature);
}
