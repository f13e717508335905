/** The rows of a task's data. */
import { InputError } from '../errors.js';
import { predictPrefix } from '../train/fine-tuning/workload.js';
import { readAnyTokenizer } from '../text/tokenizer-files.js';
import { benchmarks, type BenchmarkName } from './benchmarks/benchmarks.js';
import type { ClassNames } from './data/card.js';
import { readRows } from './data/rows.js';
import { openSplits, type Splits } from './data/splits.js';
import type { DataSource, FinetuneOptions, TaskRunOptions } from './finetune-options.js';
import type { DataSplits } from './prepare-task.js';
import type { Row, Rows } from './task.js';

type DataOptions = TaskRunOptions & Pick<FinetuneOptions, 'train' | 'max_train_samples'>;

/** @throws InputError where there is nothing to read, or it cannot be read */
export async function readData(options: DataOptions, trains: boolean): Promise<DataSplits> {
  const { dataset_name: dataset, train, validation, test } = options;
  const hub = dataset === undefined ? undefined : await openDataset(dataset, options);
  const readFiles =
    options.benchmark === undefined ? rowsOf : await benchmarkReader(options.benchmark, options);
  const find = async (name: string, given: DataSource | undefined, most: number | undefined) =>
    given
      ? await readSource(given, name, most, readFiles)
      : hub?.names.includes(name)
        ? await readSplit(hub, name, most)
        : undefined;
  const { max_train_samples, max_eval_samples, max_predict_samples } = options;
  const trained = trains ? await find('train', train, max_train_samples) : undefined;
  if (trains && !trained)
    throw new InputError(
      'expected something to train on, found neither files nor a data set with a split train',
    );
  const evaluated =
    (await find('validation', validation, max_eval_samples)) ??
    (await find('validation_matched', undefined, max_eval_samples));
  const mismatched = await find('validation_mismatched', undefined, max_eval_samples);
  // the hub's test splits have no labels as a rule: they are given by files alone
  const predicted = test && (await readSource(test, 'test', max_predict_samples, readFiles));
  return {
    ...(trained && { train: trained }),
    evaluations: {
      ...(evaluated && { eval: evaluated }),
      ...(mismatched && { eval_mm: mismatched }),
      ...(predicted && { [predictPrefix]: predicted }),
    },
  };
}

const openDataset = (
  dataset: string,
  { dataset_config_name: config, dataset_revision: revision }: TaskRunOptions,
): Promise<Splits> =>
  openSplits({
    dataset,
    ...(config !== undefined && { config }),
    ...(revision !== undefined && { revision }),
  });

/** @param most rows that are taken; all by default */
async function readSource(
  source: DataSource,
  name: string,
  most = Infinity,
  readFiles: (files: readonly string[]) => AsyncIterable<Row>,
): Promise<Rows> {
  if (typeof source !== 'string' && source.length > 0 && typeof source[0] !== 'string')
    return { source: name, rows: (source as readonly Row[]).slice(0, most) };
  const files = [source].flat() as string[];
  if (files.length === 0) throw new InputError(`${name}: expected a file or rows, found none`);
  return { source: files.join(', '), rows: await taken(readFiles(files), most) };
}

async function* rowsOf(files: readonly string[]): AsyncGenerator<Row> {
  for (const file of files) yield* readRows(file);
}

async function benchmarkReader(name: BenchmarkName, { model, onEvent }: TaskRunOptions) {
  const tokenizer = await readAnyTokenizer(model);
  const warn = (message: string) => onEvent?.({ kind: 'warning', message });
  return async function* (files: readonly string[]): AsyncGenerator<Row> {
    for (const file of files) yield* await benchmarks[name].read(file, { tokenizer, warn });
  };
}

async function readSplit(splits: Splits, name: string, most = Infinity): Promise<Rows> {
  const split = await splits.open(name);
  const rows = await taken(split.rows(), most);
  return { source: `the split ${split.name}`, rows: rows.map((row) => withNames(row, split.classNames)) };
}

/** Classes by their names, where the data set has names for their numbers. */
const withNames = (row: Row, names: ClassNames): Row =>
  Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      const own = names[column];
      const nameOf = (number: unknown): unknown =>
        typeof number === 'number' ? (own?.[number] ?? null) : number;
      return [column, own ? (Array.isArray(value) ? value.map(nameOf) : nameOf(value)) : value];
    }),
  );

async function taken(rows: AsyncIterable<Row>, most: number): Promise<Row[]> {
  const all: Row[] = [];
  if (most === 0) return all;
  for await (const row of rows) {
    all.push(row);
    if (all.length >= most) break;
  }
  return all;
}
