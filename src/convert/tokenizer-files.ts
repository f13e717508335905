import { readFile } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { createTokenizer, writeTokenizer } from '../text/tokenizer.js';
import type { WholeModel } from '../checkpoint/megatron/model.js';

/**
 * Writes a tokenizer's files beside a model. Whether texts lose their case is what the checkpoint says, and else what
 * the vocabulary shows.
 *
 * @returns what is to be noted
 * @throws InputError where the vocabulary is another model's
 */
export async function writeTokenizerFiles(
  folder: string,
  vocabFile: string,
  { arguments: args, sizes }: WholeModel,
): Promise<string[]> {
  const text = await readFile(vocabFile, 'utf8').catch((error: unknown) => {
    throw new InputError(`${vocabFile}: cannot be read: ${(error as Error).message}`, { cause: error });
  });
  const vocab = text.replace(/\r?\n$/, '').split(/\r?\n/);
  if (vocab.length > sizes.vocabulary)
    throw new InputError(
      `${vocabFile}: ${vocab.length} words, and the model has ${sizes.vocabulary}: another model's vocabulary?`,
    );
  const hasCapitals = vocab.some((piece) => !/^\[.*\]$/.test(piece) && piece !== piece.toLowerCase());
  const told = args.get('tokenizer_type');
  const lowercase = typeof told === 'string' ? told.includes('LowerCase') : !hasCapitals;
  const tokenizer = createTokenizer({ vocab, lowercase });
  await writeTokenizer(folder, tokenizer, { modelMaxLength: sizes.positions });
  const padding = sizes.vocabulary - vocab.length;
  return [
    ...(typeof told === 'string' && lowercase === hasCapitals
      ? [`${vocabFile} ${hasCapitals ? 'has' : 'has no'} capital letters, and the checkpoint says ${told}`]
      : []),
    ...(padding > 0 ? [`${padding} rows of the word embeddings are padding, without a word`] : []),
  ];
}
