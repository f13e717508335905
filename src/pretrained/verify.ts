import { InputError } from '../errors.js';
import { MegatronBertModel } from './classes.js';
import type { FromPretrainedOptions } from './from-pretrained.js';

export interface Check {
  readonly name: string;
  readonly passed: boolean;
  /** What was found. */
  readonly detail: string;
}

/** What others published of a model's outputs. */
interface Reference {
  readonly input_ids: readonly number[];
  /** The first rows and columns of `last_hidden_state`. */
  readonly last_hidden_state: readonly (readonly number[])[];
  /** Relative or absolute, either. */
  readonly tolerance: number;
}

/** From transformers' tests; these were computed in fp16, whose rounding the tolerance allows for. */
const references: Readonly<Record<string, Reference>> = {
  'nvidia/megatron-bert-uncased-345m': {
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
 * Checks that a model can be relied on: all weights are there, it computes numbers, and they are the published ones.
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
  const loaded = await MegatronBertModel.from_pretrained(model, { warn: () => undefined, ...options });
  try {
    const missing = loaded.loading_info.missing_keys.filter((name) => !name.startsWith('pooler.'));
    const ids = expected?.input_ids ?? [0, 1, 2].map((id) => Math.min(id, loaded.config.vocab_size - 1));
    const { last_hidden_state } = await loaded.forward({ input_ids: [ids] });
    return [
      {
        name: 'weights',
        passed: missing.length === 0,
        detail:
          missing.length === 0 ? `${loaded.num_parameters()} parameters` : `missing: ${missing.join(', ')}`,
      },
      {
        name: 'numbers',
        passed: last_hidden_state.data.every(Number.isFinite),
        detail: `last_hidden_state [${last_hidden_state.dims.join(', ')}]`,
      },
      ...(expected ? [compare(last_hidden_state.data, last_hidden_state.dims[2]!, expected)] : []),
    ];
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
