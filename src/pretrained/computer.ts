import type { Engine, LoadedProgram, Weight } from '../engine/engine.js';
import { singleRank } from '../model/run.js';
import { callProgram, type Call } from './model-programs.js';
import type { LoadedModel } from './model.js';

/** What computes with a model: an engine, or ranks that each hold a part of it. */
export interface Computer {
  load(model: LoadedModel, call: Call): Promise<LoadedProgram>;
  release(): Promise<void>;
}

/** One engine that holds the whole model. */
export const computeOn = (engine: Engine): Computer => ({
  load(model, call) {
    const { program, isFrequent } = callProgram(model, call, singleRank);
    const weights = new Map<string, Weight>([...model.weights, ...model.quantized]);
    // a copy of the weights in the order of multiplication is for the calls that are made over and over
    return engine.load(program, weights, { prepack: isFrequent });
  },
  release: () => engine.release(),
});
