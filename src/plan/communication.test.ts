import fc from 'fast-check';
import { expect, test } from 'vitest';
import { groupsOf } from '../parallel/mesh.js';
import {
  allReduceSeconds,
  allReduceTraffic,
  groupAlong,
  hostCopySeconds,
  transferSeconds,
} from './communication.js';
import { builtInMachines } from './machines.js';

const machine = builtInMachines['dgx-2h'];

test('a ring passes on 2(n − 1)/n of the bytes', () => {
  expect(allReduceTraffic(800, 4)).toBe(1200);
  expect(allReduceTraffic(800, 1)).toBe(0);
  const group = { size: 8, servers: 1, neighbours: 2 };
  const latency = 8.4e-6 + 14 * 3.4e-6;
  expect(allReduceSeconds(120e9, group, machine)).toBeCloseTo(1.75 + latency, 9);
  expect(allReduceSeconds(120e9, { size: 1, servers: 1, neighbours: 16 }, machine)).toBe(0);
});

test('groups are where the mesh puts them', () => {
  const mesh = { tensor: 8, pipeline: 2, data: 4 };
  expect(groupAlong('tensor', mesh, machine)).toEqual({ size: 8, servers: 1, neighbours: 2 });
  // two of each server's, and seven other groups there
  expect(groupAlong('data', mesh, machine)).toEqual({ size: 4, servers: 2, neighbours: 8 });
  expect(groupAlong('pipeline', mesh, machine)).toEqual({ size: 2, servers: 2, neighbours: 16 });
  expect(groupAlong('data', { tensor: 1, pipeline: 1, data: 4 }, machine)).toEqual({
    ...{ size: 4, servers: 1, neighbours: 1 },
  });
});

test('the one on most servers counts', () => {
  const sizes = fc.constantFrom(1, 2, 3, 6, 8);
  const axes = fc.constantFrom('tensor', 'pipeline', 'data');
  fc.assert(
    fc.property(sizes, sizes, sizes, axes, (tensor, pipeline, data, axis) => {
      const mesh = { tensor, pipeline, data };
      const onServers = groupsOf(axis, mesh).map(
        (group) => new Set(group.map((rank) => Math.floor(rank / 16))).size,
      );
      expect(groupAlong(axis, mesh, machine)).toMatchObject({
        size: mesh[axis],
        servers: Math.max(...onServers),
      });
    }),
  );
});

test('groups that leave a server share its ports', () => {
  const alone = { size: 4, servers: 4, neighbours: 1 };
  const bytes = 96e9;
  const latency = 8.4e-6 + 6 * 9.6e-6;
  expect(allReduceSeconds(bytes, alone, machine)).toBeCloseTo(1.5 + latency, 9);
  expect(allReduceSeconds(bytes, { ...alone, neighbours: 8 }, machine)).toBeCloseTo(12 + latency, 9);
});

test('a stage whose ranks are partly on another server waits for those', () => {
  const seconds = (data: number) =>
    transferSeconds(0, { from: 0, to: 1, mesh: { tensor: 1, pipeline: 2, data } }, machine);
  expect([seconds(2), seconds(8)]).toEqual([3.4e-6, 3.4e-6]);
  expect([seconds(12), seconds(16)]).toEqual([9.6e-6, 9.6e-6]);
});

test('what goes to another server takes longer', () => {
  const seconds = (tensor: number) =>
    transferSeconds(1e9, { from: 0, to: 1, mesh: { tensor, pipeline: 2, data: 1 } }, machine);
  expect(seconds(16)).toBeGreaterThan(transferSeconds(1e9 / 16, { from: 0, to: 1, mesh: { tensor: 1, pipeline: 2, data: 1 } }, machine)); // prettier-ignore
  expect(seconds(1)).toBeCloseTo(3.4e-6 + 1 / 120, 9);
});

test('devices share their way to the host', () => {
  expect(hostCopySeconds(6e9, 1, machine)).toBeCloseTo(1, 4);
  expect(hostCopySeconds(6e9, 2, machine)).toBeCloseTo(1, 4);
  expect(hostCopySeconds(6e9, 4, machine)).toBeCloseTo(2, 4);
  expect(hostCopySeconds(6e9, 512, machine)).toBeCloseTo(2, 4);
});

test('faster links make nothing slower', () => {
  const factor = fc.double({ min: 1, max: 10, noNaN: true });
  const group = fc.record({
    size: fc.integer({ min: 2, max: 512 }),
    servers: fc.constantFrom(1, 2),
    neighbours: fc.integer({ min: 1, max: 16 }),
  });
  fc.assert(
    fc.property(group, factor, factor, fc.integer({ min: 1, max: 1e9 }), (where, inside, outside, bytes) => {
      const { server, network } = machine.links;
      const links = {
        ...machine.links,
        server: { ...server, bandwidth: inside * server.bandwidth },
        network: { ...network, bandwidth: outside * network.bandwidth },
      };
      const seconds = allReduceSeconds(bytes, where, machine);
      expect(allReduceSeconds(bytes, where, { ...machine, links })).toBeLessThanOrEqual(seconds);
    }),
  );
});
