/** Attacks with tensors that are not where, what or as large as they say. */
import {
  everywhere,
  file,
  position,
  torchFiles,
  torchLegacy,
  type Attack,
  type Checkpoint,
} from './checkpoint.js';
import {
  get,
  global,
  integer,
  list,
  no,
  none,
  put,
  storage,
  tensor,
  text,
  type PickledTensor,
} from './pickle.js';
import { zip } from './zip.js';

/** With other position embeddings, which are 16 numbers at key 1. */
const positions = (fields: Partial<PickledTensor>): Checkpoint => ({
  tensors: { [position]: tensor({ key: '1', elements: 16, shape: [4, 4], ...fields }) },
});
const attack = (name: string, fields: Partial<PickledTensor>, expected: Attack['expected']) =>
  everywhere(name, () => positions(fields), expected);

const lacking = /expected BERT or GPT-2, which have embedding.position_embeddings.weight/;
const outside = /a tensor: expected \d+(\.\d+)?(e\+\d+)? bytes in its storage, found \d+/;
const tooLarge = /is larger than any file/;
const huge = 2 ** 53 - 1;
const axes = (size: number) => new Array<number>(64).fill(size);

const views = [
  ...attack('negative strides', { strides: [-4, 1] }, lacking),
  ...attack('a negative offset', { offset: -1 }, lacking),
  ...attack('negative sizes', { shape: [-4, -4] }, lacking),
  ...attack('sizes that are no whole numbers', { shape: [2.5, 4], strides: [4, 1] }, lacking),
  ...attack('more strides than sizes', { strides: [4, 1, 1] }, lacking),
  ...attack('65 sizes', { shape: [...axes(1), 1] }, lacking),
  ...attack('an offset beyond the storage', { offset: 1 }, outside),
  ...attack('an offset of 2⁵³', { offset: huge }, outside),
  ...attack('strides beyond the storage', { strides: [huge, huge] }, outside),
  ...attack('a shape beyond the storage', { shape: [5, 4] }, outside),
  ...attack('a shape whose product overflows', { shape: [2 ** 27, 2 ** 27] }, tooLarge),
  ...attack('a shape whose product is infinite', { shape: axes(huge), strides: axes(0) }, tooLarge),
  ...attack(
    'a size of 0 beside a giant one',
    { shape: [2 ** 50, 0], strides: [1, 7] },
    /expected \[4, 4\]|found \[/,
  ),
  ...attack('a size of 0 beside giant ones', { shape: [huge, huge, 0], strides: [0, 0, 1] }, tooLarge),
  ...attack('no sizes', { shape: [] }, /a single number/),
  ...attack('a number repeated by strides of 0', { strides: [0, 0] }, 'converts'),
  ...attack('a number repeated a million times', { shape: [1e6, 4], strides: [0, 0] }, /repeats the numbers/),
  ...attack('rows that overlap', { strides: [1, 1] }, 'converts'),
  ...attack('columns as rows', { strides: [1, 4] }, 'converts'),
  ...everywhere(
    'a shape that grows after it was checked',
    () => {
      const four = (index: number) => `${list(integer(4), integer(index))}${put(index)}`;
      const made = `${global('torch._utils', '_rebuild_tensor_v2')}(${storage({ key: '1', elements: 16 })}${integer(0)}${four(4)}${four(1)}${no}${none}tR`;
      const grown = [4, 1].map((index) => `${get(index)}${integer(huge)}a0`);
      return { tensors: { [position]: `${made}${grown.join('')}` } };
    },
    'converts',
  ),
];

const deflated = (pattern: RegExp) =>
  zip(torchFiles().map((entry) => ({ ...entry, isDeflated: pattern.test(entry.name) })));

const storages = [
  ...attack(
    'a storage larger than the file',
    { elements: 2 ** 40, shape: [2 ** 20, 4] },
    /expected \d+ bytes|a storage of two sizes|the keys of/,
  ),
  ...attack('a storage of 2⁵³ numbers', { elements: huge, shape: [2 ** 40, 4] }, /expected \d+/),
  ...attack('a storage of negative length', { elements: -16 }, /a storage of a kind that is not known/),
  ...attack(
    'a storage of an unknown type',
    { type: 'ComplexFloatStorage' },
    /a storage of a kind that is not known/,
  ),
  ...attack('a storage that is not there', { key: 'nothing' }, /expected (numbers|the keys)/),
  ...attack('a storage of integers', { type: 'IntStorage' }, /expected F32, F16 or BF16, found I32/),
  ...attack('a storage of bytes', { type: 'ByteStorage', elements: 64, shape: [8, 8] }, /found U8/),
  file(
    'a view of a legacy storage that is not in it',
    () => torchLegacy(positions({ view: [8, 9] })),
    /a view of 9 at 8 is not in its storage/,
  ),
  file(
    'a view of a legacy storage that starts before it',
    () => torchLegacy(positions({ view: [-8, 16] })),
    /a view of a storage that is damaged/,
  ),
  file(
    'a legacy storage of two sizes',
    () => torchLegacy({ entries: { extra: storage({ key: '0', elements: 3 }) } }),
    /a storage of two sizes/,
  ),
  file(
    'a legacy storage that says another number of elements',
    () => torchLegacy({}, { counts: { 1: 15 } }),
    /expected 16 numbers, found 15/,
  ),
  file(
    'legacy storages that go on after the file',
    () => torchLegacy().subarray(0, -100),
    /expected \d+ bytes, found/,
  ),
  file(
    'legacy keys of one storage twice',
    () => torchLegacy({}, { keys: list(...new Array<string>(17).fill(text('0'))) }),
    /expected the keys of its 17 storages/,
  ),
  file('a storage that is deflated', () => deflated(/1$/), /expected numbers, stored as they are/),
  file('a pickle that is deflated', () => deflated(/pkl$/), /data.pkl: expected it as it is/),
];
export const tensorAttacks: readonly Attack[] = [...views, ...storages];
