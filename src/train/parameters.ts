import type { TrainingCheckpoint } from '../checkpoint/training/read.js';
import type { Buffer, Engine, TrainedParameter } from '../engine/engine.js';
import { sizeOf } from '../graph/value.js';
import type { Block } from '../model/blocks.js';
import { initialValues } from '../model/initial-values.js';
import { flattenParameters, partShape, type Parameter } from '../model/parameters.js';
import type { TensorParallel } from '../model/run.js';
import { layoutOf, partOf, type PartLayout } from '../partition.js';

/** A parameter of the model as this rank holds it. */
export interface OwnParameter {
  readonly declaration: Parameter;
  readonly layout: PartLayout;
  /** This rank's part. */
  readonly value: Buffer;
  /** None of a parameter that stays as it is. */
  readonly gradient?: Buffer;
  /** What this rank updates of its part: all, or where data ranks share the optimizer some numbers in a row, maybe none. */
  readonly updated?: UpdatedStretch;
}

export interface UpdatedStretch extends TrainedParameter {
  /** Where it begins in the rank's part. */
  readonly start: number;
}

/** By state-dict name; a parameter that several blocks use is there once. */
export type OwnParameters = ReadonlyMap<string, OwnParameter>;

/** Parameters that are trained, one after the other, for data ranks to communicate them at once. */
export interface Bucket {
  readonly names: readonly string[];
  readonly values: Buffer;
  readonly gradients: Buffer;
  /** What this rank updates of them, where data ranks share the optimizer: one of as many equal stretches. */
  readonly share?: { readonly values: Buffer; readonly gradients: Buffer };
}

export interface AllocatedParameters {
  readonly parameters: OwnParameters;
  readonly buckets: readonly Bucket[];
}

/** Data ranks of which each keeps the optimizer's state of its share of the parameters (ZeRO-1, arXiv 1910.02054). */
export interface OptimizerShares {
  readonly size: number;
  readonly rank: number;
}

/** Every parameter of the blocks by its state-dict name. */
export function declaredParameters(blocks: readonly Block[]): Map<string, Parameter> {
  return new Map(blocks.flatMap(({ parameters, prefix }) => flattenParameters(parameters, prefix)));
}

/** Numbers in a bucket, where one parameter is not larger: Megatron-LM's 40 million. */
const bucketSize = 40_000_000;
/** Each parameter begins at a multiple of so many numbers: what vector instructions like. */
const alignment = 16;

/**
 * @param momentCount of each parameter, which its optimizer keeps
 * @param isTrained tells by its name whether a parameter changes
 */
export function allocateParameters(
  engine: Engine,
  blocks: readonly Block[],
  tensor: TensorParallel,
  momentCount: number,
  shares: OptimizerShares = { size: 1, rank: 0 },
  isTrained: (name: string) => boolean = () => true,
): AllocatedParameters {
  const declared = [...declaredParameters(blocks)];
  const parameters = new Map(
    declared
      .filter(([name]) => !isTrained(name))
      .map(([name, declaration]): [string, OwnParameter] => {
        const [value] = engine.allocate([{ shape: partShape(declaration, tensor.size), dtype: 'float32' }]);
        return [name, { declaration, layout: layoutOf(declaration, tensor.size, tensor.rank), value }];
      }),
  );
  const trained = new Map(declared.filter(([name]) => isTrained(name)));
  const buckets = inBuckets(trained, tensor).map((placed) => {
    const { declaration, start } = placed.at(-1)!;
    const share = Math.ceil((start + alignedSize(declaration, tensor)) / shares.size / alignment) * alignment;
    const floats = (length: number) => ({ shape: [length], dtype: 'float32' }) as const;
    const whole = floats(share * shares.size);
    const kept = Array.from({ length: momentCount }, () => floats(share));
    const [values, gradients, ...moments] = engine.allocate([whole, whole, ...kept]);
    const shareStart = shares.rank * share;
    for (const { name, declaration, start } of placed) {
      const shape = partShape(declaration, tensor.size);
      const end = start + sizeOf(shape);
      const from = Math.min(Math.max(start, shareStart), end);
      const length = Math.max(0, Math.min(end, shareStart + share) - from);
      parameters.set(name, {
        declaration,
        layout: layoutOf(declaration, tensor.size, tensor.rank),
        value: engine.view(values, start, shape),
        gradient: engine.view(gradients, start, shape),
        updated: {
          start: from - start,
          value: engine.view(values, from, [length]),
          gradient: engine.view(gradients, from, [length]),
          moments: moments.map((moment) => engine.view(moment, length > 0 ? from - shareStart : 0, [length])),
        },
      });
    }
    const own = (buffer: Buffer) => engine.view(buffer, shareStart, [share]);
    return {
      names: placed.map(({ name }) => name),
      values,
      gradients,
      ...(shares.size > 1 && { share: { values: own(values), gradients: own(gradients) } }),
    };
  });
  return { parameters, buckets };
}

interface PlacedParameter {
  readonly name: string;
  readonly declaration: Parameter;
  /** In its bucket. */
  readonly start: number;
}

const alignedSize = (declaration: Parameter, { size }: TensorParallel) =>
  Math.ceil(sizeOf(partShape(declaration, size)) / alignment) * alignment;

function inBuckets(declared: ReadonlyMap<string, Parameter>, tensor: TensorParallel): PlacedParameter[][] {
  const buckets: PlacedParameter[][] = [];
  let used = Infinity;
  for (const [name, declaration] of declared) {
    const size = alignedSize(declaration, tensor);
    if (used + size > bucketSize) {
      buckets.push([]);
      used = 0;
    }
    buckets.at(-1)!.push({ name, declaration, start: used });
    used += size;
  }
  return buckets;
}

/**
 * Values and moments of a checkpoint, of which this rank takes its part.
 *
 * @param momentNames in the order of each parameter's moments
 * @throws InputError where one is another's
 */
export async function restoreParameters(
  engine: Engine,
  parameters: OwnParameters,
  checkpoint: TrainingCheckpoint,
  momentNames: readonly string[],
): Promise<void> {
  for (const [name, { declaration, layout, value, updated }] of parameters) {
    const { start, moments } = updated ?? { start: 0, moments: [] };
    const whole = await checkpoint.read(name, declaration, momentNames);
    await engine.write(value, partOf(whole.value, layout));
    for (const [i, moment] of moments.entries()) {
      const part = partOf(whole.moments[momentNames[i]!]!, layout);
      await engine.write(moment, part.subarray(start, start + sizeOf(moment.shape)));
    }
  }
}

export async function initializeParameters(
  engine: Engine,
  parameters: OwnParameters,
  seed: number,
): Promise<void> {
  for (const [name, { declaration, layout, value }] of parameters)
    await engine.write(value, initialValues(name, declaration, seed, layout));
}
