import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fixture } from '../../../test/support/fixture.js';
import { temporaryFolder } from '../../../test/support/workspace.js';
import { InputError } from '../../errors.js';
import { isHarmless, namespaceFields, type NumpyArray } from './known-values.js';
import { openTorch, tensorsOf } from './read.js';
import { readTensor } from './tensor.js';

const file = (name: string) => fixture(`torch/${name}`);
const spoilt = path.join(temporaryFolder(), 'spoilt.bin');

/** Every tensor of a dictionary with its bytes. */
async function readAll(name: string) {
  const { value, close, ...rest } = await openTorch(file(name));
  const entries = [];
  for (const [key, tensor] of tensorsOf(value, name)) {
    const { dtype, shape } = tensor;
    entries.push([key, { dtype, shape, bytes: (await readTensor(tensor)).slice().buffer }] as const);
  }
  await close();
  return { value: value as Map<string, unknown>, tensors: new Map(entries), ...rest };
}

test('tensors of every kind', async () => {
  const { tensors, format, globals } = await readAll('tensors.bin');
  const values = (name: string) => tensors.get(name)!.bytes;
  expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
    ['float32', 'F32', [2, 3]],
    ['float16', 'F16', [2]],
    ['bfloat16', 'BF16', [2]],
    ['float64', 'F64', [1]],
    ['int64', 'I64', [1, 1]],
    ['boolean', 'BOOL', [2]],
    ['parameter', 'F32', [2]],
    ['view', 'F32', [2, 4]],
    ['scalar', 'F32', []],
  ]);
  expect([...new Float32Array(values('float32'))]).toEqual([0, 1, 2, 3, 4, 5]);
  expect([...new Float32Array(values('view'))]).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
  expect([...new Uint16Array(values('bfloat16'))]).toEqual([0x3fc0, 0xc000]);
  expect([...new Uint16Array(values('float16'))]).toEqual([0x3e00, 0xc000]);
  expect([...new BigInt64Array(values('int64'))]).toEqual([2n ** 40n]);
  expect([...new Float64Array(values('float64'))]).toEqual([0.1]);
  expect([...new Float32Array(values('parameter'))]).toEqual([1, 1]);
  expect(format).toBe('zip');
  expect([...globals].every(isHarmless)).toBe(true);
});

test('views are gathered', async () => {
  const { tensors } = await readAll('views.bin');
  expect([...new Float32Array(tensors.get('turned')!.bytes)]).toEqual([0, 3, 1, 4, 2, 5]);
  expect([...new Float32Array(tensors.get('every_second')!.bytes)]).toEqual([0, 2, 4, 6]);
});

// 0, 1 … 9 in 16 bits
const halves = [0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800, 0x4880];
const half = (...numbers: number[]) => numbers.map((number) => halves[number]);

test.each([
  ['legacy.bin', 'legacy'],
  ['values.bin', 'zip'],
  ['big-endian.bin', 'zip'],
])('%s: shared storages and plain values', async (name, expectedFormat) => {
  const { tensors, value, format, globals } = await readAll(name);
  expect(format).toBe(expectedFormat);
  expect([...new Uint16Array(tensors.get('first')!.bytes)]).toEqual(half(2, 3, 4, 5));
  expect([...new Uint16Array(tensors.get('second')!.bytes)]).toEqual(half(6, 8, 7, 9));
  expect([...new Uint8Array(tensors.get('bytes')!.bytes)]).toEqual([0, 1, 2, 3, 4]);
  expect(namespaceFields(value.get('args'))?.get('num_layers')).toBe(2);
  expect(namespaceFields(value.get('args'))?.get('eps')).toBe(1e-5);
  expect(value.get('scalar')).toBe(0.5);
  expect(value.get('count')).toBe(7);
  const { shape, dtype, data } = value.get('array') as NumpyArray;
  expect([shape, dtype, [...new Uint32Array(data.slice().buffer)]]).toEqual([[3], '<u4', [0, 1, 2]]);
  expect(value.get('size')).toEqual([2, 3]);
  expect(value.get('device')).toBe('cuda:1');
  const foreign = [...globals].filter((global) => !isHarmless(global));
  expect(foreign).toEqual(['torch.nn.modules.normalization.LayerNorm']);
});

test('what a file wants to execute is told, and not executed', async () => {
  const { tensors, globals } = await readAll('hostile.bin');
  expect([...tensors.keys()]).toEqual(['weight']);
  expect([...globals].filter((global) => !isHarmless(global))).toEqual(['posix.system']);
  expect(existsSync('/tmp/executed')).toBe(false);
});

test.each([
  ['pickles.json', 'not a file of torch.save'],
  ['none.bin', 'cannot be opened'],
])('%s is refused', async (name, message) => {
  await expect(readAll(name)).rejects.toThrow(InputError);
  await expect(readAll(name)).rejects.toThrow(message);
});

test.each(['tensors.bin', 'legacy.bin'])(
  'a spoilt %s is read or refused',
  async (name) => {
    const bytes = await readFile(file(name));
    const change = fc.record({ place: fc.nat(bytes.length - 1), byte: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.oneof(
          { weight: 7, arbitrary: fc.constant(bytes.length) },
          { weight: 1, arbitrary: fc.nat(bytes.length) },
        ),
        async (changes, length) => {
          const copy = Buffer.from(bytes);
          for (const { place, byte } of changes) copy[place] = byte;
          await writeFile(spoilt, copy.subarray(0, length));
          try {
            const { value, close } = await openTorch(spoilt);
            try {
              for (const tensor of tensorsOf(value, spoilt).values()) await readTensor(tensor);
            } finally {
              await close();
            }
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
          }
        },
      ),
      { numRuns: 2500 },
    );
  },
  60_000,
);
