/** The graph of a call: what is given and wanted decides which it is. */
import { input } from '../graph/functions.js';
import { makeProgram, type Program } from '../graph/program.js';
import { dynamicRun, type Outputs } from '../model/architecture.js';
import { architectures, type ArchitectureName } from '../model/architectures.js';
import type { TransformerConfig } from '../model/config.js';
import { bodyInputTypes, type Given } from '../model/inputs.js';
import type { TensorParallel } from '../model/run.js';

export interface Wanted {
  readonly hidden_states: boolean;
  readonly attentions: boolean;
  readonly past_key_values: boolean;
  readonly pooler_output: boolean;
}

/** A kind of call. */
export interface Call {
  readonly given: Given;
  readonly wanted: Wanted;
}

export interface CallProgram {
  readonly program: Program;
  /** Such calls are made over and over, and not to look into a model. */
  readonly isFrequent: boolean;
}

/** @param tensor the rank that is to compute it, among those that share each layer's matrices */
export function callProgram(
  {
    architecture: name,
    config,
  }: { readonly architecture: ArchitectureName; readonly config: TransformerConfig },
  { given, wanted }: Call,
  tensor: TensorParallel,
): CallProgram {
  const architecture = architectures[name];
  const labels = architecture.labels(config);
  const types = { ...bodyInputTypes(given, architecture.leading, config), ...labels };
  const inputs = Object.fromEntries(
    [...given.names].map((name) => {
      const { shape, dtype } = types[name]!;
      return [name, input(name, shape, dtype)];
    }),
  );
  const everyPosition = wanted.hidden_states || wanted.attentions;
  const run = dynamicRun(architecture, { tensor, everyPosition });
  const outputs = chooseOutputs(architecture.outputs(inputs, config, run), wanted);
  const isTraced = everyPosition || Object.keys(labels).some((label) => given.names.has(label));
  return { program: makeProgram(outputs), isFrequent: !isTraced };
}

function chooseOutputs(outputs: Outputs, wanted: Wanted): Outputs {
  const groups: Readonly<Record<string, boolean>> = {
    ...wanted,
    cross_attentions: wanted.attentions,
  };
  return Object.fromEntries(Object.entries(outputs).filter(([name]) => groups[name.split('.')[0]!] ?? true));
}
