/** The parts of a data set: files, or a data set of the hub. */
import { openFile } from '../../checkpoint/byte-source.js';
import { splitName } from '../../data/preprocess/inputs.js';
import { openParquet } from '../../data/preprocess/parquet.js';
import { InputError } from '../../errors.js';
import type { HubOptions } from '../../hub/repository.js';
import { classNamesNoted, type ClassNames } from './card.js';
import { findHubSplits } from './hub-splits.js';
import type { Row } from './row.js';
import { readRows, requireRows, type ReadRowsOptions } from './rows.js';
import { splitCalled } from './split-names.js';

/** One path or several, whose rows follow each other. */
type Files = string | readonly string[];

export interface SplitFilesOptions extends ReadRowsOptions {
  readonly trainFile?: Files;
  readonly validationFile?: Files;
  readonly testFile?: Files;
}

export interface HubDatasetOptions extends HubOptions {
  /** `owner/name` */
  readonly dataset: string;
  /** Where it has several configurations. */
  readonly config?: string;
}

/** Rows that are used for the same. */
export interface Split {
  readonly name: string;
  readonly files: readonly string[];
  /** As the data set says; of files, those of parquet do. */
  readonly classNames: ClassNames;
  /** From the first on, each time. @throws InputError naming the file and the line or row */
  readonly rows: () => AsyncGenerator<Row>;
}

export interface Splits {
  /** Such as `train` and `validation`, or `validation_matched`. */
  readonly names: readonly string[];
  /**
   * Downloads what is not there yet.
   *
   * @param name `dev`, `val` and `valid` are `validation` too
   * @throws InputError where there is no such split, or it cannot be had
   */
  readonly open: (name: string) => Promise<Split>;
}

/**
 * What splits there are: of files that are given, or of a data set on the hub, of which no program is run.
 *
 * @throws InputError where it cannot be had, saying what to do
 */
export async function openSplits(source: SplitFilesOptions | HubDatasetOptions): Promise<Splits> {
  if (!('dataset' in source)) return openFiles(source);
  const { dataset, config, ...hub } = source;
  const found = await findHubSplits(dataset, config, hub);
  return splitsOf(dataset, found.splits, (name) => found.find(name), found.classNames, {});
}

async function openFiles({
  trainFile,
  validationFile,
  testFile,
  ...reading
}: SplitFilesOptions): Promise<Splits> {
  const given = { train: trainFile, validation: validationFile, test: testFile };
  const splits = new Map<string, readonly string[]>();
  for (const [name, files] of Object.entries(given))
    if (files !== undefined) splits.set(name, typeof files === 'string' ? [files] : files);
  if ([...splits.values()].flat().length === 0)
    throw new InputError('expected files of rows, or a data set of the hub, found neither');
  for (const file of [...splits.values()].flat()) {
    requireRows(file);
    await (await openFile(file)).close();
  }
  return splitsOf('the files given', splits, (file) => Promise.resolve(file), {}, reading);
}

function splitsOf(
  source: string,
  splits: ReadonlyMap<string, readonly string[]>,
  find: (name: string) => Promise<string>,
  classNames: ClassNames,
  reading: ReadRowsOptions,
): Splits {
  const names = [...splits.keys()];
  return {
    names,
    async open(asked) {
      const name = splits.has(asked)
        ? asked
        : names.find((other) => splitCalled(other) === splitCalled(asked));
      if (name === undefined)
        throw new InputError(`${source}: expected a split ${asked}, found ${names.join(', ')}`);
      const downloads = splits.get(name)!.map(find);
      // nothing is under way any more when it fails
      await Promise.allSettled(downloads);
      const files = await Promise.all(downloads);
      return {
        name,
        files,
        classNames: { ...(await noted(files[0])), ...classNames },
        async *rows() {
          for (const file of files) yield* readRows(file, reading);
        },
      };
    },
  };
}

async function noted(file: string | undefined): Promise<ClassNames> {
  if (file === undefined || splitName(file).extension !== '.parquet') return {};
  return classNamesNoted((await openParquet(file)).keyValues.get('huggingface'));
}
