/**
 * The calls in pickles whose meaning is plain data. Whatever is not here stays an inert record.
 * Sources: CPython's copyreg and collections, numpy's `__reduce__`, torch/_utils.py and torch/serialization.py.
 */
import { storageTypes, type TorchTensor } from './tensor.js';
import { isGlobal, isObject, type PickleGlobal, type Restorable } from './unpickle.js';

/** An array of numpy's, its bytes as they were stored. */
export interface NumpyArray extends Restorable {
  readonly kind: 'array';
  shape: readonly number[];
  /** numpy's code, such as `<f8`. */
  dtype: string;
  data: Uint8Array;
}

type Construct = (args: readonly unknown[]) => unknown;

const isPairs = (value: unknown): value is [unknown, unknown][] =>
  Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2);
const isList = (value: unknown): value is unknown[] => Array.isArray(value);

const dictionary: Construct = ([pairs = []]) => (isPairs(pairs) ? new Map(pairs) : undefined);
const sequence: Construct = ([items = []]) => (isList(items) ? [...items] : undefined);

const numpyArray: Construct = () => {
  const array: NumpyArray = {
    kind: 'array',
    shape: [],
    dtype: '',
    data: new Uint8Array(),
    // (version, shape, dtype, is in the order of Fortran, bytes)
    restore(state) {
      const [, shape, dtype, , data] = isList(state) ? state : [];
      if (!isSizes(shape) || !(data instanceof Uint8Array)) return;
      Object.assign(array, { shape, dtype: dtypeCode(dtype), data });
    },
  };
  return array;
};

/** numpy.dtype('f8', False, True), then its state (3, '<', …): '<f8'. */
function dtypeCode(dtype: unknown): string {
  if (!isObject(dtype) || !isGlobal(dtype.type)) return '';
  const [code] = dtype.arguments;
  const order = isList(dtype.state) ? dtype.state[1] : '';
  return `${typeof order === 'string' ? order : ''}${typeof code === 'string' ? code : ''}`;
}

const numpyScalar: Construct = ([dtype, data]) => {
  if (!(data instanceof Uint8Array)) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const readers: Readonly<Record<string, () => number | bigint | boolean>> = {
    '<f8': () => view.getFloat64(0, true),
    '<f4': () => view.getFloat32(0, true),
    '<i8': () => plain(view.getBigInt64(0, true)),
    '<u8': () => plain(view.getBigUint64(0, true)),
    '<i4': () => view.getInt32(0, true),
    '<u4': () => view.getUint32(0, true),
    '|b1': () => view.getUint8(0) !== 0,
  };
  const code = dtypeCode(dtype);
  const isWhole = Number(code.at(-1)) === data.byteLength;
  return isWhole && Object.hasOwn(readers, code) ? readers[code]!() : undefined;
};
const plain = (value: bigint) => (BigInt.asIntN(54, value) === value ? Number(value) : value);

/** codecs.encode(text, 'latin1') is how protocols 0 to 2 write bytes. */
const encoded: Construct = ([text, encoding]) =>
  typeof text === 'string' && (encoding === 'latin1' || encoding === 'latin-1')
    ? new Uint8Array(Buffer.from(text, 'latin1'))
    : undefined;
const bytes: Construct = ([data = new Uint8Array()]) => (data instanceof Uint8Array ? data : undefined);

/** Of objects without a constructor's arguments: (class, object, None). */
const reconstructed: Construct = ([type]) =>
  isGlobal(type) ? { kind: 'object', type, arguments: [], items: [] } : undefined;

const isStorage = (value: unknown): value is TorchTensor['storage'] =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'storage';

const tensor: Construct = ([storage, offset, shape, strides]) =>
  isStorage(storage) && isSizes([offset]) && isSizes(shape) && isSizes(strides) && areAxes(shape, strides)
    ? ({
        kind: 'tensor',
        dtype: storage.dtype,
        storage,
        offset: offset as number,
        // a pickle may still change its lists, when they were checked
        shape: [...shape],
        strides: [...strides],
      } satisfies TorchTensor)
    : undefined;

