/** Where each rank stands: tensor × data × pipeline, in Megatron-LM's order, in which tensor ranks are neighbours. */
import { InputError } from '../errors.js';

export interface Mesh {
  /** Ranks that share each layer's matrices. */
  readonly tensor: number;
  /** Ranks that share the layers. */
  readonly pipeline: number;
  /** Ranks that share the batch, each with a whole model's worth of the other two. */
  readonly data: number;
}

/** A rank's number along each axis. */
export type Place = Mesh;

export const meshSize = ({ tensor, pipeline, data }: Mesh) => tensor * pipeline * data;

export const rankAt = ({ tensor, pipeline, data }: Place, mesh: Mesh) =>
  tensor + mesh.tensor * (data + mesh.data * pipeline);

export function placeOf(rank: number, mesh: Mesh): Place {
  const replica = Math.floor(rank / mesh.tensor);
  return {
    tensor: rank % mesh.tensor,
    data: replica % mesh.data,
    pipeline: Math.floor(replica / mesh.data),
  };
}

/**
 * The groups that ranks communicate in. `embedding` is the first and the last of those that share the layers: both hold
 * the word embeddings. `model` is all that hold parts of one model.
 */
export const groupNames = ['world', 'tensor', 'pipeline', 'data', 'model', 'embedding'] as const;
export type GroupName = (typeof groupNames)[number];

/** What all ranks of a group have in common. */
const groupKeys: Readonly<Record<GroupName, (place: Place, mesh: Mesh) => readonly unknown[]>> = {
  world: () => [],
  tensor: ({ pipeline, data }) => [pipeline, data],
  pipeline: ({ tensor, data }) => [tensor, data],
  data: ({ tensor, pipeline }) => [tensor, pipeline],
  model: ({ data }) => [data],
  embedding: ({ tensor, pipeline, data }, mesh) => {
    const holds = pipeline === 0 || pipeline === mesh.pipeline - 1;
    return [tensor, data, holds || pipeline];
  },
};

/** Ranks in ascending order; each is in one list. */
export function groupsOf(name: GroupName, mesh: Mesh): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  for (let rank = 0; rank < meshSize(mesh); rank++) {
    const key = groupKeys[name](placeOf(rank, mesh), mesh).join();
    groups.set(key, [...(groups.get(key) ?? []), rank]);
  }
  return [...groups.values()];
}

/** The rank that tells how a run goes: of the last stage, which knows the loss. */
export const reporterOf = ({ pipeline }: Mesh): Place => ({ tensor: 0, data: 0, pipeline: pipeline - 1 });

/** Checks sizes by themselves. @throws InputError naming the one that cannot be used */
export function checkMesh(mesh: Mesh): void {
  for (const [name, size] of Object.entries(mesh))
    if (!Number.isInteger(size) || size < 1)
      throw new InputError(`${name}-parallel size: expected a positive integer, found ${size}`);
}
