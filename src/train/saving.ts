import { isDeepStrictEqual } from 'node:util';
import { partPlaces, type Division, type Manifest, type PartPlace } from '../checkpoint/training/manifest.js';
import { writeTrainingCheckpoint, type Rotation } from '../checkpoint/training/write.js';
import type { SavedProgress } from './pretrain-rank.js';
import type { SnapshotEvent } from './pretrain-thread.js';
import { releaseSnapshot, stateOf, type Snapshot } from './snapshot.js';

export interface SavingOptions {
  /** Of all checkpoints. */
  readonly folder: string;
  readonly division: Division;
  /** What a run must have in common with the one that it goes on with. */
  readonly run: Manifest['run'];
  readonly rotation: Rotation;
  /** Called before a checkpoint is written. */
  readonly prepare: () => Promise<void>;
  /** Called where one cannot be written. */
  readonly onFailure: (error: Error) => void;
  readonly onSaved: (iteration: number) => void;
}

/** Puts the ranks' snapshots together and writes them while the ranks go on. */
export function createSaving(options: SavingOptions) {
  const places = partPlaces(options.division);
  const numberOf = (own: PartPlace) => places.findIndex((place) => isDeepStrictEqual(place, own));
  let arrived: Snapshot[] = [];
  let saving = Promise.resolve();

  const write = async (event: SnapshotEvent, snapshots: readonly Snapshot[]) => {
    await options.prepare();
    const state = savedState(event, options);
    await writeTrainingCheckpoint(options.folder, state, snapshots.map(stateOf), options.rotation);
    snapshots.forEach(releaseSnapshot);
    options.onSaved(event.completed.iterations);
  };

  return {
    add(event: SnapshotEvent): void {
      arrived.push(event.snapshot);
      if (arrived.length < places.length) return;
      const snapshots = arrived.toSorted((a, b) => numberOf(a.place) - numberOf(b.place));
      arrived = [];
      saving = saving.then(() => write(event, snapshots));
      saving.catch((error: unknown) => {
        const { message } = error as Error;
        options.onFailure(
          new Error(`iteration ${event.completed.iterations} cannot be saved: ${message}`, { cause: error }),
        );
      });
    },
    /** Returns when the last one is on disk. */
    done: () => saving,
  };
}

/** What a checkpoint's manifest says of the run. */
export const savedState = (
  { completed: { iterations, updates, recentLosses }, consumedSamples }: SavedProgress,
  { division, run }: Pick<SavingOptions, 'division' | 'run'>,
) => ({
  iteration: iterations,
  consumed_samples: consumedSamples,
  skipped_iterations: iterations - updates,
  recent_losses: recentLosses,
  ...division,
  run,
});
