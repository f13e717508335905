import { InputError } from '../errors.js';
import { addedTokenFinder, specialToken, withSpecialTokens } from './added-tokens.js';
import { byteCharacters, byteLevelPieces, decodeBytes } from './byte-level.js';
import { aroundAddedTokens } from './pieces.js';
import { createTextTokenizer, type CommonOptions, type TextTokenizer } from './text-tokenizer.js';
import { numberPieces } from './vocabulary.js';

/** GPT-2's byte-level BPE tokenizer, which adds nothing to texts. */
export interface Gpt2Tokenizer extends TextTokenizer {
  readonly type: 'BPE';
  /** Pairs of tokens, of which the first is merged first. */
  readonly merges: readonly (readonly [left: string, right: string])[];
  /** Whether a text begins as if a space came before it. */
  readonly add_prefix_space: boolean;
  readonly tokens: {
    /** `<|endoftext|>` */
    readonly eos: number;
    /** Undefined where padding has no token. */
    readonly pad: number | undefined;
  };
}

export interface Gpt2TokenizerOptions extends CommonOptions {
  readonly merges: Gpt2Tokenizer['merges'];
  readonly add_prefix_space?: boolean;
  readonly pad_token?: string;
}

export const endOfText = '<|endoftext|>';

/** @throws InputError where the vocabulary repeats a token, or lacks `<|endoftext|>`, a byte or what a merge makes */
export function createGpt2Tokenizer(options: Gpt2TokenizerOptions): Gpt2Tokenizer {
  const { source = 'the vocabulary', merges, add_prefix_space = false, pad_token } = options;
  const ids = numberPieces(options.vocab, source);
  const byte = byteCharacters.find((character) => !ids.has(character));
  if (byte !== undefined) throw new InputError(`${source}: expected all 256 bytes, found no "${byte}"`);
  merges.forEach(([left, right], rank) => {
    const missing = [left, right, left + right].find((token) => !ids.has(token));
    if (missing !== undefined)
      throw new InputError(
        `${source}: merge ${rank + 1}, of "${left}" and "${right}": expected tokens of the vocabulary, found no "${missing}"`,
      );
  });
  const given = options.added_tokens ?? [];
  const idOf = (token: string) => given.find(({ content }) => content === token)?.id ?? ids.get(token);
  const eos = idOf(endOfText);
  if (eos === undefined) throw new InputError(`${source} has no ${endOfText}`);
  const pad = pad_token === undefined ? undefined : idOf(pad_token);
  const added_tokens = withSpecialTokens(given, [specialToken(eos, endOfText)]);
  const core = createTextTokenizer(options, {
    added_tokens,
    piecesOf: aroundAddedTokens(
      addedTokenFinder(added_tokens),
      byteLevelPieces(ids, merges, add_prefix_space),
    ),
    around: null,
    pad,
    join: decodeBytes,
  });
  return Object.assign(core, { type: 'BPE' as const, merges, add_prefix_space, tokens: { eos, pad } });
}
