import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../errors.js';
import { likelyLibraries } from './kinds.js';
import { openLibrary } from './library.js';

test('the libraries that belong to the launcher', () => {
  expect(likelyLibraries('Open MPI', 'linux')).toEqual(['libmpi.so.40', 'libmpi_abi.so.1']);
  expect(likelyLibraries('MPICH', 'linux')).toEqual(['libmpich.so.12', 'libmpi.so.12', 'libmpi_abi.so.1']);
  expect(likelyLibraries('Slurm', 'linux')).toHaveLength(4);
  expect(likelyLibraries(undefined, 'darwin')).toHaveLength(3);
});

describe('is refused:', () => {
  const opening = (path: string) => () => openLibrary(path);

  test('a library that is not there', () => {
    expect(opening('/nowhere/libmpi.so')).toThrow(InputError);
    expect(opening('/nowhere/libmpi.so')).toThrow(
      /^MPI library: expected a shared library, found \/nowhere\/libmpi\.so \(.*No such file/,
    );
  });

  test('a file that is no library', () => {
    expect(opening(import.meta.filename)).toThrow(/^MPI library: expected a shared library, found /);
  });

  test.runIf(process.platform === 'linux')('a library of something else', () => {
    const libc = readdirSync('/lib').includes('ld-musl-x86_64.so.1') ? 'ld-musl-x86_64.so.1' : 'libc.so.6';
    expect(opening(libc)).toThrow(
      `MPI library ${libc}: expected Open MPI, MPICH or one of the standard ABI, found no MPI`,
    );
  });
});
