/**
 * NVIDIA's 345M BERTs, as its catalogue has them: archives of Megatron-LM checkpoints.
 * Source of the addresses: https://huggingface.co/docs/transformers/model_doc/megatron-bert
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openFile } from '../checkpoint/byte-source.js';
import { checksumOf, writeFileAtomically, writeFully } from '../checkpoint/file-bytes.js';
import { checkZip } from '../checkpoint/zip/check.js';
import { InputError } from '../errors.js';
import { download } from './download.js';
import { openRepository } from './repository.js';
import { isFile } from '../checkpoint/paths.js';

export const ngcModels = ['uncased', 'cased'] as const;
export type NgcModel = (typeof ngcModels)[number];

export interface NgcOptions {
  /** Another server with the same paths; `NGC_ENDPOINT`, or NVIDIA's, by default. */
  readonly mirror?: string | undefined;
  /** Of the archive, where it is known. */
  readonly sha256?: string | undefined;
  /** Bytes of the archive; `total` is undefined where the server does not say. */
  readonly onProgress?: (progress: { readonly loaded: number; readonly total: number | undefined }) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface NgcFiles {
  readonly archive: string;
  readonly bytes: number;
  readonly sha256: string;
  /** The vocabulary is on another server, which may be out of reach. */
  readonly vocab: string | undefined;
  readonly notes: readonly string[];
}

/**
 * Downloads a model's archive and vocabulary into a folder; what is there already is kept.
 *
 * @throws InputError where the archive cannot be had whole: its size, its files' checksums and, if given, its own
 */
export async function downloadNgc(
  model: NgcModel,
  folder: string,
  { mirror, sha256, onProgress, signal }: NgcOptions = {},
): Promise<NgcFiles> {
  const name = `megatron_bert_345m_v0.1_${model}`;
  const archive = path.join(folder, `${name}.zip`);
  const endpoint = mirror ?? process.env.NGC_ENDPOINT ?? 'https://api.ngc.nvidia.com';
  const url = `${endpoint.replace(/\/+$/, '')}/v2/models/nvidia/megatron_bert_345m/versions/v0.1_${model}/zip`;
  if (!(await isFile(archive))) {
    const { size, etag } = await describe(url, signal);
    await download(
      {
        url,
        headers: {},
        size,
        etag,
        mayChange: true,
        checksum: sha256 === undefined ? undefined : { kind: 'SHA-256', digits: sha256 },
        onBytes: (loaded) => onProgress?.({ loaded, total: size }),
        check: checkArchive,
        signal,
      },
      archive,
    );
  }
  const written = await checksumOf(archive);
  if (sha256 !== undefined && written.sha256 !== sha256)
    throw new InputError(`${archive}: expected the SHA-256 ${sha256}, found ${written.sha256}`);
  const vocabulary = await downloadVocabulary(
    `nvidia/megatron-bert-${model}-345m`,
    `${archive.slice(0, -'.zip'.length)}-vocab.txt`,
    signal,
  );
  return { archive, ...written, ...vocabulary };
}

/** Asked with GET: addresses that are signed for that refuse HEAD. */
async function describe(
  url: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly size: number | undefined; readonly etag: string | undefined }> {
  const request = { headers: { 'Accept-Encoding': 'identity' }, ...(signal && { signal }) };
  const response = await fetch(url, request).catch((error: unknown) => {
    signal?.throwIfAborted();
    const { message, cause } = error as Error;
    throw new InputError(
      `${url} cannot be reached (${cause instanceof Error ? cause.message : message}); --mirror gives another server`,
    );
  });
  const { ok, status, headers } = response;
  await response.body?.cancel();
  if (!ok) throw new InputError(`${url}: the server answered ${status}`);
  const length = headers.get('content-length');
  return { size: length === null ? undefined : Number(length), etag: headers.get('etag') ?? undefined };
}

/** @throws InputError unless it is an archive, whole, with a checkpoint in it */
async function checkArchive(part: string): Promise<void> {
  const file = await openFile(part);
  try {
    const names = await checkZip(file);
    if (!names.some((name) => /(^|\/)mp_rank_00\/model_optim_rng\.pt$/.test(name)))
      throw new InputError(
        `${part}: expected an archive of a Megatron-LM checkpoint, found ${names.slice(0, 5).join(', ')}`,
      );
  } finally {
    await file.close();
  }
}

async function downloadVocabulary(
  repository: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<Pick<NgcFiles, 'vocab' | 'notes'>> {
  if (await isFile(target)) return { vocab: target, notes: [] };
  try {
    const find = await openRepository(repository, signal ? { signal } : {});
    const found = await find('vocab.txt');
    if (found === undefined) throw new InputError(`${repository} has no vocab.txt`);
    const text = await readFile(found);
    await writeFileAtomically(target, (file) => writeFully(file, text));
    return { vocab: target, notes: [] };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { vocab: undefined, notes: [`without its vocabulary: ${error.message}`] };
  }
}
