/** One rank's part of a model. */
import type { FloatWeight, HostTensor, LoadedProgram, Weight } from '../../engine/engine.js';
import { openEngine } from '../../engine/node.js';
import { cutProgram, type StageProgram } from '../../graph/stages.js';
import type { Parameter } from '../../model/parameters.js';
import type { Communicator } from '../../parallel/communicator.js';
import { tensorParallel, type Ranks } from '../../parallel/ranks.js';
import { layoutOf } from '../../partition.js';
import { callProgram } from '../model-programs.js';
import { modelParameters } from '../model.js';
import { placeOfPart, readPartOfValues } from '../weight-values.js';
import { stageOfParameter, type DividedModel } from './division.js';
import type { RankRequest, Tensors } from './requests.js';

/** Does what is asked of one rank. @returns its stage's outputs of a run, on the first of its tensor ranks */
export type AnswerRequest = (request: RankRequest) => Promise<Tensors>;

interface LoadedStage extends StageProgram {
  readonly loaded: LoadedProgram | undefined;
}

/** @param threads to compute with */
export function openRankModel(model: DividedModel, ranks: Ranks, threads: number): AnswerRequest {
  const { mesh, place, groups } = ranks;
  const engine = openEngine({ threads, groups });
  const declared = modelParameters(model);
  const layers = model.config.num_hidden_layers;
  const stages = new Map<number, LoadedStage>();

  const load = async ({ program: number, config, call }: RankRequest & { kind: 'load' }) => {
    const { program, isFrequent } = callProgram({ ...model, config }, call, tensorParallel(ranks));
    const stage = cutProgram(program, mesh.pipeline, (name) =>
      declared.has(name) ? stageOfParameter(name, layers, mesh.pipeline) : undefined,
    )[place.pipeline]!;
    const names = [...(stage.program?.inputs.keys() ?? [])].filter((name) => declared.has(name));
    const weights = new Map(
      names.map((name) => [name, partOfWeight(model.weights.get(name)!, declared.get(name)!, ranks)]),
    );
    const loaded = stage.program && (await engine.load(stage.program, weights, { prepack: isFrequent }));
    stages.set(number, { ...stage, loaded });
    return {};
  };

  const run = async (number: number, inputs: Tensors): Promise<Tensors> => {
    const { loaded, receives, sends } = stages.get(number)!;
    const { pipeline } = groups;
    const arrived: Record<string, HostTensor> = {};
    for (const { name, value, from } of receives)
      arrived[name] = await receiveTensor(pipeline, value.shape.length, from);
    const results = (await loaded?.run({ ...inputs, ...arrived })) ?? {};
    for (const { name, to } of sends)
      for (const stage of to) await sendTensor(pipeline, results[name]!, stage);
    const outputs = Object.entries(results).filter(([name]) => sends.every((sent) => sent.name !== name));
    return place.tensor === 0 ? Object.fromEntries(outputs) : {};
  };

  return async (request) => {
    if (request.kind === 'load') return load(request);
    if (request.kind === 'run') return run(request.program, request.inputs);
    stages.get(request.program)?.loaded?.release();
    stages.delete(request.program);
    return {};
  };
}

/** Where it lies in one piece it stays in its file. */
function partOfWeight(weight: FloatWeight, parameter: Parameter, { mesh, place }: Ranks): Weight {
  const layout = layoutOf(parameter, mesh.tensor, place.tensor);
  return placeOfPart(weight, layout) ?? { type: 'float32', read: () => readPartOfValues(weight, layout) };
}

/** A message of sizes, then one of numbers. */
async function sendTensor(pipeline: Communicator, { dims, data }: HostTensor, to: number): Promise<void> {
  await pipeline.send(Float32Array.from(dims), to);
  await pipeline.send(data as Float32Array, to);
}

async function receiveTensor(pipeline: Communicator, axes: number, from: number): Promise<HostTensor> {
  const dims = new Float32Array(axes);
  await pipeline.receive(dims, from);
  const data = new Float32Array(dims.reduce((product, size) => product * size, 1));
  await pipeline.receive(data, from);
  return { dims: [...dims], data };
}
