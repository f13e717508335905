import { mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { storedArrays, type SafetensorsDtype } from './safetensors-header.js';
import { readSafetensors, writeSafetensors, type SafetensorsEntry, type TensorData } from './safetensors.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

const tinyModel = join(import.meta.dirname, '../../test/fixtures/tiny/model.safetensors');
const readableDtypes = (Object.keys(storedArrays) as SafetensorsDtype[]).filter(
  (dtype) => !dtype.endsWith('F16'),
);

/** A file with any header text, `dataByteLength` zeros after it and, unless given, the right header length. */
async function fileWith(header: string, dataByteLength = 0, headerByteLength?: bigint): Promise<string> {
  const path = join(folder, 'hostile.safetensors');
  const json = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(headerByteLength ?? BigInt(json.byteLength));
  await writeFile(path, Buffer.concat([prefix, json, Buffer.alloc(dataByteLength)]));
  return path;
}

async function readAll(path: string): Promise<Map<string, TensorData>> {
  const file = await readSafetensors(path);
  try {
    const values = new Map<string, TensorData>();
    for (const name of file.tensors.keys()) values.set(name, await file.read(name));
    return values;
  } finally {
    await file.close();
  }
}

const arbitraryEntry: fc.Arbitrary<SafetensorsEntry> = fc
  .record({
    name: fc.string().filter((name) => name !== '__metadata__' && name !== '__proto__'),
    dtype: fc.constantFrom(...readableDtypes),
    shape: fc.array(fc.nat(3), { maxLength: 3 }),
    fill: fc.nat(255),
  })
  .map(({ name, dtype, shape, fill }) => {
    const array = storedArrays[dtype];
    const data = new array(shape.reduce((product, size) => product * size, 1));
    new Uint8Array(data.buffer).fill(fill);
    return { name, dtype, shape, data };
  });
const arbitraryEntries = fc.uniqueArray(arbitraryEntry, { selector: ({ name }) => name, maxLength: 6 });

describe('reading what was written', () => {
  it('gives the same tensors and metadata for any file', async () => {
    const path = join(folder, 'round-trip.safetensors');
    await fc.assert(
      fc.asyncProperty(
        arbitraryEntries,
        fc.dictionary(fc.string(), fc.string()),
        async (entries, metadata) => {
          await writeSafetensors(path, entries, metadata);
          const file = await readSafetensors(path);
          await file.close();
          expect(Object.fromEntries(file.metadata)).toEqual({ format: 'pt', ...metadata });
          expect(new Set(file.tensors.keys())).toEqual(new Set(entries.map(({ name }) => name)));
          const values = await readAll(path);
          for (const { name, dtype, shape, data } of entries) {
            expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
            expect(file.tensors.get(name)!.offset % storedArrays[dtype].BYTES_PER_ELEMENT).toBe(0);
            expect(values.get(name)).toEqual(data);
          }
        },
      ),
    );
  });

  it('calls functions for the data one after the other', async () => {
    const path = join(folder, 'lazy.safetensors');
    const calls: string[] = [];
    const lazy = (name: string, value: number): SafetensorsEntry => ({
      name,
      dtype: 'F32',
      shape: [2],
      data: async () => {
        calls.push(name);
        return Promise.resolve(Float32Array.of(value, -value));
      },
    });
    await writeSafetensors(path, [lazy('b', 1), lazy('a', 2)]);
    expect(calls).toEqual(['b', 'a']);
    expect(await readAll(path)).toEqual(
      new Map([
        ['b', Float32Array.of(1, -1)],
        ['a', Float32Array.of(2, -2)],
      ]),
    );
  });

  it('widens F16 and BF16', async () => {
    const path = join(folder, 'half.safetensors');
    await writeSafetensors(path, [
      { name: 'half', dtype: 'F16', shape: [3], data: Uint16Array.of(0x3c00, 0xc000, 0x0001) },
      { name: 'brain', dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0xc000) },
    ]);
    const values = await readAll(path);
    expect(values.get('half')).toEqual(Float32Array.of(1, -2, 2 ** -24));
    expect(values.get('brain')).toEqual(Float32Array.of(1, -2));
  });

  it('reads bytes into shared memory', async () => {
    const path = join(folder, 'shared.safetensors');
    await writeSafetensors(path, [{ name: 'w', dtype: 'I32', shape: [2], data: Int32Array.of(7, -9) }]);
    const file = await readSafetensors(path);
    const target = new Int32Array(new SharedArrayBuffer(16), 4, 2);
    await file.readInto('w', new Uint8Array(target.buffer, 4, 8));
    expect([...target]).toEqual([7, -9]);
    await expect(file.readInto('w', new Uint8Array(9))).rejects.toThrow('has 8 bytes, the target 9');
    await expect(file.read('v')).rejects.toThrow(InputError);
    await file.close();
  });
});

