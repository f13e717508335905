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
  pipeline_model_parallel_size: z.int().positive().default(1),
  /** Files that the optimizer's state of one part of the model lies in. */
  optimizer_shares: z.int().positive().default(1),
  /** What a run must have in common with the one that it goes on with. */
  run: z.record(z.string(), z.unknown()),
  files: z.array(
    z.object({
      name: z.string().regex(/^mp_rank_\d\d(_\d{3})?\/(model|optimizer(_\d{3})?)\.safetensors$/),
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

/** How a checkpoint is divided. */
export type Division = Pick<
  Manifest,
  'tensor_model_parallel_size' | 'pipeline_model_parallel_size' | 'optimizer_shares'
>;

/** A part of the model, and a share of its optimizer's state. */
export interface PartPlace {
  readonly tensor: number;
  readonly pipeline: number;
  readonly share: number;
}

const digits = (number: number, count: number) => String(number).padStart(count, '0');

/** Megatron-LM's folders, with the stage where there are several. */
const folderOf = ({ tensor, pipeline }: PartPlace, { pipeline_model_parallel_size: stages }: Division) =>
  `mp_rank_${digits(tensor, 2)}${stages > 1 ? `_${digits(pipeline, 3)}` : ''}`;

export const modelFile = (place: PartPlace, division: Division) =>
  `${folderOf(place, division)}/model.safetensors`;

export const optimizerFile = (place: PartPlace, division: Division) =>
  `${folderOf(place, division)}/optimizer${division.optimizer_shares > 1 ? `_${digits(place.share, 3)}` : ''}.safetensors`;

export function partPlaces(division: Division): PartPlace[] {
  const { tensor_model_parallel_size, pipeline_model_parallel_size, optimizer_shares } = division;
  const count = tensor_model_parallel_size * pipeline_model_parallel_size * optimizer_shares;
  return Array.from({ length: count }, (_, i) => ({
    tensor: i % tensor_model_parallel_size,
    pipeline: Math.floor(i / tensor_model_parallel_size) % pipeline_model_parallel_size,
    share: Math.floor(i / (tensor_model_parallel_size * pipeline_model_parallel_size)),
  }));
}
