/** Megatron-LM's command line in checkpoints: what of it a model's numbers depend on. */
import { InputError } from '../../errors.js';
import type { MegatronArguments } from './model.js';

const isScalar = (value: unknown) => value === null || ['boolean', 'number', 'string'].includes(typeof value);
const isPlain = (value: unknown) =>
  isScalar(value) || (Array.isArray(value) && value.length < 1000 && value.every(isScalar));

/** Of a command line, which has some hundred. */
const mostArguments = 10_000;
const mostCharacters = 2 ** 18;

/** Without what is no plain data, such as functions and dtypes, and without what is longer than command lines are. */
export function plainArguments(fields: ReadonlyMap<unknown, unknown>): MegatronArguments {
  let left = mostCharacters;
  const isTaken = (entry: [unknown, unknown]): entry is [string, unknown] => {
    const [name, value] = entry;
    if (typeof name !== 'string' || !isPlain(value)) return false;
    const length = lengthOf(name) + lengthOf(value);
    if (length > left) return false;
    left -= length;
    return true;
  };
  return new Map([...fields].slice(0, mostArguments).filter(isTaken));
}

const lengthOf = (value: unknown): number =>
  Array.isArray(value)
    ? value.reduce<number>((sum, item) => sum + lengthOf(item), 0)
    : typeof value === 'string'
      ? value.length
      : 1;

export function numberOf(args: MegatronArguments, ...names: readonly string[]): number | undefined {
  return names.map((name) => args.get(name)).find((value): value is number => typeof value === 'number');
}

/** What makes another model of the same parameters: option, the value that BERT and GPT-2 have, and its meaning. */
const unsupported: readonly (readonly [name: string, isThere: (value: unknown) => boolean, what: string])[] =
  [
    [
      'apply_residual_connection_post_layernorm',
      (value) => value === true,
      'residual connections after layer norms',
    ],
    ['swiglu', (value) => value === true, 'SwiGLU'],
    ['squared_relu', (value) => value === true, 'squared ReLU'],
    ['group_query_attention', (value) => value === true, 'grouped-query attention'],
    ['untie_embeddings_and_output_weights', (value) => value === true, 'an output layer of its own'],
    ['normalization', (value) => typeof value === 'string' && value !== 'LayerNorm', 'another normalization'],
    [
      'position_embedding_type',
      (value) => typeof value === 'string' && value !== 'learned_absolute' && value !== 'absolute',
      'other position embeddings',
    ],
    ['apply_layernorm_1p', (value) => value === true, 'layer norms with weights around 0'],
  ];

/** @throws InputError for a model that is neither BERT nor GPT-2 */
export function requireSupported(args: MegatronArguments, source: string): void {
  for (const [name, isThere, what] of unsupported)
    if (isThere(args.get(name)))
      throw new InputError(
        `${source}: ${name} = ${JSON.stringify(args.get(name))}: ${what}, which transformers' MegatronBERT and GPT-2 do not have`,
      );
}
