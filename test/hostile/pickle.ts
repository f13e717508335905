/** Pickles put together from opcodes, as strings of one byte a character: tests may write what no Python would. */

const little = (value: number | bigint, length: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return bytes.toString('latin1', 0, length);
};
export const uint32 = (value: number) => little(value, 4);
export const uint64 = (value: number | bigint) => little(value, 8);

export const none = 'N';
export const no = '\x89';
export const text = (characters: string) => {
  const bytes = Buffer.from(characters).toString('latin1');
  return `X${uint32(bytes.length)}${bytes}`;
};
export const integer = (value: number) =>
  value === (value | 0) ? `J${uint32(value)}` : `\x8a\x08${uint64(value)}`;
export const double = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return `G${bytes.toString('latin1')}`;
};
export const number = (value: number) => (Number.isInteger(value) ? integer(value) : double(value));
export const tuple = (...items: readonly string[]) => `(${items.join('')}t`;
export const list = (...items: readonly string[]) => `](${items.join('')}e`;
export const dictionary = (entries: Readonly<Record<string, string>>) =>
  pairs(...Object.entries(entries).flatMap(([key, value]) => [text(key), value]));
/** A dictionary of any keys, each followed by its value. */
export const pairs = (...items: readonly string[]) => `}(${items.join('')}u`;

export const global = (module: string, name: string) => `c${module}\n${name}\n`;
export const call = (module: string, name: string, ...args: readonly string[]) =>
  `${global(module, name)}${tuple(...args)}R`;
/** Remembers what is on the stack, and puts it there again. */
export const put = (index: number) => `r${uint32(index)}`;
export const get = (index: number) => `j${uint32(index)}`;

/** `value`, and then pairs of what was there before: 2 ** times of it, of which each is the same object. */
export const laughs = (value: string, times = 100) =>
  `${value}${put(9999)}${`${get(9999)}${get(9999)}\x86${put(9999)}0`.repeat(times)}0${get(9999)}`;

export interface StoredNumbers {
  readonly key: string;
  readonly elements: number;
  readonly type?: string;
  /** A part of the storage, in the older format. */
  readonly view?: readonly [offset: number, elements: number];
}

export function storage({ key, elements, type = 'FloatStorage', view }: StoredNumbers): string {
  const parts = [text('storage'), global('torch', type), text(key), text('cpu'), integer(elements)];
  return `${tuple(...parts, ...(view ? [tuple(text('part'), ...view.map(integer))] : []))}Q`;
}

export interface PickledTensor extends StoredNumbers {
  readonly shape: readonly number[];
  readonly strides?: readonly number[];
  readonly offset?: number;
}

export const elementsOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const rowMajor = (shape: readonly number[]) => shape.map((_, axis) => elementsOf(shape.slice(axis + 1)));

export const tensor = ({ shape, strides = rowMajor(shape), offset = 0, ...numbers }: PickledTensor) =>
  call(
    'torch._utils',
    '_rebuild_tensor_v2',
    storage(numbers),
    integer(offset),
    tuple(...shape.map(number)),
    tuple(...strides.map(number)),
    no,
    call('collections', 'OrderedDict'),
  );

export const pickled = (value: string) => `\x80\x02${value}.`;
