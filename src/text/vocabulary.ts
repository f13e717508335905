/** Tokens by id and ids by token. */
import { InputError } from '../errors.js';

/** @throws InputError where `source` is empty or says a piece twice */
export function numberPieces(vocab: readonly string[], source: string): Map<string, number> {
  if (vocab.length === 0 || (vocab.length === 1 && vocab[0] === ''))
    throw new InputError(`${source} is empty`);
  const ids = new Map<string, number>();
  vocab.forEach((piece, id) => {
    const first = ids.get(piece);
    if (first !== undefined)
      throw new InputError(`${source}: "${piece}" stands on lines ${first + 1} and ${id + 1}`);
    ids.set(piece, id);
  });
  return ids;
}

/** @throws InputError where the ids are not 0, 1, 2 … */
export function tokensById(file: string, ids: Readonly<Record<string, number>>): string[] {
  const vocab: string[] = [];
  const pieces = Object.entries(ids);
  for (const [piece, id] of pieces) {
    if (!Number.isInteger(id) || id < 0 || id >= pieces.length || vocab[id] !== undefined)
      throw new InputError(`${file}: the id of "${piece}": expected each of 0, 1, 2 … once, found ${id}`);
    vocab[id] = piece;
  }
  return vocab;
}

/** A vocabulary without the tokens that were added behind it. @param special ids of tokens that are its own all the same */
export function withoutAdded(
  vocab: readonly string[],
  added: readonly { readonly id: number }[],
  special: readonly number[],
): readonly string[] {
  const behind = new Set(added.map(({ id }) => id));
  for (const id of special) behind.delete(id);
  let end = vocab.length;
  while (behind.has(end - 1)) end--;
  return vocab.slice(0, end);
}
