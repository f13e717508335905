/** Which vocabulary a data set was made with: a note beside it, for its own two files have no room for that. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { writeFileAtomically, writeFully } from '../../checkpoint/file-bytes.js';
import { largestConfig, readJsonObject } from '../../checkpoint/json-file.js';
import { exists } from '../../checkpoint/paths.js';
import { InputError } from '../../errors.js';
import type { IndexedDataset } from './open.js';
import type { Sequences } from './sequences.js';
import type { Tokens } from './token-types.js';

export interface Vocabulary {
  readonly vocab_size: number;
  /** Of all tokens by id. */
  readonly sha256: string;
}

const schema = z.object({ vocab_size: z.int().nonnegative(), sha256: z.string() });
const noteOf = (prefix: string) => `${prefix}.vocabulary.json`;

export const vocabularyOf = (vocab: readonly string[]): Vocabulary => ({
  vocab_size: vocab.length,
  sha256: createHash('sha256').update(JSON.stringify(vocab)).digest('hex'),
});

/** Undefined where nobody has noted it, as for data sets that Megatron-LM made. */
export async function readVocabulary(prefix: string): Promise<Vocabulary | undefined> {
  const note = noteOf(prefix);
  if (!(await exists(note))) return undefined;
  const { success, data } = schema.safeParse(await readJsonObject(note, largestConfig));
  if (!success) throw new InputError(`${note}: expected vocab_size and sha256 of a vocabulary`);
  return data;
}

export const writeVocabulary = (prefix: string, vocabulary: Vocabulary) =>
  writeFileAtomically(noteOf(prefix), async (file) => {
    await writeFully(file, Buffer.from(`${JSON.stringify(vocabulary)}\n`));
  });

/** Tokens that are looked at where there is no note. */
const sampled = 2 ** 20;

/**
 * Refuses a data set that was made with another vocabulary. Where nobody has noted which, its first million tokens
 * must be in this one.
 *
 * @param vocab tokens by id
 */
export async function requireVocabulary(dataset: IndexedDataset, vocab: readonly string[]): Promise<void> {
  const { prefix, sequenceCount, lengths } = dataset;
  if (await hasNotedVocabulary(prefix, vocab)) return;
  let looked = 0;
  for (let i = 0; i < sequenceCount && looked < sampled; i++) {
    const tokens = await dataset.read(i, 0, Math.min(lengths[i]!, sampled));
    requireIds(`${prefix}: sequence ${i}`, tokens, vocab.length);
    looked += tokens.length;
  }
}

/** The same of a data set that is open for training. */
export async function requireVocabularyOf(
  { prefix, tokenCount, tokens }: Pick<Sequences, 'prefix' | 'tokenCount' | 'tokens'>,
  vocab: readonly string[],
): Promise<void> {
  if (await hasNotedVocabulary(prefix, vocab)) return;
  requireIds(prefix, tokens(0, Math.min(tokenCount, sampled)), vocab.length);
}

/** @throws InputError where another one is noted */
async function hasNotedVocabulary(prefix: string, vocab: readonly string[]): Promise<boolean> {
  const noted = await readVocabulary(prefix);
  const given = vocabularyOf(vocab);
  if (noted && noted.sha256 !== given.sha256)
    throw new InputError(
      `${prefix}: expected a data set made with this vocabulary (${given.vocab_size} tokens), it was made with another (${noted.vocab_size} tokens)`,
    );
  return noted !== undefined;
}

/** @param where names the data set @throws InputError where a token is not in a vocabulary of that size */
export function requireIds(where: string, tokens: Tokens, vocabSize: number): void {
  for (const id of tokens)
    if (id < 0 || id >= vocabSize)
      throw new InputError(
        `${where}: expected token ids below ${vocabSize}, found ${id}: it was made with another vocabulary`,
      );
}
