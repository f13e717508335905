import { singleCommunicator, type Communicator } from './communicator.js';
import { groupNames, type GroupName, type Mesh, type Place } from './mesh.js';

/** A rank's place among the others, and its ways to them. */
export interface Ranks {
  readonly mesh: Mesh;
  readonly place: Place;
  readonly groups: Readonly<Record<GroupName, Communicator>>;
}

/** The group that shares each layer's matrices, as a model's graph names it. */
export const tensorParallel = (
  { mesh, place }: Pick<Ranks, 'mesh' | 'place'>,
  { sequenceParallel = false } = {},
) => ({
  group: 'tensor' satisfies GroupName,
  size: mesh.tensor,
  rank: place.tensor,
  sharesRows: sequenceParallel && mesh.tensor > 1,
});

/** Whether it is so on any rank: ranks look at different moments, and must do the same. */
export async function isOnAnyRank(is: boolean, world: Communicator): Promise<boolean> {
  const all = Float32Array.of(is ? 1 : 0);
  await world.allReduce(all, 'max');
  return all[0] === 1;
}

/** One rank that is all there is. */
export const singleRanks: Ranks = {
  mesh: { tensor: 1, pipeline: 1, data: 1 },
  place: { tensor: 0, pipeline: 0, data: 0 },
  groups: Object.fromEntries(groupNames.map((name) => [name, singleCommunicator])) as Ranks['groups'],
};
