/** Attacks on time, memory and the stack: small pickles that stand for large or endless values. */
import { everywhere, file, parameters, torchLegacy, type Attack } from './checkpoint.js';
import {
  call,
  dictionary,
  get,
  global,
  integer,
  laughs,
  list,
  none,
  pairs,
  pickled,
  put,
  storage,
  text,
  tuple,
  uint32,
  uint64,
} from './pickle.js';

const mebibyte = 2 ** 20;
const beside = (name: string, value: () => string, expected: Attack['expected'] = 'converts'): Attack[] =>
  everywhere(name, () => ({ entries: { extra: value() } }), expected);
const asVersion = (name: string, value: () => string): Attack[] =>
  everywhere(
    `${name} as a version`,
    () => ({ entries: { checkpoint_version: value() } }),
    /checkpoint_version: expected 0, 1, 2, 3, found/,
  );
const asModel = (name: string, value: () => string, expected: RegExp): Attack[] =>
  everywhere(name, () => ({ entries: { model: value() } }), expected);

const tupleIn = (depth: number) => `)${'\x85'.repeat(depth)}`;
const listInItself = `]${put(1)}${get(1)}a`;
const longText = () => text('a'.repeat(mebibyte));
/** What is remembered as 1, by many names. */
const byNames = (count: number) =>
  dictionary(Object.fromEntries(Array.from({ length: count }, (_, i) => [`name ${i}`, get(1)])));
const tooMuch = /its values take more memory than such a file may/;

const nested = [
  ...beside('billion laughs of tuples', () => laughs(')')),
  ...beside('billion laughs of text', () => laughs(text('ha'))),
  ...beside('100,000 tuples in each other', () => tupleIn(1e5)),
  ...beside('10,000 dictionaries in each other', () => `${`}${text('a')}`.repeat(1e4)}N${'s'.repeat(1e4)}`),
  ...beside('a list in itself', () => listInItself),
  ...beside('a dictionary in itself, as its key too', () => `}${put(1)}${get(1)}${get(1)}s`),
  ...asModel('a model in itself', () => `}${put(1)}${text('model')}${get(1)}s`, /in several places/),
  ...asModel(
    'a model in itself by ten names',
    () => `}${put(1)}0${get(1)}(${text('a')}${get(1)}${text('b')}${get(1)}u`,
    /in several places/,
  ),
  ...asModel(
    'billion laughs of dictionaries as a model',
    () => `}${put(1)}0${`${byNames(100)}${put(1)}0`.repeat(7)}${get(1)}`,
    /in several places/,
  ),
  ...asVersion('billion laughs', () => laughs(')')),
  ...asVersion('a list in itself', () => listInItself),
  ...asVersion('100,000 tuples in each other', () => tupleIn(1e5)),
  ...asVersion('a number of 600 bits', () => `\x8a\x4b${'\x7f'.repeat(75)}`),
  ...everywhere(
    'billion laughs beside the chunks of a model',
    () => ({ pickle: pickled(pairs(text('model0'), dictionary({}), laughs(')'), none)) }),
    /how many attention heads/,
  ),
  ...beside('billion laughs as a device', () => call('torch', 'device', laughs(')'), integer(0))),
  file(
    'billion laughs as a legacy version',
    () => torchLegacy({}, { version: laughs(')') }),
    /expected torch's format 1001/,
  ),
  file(
    'a list in itself as a legacy version',
    () => torchLegacy({}, { version: listInItself }),
    /expected torch's format 1001/,
  ),
  file(
    'billion laughs as legacy keys',
    () => torchLegacy({}, { keys: list(...Array.from({ length: parameters.length }, () => laughs(')'))) }),
    /a storage that no tensor has/,
  ),
  file(
    'huge numbers as legacy keys',
    () =>
      torchLegacy(
        {},
        {
          keys: list(
            ...Array.from(
              { length: parameters.length },
              (_, i) => `\x8a\x0a${'\x7f'.repeat(9)}${String.fromCharCode(i)}`,
            ),
          ),
        },
      ),
    /a storage that no tensor has/,
  ),
];

/** A call that is made again and again with the same arguments. */
const repeated = (module: string, name: string, args: string, code = 'R') =>
  `${global(module, name)}${put(1)}0${args}${put(2)}0(${`${get(1)}${get(2)}${code}`.repeat(1e5)}t`;
