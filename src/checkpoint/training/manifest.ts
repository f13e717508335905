/** `manifest.json` of a training checkpoint, which is written last. */
import { z } from 'zod';
import { InputError } from '../../errors.js';
import { readJsonObject } from '../json-file.js';

const count = z.int().nonnegative();

const schema = z.object({
  format: z.literal('megatron-bert training checkpoint'),
  version: z.literal(1),
  /** Iterations completed. */
  iteration: count,
  consumed_samples: count,
  /** Those of them whose batch was left out. */
  skipped_iterations: count,
  /** Of the last updates, which say what a spike is. */
  recent_losses: z.array(z.number()).readonly(),
  tensor_model_parallel_size: z.int().positive(),
  /** What a run must have in common with the one that it goes on with. */
  run: z.record(z.string(), z.unknown()),
  files: z.array(
    z.object({
      name: z.string().regex(/^mp_rank_\d\d\/(model|optimizer)\.safetensors$/),
      bytes: count,
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

export type Manifest = Readonly<z.infer<typeof schema>>;

export const manifestName = 'manifest.json';

/** Bytes of a manifest: each rank has a line or two. */
const largestManifest = 2 ** 24;

/** @throws InputError where there is none, or one of another kind */
export async function readManifest(file: string): Promise<Manifest> {
  const { success, data, error } = schema.safeParse(await readJsonObject(file, largestManifest));
  if (success) return data;
  const { path, message } = error.issues[0]!;
  throw new InputError(`${file}: ${path.join('.')}: ${message}`);
}

/** The files of a rank. */
export const rankFile = (rank: number, part: 'model' | 'optimizer') =>
  `mp_rank_${String(rank).padStart(2, '0')}/${part}.safetensors`;
