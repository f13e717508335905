import { readText } from '../checkpoint/byte-source.js';
import { InputError } from '../errors.js';
import { writeTokenizer } from '../text/tokenizer-files.js';
import { createTokenizer } from '../text/tokenizer.js';
import type { MegatronArguments, WholeModel } from '../checkpoint/megatron/model.js';

/** Bytes of a vocabulary, of some ten for each word. */
const largestVocabulary = 2 ** 23;

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
  const text = await readText(vocabFile, largestVocabulary);
  const vocab = text.replace(/\r?\n$/, '').split(/\r?\n/, sizes.vocabulary + 1);
  if (vocab.length > sizes.vocabulary)
    throw new InputError(
      `${vocabFile}: expected at most the model's ${sizes.vocabulary} words, found more: another model's vocabulary?`,
    );
  const hasCapitals = vocab.some((piece) => !/^\[.*\]$/.test(piece) && piece !== piece.toLowerCase());
  const told = tokenizerTypeOf(args);
  const lowercase = told?.includes('LowerCase') ?? !hasCapitals;
  const tokenizer = createTokenizer({ vocab, lowercase });
  await writeTokenizer(folder, tokenizer, { modelMaxLength: sizes.positions });
  const padding = sizes.vocabulary - vocab.length;
  return [
    ...(told !== undefined && lowercase === hasCapitals
      ? [`${vocabFile} ${hasCapitals ? 'has' : 'has no'} capital letters, and the checkpoint says ${told}`]
      : []),
    ...(padding > 0 ? [`${padding} rows of the word embeddings are padding, without a word`] : []),
  ];
}

/** A name of Megatron-LM's, as far as it is one: what else stands there could be made to be shown somewhere. */
export function tokenizerTypeOf(args: MegatronArguments): string | undefined {
  const type = args.get('tokenizer_type');
  return typeof type === 'string' && /^\w{1,100}$/.test(type) ? type : undefined;
}