const numbers = (count: number) => `](${'K\x01'.repeat(count)}e`;

const sizes = [
  ...beside('a memo bomb of a million entries', () => `N${'\x94'.repeat(mebibyte)}`, tooMuch),
  ...beside('a memo bomb at the last number', () => `${text('a')}r\xff\xff\xff\xff`),
  ...beside('seven million lists', () => ']'.repeat(7 * mebibyte), tooMuch),
  ...beside('seven million marks', () => '('.repeat(7 * mebibyte), tooMuch),
  ...beside('three million pops', () => 'N0'.repeat(3 * mebibyte), tooMuch),
  ...beside('three million protocols', () => `${'\x80\x02'.repeat(3 * mebibyte)}N`),
  ...beside('three million texts', () => '\x8c\x00'.repeat(3 * mebibyte), tooMuch),
  ...beside(
    'bytes that a codec copies',
    () => repeated('_codecs', 'encode', tuple(longText(), text('latin1'))),
    tooMuch,
  ),
  ...beside('a list that is copied', () => repeated('builtins', 'list', `${numbers(1e5)}\x85`), tooMuch),
  ...beside(
    'pairs that become a dictionary',
    () => repeated('collections', 'OrderedDict', `](${'NN\x86'.repeat(1e5)}e\x85`),
    tooMuch,
  ),
  ...beside('arguments that get keywords', () => repeated('a', 'b', numbers(1e5), 'N\x92'), tooMuch),
  ...beside(
    'sizes of a tensor that are checked',
    () =>
      repeated(
        'torch._utils',
        '_rebuild_tensor_v2',
        tuple(storage({ key: '0', elements: 32 }), integer(0), numbers(1e5), numbers(1e5)),
      ),
    tooMuch,
  ),
  ...beside(
    'a class of a million characters',
    () => global('a'.repeat(mebibyte), 'b'),
    /a class with a very long name/,
  ),
  ...beside(
    'a computed class of a million characters',
    () => `${longText()}${text('b')}\x93`,
    /a class with a very long name/,
  ),
  ...beside(
    'a storage of a million characters',
    () => storage({ key: 'k'.repeat(mebibyte), elements: 1 }),
    /expected (numbers|the keys)/,
  ),
];

const lengths = [
  ...beside('LONG4 of two gigabytes', () => `\x8b${uint32(2 ** 31 - 1)}`, /an integer of 2147483647 bytes/),
  ...beside('LONG4 of a negative length', () => '\x8b\xff\xff\xff\xff', /a length of -1/),
  ...beside(
    'LONG4 of a megabyte',
    () => `\x8b${uint32(mebibyte)}${'\x7f'.repeat(mebibyte)}`,
    /an integer of 1048576 bytes/,
  ),
  ...beside('a number of a million digits', () => `L${'9'.repeat(mebibyte)}L\n`, /a number is missing/),
  ...beside('text of 2⁶³ bytes', () => `\x8d${uint64(2n ** 63n)}`, /bytes are missing/),
  ...beside('bytes of 2⁶⁴ − 1', () => `\x8e${uint64(2n ** 64n - 1n)}`, /bytes are missing/),
  ...beside('an array of 2⁴⁰ bytes', () => `\x96${uint64(2n ** 40n)}`, /bytes are missing/),
  ...beside('text of four gigabytes', () => 'X\xff\xff\xff\xff', /bytes are missing/),
  ...beside('text of a negative length', () => 'T\xff\xff\xff\xff', /a length of -1/),
  ...beside('a frame of 2⁶³ bytes', () => `\x95${uint64(2n ** 63n)}N`),
  ...beside('escapes of characters that there are not', () => "S'\\x-1\\xzz'\nV\\UFFFFFFFF\\u-001\n\x86"),
  ...beside('more values than there are', () => '\x87'.repeat(10), /a value is missing/),
  ...beside(
    'more marks than there are',
    () => 'eeee',
    /a mark is missing|a list is missing|a value is missing/,
  ),
  ...beside('more pops than values', () => '0'.repeat(100), /a value is missing/),
];

export const valueAttacks: readonly Attack[] = [...nested, ...sizes, ...lengths];
