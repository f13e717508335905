/** What a machine can do: devices, the links between them, and how the software on it uses both. */
import { z } from 'zod';
import { largestConfig, readJsonObject } from '../checkpoint/json-file.js';
import { InputError, shown } from '../errors.js';
import { parseFields } from '../model/config.js';
import { builtInMachines } from './machines.js';

const positive = z.number().positive();
const count = z.int().positive();

const link = z.strictObject({
  /** Bytes a second in one direction, as collectives achieve it. */
  bandwidth: positive,
  /** Seconds of one hop. */
  latency: z.number().nonnegative(),
});

export const machineSchema = z.strictObject({
  name: z.string(),
  devicesPerServer: count,
  device: z.strictObject({
    /** Bytes. */
    memory: positive,
    /** Floating-point operations a second that the data sheet states for matrix products. */
    peakFlops: z.strictObject({ fp16: positive, fp32: positive }),
    /** The share of the peak that a large matrix product reaches when nothing else limits it. */
    sustained: positive.max(1),
    /** Multiprocessors, or cores: each computes one tile of a product at a time. */
    processors: count,
    /** [rows, columns] of the tiles that matrix products are cut into; the fastest is taken. */
    tiles: z.array(z.tuple([count, count])).min(1),
    /** Bytes a second from the cache that all processors share. */
    cacheBandwidth: positive,
    /** Bytes a second from memory. */
    memoryBandwidth: positive,
    /** The same, as operations that are no matrix products achieve it. */
    elementwiseBandwidth: positive,
    /** Seconds that each operation takes besides its work. */
    launchLatency: z.number().nonnegative(),
  }),
  links: z.strictObject({
    /** Of each device to the others of its server. */
    server: link,
    /** Of each server to the others: all its ports together. */
    network: link,
    /** Of each device to its host, for copies that the host waits for. */
    host: z.strictObject({
      ...link.shape,
      /** What several devices share on that way. */
      uplink: z.strictObject({ bandwidth: positive, devices: count }),
    }),
  }),
  /** Processors that a collective takes from what is computed beside it. */
  collectiveProcessors: z.int().nonnegative(),
  software: z.strictObject({
    /** Biases, dropout, residuals, scaling and masking: operations of their own, or part of their neighbours. */
    kernels: z.enum(['separate', 'fused']),
    /** When gradients are summed over the data-parallel ranks. */
    gradients: z.enum(['during the backward pass', 'after it']),
    /** Bytes of the random numbers' state that host and device exchange whenever dropout takes another one. */
    randomState: z.number().nonnegative(),
  }),
});

export type Machine = Readonly<z.infer<typeof machineSchema>>;
export type Device = Machine['device'];
export type Link = Machine['links']['server'];
export type Precision = keyof Device['peakFlops'];

/** Bytes of an activation. */
export const elementBytes: Readonly<Record<Precision, number>> = { fp16: 2, fp32: 4 };

/**
 * @param nameOrFile one of `builtInMachines`, or a JSON file with such a description
 * @throws InputError naming the field, what was expected and what was found
 */
export async function readMachine(nameOrFile: string): Promise<Machine> {
  if (Object.hasOwn(builtInMachines, nameOrFile))
    return builtInMachines[nameOrFile as keyof typeof builtInMachines];
  if (!nameOrFile.endsWith('.json'))
    throw new InputError(
      `machine: expected ${Object.keys(builtInMachines).join(', ')} or a .json file, found ${shown(nameOrFile)}`,
    );
  return parseFields(machineSchema, await readJsonObject(nameOrFile, largestConfig), nameOrFile);
}
