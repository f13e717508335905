/** Writes plain data and tensors as a pickle that `torch.load` reads, with `weights_only=True` too. Protocol 2. */
import { elementsOf } from './tensor.js';
import type { PlainTensor } from './write.js';

/** Fields that Python code reads as attributes: an `argparse.Namespace`. */
export interface Namespace {
  readonly kind: 'namespace';
  readonly fields: ReadonlyMap<string, unknown>;
}

const isKind = (value: unknown, kind: string) =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
const isPlainTensor = (value: unknown): value is PlainTensor => isKind(value, 'plain');
const isNamespace = (value: unknown): value is Namespace => isKind(value, 'namespace');

const storageClasses = {
  F32: 'FloatStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
} as const;

/**
 * @param value null, booleans, numbers, strings, bytes, arrays, Maps, tensors and Namespaces; numbers without a fraction become
 * integers
 * @param keyOf the storage of each tensor
 * @throws RangeError for anything else
 */
export function pickle(value: unknown, keyOf: (tensor: PlainTensor) => string): Buffer {
  const parts: Buffer[] = [];
  const op = (code: string) => parts.push(Buffer.from(code, 'latin1'));
  const number = (code: string, length: number, write: (bytes: Buffer) => void) => {
    const bytes = Buffer.alloc(length);
    write(bytes);
    op(code);
    parts.push(bytes);
  };
  const text = (characters: string) => {
    const bytes = Buffer.from(characters);
    number('X', 4, (length) => length.writeUInt32LE(bytes.length));
    parts.push(bytes);
  };
  const global = (module: string, name: string) => op(`c${module}\n${name}\n`);
  const integer = (whole: number) => {
    if (Math.abs(whole) < 2 ** 31) number('J', 4, (bytes) => bytes.writeInt32LE(whole));
    else number('\x8a\x08', 8, (bytes) => bytes.writeBigInt64LE(BigInt(whole)));
  };
  const tuple = (items: readonly unknown[]) => {
    op('(');
    items.forEach(write);
    op('t');
  };
  const dictionary = (entries: ReadonlyMap<unknown, unknown>) => {
    op('}(');
    for (const [key, item] of entries) {
      write(key);
      write(item);
    }
    op('u');
  };
  const tensor = (given: PlainTensor) => {
    const { dtype, shape } = given;
    const strides = shape.map((_, axis) => elementsOf(shape.slice(axis + 1)));
    global('torch._utils', '_rebuild_tensor_v2');
    op('((');
    text('storage');
    global('torch', storageClasses[dtype]);
    text(keyOf(given));
    text('cpu');
    integer(elementsOf(shape));
    op('tQ');
    integer(0);
    tuple(shape);
    tuple(strides);
    op('\x89'); // needs no gradient
    global('collections', 'OrderedDict'); // has no hooks
    op(')RtR');
  };
  const write = (item: unknown): void => {
    if (item === null || item === undefined) op('N');
    else if (typeof item === 'boolean') op(item ? '\x88' : '\x89');
    else if (typeof item === 'string') text(item);
    else if (Number.isSafeInteger(item)) integer(item as number);
    else if (typeof item === 'number') number('G', 8, (bytes) => bytes.writeDoubleBE(item));
    else if (item instanceof Map) dictionary(item);
    else if (isPlainTensor(item)) tensor(item);
    else if (isNamespace(item)) {
      global('argparse', 'Namespace');
      op(')\x81');
      dictionary(item.fields);
      op('b');
    } else if (Array.isArray(item)) {
      op('](');
      item.forEach(write);
      op('e');
    } else throw new RangeError(`no plain data: ${typeof item}`);
  };
  op('\x80\x02');
  write(value);
  op('.');
  return Buffer.concat(parts);
}
