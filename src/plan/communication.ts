/** How long ranks take to send and to sum up, and how much they move. */
import { meshSize, rankAt, type Mesh, type Place } from '../parallel/mesh.js';
import type { Machine } from './machine.js';

/** Ranks that communicate with each other, and where they are. */
export interface Group {
  readonly size: number;
  readonly servers: number;
  /** Groups like this one that share a server's ports with it. */
  readonly neighbours: number;
}

/** Of the groups along an axis the one that is on most servers: the others wait for it. */
export function groupAlong(axis: keyof Mesh, mesh: Mesh, machine: Machine): Group {
  const size = mesh[axis];
  const stride = rankAt({ ...origin, [axis]: 1 }, mesh);
  const servers = Math.max(
    ...startsAlong(axis, mesh, machine).map((start) => {
      const onServers = Array.from({ length: size }, (_, i) => serverOf(start + i * stride, machine));
      return onServers.filter((server, i) => server !== onServers[i - 1]).length;
    }),
  );
  const perServer = Math.min(machine.devicesPerServer, meshSize(mesh));
  return { size, servers, neighbours: Math.max(1, (perServer * servers) / size) };
}

const origin: Place = { tensor: 0, pipeline: 0, data: 0 };
const serverOf = (rank: number, { devicesPerServer }: Machine) => Math.floor(rank / devicesPerServer);

/** First ranks of groups: as many as it takes to have every place in a server at which one begins. */
function startsAlong(axis: keyof Mesh, mesh: Mesh, { devicesPerServer }: Machine): number[] {
  const stride = rankAt({ ...origin, [axis]: 1 }, mesh);
  const inner = Math.min(stride, devicesPerServer);
  const outer = Math.min(meshSize(mesh) / (stride * mesh[axis]), devicesPerServer);
  return Array.from({ length: outer }, (_, o) =>
    Array.from({ length: inner }, (_, i) => o * stride * mesh[axis] + i),
  ).flat();
}

/** What NCCL's ring takes before the first byte (NCCL, graph/tuning.cc). */
const ringLatency = 8.4e-6;

/**
 * A ring: each rank passes on 2(n − 1)/n of the bytes, in 2(n − 1) hops; from one server to the next as fast as its
 * ports allow, which all groups that leave the server share.
 *
 * @returns seconds
 */
export function allReduceSeconds(bytes: number, group: Group, { links }: Machine): number {
  const { size, servers } = group;
  if (size === 1) return 0;
  const outer = servers > 1 ? 2 * (servers - 1) : 0;
  const inner = 2 * (size - 1) - outer;
  return (
    ringLatency +
    inner * links.server.latency +
    outer * links.network.latency +
    allReduceTraffic(bytes, size) / ringBandwidth(group, links)
  );
}

/** Half of an all-reduce. */
export const allGatherSeconds = (bytes: number, group: Group, machine: Machine) =>
  allReduceSeconds(bytes, group, machine) / 2;

/** Bytes that each rank sends. */
export const allReduceTraffic = (bytes: number, size: number) => (2 * (size - 1) * bytes) / size;

function ringBandwidth({ servers, neighbours }: Group, links: Machine['links']): number {
  const own = links.server.bandwidth;
  return servers === 1 ? own : Math.min(own, links.network.bandwidth / neighbours);
}

/** Between a device and its host, while the others do the same. @returns seconds */
export function hostCopySeconds(bytes: number, devices: number, { links }: Machine): number {
  const { bandwidth, latency, uplink } = links.host;
  const share = uplink.bandwidth / Math.min(uplink.devices, devices);
  return latency + bytes / Math.min(bandwidth, share);
}

/**
 * From a stage to another, for one micro-batch: each tensor-parallel rank sends its share, and those that receive
 * gather the whole (arXiv 2104.04473, section 4.1).
 *
 * @returns seconds
 */
export function transferSeconds(
  bytes: number,
  { from, to, mesh }: { readonly from: number; readonly to: number; readonly mesh: Mesh },
  machine: Machine,
): number {
  const distance = (to - from) * rankAt({ ...origin, pipeline: 1 }, mesh);
  const first = rankAt({ ...origin, pipeline: from }, mesh);
  const crosses = startsAlong('pipeline', mesh, machine).some(
    (start) => serverOf(first + start, machine) !== serverOf(first + start + distance, machine),
  );
  const { server, network } = machine.links;
  const [latency, bandwidth] = crosses
    ? [network.latency, Math.min(server.bandwidth, network.bandwidth / machine.devicesPerServer)]
    : [server.latency, server.bandwidth];
  const tensor = groupAlong('tensor', mesh, machine);
  return latency + bytes / mesh.tensor / bandwidth + allGatherSeconds(bytes, tensor, machine);
}
