import { InputError } from '../errors.js';
import { architectures, type ArchitectureName } from '../model/architectures.js';
import * as classes from './classes.js';
import { classFor } from './auto-classes.js';
import { readConfigFields } from './from-pretrained.js';
import { nodeHost } from './node-host.js';
import type { FromPretrainedOptions } from './options.js';
import type { Tensor } from './tensors.js';

export interface Check {
  readonly name: string;
  readonly passed: boolean;
  /** What was found. */
  readonly detail: string;
}

/** What others published of a model's outputs. */
interface Reference {
  /** That of transformers' conversion, whatever a model was trained with. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly input_ids: readonly number[];
  /** The first rows and columns of `last_hidden_state`. */
  readonly last_hidden_state: readonly (readonly number[])[];
  /** Relative or absolute, either. */
  readonly tolerance: number;
}

/** From transformers' tests; these were computed in fp16, whose rounding the tolerance allows for. */
const references: Readonly<Record<string, Reference>> = {
  'nvidia/megatron-bert-uncased-345m': {
    config: { layer_norm_eps: 1e-12, hidden_act: 'gelu' },
    input_ids: [101, 7110, 1005, 1056, 2023, 11333, 17413, 1029, 102],
    last_hidden_state: [
      [-0.604, -0.2517, -0.1025],
      [0.342, -0.6758, -0.0017],
      [-0.1089, -0.199, 0.5728],
    ],
    tolerance: 2e-3,
  },
};

export const referenceNames = Object.keys(references);

export interface VerifyOptions extends FromPretrainedOptions {
  /** A model of which numbers were published, to compare with. */
  readonly reference?: string;
}

/**
 * Checks that a model can be relied on: its class has all its weights, in the configuration's shapes; it computes
 * numbers; and they are the published ones.
 *
 * @throws InputError where the model cannot be loaded
 */
export async function verifyModel(
  model: string,
  { reference, ...options }: VerifyOptions = {},
): Promise<Check[]> {
  const expected = reference === undefined ? undefined : references[reference];
  if (reference !== undefined && !expected)
    throw new InputError(`reference: expected ${referenceNames.join(' or ')}, found ${reference}`);
  const checks = await checkClass(model, options);
  return expected ? [...checks, await comparePublished(model, options, expected)] : checks;
}

const names = Object.keys(architectures) as ArchitectureName[];

/** By the class that the configuration names. */
async function checkClass(model: string, options: FromPretrainedOptions): Promise<Check[]> {
  const source = await nodeHost.open(model, options);
  const [fields, file] = await readConfigFields(source, options.config);
  const named = fields.architectures;
  const name =
    names.find((candidate) => Array.isArray(named) && named.includes(candidate)) ??
    (await classFor('AutoModel', source, options));
  const { vocab_size } = architectures[name].readConfig(fields, file);
  const loaded = await classes[name].from_pretrained(model, {
    warn: () => undefined,
    ...options,
    ignore_mismatched_sizes: true,
  });
  try {
    const { missing_keys, mismatched_keys, unexpected_keys } = loaded.loading_info;
    const problems = [
      ...(missing_keys.length > 0 ? [`missing: ${missing_keys.join(', ')}`] : []),
      ...(mismatched_keys.length > 0 ? [`of another shape: ${mismatched_keys.join(', ')}`] : []),
    ];
    const unused = unexpected_keys.length > 0 ? `; not used: ${unexpected_keys.join(', ')}` : '';
    const ids = [0, 1, 2].map((id) => Math.min(id, vocab_size - 1));
    const input_ids = architectures[name].leading.length === 1 ? [ids] : [[ids, ids]];
    const outputs = Object.entries(await loaded.forward({ input_ids } as never));
    const isComputed = (value: unknown): value is Tensor => value instanceof Object && 'dims' in value;
    const tensors = outputs.flatMap(([output, value]) => (isComputed(value) ? [{ output, ...value }] : []));
    return [
      {
        name: 'weights',
        passed: problems.length === 0,
        detail: (problems.join('; ') || `${loaded.num_parameters()} parameters of ${name}`) + unused,
      },
      {
        name: 'numbers',
        passed: tensors.every(({ data }) => data.every(Number.isFinite)),
        detail: tensors.map(({ output, dims }) => `${output} [${dims.join(', ')}]`).join(', '),
      },
    ];
  } finally {
    await loaded.dispose();
  }
}

async function comparePublished(
  model: string,
  options: FromPretrainedOptions,
  expected: Reference,
): Promise<Check> {
  const loaded = await classes.MegatronBertModel.from_pretrained(model, {
    warn: () => undefined,
    ...options,
    config: { ...options.config, ...expected.config },
  });
  try {
    const { last_hidden_state } = await loaded.forward({ input_ids: [expected.input_ids] });
    return compare(last_hidden_state.data, last_hidden_state.dims[2]!, expected);
  } finally {
    await loaded.dispose();
  }
}

function compare(found: Float32Array, width: number, { last_hidden_state, tolerance }: Reference): Check {
  const differences = last_hidden_state.flatMap((row, i) =>
    row.map((x, j) => {
      const difference = Math.abs(found[i * width + j]! - x);
      return Math.min(difference, difference / Math.abs(x));
    }),
  );
  const worst = Math.max(...differences);
  return {
    name: 'published values',
    passed: worst <= tolerance,
    detail: `largest difference ${worst.toExponential(1)}, allowed ${tolerance}`,
  };
}
