import type { FloatWeight } from '../../engine/engine.js';
import { InputError } from '../../errors.js';
import type { ArchitectureName } from '../../model/architectures.js';
import { headCount, type TransformerConfig } from '../../model/config.js';
import { checkMesh, type Mesh } from '../../parallel/mesh.js';
import type { Ranks } from '../../parallel/ranks.js';
import { modelParameters } from '../model.js';

/** What each rank is told of a model; plain data. */
export interface DividedModel {
  readonly architecture: ArchitectureName;
  readonly config: TransformerConfig;
  readonly addPoolingLayer: boolean;
  /** Of the whole model. */
  readonly weights: ReadonlyMap<string, FloatWeight>;
}

/** How a model is divided among ranks. */
export interface Division {
  readonly mesh: Mesh;
  /** Of each rank; the cores shared out by default. */
  readonly threads?: number;
  /** This process's place, where ranks are processes. */
  readonly ranks?: Ranks;
}

/** @throws InputError naming what cannot be divided so, and what would work */
export function checkDivision(model: DividedModel, mesh: Mesh): void {
  checkMesh(mesh);
  const { config } = model;
  const { num_hidden_layers: layers } = config;
  const { tensor, pipeline } = mesh;
  if (pipeline > layers)
    throw new InputError(
      `pipeline-parallel size: expected at most ${layers}, a layer for each stage, found ${pipeline}`,
    );
  for (let layer = 0; layer < layers; layer++)
    requireMultiple('attention heads', headCount(config, layer), tensor);
  for (const [name, { shape, partition, sections = 1 }] of modelParameters(model))
    if (partition !== undefined)
      requireMultiple(`${name} along axis ${partition}`, shape[partition]! / sections, tensor);
}

function requireMultiple(what: string, size: number, ranks: number): void {
  if (size % ranks === 0) return;
  const working = Array.from({ length: ranks }, (_, i) => i + 1).filter((count) => size % count === 0);
  throw new InputError(
    `tensor-parallel size: ${what}: expected a divisor of ${size}, such as ${working.at(-1)}, found ${ranks}`,
  );
}

/** The stage of a pipeline that holds a parameter: layers as in training, embeddings first, heads last. */
export function stageOfParameter(name: string, layers: number, stages: number): number {
  const layer = /(?:^|\.)(?:layer|h)\.(\d+)\./.exec(name)?.[1];
  if (layer !== undefined) return Math.floor(((Number(layer) + 1) * stages - 1) / layers);
  return /(?:^|\.)(?:embeddings|wte|wpe)\./.test(name) ? 0 : stages - 1;
}
