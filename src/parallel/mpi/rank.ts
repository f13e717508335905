import { writeSync } from 'node:fs';
import { escapeControls, InputError } from '../../errors.js';
import { placeOf, type Mesh } from '../mesh.js';
import type { Ranks } from '../ranks.js';
import { named } from './channel.js';
import { rest } from './wait.js';
import { openMpi, type MpiOptions, type MpiWorld } from './world.js';

const standardError = 2;
/** Hydra drops what it has not read of a process's output when it ends all; to read it, it needs a moment. */
const millisecondsToRead = 200;

export interface MpiRankOptions extends MpiOptions {
  readonly mesh: Mesh;
}

/**
 * Does a rank's work in this process, which a launcher of MPI started with others. Where the work of one fails, or its
 * process ends, all end: that rank says why in one line on standard error, and the others are stopped.
 *
 * @throws InputError where MPI cannot be opened
 */
export async function runMpiRank<Result>(
  work: (ranks: Ranks, world: MpiWorld) => Promise<Result>,
  { mesh, ...options }: MpiRankOptions,
): Promise<Result> {
  const world = openMpi(options);
  const fail = (error: unknown): void => {
    process.off('exit', exit);
    // at once, as this process is about to end
    writeSync(standardError, `${named(world)}: ${messageOf(error)}\n`);
    rest(millisecondsToRead);
    world.abort(error instanceof InputError ? 2 : 1);
  };
  const exit = (code: number): void => {
    fail(new Error(`ended with code ${code} before it was done`));
  };
  process.on('exit', exit);
  try {
    const ranks = { mesh, place: placeOf(world.rank, mesh), groups: world.groups(mesh) };
    const result = await work(ranks, world);
    world.finalize();
    process.off('exit', exit);
    return result;
  } catch (error) {
    fail(error);
    throw error;
  }
}

const messageOf = (error: unknown): string =>
  escapeControls((error instanceof Error ? error.message : String(error)).trim().replace(/\s*\n\s*/g, '; '));
