/** Attacks with the parameters of a model: their names, their number, and numbers that several share. */
import { everywhere, parameters, position, type Attack, type Checkpoint } from './checkpoint.js';
import { call, dictionary, double, integer, list, none, pairs, pickled, tensor, text } from './pickle.js';

const vector = tensor({ key: '1', elements: 16, shape: [4] });
const matrix = tensor({ key: '1', elements: 16, shape: [4, 4] });
const tokenTypes = 'embedding.tokentype_embeddings.weight';

const called = (name: string) =>
  everywhere(
    `a parameter called ${JSON.stringify(name.slice(0, 60))}`,
    () => ({ tensors: { [name]: matrix } }),
    /neither BERT nor GPT-2 has this parameter/,
  );
const names = [
  ...called('../../../tmp/evil'),
  ...called('/tmp/evil'),
  ...called('encoder/layers'),
  ...called('encoder.layers.0.input_layernorm.weight\x1b[2J'),
  ...called('__proto__'),
  ...called('constructor'),
  ...called('encoder.layers.-1.input_layernorm.weight'),
  ...called('encoder.layers.1e9.input_layernorm.weight'),
  ...called(`encoder.layers.0.${'a'.repeat(1e6)}`),
  ...everywhere(
    'one parameter by two names',
    () => ({ tensors: { 'transformer.final_layernorm.bias': vector } }),
    /two tensors for encoder.final_layernorm.bias/,
  ),
  ...everywhere(
    'a model that is a list',
    () => ({ entries: { model: list() } }),
    /expected a dictionary with a "model"/,
  ),
  ...everywhere(
    'names that are no text',
    () => ({ entries: { model: pairs(none, matrix, call('a', 'b'), matrix) } }),
    /expected BERT or GPT-2, which have embedding/,
  ),
];

const lastOf = (layers: number) => `encoder.layers.${layers - 1}.input_layernorm.bias`;
/** Interleaved stages, of which each has only the last of many layers. */
const chunks = Array.from({ length: 1000 }, (_, i) => [
  text(`model${i}`),
  dictionary({ [`language_model.${lastOf(10_000)}`]: vector }),
]).flat();

/** Of many layers and any hidden size, all made of one storage. */
function sharing(layers: number, hiddenSize: number): Checkpoint {
  const elements = 3 * hiddenSize ** 2;
  const all = parameters.flatMap(([name, shape]) => {
    const grown = shape.map((size) => (size * hiddenSize) / 4);
    const value = tensor({ key: 'shared', elements, shape: grown });
    return Array.from(
      { length: layers },
      (_, i) => [name.replace('layers.0', `layers.${i}`), value] as const,
    );
  });
  return { tensors: Object.fromEntries(all), storages: { shared: Buffer.alloc(4 * elements) } };
}

/** Of no hidden units, which any number of heads divides. */
const empty = (): Checkpoint => ({
  entries: {
    arguments: dictionary({ num_attention_heads: integer(2 ** 52) }),
    checkpoint_version: integer(2),
  },
  tensors: Object.fromEntries(
    parameters.map(([name, shape]) => [name, tensor({ key: '0', elements: 32, shape: shape.map(() => 0) })]),
  ),
});

const manyPositions = 100_000;

const sizes = [
  ...everywhere(
    'layer 9,999 alone',
    () => ({ tensors: { [lastOf(1e4)]: vector } }),
    /10000 layers and only 18/,
  ),
  ...everywhere(
    'layer 999,999,999 alone',
    () => ({ tensors: { [lastOf(1e9)]: vector } }),
    /1000000000 layers and only 18/,
  ),
  ...everywhere(
    'a thousand chunks of ten thousand layers',
    () => ({ pickle: pickled(pairs(...chunks)) }),
    /10000000 layers and only 1000/,
  ),
  ...everywhere(
    'three hundred layers of the same numbers',
    () => sharing(300, 64),
    /bytes say that they hold/,
  ),
  ...everywhere(
    'a model of nothing, with 2⁵² attention heads',
    empty,
    /hiddenSize: expected at least 1, found 0/,
  ),
  ...everywhere(
    'masks of ten gigabytes',
    () => ({
      storages: { many: Buffer.alloc(16 * manyPositions) },
      tensors: {
        [tokenTypes]: '',
        [position]: tensor({ key: 'many', elements: 4 * manyPositions, shape: [manyPositions, 4] }),
      },
    }),
    /masks of 100000 × 100000 positions/,
    { asTransformers: true },
  ),
  ...everywhere(
    'an infinite epsilon of GPT-2',
    () => ({
      entries: {
        arguments: dictionary({ num_attention_heads: integer(2), layernorm_epsilon: double(Infinity) }),
      },
      tensors: { [tokenTypes]: '' },
    }),
    /layer_norm_epsilon: expected a number, found Infinity/,
  ),
];

export const modelAttacks: readonly Attack[] = [...names, ...sizes];