describe('reading what the reference implementation wrote', () => {
  it('finds the tensors of the tiny model', async () => {
    const file = await readSafetensors(tinyModel);
    expect(file.metadata).toEqual(new Map([['format', 'pt']]));
    expect(file.tensors.size).toBe(46);
    const name = 'bert.embeddings.word_embeddings.weight';
    const tensor = file.tensors.get(name)!;
    expect(tensor).toMatchObject({ dtype: 'F32', shape: [128, 32], byteLength: 128 * 32 * 4 });
    const bytes = (await readFile(tinyModel)).subarray(tensor.offset, tensor.offset + tensor.byteLength);
    const values = (await file.read(name)) as Float32Array;
    expect(values[0]).toBe(bytes.readFloatLE(0));
    expect(values[4095]).toBe(bytes.readFloatLE(4095 * 4));
    await file.close();
  });
});

describe('writing', () => {
  const data = Float32Array.of(1, 2);

  it.each<[string, SafetensorsEntry[]]>([
    ['two tensors are named "a"', [1, 2].map(() => ({ name: 'a', dtype: 'F32', shape: [2], data }))],
    ['is reserved', [{ name: '__metadata__', dtype: 'F32', shape: [2], data }]],
    ['is not a shape', [{ name: 'a', dtype: 'F32', shape: [-2], data }]],
    ['needs Float32Array data of 12 bytes', [{ name: 'a', dtype: 'F32', shape: [3], data }]],
    ['needs Int32Array data', [{ name: 'a', dtype: 'I32', shape: [2], data }]],
    [
      'out of ink',
      [{ name: 'a', dtype: 'F32', shape: [2], data: () => Promise.reject(new Error('out of ink')) }],
    ],
  ])('leaves the old file and nothing else behind when it fails: %s', async (message, entries) => {
    const own = await mkdtemp(join(folder, 'failing-'));
    const path = join(own, 'model.safetensors');
    await writeFile(path, 'old');
    await expect(writeSafetensors(path, entries)).rejects.toThrow(message);
    expect(await readdir(own)).toEqual(['model.safetensors']);
    expect(await readFile(path, 'utf8')).toBe('old');
  });

  it('names the file when its folder does not exist', async () => {
    const path = join(folder, 'nowhere', 'model.safetensors');
    await expect(writeSafetensors(path, [])).rejects.toThrow(`${path}: cannot be written`);
  });
});

