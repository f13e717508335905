/** The parameters of a run that begins with the weights of a model, and not at random. */
import type { Engine } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { sameShape } from '../graph/value.js';
import { initialValues } from '../model/initial-values.js';
import type { Parameter } from '../model/parameters.js';
import { partLayout, partOf } from '../partition.js';
import { matchNames } from '../pretrained/model-weights.js';
import { resizeRows, vocabularyWeights } from '../pretrained/resize-embeddings.js';
import { weightType } from '../pretrained/weight-files.js';
import type { OwnParameters } from './parameters.js';
import { openWeights, type OpenedWeights, type SourceTensor, type WeightSource } from './weight-source.js';

/** What a run begins with; plain data. */
export interface LoadedWeights {
  readonly source: WeightSource;
  /** Rows of the vocabulary that stay; the others become the mean of these. */
  readonly keptRows: number;
}

export interface MatchedWeights {
  /** By the parameters' names, in the order in which they lie in the source. */
  readonly found: ReadonlyMap<string, SourceTensor>;
  /** Parameters of heads, which begin at random. */
  readonly missing: readonly string[];
  /** What there is no use for. */
  readonly unexpected: readonly string[];
}

/** What a model may lack: heads, and adapters. */
const ofHeads = /^bert\.pooler\.|^cls\.|^classifier\.|^qa_outputs\.|\.lora_[AB]\.weight$/;

/** @param name of the model, in errors @throws InputError where it lacks more than heads, or has another shape */
export function matchWeightSource(
  declared: ReadonlyMap<string, Parameter>,
  { tensors, config }: OpenedWeights,
  name: string,
): MatchedWeights {
  const { found, missing, unexpected } = matchNames(declared, tensors);
  const lost = missing.find((parameter) => !ofHeads.test(parameter));
  if (lost !== undefined) throw new InputError(`${name}: expected a ${lost}, found none`);
  for (const [parameter, stored] of found) {
    const { shape, dtype } = tensors.get(stored)!;
    const declaredShape = declared.get(parameter)!.shape;
    const expected = vocabularyWeights.test(parameter)
      ? declaredShape.with(0, config.vocab_size)
      : declaredShape;
    if (!sameShape(shape, expected))
      throw new InputError(
        `${name}: ${stored}: expected [${expected.join(', ')}] by its configuration, found [${shape.join(', ')}]`,
      );
    if (!weightType(dtype))
      throw new InputError(`${name}: ${stored}: expected F32, F16 or BF16, found ${dtype}`);
  }
  const parameterOf = new Map([...found].map(([parameter, stored]) => [stored, parameter]));
  const ordered = [...tensors].flatMap(([stored, tensor]): [string, SourceTensor][] =>
    parameterOf.has(stored) ? [[parameterOf.get(stored)!, tensor]] : [],
  );
  return { found: new Map(ordered), missing, unexpected };
}

/** One tensor in memory at a time. @param seed of the parameters that the source lacks */
export async function loadParameters(
  engine: Engine,
  parameters: OwnParameters,
  { source, keptRows }: LoadedWeights,
  seed: number,
): Promise<void> {
  const opened = await openWeights(source);
  const declared = new Map([...parameters].map(([name, { declaration }]) => [name, declaration]));
  const { found, missing } = matchWeightSource(declared, opened, 'the model');
  for (const [name, tensor] of found) {
    const { declaration, layout, value } = parameters.get(name)!;
    const [rows] = declaration.shape as [number];
    const isResized = vocabularyWeights.test(name) && (keptRows < rows || tensor.shape[0] !== rows);
    await engine.write(
      value,
      isResized
        ? partOf(resizeRows(await readFirst(tensor, keptRows), keptRows, rows), layout)
        : await tensor.read(layout),
    );
  }
  await opened.close();
  for (const name of missing) {
    const { declaration, layout, value } = parameters.get(name)!;
    await engine.write(value, initialValues(name, declaration, seed, layout));
  }
}

const readFirst = ({ shape, read }: SourceTensor, rows: number) =>
  read(partLayout(shape.with(0, rows), undefined, 1, 0));
