import { expect } from 'vitest';
import type { ArchitectureName } from '../../src/model/architectures.js';
import type { AnyInputs, LayerKeyValues } from '../../src/pretrained/model-inputs.js';
import type { Tensor } from '../../src/pretrained/tensors.js';
import { difference, fixture, readJson, readTensors, relativeError, type NumberTensor } from './fixture.js';

/** One entry of test/fixtures/cases/cases.json, or of GPT-2's. */
export interface ModelCase {
  /** Of the fixtures. */
  readonly folder: string;
  readonly name: string;
  readonly class: ArchitectureName;
  readonly model: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly options: {
    readonly add_pooling_layer?: boolean;
    readonly output_hidden_states?: boolean;
    readonly output_attentions?: boolean;
    readonly use_cache?: boolean;
  };
}

/** MegatronBERT's and GPT-2's. */
export const modelCases = ['', 'gpt2/'].flatMap((folder): ModelCase[] => {
  const found = readJson(fixture(`${folder}cases/cases.json`)) as { readonly cases: ModelCase[] };
  return found.cases.map((modelCase) => ({ ...modelCase, folder }));
});

export const tensorsOf = ({ folder, name }: ModelCase) =>
  readTensors(fixture(`${folder}cases/${name}.safetensors`));

export const startingWith = (tensors: ReadonlyMap<string, NumberTensor>, prefix: string) =>
  [...tensors].flatMap(([name, tensor]) =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [],
  );

/** The tensors `output.NAME`, all of them and no others. */
export function expectOutputs(found: object, tensors: ReadonlyMap<string, NumberTensor>): void {
  const outputs = flattenOutputs(found);
  const expected = startingWith(tensors, 'output.');
  expect([...outputs.keys()].sort()).toEqual(expected.map(([name]) => name).sort());
  for (const [name, { shape, data }] of expected) {
    const found = outputs.get(name)!;
    expect(found.dims, name).toEqual(shape);
    if (name === 'loss') expect(relativeError(found.data, data), name).toBeLessThan(1e-5);
    else expect(difference(found.data, data), name).toBeLessThan(1e-4);
  }
}

/** The tensors `input.NAME` as a call takes them. */
export function givenInputs(tensors: ReadonlyMap<string, NumberTensor>): AnyInputs {
  const inputs: Record<string, unknown> = {};
  for (const [name, { shape, data }] of tensors) {
    if (!name.startsWith('input.')) continue;
    const tensor = { dims: shape, data };
    const [group, index, part] = name.slice('input.'.length).split('.') as [string, string?, string?];
    if (index === undefined) inputs[group] = tensor;
    else {
      const layers = (inputs[group] ??= []) as Record<string, unknown>[];
      (layers[Number(index)] ??= {})[part!] = tensor;
    }
  }
  return inputs;
}

/** Outputs by the names of the fixtures: `hidden_states.0`, `past_key_values.0.key`. */
export function flattenOutputs(outputs: object): Map<string, Tensor> {
  const flat = new Map<string, Tensor>();
  for (const [name, value] of Object.entries(outputs) as [string, Tensor | (Tensor | LayerKeyValues)[]][]) {
    if (!Array.isArray(value)) flat.set(name, value);
    else
      value.forEach((member, i) => {
        if ('dims' in member) flat.set(`${name}.${i}`, member);
        else
          for (const [part, tensor] of Object.entries(member) as [string, Tensor][])
            flat.set(`${name}.${i}.${part}`, tensor);
      });
  }
  return flat;
}
