/** What differs between Node and a page. */
import type { Engine, FloatWeight, Int8Weight } from '../engine/engine.js';
import type { ReadTextFile } from '../hub/text-files.js';
import type { Parameter } from '../model/parameters.js';
import type { Computer } from './computer.js';
import type { FromPretrainedOptions } from './options.js';
import type { LoadedModel } from './model.js';
import type { DividedModel, Division } from './ranks/division.js';
import type { SaveOptions } from './save-pretrained.js';

export interface StoredWeight {
  readonly shape: readonly number[];
  /** As in safetensors. */
  readonly dtype: string;
  /** Undefined for what no parameter can be: integers and booleans. */
  readonly weight: FloatWeight | undefined;
  readonly path: string;
}

export type StoredWeights = ReadonlyMap<string, StoredWeight>;

/** A model's files, and what computes with them. */
export interface ModelSource {
  /** Named in errors. */
  readonly name: string;
  readonly readText: ReadTextFile;
  /** In the order in which transformers looks for them. @throws InputError where there are none */
  findWeights(): Promise<StoredWeights>;
  openEngine(): Promise<Engine>;
}

/** Where models are used. */
export interface Host {
  /** @param model a folder, the name of a model on the hub, or a URL */
  open(model: string, options: FromPretrainedOptions): Promise<ModelSource>;
  /** A weight's values, widened where they are stored in 16 bits. */
  readonly readValues: (weight: FloatWeight) => Promise<Float32Array>;
  /** 8-bit forms of the weights that are multiplied by. */
  quantize(
    declared: ReadonlyMap<string, Parameter>,
    weights: ReadonlyMap<string, FloatWeight>,
    warn: (message: string) => void,
  ): Promise<Map<string, Int8Weight>>;
  /** Ranks that hold the parts of a model between them. @throws InputError where it cannot be divided so */
  openRanks(model: DividedModel, division: Division): Promise<Computer>;
  save(model: LoadedModel, folder: string, options?: SaveOptions): Promise<void>;
}
