import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  type ParquetReadOptions,
  type RowGroup,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { openFile } from '../../checkpoint/byte-source.js';
import { InputError } from '../../errors.js';

/** Bytes of the columns of a row group, all of which are in memory at once. */
const largestRowGroup = 2 ** 30;
/** Each is an object; repeated values take no bytes. */
const mostRows = 2 ** 23;

/** A file of parquet, of which row groups are read. */
export interface ParquetFile {
  readonly rowGroups: number;
  /** What its writer noted. */
  readonly keyValues: ReadonlyMap<string, string>;
  /**
   * Rows of a group as objects.
   *
   * @param columns all by default
   * @param reading how values of bytes are read
   * @throws InputError where a column is missing, or the group is too large, or more than the file has
   */
  readRowGroup(
    index: number,
    columns?: readonly string[],
    reading?: Pick<ParquetReadOptions, 'utf8' | 'parsers'>,
  ): Promise<Record<string, unknown>[]>;
}

/** @throws InputError for what is no parquet */
export async function openParquet(path: string): Promise<ParquetFile> {
  const fail = (error: unknown): never => {
    throw new InputError(`${path}: cannot be read as parquet: ${(error as Error).message}`, { cause: error });
  };
  // a file, and one that is there
  await (await openFile(path)).close();
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch(fail);
  const groups = metadata.row_groups;
  const noted = metadata.key_value_metadata ?? [];
  return {
    rowGroups: groups.length,
    keyValues: new Map(noted.map(({ key, value = '' }) => [key, value])),
    async readRowGroup(index, columns, reading) {
      const rowStart = groups.slice(0, index).reduce((sum, { num_rows }) => sum + Number(num_rows), 0);
      const { columns: stored, num_rows } = groups[index]!;
      const names = stored.map(({ meta_data }) => meta_data?.path_in_schema[0]);
      const wanted = stored.filter((_, i) => columns?.includes(names[i] ?? '') ?? true);
      const missing = columns?.find((column) => !names.includes(column));
      if (missing !== undefined)
        throw new InputError(
          `${path}: expected a column ${missing}, found ${[...new Set(names)].join(', ')}`,
        );
      const bytes = wanted.reduce(
        (sum, { meta_data }) => sum + Number(meta_data?.total_uncompressed_size ?? 0),
        0,
      );
      if (bytes > largestRowGroup)
        throw new InputError(
          `${path}: row group ${index}: expected at most ${largestRowGroup} bytes of text, found ${bytes}; write it with smaller row groups`,
        );
      if (num_rows > mostRows)
        throw new InputError(
          `${path}: row group ${index}: expected at most ${mostRows} rows, found ${num_rows}; write it with smaller row groups`,
        );
      requireInFile(path, file.byteLength, index, wanted);
      return parquetReadObjects({
        file,
        metadata,
        ...(columns && { columns: [...columns] }),
        ...reading,
        rowStart,
        rowEnd: rowStart + Number(num_rows),
        compressors: boundedCompressors,
      }).catch(fail);
    },
  };
}

/** @param size of the file in bytes */
function requireInFile(path: string, size: number, index: number, columns: RowGroup['columns']): void {
  for (const { meta_data: column } of columns) {
    if (!column) continue;
    const start = Number(column.dictionary_page_offset ?? column.data_page_offset);
    const end = start + Number(column.total_compressed_size);
    if (!(start >= 0 && start <= end && end <= size))
      throw new InputError(
        `${path}: row group ${index}: column ${column.path_in_schema.join('.')}: bytes ${start} to ${end} are not in its ${size} bytes`,
      );
  }
}

/** Pages say themselves how large they become. */
const boundedCompressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, length: number) => {
      if (!(length >= 0 && length <= largestRowGroup))
        throw new Error(`expected a page of at most ${largestRowGroup} bytes, found ${length}`);
      return decompress(input, length);
    },
  ]),
);
