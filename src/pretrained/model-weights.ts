/** The weights that a class needs, out of those that a folder has. */
import type { FloatWeight } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { sameShape } from '../graph/value.js';
import { initialValues } from '../model/initial-values.js';
import type { Parameter } from '../model/parameters.js';
import type { StoredWeights } from './model-source.js';

/** What did not fit, as transformers' `output_loading_info`. */
export interface LoadingInfo {
  /** Parameters that the file lacks: they start at random. */
  readonly missing_keys: readonly string[];
  /** Tensors of the file that the class has no use for. */
  readonly unexpected_keys: readonly string[];
  /** Parameters of another shape in the file, where that was allowed: they start at random. */
  readonly mismatched_keys: readonly string[];
}

export interface ModelWeights {
  readonly weights: Map<string, FloatWeight>;
  readonly info: LoadingInfo;
}

export interface MatchOptions {
  readonly ignoreMismatchedSizes: boolean;
  /** Of the parameters that start at random. */
  readonly seed: number;
}

/** @throws InputError naming the tensor whose shape or dtype is another than the configuration's */
export function matchWeights(
  declared: ReadonlyMap<string, Parameter>,
  stored: StoredWeights,
  { ignoreMismatchedSizes, seed }: MatchOptions,
): ModelWeights {
  const weights = new Map<string, FloatWeight>();
  const { found, missing, unexpected } = matchNames(declared, stored);
  const mismatched: string[] = [];
  for (const [name, storedName] of found) {
    const { shape, dtype, weight, path } = stored.get(storedName)!;
    const expected = declared.get(name)!.shape;
    const isFitting = sameShape(shape, expected);
    if (!isFitting && !ignoreMismatchedSizes)
      throw new InputError(
        `${path}: ${storedName}: expected [${expected.join(', ')}] by the configuration, found [${shape.join(', ')}]`,
      );
    if (isFitting && !weight)
      throw new InputError(`${path}: ${storedName}: expected F32, F16 or BF16, found ${dtype}`);
    if (isFitting) weights.set(name, weight!);
    else mismatched.push(name);
  }
  for (const name of [...missing, ...mismatched])
    weights.set(name, { type: 'float32', data: initialValues(name, declared.get(name)!, seed) });
  return {
    weights,
    info: { missing_keys: missing, unexpected_keys: unexpected, mismatched_keys: mismatched },
  };
}

/** Under which name each parameter is stored, those that are not, and what is stored besides. */
export function matchNames(declared: ReadonlyMap<string, Parameter>, stored: ReadonlyMap<string, unknown>) {
  const found = new Map<string, string>();
  const missing: string[] = [];
  for (const name of declared.keys()) {
    const storedName = storedNames(name).find((candidate) => stored.has(candidate));
    if (storedName === undefined) missing.push(name);
    else found.set(name, storedName);
  }
  const used = new Set(found.values());
  const unexpected = [...stored.keys()].filter((name) => !used.has(name) && !isRedundant(name, declared));
  return { found, missing, unexpected };
}

const tiedTo: Readonly<Record<string, string>> = {
  'transformer.wte.weight': 'lm_head.weight',
  'bert.embeddings.word_embeddings.weight': 'cls.predictions.decoder.weight',
  'cls.predictions.bias': 'cls.predictions.decoder.bias',
};

/** What head classes keep their bodies under. */
const bodyPrefixes = ['bert.', 'transformer.'];

/**
 * Under which names a parameter may be stored: a head class keeps its body under a prefix and a bare body does not,
 * old files call layer norms' parameters gamma and beta, and of tied ones either may be there.
 */
export function storedNames(name: string): string[] {
  const own = bodyPrefixes.find((prefix) => name.startsWith(prefix));
  const prefixed =
    own === undefined
      ? [name, ...bodyPrefixes.map((prefix) => prefix + name)]
      : [name, name.slice(own.length)];
  const old = prefixed.map((candidate) =>
    candidate.replace(/\bln\.weight$|LayerNorm\.weight$/, (end) => end.replace('weight', 'gamma')),
  );
  const older = old.map((candidate) =>
    candidate.replace(/\bln\.bias$|LayerNorm\.bias$/, (end) => end.replace('bias', 'beta')),
  );
  return [...prefixed, ...older, ...(tiedTo[name] === undefined ? [] : [tiedTo[name]])];
}

/** What files hold besides parameters: a table of positions, GPT-2's causal masks, and tied parameters a second time. */
function isRedundant(name: string, declared: ReadonlyMap<string, Parameter>): boolean {
  if (/embeddings\.position_ids$|\bh\.\d+\.attn\.(masked_)?bias$/.test(name)) return true;
  const first = Object.entries(tiedTo).find(([, second]) => second === name)?.[0];
  return first !== undefined && declared.has(first);
}
