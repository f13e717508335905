import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fixture } from '../../test/support/fixture.js';
import { temporaryFolder } from '../../test/support/workspace.js';
import { InputError } from '../errors.js';
import { readTorchTensors } from './torch-file.js';

const file = (name: string) => fixture(`torch/${name}`);
const spoilt = path.join(temporaryFolder(), 'spoilt.bin');

test('tensors are found where they lie', async () => {
  const tensors = await readTorchTensors(file('tensors.bin'));
  const bytes = await readFile(file('tensors.bin'));
  const values = (name: string) => {
    const { offset, byteLength } = tensors.get(name)!;
    return new Uint8Array(bytes.subarray(offset, offset + byteLength)).buffer;
  };
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
});

test('what a file wants to execute is passed over', async () => {
  expect([...(await readTorchTensors(file('hostile.bin'))).keys()]).toEqual(['weight']);
  expect(existsSync('/tmp/executed')).toBe(false);
});

test.each([
  ['turned.bin', 'turned is a view that is not stored in rows'],
  ['legacy.bin', 'not a zip archive that can be read: it has no directory'],
  ['pickles.json', 'not a zip archive that can be read: it has no directory'],
  ['none.bin', 'cannot be opened'],
])('%s is refused', async (name, message) => {
  await expect(readTorchTensors(file(name))).rejects.toThrow(InputError);
  await expect(readTorchTensors(file(name))).rejects.toThrow(message);
});

test('spoilt files are read or refused', async () => {
  const bytes = await readFile(file('tensors.bin'));
  const change = fc.record({ place: fc.nat(bytes.length - 1), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(bytes.length), { freq: 8 }),
      async (changes, length) => {
        const copy = Buffer.from(bytes);
        for (const { place, byte } of changes) copy[place] = byte;
        await writeFile(spoilt, copy.subarray(0, length ?? copy.length));
        try {
          for (const { offset, byteLength } of (await readTorchTensors(spoilt)).values())
            expect(offset + byteLength).toBeLessThanOrEqual(length ?? copy.length);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      },
    ),
    { numRuns: 2000 },
  );
}, 60_000);
