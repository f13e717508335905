/**
 * Reads Python pickles as plain data. Nothing is ever called: what a pickle wants to import or construct becomes a
 * record of that wish, unless `construct` knows a harmless meaning for it.
 * Source: the opcodes' descriptions in CPython's Lib/pickletools.py, protocols 0 to 5.
 */
import { InputError } from '../../errors.js';

/** Something that a pickle names: a class or a function. */
export interface PickleGlobal {
  readonly kind: 'global';
  readonly module: string;
  readonly name: string;
}

/** A call that a pickle wants made. */
export interface PickleObject {
  readonly kind: 'object';
  readonly type: unknown;
  readonly arguments: readonly unknown[];
  /** What was to be set on the result, and put into it. */
  state?: unknown;
  readonly items: unknown[];
}

/** Plain data that is told the rest of itself after it was made, as Python's `__setstate__` is. */
export interface Restorable {
  readonly restore: (state: unknown) => void;
}

/** Bytes of memory that values may take, about; what several pickles share is spent by all of them. */
export interface Budget {
  left: number;
}

export interface UnpickleOptions {
  /** Named in errors. */
  readonly source: string;
  readonly budget: Budget;
  /** The plain data that a call stands for; undefined where it is not known. */
  readonly construct: (type: PickleGlobal, args: readonly unknown[]) => unknown;
  /** What a reference to something outside the pickle stands for. */
  readonly persistent: (id: unknown) => unknown;
}

export interface Unpickled {
  /** Dictionaries are Maps, lists and tuples arrays, integers beyond 2⁵³ bigints, None null, bytes Uint8Arrays. */
  readonly value: unknown;
  /** Where the pickle ends. */
  readonly end: number;
  /** All that it names, as `module.name`. */
  readonly globals: ReadonlySet<string>;
}

/** The bytes end before the pickle does. */
export class IncompletePickle extends InputError {}

const mark = Symbol('mark');
/** About what one value takes, by what it is; items are of lists and dictionaries. */
const memoryOf = { value: 32, text: 32, memo: 80, item: 64, array: 64, object: 256, map: 256, digit: 64 };
/** Bytes of the longest integer. */
const longestInteger = 1024;
/** Characters of the name of a class, or of its module. */
const longestName = 1000;
const stop = '.'.charCodeAt(0);

/**
 * For files of so many bytes: a state dictionary takes about four thousand for a tensor, which is little beside the
 * tensor's numbers in large files.
 */
export const budgetFor = (byteLength: number): Budget => ({ left: 2 ** 25 + byteLength / 16 });

