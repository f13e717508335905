import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { fixture, readJson } from '../../../test/support/fixture.js';
import { InputError } from '../../errors.js';
import { budgetFor, unpickle, type PickleGlobal } from './unpickle.js';

const { protocols, objects } = readJson(fixture('torch/pickles.json')) as Record<
  'protocols' | 'objects',
  Record<string, string>
>;

/** codecs.encode(text, 'latin1') is how protocols 0 to 2 write bytes, and bytes() the empty ones. */
function construct({ module, name }: PickleGlobal, args: readonly unknown[]): unknown {
  if (module === '_codecs' && name === 'encode') return Buffer.from(args[0] as string, 'latin1');
  if (name === 'bytes') return Buffer.alloc(0);
  return undefined;
}
const read = (bytes: Uint8Array) =>
  unpickle(bytes, {
    source: 'file',
    budget: budgetFor(bytes.length),
    construct,
    persistent: (id) => ({ persistent: id }),
  }).value;
const ofBase64 = (text: string) => read(Buffer.from(text, 'base64'));

afterAll(() => {
  expect(existsSync('/tmp/executed')).toBe(false);
});

test.each(Object.entries(protocols))('protocol %s', (_, pickled) => {
  const value = ofBase64(pickled) as Map<unknown, unknown[]>;
  expect(value.get('numbers')).toEqual([
    0,
    1,
    -2,
    255,
    256,
    65536,
    -(2 ** 31),
    2 ** 40,
    2n ** 70n,
    -(2n ** 70n),
    1.5,
    -0.25,
  ]);
  expect(value.get('others')).toEqual([
    null,
    true,
    false,
    [],
    [1],
    [1, 2],
    [1, 2, 3],
    [1, 2, 3, 4],
    [],
    new Map(),
  ]);
  expect(value.get('text')).toEqual(['', 'é', '日本', 'x'.repeat(300), 'line\nend', 'back\\slash']);
  expect(value.get('bytes')!.map((bytes) => [...(bytes as Uint8Array)])).toEqual([
    [],
    [0, 255],
    new Array<number>(300).fill(121),
  ]);
  expect(value.get(3)).toBe('three');
});

describe('what a pickle wants to call is told, and not called', () => {
  test('os.system', () => {
    expect(ofBase64(objects['os.system']!)).toMatchObject({
      kind: 'object',
      type: { kind: 'global', module: 'posix', name: 'system' },
      arguments: ['touch /tmp/executed'],
    });
    expect(ofBase64(objects.nested!)).toMatchObject([new Map([['a', { type: { name: 'system' } }]])]);
  });

  test('eval', () => {
    expect(ofBase64(objects.eval!)).toMatchObject({ type: { name: 'eval' } });
  });

  test('a class with a state', () => {
    expect(ofBase64(objects.namespace!)).toMatchObject({
      type: { module: 'argparse', name: 'Namespace' },
      state: new Map<string, unknown>([
        ['hidden_size', 16],
        ['activation', 'gelu'],
      ]),
    });
  });
});

describe('what is no pickle', () => {
  const prefix = '\x80\x02';
  test.each([
    ['nothing', ''],
    ['no end', `${prefix}]`],
    ['an opcode that there is not', `${prefix}\xff.`],
    ['nothing on the stack', `${prefix}.`],
    ['a mark as a value', `${prefix}(.`],
    ['a missing mark', `${prefix}t.`],
    ['text that is longer than the file', `${prefix}X\xff\xff\xff\x7fabc.`],
    ['bytes of 2⁶³', `${prefix}\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.`],
    ['an integer of a negative length', `${prefix}\x8b\xff\xff\xff\xff.`],
    ['a memo that is empty', `${prefix}h\x05.`],
    ['items for what is no dictionary', `${prefix}K\x01K\x02K\x03s.`],
    ['an item for what is no list', `${prefix}K\x01K\x02a.`],
    ['a line without end', `${prefix}Fabc`],
    ['a class whose name is a list', `${prefix}]]\x93.`],
    ['a call without arguments', `${prefix}cos\nsystem\nK\x01R.`],
  ])('%s', (_, text) => {
    expect(() => read(Buffer.from(text, 'latin1'))).toThrow(InputError);
  });

  test('a list in itself is no endless one', () => {
    const list = read(Buffer.from('\x80\x02]q\x00h\x00a.', 'latin1')) as unknown[];
    expect(list[0]).toBe(list);
  });

  test('lists that double at every step stay as small as they are written', () => {
    const laughs = `\x80\x02]q\x00${'h\x00h\x00\x86q\x00'.repeat(60)}.`;
    expect(read(Buffer.from(laughs, 'latin1'))).toHaveLength(2);
  });

  test('any bytes are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 5000 },
    );
  });
});
