import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../../errors.js';

/** A file of documents. */
export interface InputFile {
  readonly path: string;
  readonly bytes: number;
  readonly modified: number;
  readonly format: 'json' | 'text' | 'parquet';
  readonly compression: 'gzip' | 'zstd' | null;
}

const formats: Readonly<Record<string, InputFile['format']>> = {
  '.jsonl': 'json',
  '.json': 'json',
  '.txt': 'text',
  '.parquet': 'parquet',
};
const compressions: Readonly<Record<string, NonNullable<InputFile['compression']>>> = {
  '.gz': 'gzip',
  '.zst': 'zstd',
};
const known = `${Object.keys(formats).join(', ')}; the first three also with ${Object.keys(compressions).join(' or ')} after it`;

/**
 * Files as they were given; of a folder those in it, in natural order.
 *
 * @throws InputError for what is not there, or holds no documents
 */
export async function listInputs(given: readonly string[]): Promise<InputFile[]> {
  const files: InputFile[] = [];
  for (const name of given) {
    const status = await stat(name).catch((error: unknown) => {
      throw new InputError(`${name}: cannot be opened: ${(error as Error).message}`, { cause: error });
    });
    if (status.isDirectory()) files.push(...(await listFolder(name)));
    else files.push(await describeFile(name));
  }
  return files;
}

export function requireOneKeyOfText(files: readonly InputFile[], keys: readonly string[]): void {
  const text = files.find(({ format }) => format === 'text');
  if (text && keys.length > 1)
    throw new InputError(
      `${text.path}: expected one key for plain text, found ${keys.length}: ${keys.join(', ')}`,
    );
}

async function listFolder(folder: string): Promise<InputFile[]> {
  const { compare } = new Intl.Collator('en', { numeric: true });
  const names = (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => !entry.isDirectory() && kindOf(entry.name) !== undefined)
    .map((entry) => path.join(folder, entry.name))
    .sort(compare);
  if (names.length === 0)
    throw new InputError(`${folder}: expected files of documents (${known}), found none`);
  return Promise.all(names.map(describeFile));
}

async function describeFile(name: string): Promise<InputFile> {
  const kind = kindOf(name);
  if (!kind) throw new InputError(`${name}: expected a name that ends in ${known}`);
  const status = await stat(name);
  if (!status.isFile()) throw new InputError(`${name}: not a file`);
  return { path: name, bytes: status.size, modified: status.mtimeMs, ...kind };
}

/** The end of a name, such as `.jsonl`, in lower case, and what a further one says of its compression. */
export function splitName(name: string): Pick<InputFile, 'compression'> & { readonly extension: string } {
  const compression = compressions[path.extname(name).toLowerCase()] ?? null;
  const inner = compression ? path.basename(name, path.extname(name)) : name;
  return { extension: path.extname(inner).toLowerCase(), compression };
}

function kindOf(name: string): Pick<InputFile, 'format' | 'compression'> | undefined {
  const { extension, compression } = splitName(name);
  const format = formats[extension];
  return format && !(compression && format === 'parquet') ? { format, compression } : undefined;
}
