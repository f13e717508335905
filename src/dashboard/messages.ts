/** What the server tells pages, by the names of the events. */
import type { History, LoggedEvent } from './history.js';

export interface Messages {
  readonly folder: FolderMessage;
  /** All so far: what was told before no longer counts. */
  readonly history: { readonly history: History; readonly modified: number | null };
  /** What was logged since. */
  readonly events: { readonly events: readonly LoggedEvent[]; readonly modified: number | null };
  /** The run is over, or nobody serves it any longer. */
  readonly closed: null;
}

export interface FolderMessage {
  readonly name: string;
  /** `run.json`, as it was found. */
  readonly run: Readonly<Record<string, unknown>>;
  /** Iterations with a checkpoint, the newest first. */
  readonly checkpoints: readonly number[];
}
