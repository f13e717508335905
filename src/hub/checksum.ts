import { createHash, type Hash } from 'node:crypto';
import { InputError } from '../errors.js';

/** What the bytes of a file must come to. */
export interface Checksum {
  readonly kind: 'SHA-256' | 'git blob SHA-1';
  readonly digits: string;
}

/** The hub's ETags are checksums: of large files their SHA-256, of others what git knows them by. */
export function checksumOfEtag(etag: string): Checksum | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return { kind: 'SHA-256', digits: etag };
  if (/^[0-9a-f]{40}$/.test(etag)) return { kind: 'git blob SHA-1', digits: etag };
  return undefined;
}

/** @param size of the file, which git puts before its bytes */
export const startHash = ({ kind }: Checksum, size: number | undefined): Hash =>
  kind === 'SHA-256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);

/** @param file named in the error */
export function requireChecksum({ kind, digits }: Checksum, hash: Hash, file: string): void {
  const found = hash.digest('hex');
  if (found !== digits) throw new InputError(`${file}: expected the ${kind} ${digits}, found ${found}`);
}
