/** Attacks with the weights of model folders: safetensors and `pytorch_model.bin`. */
import { folder, parameters, torchZip, type Attack } from './checkpoint.js';
import { call, elementsOf, pairs, pickled, tensor, text } from './pickle.js';

const mebibyte = 2 ** 20;
/** The honest model's configuration. */
export const bert = { model_type: 'megatron-bert', num_hidden_layers: 1, num_attention_heads: 2 };

/** A file of safetensors whose header says what it is told. */
function safetensors(header: string, data = Buffer.alloc(0), length = BigInt(header.length)): Buffer {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length);
  return Buffer.concat([prefix, Buffer.from(header), data]);
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly number[];
}

/** The honest model's weights, and others that have no numbers. */
export function honestSafetensors(others: Readonly<Record<string, Entry>> = {}): Buffer {
  const header: Record<string, Entry> = { ...others };
  const numbers: number[] = [];
  for (const [i, [, shape, names]] of parameters.entries())
    for (const name of names) {
      const part = shape.with(0, shape[0]! / names.length);
      const start = 4 * numbers.length;
      numbers.push(...new Array<number>(elementsOf(part)).fill(i + 1));
      header[name] = { dtype: 'F32', shape: part, data_offsets: [start, 4 * numbers.length] };
    }
  return safetensors(JSON.stringify(header), Buffer.from(Float32Array.from(numbers).buffer));
}

const stored = (name: string, bytes: () => Buffer, expected: Attack['expected']) =>
  folder(
    `safetensors: ${name}`,
    () => ({ 'config.json': JSON.stringify(bert), 'model.safetensors': bytes() }),
    expected,
    { to: 'megatron' },
  );
/** One tensor of one number that says something else. */
const entry = (fields: Partial<Entry>, name = 'a') => {
  const honest: Entry = { dtype: 'F32', shape: [1], data_offsets: [0, 4] };
  return safetensors(JSON.stringify({ [name]: { ...honest, ...fields } }), Buffer.alloc(4));
};
const words = 'bert.embeddings.word_embeddings.weight';

const files = [
  stored(
    'a header of 2⁶³ bytes',
    () => safetensors('{}', Buffer.alloc(0), 2n ** 63n),
    /a header of 9223372036854775808 bytes/,
  ),
  stored(
    'a header of ten megabytes',
    () => safetensors(' '.repeat(10 * mebibyte)),
    /a header of 10485760 bytes/,
  ),
  stored(
    'a header of half a million lists',
    () => safetensors('['.repeat(5e5)),
    /more than 500 lists and objects/,
  ),
  stored('a header of control characters', () => safetensors('{"\x1b[2J":'), /the header is not valid JSON/),
  stored(
    'a shape whose product overflows',
    () => entry({ shape: [2 ** 40, 2 ** 40] }),
    /the shape is larger than any file/,
  ),
  stored(
    'a shape of a hundred thousand sizes',
    () => entry({ shape: new Array<number>(1e5).fill(1) }, words),
    /expected BERT or GPT-2/,
  ),
  stored('a type called constructor', () => entry({ dtype: 'constructor' }), /unknown dtype "constructor"/),
  stored(
    'a place beyond the file',
    () => entry({ shape: [2 ** 40], data_offsets: [0, 2 ** 42] }),
    /but the file has/,
  ),
  stored(
    'a place before the file',
    () => entry({ data_offsets: [-4, 0] }),
    /data_offsets is not a pair of non-negative integers/,
  ),
  stored('a tensor called __proto__', () => entry({}, '__proto__'), /a tensor is named "__proto__"/),
  stored(
    'a tensor called by control characters and a path',
    () => honestSafetensors({ '../../evil\x1b[2J\n': { dtype: 'F32', shape: [0], data_offsets: [0, 0] } }),
    'converts',
  ),
];

type Tensors = Readonly<Record<string, string>>;

/** `pytorch_model.bin`, of tensors that are the honest checkpoint's numbers, or megabytes of zeros. */
const bin = (tensors: Tensors) =>
  torchZip({
    pickle: pickled(pairs(...Object.entries(tensors).flatMap(([name, value]) => [text(name), value]))),
    storages: { zeros: Buffer.alloc(mebibyte) },
  });
const binary = (
  name: string,
  tensors: () => Tensors,
  expected: RegExp | Readonly<Record<string, number>>,
  options: Attack['options'] = {},
): Attack => {
  const isRefused = expected instanceof RegExp;
  const files = () => ({ 'config.json': JSON.stringify(bert), 'pytorch_model.bin': bin(tensors()) });
  const attack = folder(`pytorch_model.bin: ${name}`, files, isRefused ? expected : 'converts', options);
  return isRefused ? attack : { ...attack, weights: expected };
};
const ones = tensor({ key: '0', elements: 32, shape: [8, 4] });
const twos = tensor({ key: '1', elements: 16, shape: [16] });
const many = (make: (i: number) => string) =>
  Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`tensor ${i}`, make(i)]));
const elements = mebibyte / 4;
const noName = /a name that safetensors does not take/;

const binaries = [
  binary('reduce on os.system', () => ({ a: ones, b: call('os', 'system', text('false')) }), { a: 1 }),
  binary('names that are paths', () => ({ '../../../evil': ones, '/tmp/evil': twos }), {
    '../../../evil': 1,
    '/tmp/evil': 2,
  }),
  binary('names of control characters', () => ({ '\x1b[2J\n': ones, '\u009b\u202e': ones }), {
    '\x1b[2J\n': 1,
  }),
  binary('constructor and hasOwnProperty', () => ({ constructor: ones, hasOwnProperty: twos }), {
    constructor: 1,
    hasOwnProperty: 2,
  }),
  binary('a name __proto__', () => ({ ['__proto__']: ones }), noName),
  binary('a name __metadata__', () => ({ __metadata__: ones }), noName),
  binary('a name of a million characters', () => ({ ['\x01'.repeat(mebibyte)]: ones }), noName),
  binary('no names', () => ({ a: text('b') }), /no tensors by name/),
  binary('a thousand names of one tensor', () => many(() => ones), { 'tensor 0': 1 }),
  binary(
    'giant sizes beside 0',
    () => ({ a: tensor({ key: '0', elements: 32, shape: [2 ** 53 - 1, 2 ** 53 - 1, 0] }) }),
    /is larger than any file/,
  ),
  binary(
    'a giant column of empty rows, turned',
    () => ({ a: tensor({ key: '0', elements: 32, shape: [2 ** 50, 0], strides: [1, 3] }), b: ones }),
    { b: 1 },
  ),
  binary(
    'a thousand views of a megabyte',
    () => many((offset) => tensor({ key: 'zeros', elements, offset, shape: [elements - 1000] })),
    /bytes say that they hold/,
  ),
  binary(
    'a thousand turned views of a megabyte, held in memory',
    () => many(() => tensor({ key: 'zeros', elements, shape: [2, elements / 2], strides: [1, 2] })),
    /its tensors share storages/,
    { to: 'megatron' },
  ),
];

export const weightAttacks: readonly Attack[] = [...files, ...binaries];