/** @throws InputError for what is no pickle; IncompletePickle for the beginning of one */
export function unpickle(
  bytes: Uint8Array,
  { source, budget, construct, persistent }: UnpickleOptions,
  start = 0,
): Unpickled {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const characters = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();
  const globals = new Set<string>();
  let at = start;

  const message = (problem: string) => `${source}: not a pickle that can be read: ${problem} at byte ${at}`;
  const fail = (problem: string): never => {
    throw new InputError(message(problem));
  };
  const spend = (amount: number) => {
    budget.left -= amount;
    if (budget.left < 0) fail('its values take more memory than such a file may');
  };
  const take = (length: number): number => {
    if (!(length >= 0)) fail(`a length of ${length}`);
    if (!(at + length <= bytes.length)) throw new IncompletePickle(message(`${length} bytes are missing`));
    at += length;
    return at - length;
  };
  const byte = () => bytes[take(1)]!;
  const uint16 = () => view.getUint16(take(2), true);
  const int32 = () => view.getInt32(take(4), true);
  const uint32 = () => view.getUint32(take(4), true);
  // a length, which no file reaches beyond what numbers can tell apart
  const uint64 = () => Number(view.getBigUint64(take(8), true));
  const raw = (length: number) => bytes.subarray(take(length), at);
  const copied = (length: number) => {
    const found = raw(length);
    spend(length + memoryOf.object);
    return found.slice();
  };
  const text = (length: number) => {
    const from = take(length);
    spend(2 * length + memoryOf.text);
    return characters.toString('utf8', from, at);
  };
  const line = () => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw new IncompletePickle(message('a line has no end'));
    spend(end - at + memoryOf.text);
    const from = take(end + 1 - at);
    return characters.toString('latin1', from, end);
  };
  const integer = (length: number) => {
    if (length > longestInteger) fail(`an integer of ${length} bytes`);
    const found = raw(length);
    spend(memoryOf.digit * length);
    return plainInteger(twosComplement(found));
  };
  const decimal = () => {
    const digits = line().replace(/L$/, '');
    return /^-?\d{1,1000}$/.test(digits) ? plainInteger(BigInt(digits)) : fail('a number is missing');
  };
  const list = (items: unknown[]) => {
    spend(memoryOf.array);
    return items;
  };

  const push = (value: unknown) => {
    spend(memoryOf.value);
    stack.push(value);
  };
  const peek = (): unknown =>
    stack.length === 0 || stack.at(-1) === mark ? fail('a value is missing') : stack.at(-1);
  const pop = (): unknown => {
    peek();
    return stack.pop();
  };
  const popToMark = (): unknown[] => {
    const start = stack.lastIndexOf(mark);
    return start < 0 ? fail('a mark is missing') : stack.splice(start).slice(1);
  };
  const popMany = (count: number) => list(Array.from({ length: count }, pop).reverse());
  const remember = (index: number) => {
    spend(memoryOf.memo);
    memo.set(index, peek());
  };
  const recall = (index: number) =>
    memo.has(index) ? memo.get(index) : fail(`nothing is remembered as ${index}`);

  const append = (values: readonly unknown[]) => {
    const target = peek();
    const items = isObject(target) ? target.items : target;
    if (!Array.isArray(items)) return fail('a list is missing');
    spend(memoryOf.value * values.length);
    for (const value of values) items.push(value);
  };
  const setItems = (values: readonly unknown[]) => {
    const target = peek();
    if (values.length % 2 !== 0) fail('a key has no value');
    if (!(target instanceof Map) && !isObject(target)) return fail('a dictionary is missing');
    spend(memoryOf.item * values.length);
    for (let i = 0; i < values.length; i += 2)
      if (target instanceof Map) target.set(values[i], values[i + 1]);
      else target.items.push([values[i], values[i + 1]]);
  };
  const dictionary = (values: readonly unknown[]) => {
    spend(memoryOf.map);
    push(new Map());
    setItems(values);
  };
  const named = (module: unknown, name: unknown) => {
    if (typeof module !== 'string' || typeof name !== 'string') return fail('the name of a class is missing');
    if (module.length > longestName || name.length > longestName) fail('a class with a very long name');
    spend(memoryOf.object + 2 * (module.length + name.length));
    globals.add(`${module}.${name}`);
    return { kind: 'global', module, name } satisfies PickleGlobal;
  };
  const call = (type: unknown, args: unknown) => {
    if (!Array.isArray(args)) return fail('arguments are missing');
    spend(memoryOf.object + copiedLength(args));
    const known = isGlobal(type) ? construct(type, args) : undefined;
    return known ?? ({ kind: 'object', type, arguments: args, items: [] } satisfies PickleObject);
  };
  const outside = (id: unknown) => {
    spend(memoryOf.object + copiedLength(id));
    return persistent(id);
  };
  const build = () => {
    const state = pop();
    const target = peek();
    if (isObject(target)) target.state = state;
    else if (isRestorable(target)) target.restore(state);
  };

  /** Opcodes that put a value on the stack. */
  const values: Readonly<Record<string, () => unknown>> = {
    '(': () => mark,
    2: peek,
    N: () => null,
    '\x88': () => true,
    '\x89': () => false,
    I() {
      const digits = line();
      return digits === '01' ? true : digits === '00' ? false : Number(digits);
    },
    L: decimal,
    J: int32,
    K: byte,
    M: uint16,
    '\x8a': () => integer(byte()),
    '\x8b': () => integer(int32()),
    F: () => Number(line()),
    G: () => view.getFloat64(take(8), false),
    S: () => unescape(line().replace(/^['"]|['"]$/g, '')),
    V: () => unescape(line()),
    T: () => text(int32()),
    U: () => text(byte()),
    X: () => text(uint32()),
    '\x8c': () => text(byte()),
    '\x8d': () => text(uint64()),
    B: () => copied(uint32()),
    C: () => copied(byte()),
    '\x8e': () => copied(uint64()),
    '\x96': () => copied(uint64()),
    ')': () => list([]),
    ']': () => list([]),
    '\x8f': () => list([]),
    t: () => list(popToMark()),
    l: () => list(popToMark()),
    '\x91': () => list(popToMark()),
    '\x85': () => popMany(1),
    '\x86': () => popMany(2),
    '\x87': () => popMany(3),
    g: () => recall(Number(line())),
    h: () => recall(byte()),
    j: () => recall(uint32()),
    c: () => named(line(), line()),
    '\x93'() {
      const [module, name] = popMany(2);
      return named(module, name);
    },
    R() {
      const [type, args] = popMany(2);
      return call(type, args);
    },
    '\x81'() {
      const [type, args] = popMany(2);
      return call(type, args);
    },
    '\x92'() {
      const [type, args, keywords] = popMany(3);
      spend(copiedLength(args));
      return call(type, [...(Array.isArray(args) ? (args as unknown[]) : []), keywords]);
    },
    o() {
      const [type, ...args] = popToMark();
      return call(type, args);
    },
    i: () => call(named(line(), line()), popToMark()),
    // numbers of classes that programs registered, which this one did not
    '\x82': () => extension(byte()),
    '\x83': () => extension(uint16()),
    '\x84': () => extension(int32()),
    P: () => outside(line()),
    Q: () => outside(pop()),
  };
  const extension = (number: number) => named('copyreg extension', String(number));
  /** Opcodes that do something else. */
  const effects: Readonly<Record<string, () => unknown>> = {
    '\x80': byte,
    '\x95': uint64,
    0: () => (stack.length === 0 ? fail('a value is missing') : stack.pop()),
    1: popToMark,
    a() {
      append([pop()]);
    },
    e() {
      append(popToMark());
    },
    '\x90'() {
      append(popToMark());
    },
    '}'() {
      dictionary([]);
    },
    d() {
      dictionary(popToMark());
    },
    s() {
      setItems(popMany(2));
    },
    u() {
      setItems(popToMark());
    },
    p() {
      remember(Number(line()));
    },
    q() {
      remember(byte());
    },
    r() {
      remember(uint32());
    },
    '\x94'() {
      remember(memo.size);
    },
    b: build,
  };

  const operations: (() => unknown)[] = [];
  for (const [opcode, value] of Object.entries(values))
    operations[opcode.charCodeAt(0)] = () => {
      push(value());
    };
  for (const [opcode, effect] of Object.entries(effects)) operations[opcode.charCodeAt(0)] = effect;
  for (;;) {
    const opcode = byte();
    if (opcode === stop) return { value: pop(), end: at, globals };
    (operations[opcode] ?? (() => fail(`an unknown opcode ${opcode}`)))();
  }
}

/** What is made of some values may be a copy of them. */
function copiedLength(values: unknown): number {
  if (!Array.isArray(values)) return lengthOf(values);
  return values.reduce<number>((sum, value) => sum + lengthOf(value), lengthOf(values));
}

function lengthOf(value: unknown): number {
  if (Array.isArray(value)) return memoryOf.item * value.length;
  if (typeof value === 'string') return 2 * value.length;
  return value instanceof Uint8Array ? value.byteLength : 0;
}

const hasKind = (value: unknown, kind: string) =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
export const isGlobal = (value: unknown): value is PickleGlobal => hasKind(value, 'global');
export const isObject = (value: unknown): value is PickleObject => hasKind(value, 'object');
const isRestorable = (value: unknown): value is Restorable =>
  typeof value === 'object' && value !== null && 'restore' in value && typeof value.restore === 'function';

const plainInteger = (value: bigint) => (BigInt.asIntN(54, value) === value ? Number(value) : value);

/** Python's escapes in text of one byte a character. */
function unescape(text: string): string {
  return text.replace(
    /\\(?:x(..)|u(.{4})|U(.{8})|(.))/g,
    (whole, two, four, eight, one: string | undefined) => {
      const digits = (two ?? four ?? eight) as string | undefined;
      if (digits !== undefined)
        return String.fromCodePoint(
          /^[\da-f]+$/i.test(digits) ? Math.min(parseInt(digits, 16), 0x10ffff) : 0,
        );
      return { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' }[one!] ?? whole;
    },
  );
}

/** Little-endian, of any length. */
function twosComplement(bytes: Uint8Array): bigint {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'));
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${digits.reverse().join('') || '0'}`));
}
