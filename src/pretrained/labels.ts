import type { HostTensor } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { resolveDimension } from '../graph/dimension.js';
import { labelCount, type TransformerConfig } from '../model/config.js';
import type { LabelType } from '../model/inputs.js';
import { ignoredLabel } from '../model/losses.js';
import type { AnyInputs, Sizes } from './model-inputs.js';
import { dimsOf, isTensorLike, requireDims, toFloats, toIntegers, type NumericInput } from './tensors.js';

/** A causal model is given the label of each token, and its graph takes that of the next one. */
const shiftedLabels = 'shifted_labels';
export const givenName = (name: string) => (name === shiftedLabels ? 'labels' : name);

/** What is given of a class's labels, as its graph takes them. @throws InputError */
export function prepareLabels(
  types: Readonly<Record<string, LabelType>>,
  inputs: AnyInputs,
  { leading, sequence }: Sizes,
): Record<string, HostTensor> {
  const [first, second] = leading as [number, number | undefined];
  const sizes = { batch: first, examples: first, choices: second ?? 0, sequence };
  const entries = Object.entries(types).flatMap(
    ([name, { shape, dtype, classes }]): [string, HostTensor][] => {
      const given = inputs[givenName(name)] as NumericInput | undefined;
      if (!given) return [];
      const dims = shape.map((size) => resolveDimension(size, sizes));
      if (dtype === 'float32') return [[name, asColumns(givenName(name), toFloats(name, given), dims)]];
      if (classes === 'sequence') return [[name, clampedPositions(name, given, dims, sequence)]];
      const labels = classLabels(givenName(name), given, dims, resolveDimension(classes!, sizes));
      return [[name, name === shiftedLabels ? shifted(labels, sequence) : labels]];
    },
  );
  return Object.fromEntries(entries);
}

/** One number for each text may come without a second axis. */
function asColumns(name: string, labels: HostTensor, dims: readonly number[]): HostTensor {
  const allowed = dims[1] === 1 ? [dims, dims.slice(0, 1)] : [dims];
  return { ...requireDims(name, labels, ...allowed), dims };
}

function classLabels(
  name: string,
  given: NumericInput,
  dims: readonly number[],
  classes: number,
): HostTensor {
  const labels = requireDims(name, toIntegers(name, given, { least: ignoredLabel, below: classes }), dims);
  const wrong = labels.data.find((label) => label < 0 && label !== ignoredLabel);
  if (wrong !== undefined)
    throw new InputError(
      `${name}: expected integers from 0 to ${classes - 1}, or ${ignoredLabel} for none, found ${wrong}`,
    );
  return labels;
}

/** Answers outside the text are ignored; negative ones count as its start. */
function clampedPositions(
  name: string,
  given: NumericInput,
  dims: readonly number[],
  sequence: number,
): HostTensor {
  const limits = { least: -(2 ** 31), below: 2 ** 31 };
  const { data, ...positions } = toIntegers(name, given, limits);
  requireDims(name, { ...positions, data }, dims, [...dims, 1]);
  const clamped = (data as Int32Array).map((place) =>
    place >= sequence ? ignoredLabel : Math.max(0, place),
  );
  return { dims, data: clamped };
}

/** Each position gets the next one's label, the last none. */
function shifted({ dims, data }: HostTensor, sequence: number): HostTensor {
  const next = (data as Int32Array).map((_, i) =>
    i % sequence === sequence - 1 ? ignoredLabel : data[i + 1]!,
  );
  return { dims, data: next };
}

/** The configuration's `problem_type`, or the one that transformers infers from labels. */
export function problemType(
  config: TransformerConfig,
  labels: NumericInput,
): NonNullable<TransformerConfig['problem_type']> {
  if (config.problem_type) return config.problem_type;
  if (labelCount(config) === 1) return 'regression';
  const isFloat = isTensorLike(labels) && labels.data instanceof Float32Array;
  return isFloat || dimsOf('labels', labels).length > 1
    ? 'multi_label_classification'
    : 'single_label_classification';
}
