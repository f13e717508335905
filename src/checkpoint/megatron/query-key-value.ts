/**
 * The rows of the fused query, key and value matrix, whose order changed with the checkpoint's version.
 * Source: Megatron-LM v2.5 megatron/checkpointing.py, `fix_query_key_value_ordering`.
 */
import { InputError } from '../../errors.js';

/** The versions of Megatron-LM's checkpoints. */
export const checkpointVersions = [0, 1, 2, 3] as const;
export type CheckpointVersion = (typeof checkpointVersions)[number];

export interface HeadRows {
  /** All heads of the model, and those of one rank. */
  readonly heads: number;
  readonly heldHeads: number;
  /** The number of the rank. */
  readonly rank: number;
  /** Rows of one head's queries. */
  readonly headSize: number;
  readonly version: CheckpointVersion;
}

/**
 * Visits stretches of rows that are together in both orders: in the whole model (all queries, all keys, all values;
 * in each the heads one after the other), and in a rank's part:
 * version 0 [3, heads, headSize], 1.0 [heads, headSize, 3], from 2.0 on [heads, 3, headSize].
 */
export function forEachStretch(
  { heads, heldHeads, rank, headSize, version }: HeadRows,
  visit: (wholeRow: number, partRow: number, rows: number) => void,
): void {
  for (let kind = 0; kind < 3; kind++)
    for (let head = 0; head < heldHeads; head++) {
      const whole = (kind * heads + rank * heldHeads + head) * headSize;
      if (version === 0) visit(whole, (kind * heldHeads + head) * headSize, headSize);
      else if (version === 1)
        for (let i = 0; i < headSize; i++) visit(whole + i, (head * headSize + i) * 3 + kind, 1);
      else visit(whole, (head * 3 + kind) * headSize, headSize);
    }
}

/** @param value as it stands in a checkpoint: a number, or nothing in the first releases */
export function checkpointVersionOf(value: unknown, source: string): CheckpointVersion {
  const version = value ?? 0;
  if (!(checkpointVersions as readonly unknown[]).includes(version))
    throw new InputError(
      `${source}: checkpoint_version: expected ${checkpointVersions.join(', ')}, found ${typeof version === 'number' ? version : typeof version}`,
    );
  return version as CheckpointVersion;
}
