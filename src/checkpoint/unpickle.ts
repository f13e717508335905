/**
 * Reads Python pickles as plain data. Nothing is ever called: what a pickle wants to import or construct becomes a
 * record of that wish, unless `construct` knows a harmless meaning for it.
 * Source: the opcodes' descriptions in CPython's Lib/pickletools.py, protocols 0 to 5.
 */
import { InputError } from '../errors.js';

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

/** Dictionaries are Maps, lists and tuples arrays, integers beyond 2⁵³ bigints, None null, bytes Uint8Arrays. */
export interface UnpickleOptions {
  /** Named in errors. */
  readonly source: string;
  /** The plain data that a call stands for; undefined where it is not known. */
  readonly construct: (type: PickleGlobal, args: readonly unknown[]) => unknown;
  /** What a reference to something outside the pickle stands for. */
  readonly persistent: (id: unknown) => unknown;
}

const mark = Symbol('mark');
/** Of values on the stack and in the memo; a state dictionary has some ten for a tensor. */
const mostValues = 10_000_000;

/** @throws InputError for what is no pickle, or an incomplete one */
export function unpickle(bytes: Uint8Array, { source, construct, persistent }: UnpickleOptions): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();
  let at = 0;

  const fail = (problem: string): never => {
    throw new InputError(`${source}: not a pickle that can be read: ${problem} at byte ${at}`);
  };
  const take = (length: number): number => {
    if (!(length >= 0 && at + length <= bytes.length)) fail(`${length} bytes are missing`);
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
  const text = (length: number) => new TextDecoder().decode(raw(length));
  const line = () => {
    const end = bytes.indexOf(10, at);
    if (end < 0) fail('a line has no end');
    const found = Buffer.from(raw(end - at)).toString('latin1');
    take(1);
    return found;
  };
  const push = (value: unknown) => {
    if (stack.length >= mostValues || memo.size >= mostValues) fail('too many values');
    stack.push(value);
  };
  const pop = (): unknown => {
    if (stack.length === 0 || stack.at(-1) === mark) fail('a value is missing');
    return stack.pop();
  };
  const peek = (): unknown => {
    if (stack.length === 0 || stack.at(-1) === mark) fail('a value is missing');
    return stack.at(-1);
  };
  const popToMark = (): unknown[] => {
    const start = stack.lastIndexOf(mark);
    if (start < 0) fail('a mark is missing');
    const values = stack.splice(start);
    return values.slice(1);
  };
  const popMany = (count: number) => Array.from({ length: count }, pop).reverse();
  const recall = (index: number) => {
    if (!memo.has(index)) fail(`nothing is remembered as ${index}`);
    push(memo.get(index));
  };

  const append = (values: readonly unknown[]) => {
    const target = peek();
    const items = isObject(target) ? target.items : target;
    if (!Array.isArray(items)) return fail('a list is missing');
    for (const value of values) items.push(value);
  };
  const setItems = (values: readonly unknown[]) => {
    const target = peek();
    if (values.length % 2 !== 0) fail('a key has no value');
    if (!(target instanceof Map) && !isObject(target)) return fail('a dictionary is missing');
    for (let i = 0; i < values.length; i += 2)
      if (target instanceof Map) target.set(values[i], values[i + 1]);
      else target.items.push([values[i], values[i + 1]]);
  };
  const call = (type: unknown, args: unknown) => {
    if (!Array.isArray(args)) return fail('arguments are missing');
    const known = isGlobal(type) ? construct(type, args) : undefined;
    push(known ?? { kind: 'object', type, arguments: args, items: [] });
  };
  const build = () => {
    const state = pop();
    const target = peek();
    if (isObject(target)) target.state = state;
  };
  const dictionary = (values: readonly unknown[]) => {
    push(new Map());
    setItems(values);
  };
  const named = (module: unknown, name: unknown) => {
    if (typeof module !== 'string' || typeof name !== 'string') return fail('the name of a class is missing');
    push({ kind: 'global', module, name } satisfies PickleGlobal);
  };

  /** By opcode. */
  const operations: Readonly<Record<number, () => void>> = {
    [code('\x80')]: () => byte(),
    [code('\x95')]: () => uint64(),
    [code('(')]: () => {
      push(mark);
    },
    [code('0')]: () => stack.pop(),
    [code('1')]: popToMark,
    [code('2')]: () => {
      push(peek());
    },
    // constants and numbers
    [code('N')]: () => {
      push(null);
    },
    [code('\x88')]: () => {
      push(true);
    },
    [code('\x89')]: () => {
      push(false);
    },
    [code('I')]: () => {
      const digits = line();
      push(digits === '01' ? true : digits === '00' ? false : Number(digits));
    },
    [code('L')]: () => {
      push(plainInteger(integerOf(line().replace(/L$/, ''), fail)));
    },
    [code('J')]: () => {
      push(int32());
    },
    [code('K')]: () => {
      push(byte());
    },
    [code('M')]: () => {
      push(uint16());
    },
    [code('\x8a')]: () => {
      push(plainInteger(twosComplement(raw(byte()))));
    },
    [code('\x8b')]: () => {
      push(plainInteger(twosComplement(raw(int32()))));
    },
    [code('F')]: () => {
      push(Number(line()));
    },
    [code('G')]: () => {
      push(view.getFloat64(take(8), false));
    },
    // strings and bytes
    [code('S')]: () => {
      push(unescape(line().replace(/^['"]|['"]$/g, '')));
    },
    [code('V')]: () => {
      push(unescape(line()));
    },
    [code('T')]: () => {
      push(text(int32()));
    },
    [code('U')]: () => {
      push(text(byte()));
    },
    [code('X')]: () => {
      push(text(uint32()));
    },
    [code('\x8c')]: () => {
      push(text(byte()));
    },
    [code('\x8d')]: () => {
      push(text(uint64()));
    },
    [code('B')]: () => {
      push(raw(uint32()).slice());
    },
    [code('C')]: () => {
      push(raw(byte()).slice());
    },
    [code('\x8e')]: () => {
      push(raw(uint64()).slice());
    },
    [code('\x96')]: () => {
      push(raw(uint64()).slice());
    },
    // collections
    [code(')')]: () => {
      push([]);
    },
    [code('t')]: () => {
      push(popToMark());
    },
    [code('\x85')]: () => {
      push(popMany(1));
    },
    [code('\x86')]: () => {
      push(popMany(2));
    },
    [code('\x87')]: () => {
      push(popMany(3));
    },
    [code(']')]: () => {
      push([]);
    },
    [code('l')]: () => {
      push(popToMark());
    },
    [code('a')]: () => {
      append([pop()]);
    },
    [code('e')]: () => {
      append(popToMark());
    },
    [code('}')]: () => {
      push(new Map());
    },
    [code('d')]: () => {
      dictionary(popToMark());
    },
    [code('s')]: () => {
      setItems(popMany(2));
    },
    [code('u')]: () => {
      setItems(popToMark());
    },
    [code('\x8f')]: () => {
      push([]);
    },
    [code('\x90')]: () => {
      append(popToMark());
    },
    [code('\x91')]: () => {
      push(popToMark());
    },
    // the memo
    [code('p')]: () => memo.set(Number(line()), peek()),
    [code('q')]: () => memo.set(byte(), peek()),
    [code('r')]: () => memo.set(uint32(), peek()),
    [code('\x94')]: () => memo.set(memo.size, peek()),
    [code('g')]: () => {
      recall(Number(line()));
    },
    [code('h')]: () => {
      recall(byte());
    },
    [code('j')]: () => {
      recall(uint32());
    },
    // what would be imported and called
    [code('c')]: () => {
      named(line(), line());
    },
    [code('\x93')]: () => {
      const [module, name] = popMany(2);
      named(module, name);
    },
    [code('R')]: () => {
      const [type, args] = popMany(2);
      call(type, args);
    },
    [code('\x81')]: () => {
      const [type, args] = popMany(2);
      call(type, args);
    },
    [code('\x92')]: () => {
      const [type, args, keywords] = popMany(3);
      call(type, [...(Array.isArray(args) ? (args as unknown[]) : []), keywords]);
    },
    [code('o')]: () => {
      const [type, ...args] = popToMark();
      call(type, args);
    },
    [code('i')]: () => {
      const type = { kind: 'global', module: line(), name: line() };
      call(type, popToMark());
    },
    [code('b')]: build,
    [code('P')]: () => {
      push(persistent(line()));
    },
    [code('Q')]: () => {
      push(persistent(pop()));
    },
  };

  for (;;) {
    const opcode = byte();
    if (opcode === code('.')) return pop();
    const operation = operations[opcode];
    if (!operation) fail(`an unknown opcode ${opcode}`);
    else operation();
  }
}

const code = (character: string) => character.charCodeAt(0);

export const isGlobal = (value: unknown): value is PickleGlobal =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'global';
const isObject = (value: unknown): value is PickleObject =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'object';

const plainInteger = (value: bigint) => (BigInt.asIntN(54, value) === value ? Number(value) : value);

function integerOf(digits: string, fail: (problem: string) => never): bigint {
  if (!/^-?\d{1,1000}$/.test(digits)) fail('a number is missing');
  return BigInt(digits);
}

/** Python's escapes in text of one byte a character. */
function unescape(text: string): string {
  return text.replace(
    /\\(?:x(..)|u(.{4})|U(.{8})|(.))/g,
    (whole, two, four, eight, one: string | undefined) => {
      const digits = (two ?? four ?? eight) as string | undefined;
      if (digits !== undefined) return String.fromCodePoint(Math.min(parseInt(digits, 16) || 0, 0x10ffff));
      return { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' }[one!] ?? whole;
    },
  );
}

/** Little-endian, of any length. */
function twosComplement(bytes: Uint8Array): bigint {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'));
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${digits.reverse().join('') || '0'}`));
}
