import type { Value } from '../graph/value.js';
import type { Run } from '../model/run.js';

/**
 * What is computed again for the backward pass instead of being kept (Megatron-LM's activation recomputation): nothing,
 * attention's scores and probabilities (arXiv 2205.05198), or all of a layer but its input.
 */
export const recomputations = ['none', 'selective', 'full'] as const;
export type Recomputation = (typeof recomputations)[number];

/** Whether forward may keep a value for backward. */
export function mayKeepFor(recomputation: Recomputation, { sequenceLength }: Run): (value: Value) => boolean {
  // [batch, heads, queries, keys]; a query whose heads are as wide is one transposition, and costs no more to repeat
  const isOfAttention = ({ shape }: Value) =>
    shape.length === 4 && shape[2] === sequenceLength && shape[3] === sequenceLength;
  return (value) => recomputation !== 'selective' || !isOfAttention(value);
}
