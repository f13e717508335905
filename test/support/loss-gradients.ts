import type { Buffer, Engine } from '../../src/engine/engine.js';
import { resolveDimension } from '../../src/graph/dimension.js';
import { input } from '../../src/graph/functions.js';
import { gradient } from '../../src/graph/gradient.js';
import { makeProgram } from '../../src/graph/program.js';
import { dynamicRun } from '../../src/model/architecture.js';
import { architectures } from '../../src/model/architectures.js';
import { bodyInputTypes } from '../../src/model/inputs.js';
import { singleRank } from '../../src/model/run.js';
import { problemType } from '../../src/pretrained/labels.js';
import { prepareInputs, type AnyInputs } from '../../src/pretrained/model-inputs.js';
import { fixture, readJson, readTensors } from './fixture.js';
import type { ModelCase } from './model-cases.js';

/** The gradients of a case's loss, computed as training does: with known sizes and buffers of the engine. */
export async function lossGradients(
  engine: Engine,
  { folder, class: name, model, config: overrides }: ModelCase,
  inputs: AnyInputs,
  wanted: ReadonlyMap<string, unknown>,
): Promise<Map<string, ArrayLike<number>>> {
  const files = fixture(`${folder}models/${model}`);
  const saved = readJson(`${files}/config.json`) as object;
  const given = architectures[name].readConfig({ ...saved, ...overrides }, model);
  const config = inputs.labels
    ? { ...given, problem_type: problemType(given, inputs.labels as never) }
    : given;
  const architecture = architectures[name];
  const prepared = prepareInputs(architecture, config, inputs);
  const [first, second] = prepared.tensors.input_ids!.dims as [number, number];
  const sequence = prepared.tensors.input_ids!.dims.at(-1)!;
  const sizes = {
    batch: first,
    examples: first,
    choices: second,
    sequence,
    encoder_sequence: prepared.tensors.encoder_hidden_states?.dims[1] ?? 0,
  };
  const types = {
    ...bodyInputTypes(prepared.given, architecture.leading, config),
    ...architecture.labels(config),
  };
  const values = Object.fromEntries(
    Object.entries(prepared.tensors).map(([inputName, { dims }]) => [
      inputName,
      input(inputName, dims, types[inputName]!.dtype),
    ]),
  );
  const dynamic = dynamicRun(architecture, { tensor: singleRank });
  const run = {
    ...dynamic,
    batchSize: resolveDimension(dynamic.batchSize, sizes),
    sequenceLength: sequence,
  };
  const { loss } = architecture.outputs(values, config, run);
  const parameters = [...makeProgram({ loss: loss! }).inputs].filter(([parameter]) => wanted.has(parameter));
  const seed = input('seed', []);
  const gradients = gradient(
    [{ value: loss!, seed }],
    parameters.map(([, node]) => node),
  );
  const program = makeProgram(
    Object.fromEntries(parameters.map(([parameter], i) => [parameter, gradients[i]!])),
  );

  const weights = await readTensors(`${files}/model.safetensors`);
  const buffers: Record<string, Buffer> = {};
  for (const [inputName, node] of program.inputs) {
    buffers[inputName] = engine.allocate([node])[0];
    const data = prepared.tensors[inputName]?.data ?? weights.get(inputName)?.data ?? Float32Array.of(1);
    await engine.write(buffers[inputName], data);
  }
  const results = Object.fromEntries(
    [...program.outputs].map(([parameter, node]) => [parameter, engine.allocate([node])[0]]),
  );
  await (await engine.compile(program)).run(buffers, results);
  const found = new Map<string, ArrayLike<number>>();
  for (const [parameter, buffer] of Object.entries(results)) found.set(parameter, await engine.read(buffer));
  return found;
}