/** Of storages without a type: (storage, offset, shape, strides, needs gradient, hooks, dtype). */
const typedTensor: Construct = (args) => {
  const { name } = isGlobal(args[6]) ? args[6] : { name: '' };
  const dtype = Object.hasOwn(dtypeNames, name) ? dtypeNames[name] : undefined;
  const made = tensor(args) as TorchTensor | undefined;
  return made && dtype ? ({ ...made, dtype } satisfies TorchTensor) : undefined;
};
const dtypeNames: Readonly<Record<string, TorchTensor['dtype']>> = {
  uint16: 'U16',
  uint32: 'U32',
  uint64: 'U64',
};

const isSizes = (value: unknown): value is number[] =>
  isList(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);

/** torch has at most 64 axes. */
const areAxes = (shape: readonly number[], strides: readonly number[]) =>
  shape.length === strides.length && shape.length <= 64;

const first: Construct = ([value]) => value;

const known: Readonly<Record<string, Construct>> = {
  'collections.OrderedDict': dictionary,
  'collections.defaultdict': () => new Map(),
  'copyreg._reconstructor': reconstructed,
  'copy_reg._reconstructor': reconstructed,
  '_codecs.encode': encoded,
  'numpy.core.multiarray._reconstruct': numpyArray,
  'numpy._core.multiarray._reconstruct': numpyArray,
  'numpy.core.multiarray.scalar': numpyScalar,
  'numpy._core.multiarray.scalar': numpyScalar,
  'torch._utils._rebuild_tensor': tensor,
  'torch._utils._rebuild_tensor_v2': tensor,
  'torch._utils._rebuild_tensor_v3': typedTensor,
  'torch._utils._rebuild_parameter': first,
  'torch._utils._rebuild_parameter_with_state': first,
  'torch.Size': sequence,
  'torch.device': ([type, index]) =>
    typeof type === 'string' && typeof index === 'number' ? `${type}:${index}` : type,
};
const builtins: Readonly<Record<string, Construct>> = {
  dict: dictionary,
  list: sequence,
  tuple: sequence,
  set: sequence,
  frozenset: sequence,
  bytes,
  bytearray: bytes,
};

/** Plain data that a call stands for; undefined where its meaning is not known. */
export function constructKnown({ module, name }: PickleGlobal, args: readonly unknown[]): unknown {
  const full = `${module}.${name}`;
  if (Object.hasOwn(known, full)) return known[full]!(args);
  const isBuiltin = module === 'builtins' || module === '__builtin__';
  return isBuiltin && Object.hasOwn(builtins, name) ? builtins[name]!(args) : undefined;
}

/** Classes that are looked at and never called: they say what something is. */
const harmless = new Set([
  'argparse.Namespace',
  'numpy.dtype',
  'numpy.ndarray',
  'builtins.object',
  '__builtin__.object',
  'torch.storage.UntypedStorage',
  'torch.storage._UntypedStorage',
  ...Object.keys(storageTypes).flatMap((name) => [`torch.${name}`, `torch.cuda.${name}`]),
]);

/** Whether a pickle may name this without wanting anything of a program. */
export function isHarmless(global: string): boolean {
  const [module, name] = [
    global.slice(0, global.lastIndexOf('.')),
    global.slice(global.lastIndexOf('.') + 1),
  ];
  const isBuiltin = module === 'builtins' || module === '__builtin__';
  return (
    Object.hasOwn(known, global) ||
    harmless.has(global) ||
    (isBuiltin && Object.hasOwn(builtins, name)) ||
    /^torch\.(b?float|int|uint|bool|half|double|long|short)\w*$/.test(global)
  );
}

/** The fields of an `argparse.Namespace`; undefined for anything else. */
export function namespaceFields(value: unknown): ReadonlyMap<unknown, unknown> | undefined {
  const isNamespace =
    isObject(value) &&
    isGlobal(value.type) &&
    value.type.module === 'argparse' &&
    value.type.name === 'Namespace' &&
    value.state instanceof Map;
  return isNamespace ? (value.state as ReadonlyMap<unknown, unknown>) : undefined;
}
