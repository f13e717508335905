/** How Megatron-LM names the folders of checkpoints, and the file beside them. */

/** Names the iteration of the checkpoint to go on from. */
export const trackerName = 'latest_checkpointed_iteration.txt';

export const iterationFolder = (iteration: number | string) => `iter_${String(iteration).padStart(7, '0')}`;

/** Undefined for other folders. */
export const iterationOf = (folder: string): number | undefined => {
  const digits = /^iter_(\d{7,})$/.exec(folder)?.[1];
  return digits === undefined ? undefined : Number(digits);
};
