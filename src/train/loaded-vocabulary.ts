/** Whether a run's tokenizer has the vocabulary of the model that it begins with, and perhaps more behind it. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { exists } from '../checkpoint/paths.js';
import { InputError, shown } from '../errors.js';
import { readTokenizer } from '../text/tokenizer-files.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { OpenedWeights, WeightSource } from './weight-source.js';

/**
 * How many tokens of the tokenizer the model has rows for. Where nothing says its vocabulary, as for most of
 * Megatron-LM's checkpoints, the tokenizer's is taken for it.
 *
 * @throws InputError where the tokenizer is another model's, naming the first token that differs
 */
export async function wordsInCommon(
  load: string,
  source: WeightSource,
  { config, words }: OpenedWeights,
  tokenizer: Tokenizer,
  warn: (message: string) => void,
): Promise<number> {
  const rows = config.vocab_size;
  const known = await requireVocabularyOf(load, tokenizer);
  if (known !== undefined) return Math.min(known, rows);
  if (source.layout === 'run')
    return wordsByChecksum(source.checkpoint.manifest.run.vocabulary, tokenizer, load);
  const { vocabSize } = tokenizer;
  if (words === undefined ? vocabSize > rows : vocabSize !== words)
    throw new InputError(
      `${load}: expected a tokenizer of ${words ?? `at most ${rows}`} tokens, found one of ${vocabSize}; to add some, put the model's vocab.txt beside it`,
    );
  warn(
    `no vocabulary beside it: the tokenizer's ${vocabSize} tokens are taken for those of its ${rows} rows`,
  );
  return vocabSize;
}

/**
 * The tokens of the tokenizer that lies beside a model, with which the given one must begin; undefined without one.
 *
 * @throws InputError naming the first token that differs
 */
export async function requireVocabularyOf(load: string, tokenizer: Tokenizer): Promise<number | undefined> {
  const files = ['tokenizer.json', 'vocab.txt'].map((name) => exists(path.join(load, name)));
  if (!(await Promise.all(files)).includes(true)) return undefined;
  const { vocab } = await readTokenizer(load);
  const id = vocab.findIndex((token, i) => token !== tokenizer.vocab[i]);
  if (id < 0) return vocab.length;
  const found = id < tokenizer.vocabSize ? shown(tokenizer.vocab[id]) : 'none';
  throw new InputError(
    `tokenizer: expected the vocabulary of ${load}, or one that goes on behind it; token ${id}: expected ${shown(vocab[id])}, found ${found}`,
  );
}

/** Of a run that has not ended only the checksum of its vocabulary is there. */
function wordsByChecksum(checksum: unknown, { vocab }: Tokenizer, name: string): number {
  const hash = createHash('sha256');
  for (const [i, token] of vocab.entries()) {
    hash.update(i === 0 ? token : `\n${token}`);
    if (hash.copy().digest('hex') === checksum) return i + 1;
  }
  throw new InputError(
    `tokenizer: expected the vocabulary of ${name}, or one that goes on behind it, found another (${vocab.length} tokens)`,
  );
}