describe('a file that is not what it should be', () => {
  const tensor = (fields: object): string =>
    JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields } });
  const pair = (first: [number, number], second: [number, number]): string =>
    JSON.stringify({
      a: { dtype: 'U8', shape: [first[1] - first[0]], data_offsets: first },
      b: { dtype: 'U8', shape: [second[1] - second[0]], data_offsets: second },
    });

  it.each<[string, string, number]>([
    ['not valid JSON', '{"w": ', 0],
    ['not valid JSON', '\ufeff{}', 0],
    ['not a JSON object', '[]', 0],
    ['not a JSON object', 'null', 0],
    ['occurs twice', `{"w": 1, "w": 1}`, 0],
    ['occurs twice', `{"w": {"dtype": "F32", "dtype": "F32"}}`, 0],
    ['named "__proto__"', `{"__proto__": {"dtype": "U8", "shape": [], "data_offsets": [0, 1]}}`, 1],
    ['__metadata__ is not an object', '{"__metadata__": []}', 0],
    ['a value that is not a string: "format"', '{"__metadata__": {"format": 1}}', 0],
    ['"w": expected an object', '{"w": null}', 0],
    ['"w": unknown dtype "constructor"', tensor({ dtype: 'constructor' }), 8],
    ['"w": unknown dtype object', tensor({ dtype: ['F32'] }), 8],
    ['"w": the shape is not', tensor({ shape: [-2] }), 8],
    ['"w": the shape is not', tensor({ shape: [2.5] }), 8],
    ['"w": the shape is not', tensor({ shape: '2' }), 8],
    ['"w": the shape is not', `{"w": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 8]}}`, 8],
    ['"w": the shape is larger', tensor({ shape: [2 ** 40, 2 ** 40, 0] }), 8],
    ['"w": F32 [3] takes 12 bytes, but data_offsets give 8', tensor({ shape: [3] }), 8],
    ['"w": data_offsets is not', tensor({ data_offsets: [-8, 0] }), 8],
    ['"w": data_offsets is not', tensor({ data_offsets: [8, 0] }), 8],
    ['"w": data_offsets is not', tensor({ data_offsets: [0, 4, 8] }), 8],
    ['"w" leaves a hole', tensor({ data_offsets: [8, 16] }), 16],
    ['"b" leaves a hole', pair([0, 4], [5, 8]), 8],
    ['"b" overlaps', pair([0, 4], [3, 8]), 8],
    ['"w" ends at byte', tensor({}), 7],
    ['1 bytes after the last tensor', tensor({}), 9],
  ])('is refused: %s (%s)', async (message, header, dataByteLength) => {
    const path = await fileWith(header, dataByteLength);
    const failure = await readSafetensors(path).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InputError);
    expect((failure as Error).message).toContain(message);
    expect((failure as Error).message).toContain(path);
  });

  it.each([3n, 100_000_001n, 2n ** 64n - 1n])('is refused for a header length of %s', async (byteLength) => {
    const path = await fileWith('{}', 0, byteLength);
    await expect(readSafetensors(path)).rejects.toThrow('not a safetensors file, or an incomplete one');
  });

  it('is refused when it is empty, missing or a folder', async () => {
    const path = join(folder, 'empty');
    await writeFile(path, '');
    await expect(readSafetensors(path)).rejects.toThrow('shorter than 8 bytes');
    await expect(readSafetensors(join(folder, 'missing'))).rejects.toThrow(InputError);
    await expect(readSafetensors(folder)).rejects.toThrow(InputError);
  });

  it('may become shorter after it was opened', async () => {
    const path = await fileWith(tensor({}), 8);
    const file = await readSafetensors(path);
    await truncate(path, file.tensors.get('w')!.offset + 7);
    await expect(file.read('w')).rejects.toThrow('has become shorter');
    await file.close();
  });

  it('is refused, or read within its bounds, however it is corrupted', async () => {
    const path = join(folder, 'corrupt.safetensors');
    await writeSafetensors(path, [
      { name: 'a', dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
      { name: 'b', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
    ]);
    const intact = await readFile(path);
    const corruption = fc.record({
      // mostly in the header, where it matters
      changes: fc.array(
        fc.tuple(fc.nat(intact.byteLength - 1), fc.oneof(fc.nat(255), fc.integer({ min: 48, max: 57 }))),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      byteLength: fc.oneof(fc.constant(intact.byteLength), fc.nat(intact.byteLength)),
    });
    await fc.assert(
      fc.asyncProperty(corruption, async ({ changes, byteLength }) => {
        const bytes = Buffer.from(intact);
        for (const [position, value] of changes) bytes[position] = value;
        await writeFile(path, bytes.subarray(0, byteLength));
        try {
          const values = [...(await readAll(path)).values()];
          const stored = values.reduce((sum, array) => sum + array.length, 0);
          expect(stored).toBeLessThanOrEqual(byteLength);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('is not loaded whole: a sparse file of 8 GiB opens at once', async () => {
    const byteLength = 2 ** 33;
    const header = JSON.stringify({ w: { dtype: 'U8', shape: [byteLength], data_offsets: [0, byteLength] } });
    const path = await fileWith(header);
    const handle = await open(path, 'r+');
    try {
      await handle.truncate(8 + Buffer.byteLength(header) + byteLength);
      const file = await readSafetensors(path);
      expect(file.tensors.get('w')!.byteLength).toBe(byteLength);
      await file.close();
    } finally {
      await handle.close();
      await rm(path);
    }
  });
});
