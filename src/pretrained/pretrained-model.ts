import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readSafetensors } from '../checkpoint/safetensors.js';
import type { Buffer, Engine } from '../engine/engine.js';
import { openEngine } from '../engine/node.js';
import { InputError } from '../errors.js';
import { input } from '../graph/functions.js';
import { makeProgram } from '../graph/program.js';
import { sameShape } from '../graph/value.js';
import { architectures, bodyInputs, type ArchitectureName } from '../model/architectures.js';
import { megatronBertConfig, type MegatronBertConfig } from '../model/config.js';
import { flattenParameters } from '../model/parameters.js';
import { singleRank, type Run } from '../model/run.js';

/** A result: row-major numbers and their shape. */
export interface Tensor {
  readonly type: 'float32';
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Token ids and what goes with them, as rows of equal length. */
export interface ModelInputs {
  readonly input_ids: readonly (readonly number[])[];
  /** 1 for a token, 0 for padding; all ones by default. */
  readonly attention_mask?: readonly (readonly number[])[];
  /** All zeros by default. */
  readonly token_type_ids?: readonly (readonly number[])[];
  /** 0, 1, 2 … by default. */
  readonly position_ids?: readonly (readonly number[])[];
  /** −100 where there is none. */
  readonly labels?: readonly (readonly number[])[];
  readonly next_sentence_label?: readonly number[];
}

export interface ForwardOptions {
  readonly output_hidden_states?: boolean;
}

/** A model in memory, ready to compute. */
export interface PretrainedModel {
  readonly config: MegatronBertConfig;
  /**
   * The outputs of transformers' class of the same name, by its names; `hidden_states.N` when asked for.
   * @throws InputError naming the input, what was expected and what was found
   */
  forward(inputs: ModelInputs, options?: ForwardOptions): Promise<Record<string, Tensor>>;
  /** Gives the memory back. */
  dispose(): Promise<void>;
}

export interface FromPretrainedOptions {
  /** Threads to compute with; as many as there are cores by default. */
  readonly threads?: number;
}

/** Reads a model folder (`config.json`, `model.safetensors`) into an engine. @throws InputError */
export async function loadPretrained(
  architecture: ArchitectureName,
  folder: string,
  { threads }: FromPretrainedOptions = {},
): Promise<PretrainedModel> {
  const config = await readConfig(folder);
  const engine = openEngine({ threads: threads ?? (await import('node:os')).availableParallelism() });
  try {
    const parameters = await readParameters(
      engine,
      architecture,
      config,
      path.join(folder, 'model.safetensors'),
    );
    return {
      config,
      forward: (inputs, options = {}) => forward(engine, architecture, config, parameters, inputs, options),
      dispose: () => engine.release(),
    };
  } catch (error) {
    await engine.release();
    throw error;
  }
}

async function readConfig(folder: string): Promise<MegatronBertConfig> {
  const file = path.join(folder, 'config.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    throw new InputError(`not a model folder: there is no ${file}`);
  }
  try {
    return megatronBertConfig(JSON.parse(text), file);
  } catch (error) {
    throw error instanceof SyntaxError ? new InputError(`${file} is not JSON: ${error.message}`) : error;
  }
}

async function readParameters(
  engine: Engine,
  architecture: ArchitectureName,
  config: MegatronBertConfig,
  file: string,
): Promise<Record<string, Buffer>> {
  const weights = await readSafetensors(file);
  try {
    const parameters: Record<string, Buffer> = {};
    for (const [name, { shape }] of flattenParameters(architectures[architecture].parameters(config))) {
      // a head class keeps its body under `bert.`; the bare body can be taken out of it
      const stored = weights.tensors.has(name) ? name : `bert.${name}`;
      const tensor = weights.tensors.get(stored);
      if (!tensor) throw new InputError(`${file} has no ${name}`);
      if (!sameShape(tensor.shape, shape))
        throw new InputError(
          `${file}: ${stored}: expected [${shape.join(', ')}], found [${tensor.shape.join(', ')}]`,
        );
      const [buffer] = engine.allocate([{ shape, dtype: 'float32' }]);
      const data = await weights.read(stored);
      if (!(data instanceof Float32Array))
        throw new InputError(`${file}: ${stored}: expected floats, found ${tensor.dtype}`);
      await engine.write(buffer, data);
      parameters[name] = buffer;
    }
    return parameters;
  } finally {
    await weights.close();
  }
}

async function forward(
  engine: Engine,
  architecture: ArchitectureName,
  config: MegatronBertConfig,
  parameters: Readonly<Record<string, Buffer>>,
  inputs: ModelInputs,
  { output_hidden_states = false }: ForwardOptions,
): Promise<Record<string, Tensor>> {
  const { run, data } = arrangeInputs(config, inputs);
  const { labels, next_sentence_label } = inputs;
  const outputs = architectures[architecture].outputs(
    {
      ...bodyInputs(run),
      ...(labels && { labels: input('labels', [run.batchSize, run.sequenceLength], 'int32') }),
      ...(next_sentence_label && {
        next_sentence_label: input('next_sentence_label', [run.batchSize], 'int32'),
      }),
    },
    config,
    run,
  );
  const wanted = Object.entries(outputs).filter(
    ([name]) => output_hidden_states || !name.startsWith('hidden_states.'),
  );
  const program = makeProgram(Object.fromEntries(wanted));
  const executable = await engine.compile(program);

  const given: Record<string, Buffer> = {};
  const results: Record<string, Buffer> = {};
  try {
    for (const [name, value] of program.inputs)
      if (name in data) {
        given[name] = engine.allocate([value])[0];
        await engine.write(given[name], data[name]!);
      }
    for (const [name, value] of program.outputs) results[name] = engine.allocate([value])[0];
    await executable.run({ ...parameters, ...given }, results);
    const read = async ([name, buffer]: [string, Buffer]): Promise<[string, Tensor]> => [
      name,
      { type: 'float32', dims: buffer.shape, data: (await engine.read(buffer)) as Float32Array },
    ];
    return Object.fromEntries(await Promise.all(Object.entries(results).map(read)));
  } finally {
    engine.free([...Object.values(given), ...Object.values(results)]);
  }
}

/** Checks the rows and lays them out for the graph, with transformers' defaults. */
function arrangeInputs(
  config: MegatronBertConfig,
  inputs: ModelInputs,
): { run: Run; data: Record<string, Int32Array> } {
  const batchSize = inputs.input_ids.length;
  const sequenceLength = inputs.input_ids[0]?.length ?? 0;
  if (sequenceLength === 0) throw new InputError('input_ids: expected at least one token, found none');
  if (sequenceLength > config.max_position_embeddings)
    throw new InputError(
      `input_ids: expected at most ${config.max_position_embeddings} tokens, found ${sequenceLength}`,
    );

  const rows = (
    name: keyof ModelInputs,
    limit: number,
    missing: (position: number) => number,
  ): Int32Array => {
    const given = inputs[name] as readonly (readonly number[])[] | undefined;
    if (given && (given.length !== batchSize || given.some((row) => row.length !== sequenceLength)))
      throw new InputError(
        `${name}: expected ${batchSize} rows of ${sequenceLength}, found rows of ${given.map((row) => row.length).join(', ')}`,
      );
    const flat =
      given?.flat() ??
      Array.from({ length: batchSize * sequenceLength }, (_, i) => missing(i % sequenceLength));
    const wrong = flat.find(
      (value) => !Number.isInteger(value) || value >= limit || (value < 0 && name !== 'labels'),
    );
    if (wrong !== undefined)
      throw new InputError(`${name}: expected integers below ${limit}, found ${wrong}`);
    return Int32Array.from(flat);
  };
  const data: Record<string, Int32Array> = {
    input_ids: rows('input_ids', config.vocab_size, () => 0),
    attention_mask: rows('attention_mask', 2, () => 1),
    token_type_ids: rows('token_type_ids', config.type_vocab_size, () => 0),
    position_ids: rows('position_ids', config.max_position_embeddings, (position) => position),
  };
  if (inputs.labels) data.labels = rows('labels', config.vocab_size, () => 0);
  if (inputs.next_sentence_label) data.next_sentence_label = Int32Array.from(inputs.next_sentence_label);
  return { run: { batchSize, sequenceLength, tensor: singleRank }, data };
}
