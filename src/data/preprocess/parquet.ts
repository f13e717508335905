import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { InputError } from '../../errors.js';

/** Bytes of the columns of a row group, all of which are in memory at once. */
const largestRowGroup = 2 ** 30;

/** A file of parquet, of which row groups are read. */
export interface ParquetFile {
  readonly rowGroups: number;
  /** Their names. */
  readonly columns: readonly string[];
  /** Rows of a group as objects. @throws InputError where a column is missing, or the group is too large */
  readRowGroup(index: number, columns: readonly string[]): Promise<Record<string, unknown>[]>;
}

/** @throws InputError for what is no parquet */
export async function openParquet(path: string): Promise<ParquetFile> {
  const fail = (error: unknown): never => {
    throw new InputError(`${path}: cannot be read as parquet: ${(error as Error).message}`, { cause: error });
  };
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch(fail);
  const groups = metadata.row_groups;
  return {
    rowGroups: groups.length,
    columns: [...new Set(groups[0]?.columns.flatMap(({ meta_data }) => meta_data?.path_in_schema[0] ?? []))],
    async readRowGroup(index, columns) {
      const rowStart = groups.slice(0, index).reduce((sum, { num_rows }) => sum + Number(num_rows), 0);
      const { columns: stored, num_rows } = groups[index]!;
      const wanted = stored.filter(({ meta_data }) => columns.includes(meta_data?.path_in_schema[0] ?? ''));
      const names = stored.map(({ meta_data }) => meta_data?.path_in_schema[0]);
      const missing = columns.find((column) => !names.includes(column));
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
      return parquetReadObjects({
        file,
        metadata,
        columns: [...columns],
        rowStart,
        rowEnd: rowStart + Number(num_rows),
        compressors,
      }).catch(fail);
    },
  };
}
