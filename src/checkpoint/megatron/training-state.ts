/**
 * What training goes on from: Adam's moments, the fp32 weights of a 16-bit model, the learning rate's schedule.
 * Adam numbers the parameters of a rank as its modules come, those with weight decay before those without.
 * Sources: Megatron-LM v2.5 megatron/optimizer/ (`get_params_for_weight_decay_optimization`, `state_dict`), v1.0
 * megatron/fp16/fp16.py.
 */
import { InputError } from '../../errors.js';
import { isTensor, readTensor, type TorchTensor } from '../torch/tensor.js';
import type { PlainTensor } from '../torch/write.js';
import { plainArguments } from './arguments.js';
import type { MegatronArguments, WholeTensor } from './model.js';
import { hasDecay, inModuleOrder, type MegatronName } from './names.js';
import { gatherParts, type Flat, type Held } from './stages.js';

const moments = ['exp_avg', 'exp_avg_sq'] as const;
const slots = [...moments, 'master'] as const;
export type Slot = (typeof slots)[number];

type Named = ReadonlyMap<MegatronName, WholeTensor>;

export interface TrainingState {
  readonly exp_avg: Named;
  readonly exp_avg_sq: Named;
  /** The weights in fp32, where the model itself has 16 bits. */
  readonly master?: Named | undefined;
  /** Learning rate, step and so on of the parameters with weight decay, and of those without. */
  readonly groups: readonly MegatronArguments[];
  readonly step: number | undefined;
  /** What is neither of a parameter nor of a rank, by its key in the checkpoint. */
  readonly gradScaler: MegatronArguments | undefined;
  readonly scheduler: readonly [key: string, fields: MegatronArguments] | undefined;
}

type Dictionary = ReadonlyMap<unknown, unknown>;
const dictionary = (value: unknown): Dictionary | undefined => (value instanceof Map ? value : undefined);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

/** One rank's file, and its parameters: a dictionary for each of its stages. */
export interface RankModel {
  readonly held: Held;
  readonly chunks: readonly Flat[];
}

/**
 * @param stages each with its ranks
 * @returns undefined for a checkpoint without it
 * @throws InputError where it is not of these parameters
 */
export async function readTrainingState(
  stages: readonly (readonly RankModel[])[],
  wholeTensor: (name: MegatronName, parts: readonly TorchTensor[]) => WholeTensor,
): Promise<TrainingState | undefined> {
  const { checkpoint, file } = stages[0]![0]!.held;
  const optimizer = dictionary(checkpoint.get('optimizer'));
  if (!optimizer || !dictionary(adamOf(optimizer).get('state'))?.size) return undefined;

  const ranks = stages.map((stage) => stage.map(readRank));
  const gathered = (slot: Slot): Named => {
    const inStages = ranks.map((stage) => stage.map((rank) => rank.get(slot)!));
    const { parts } = gatherParts(inStages, file);
    return new Map([...parts].map(([name, found]) => [name, wholeTensor(name, found)]));
  };
  const master = gathered('master');
  const groups = list(adamOf(optimizer).get('param_groups')).map((group) => dictionary(group)!);
  const gradScaler = dictionary(optimizer.get('grad_scaler'));
  const scheduler = ['opt_param_scheduler', 'lr_scheduler'].find((key) => dictionary(checkpoint.get(key)));
  return {
    exp_avg: gathered('exp_avg'),
    exp_avg_sq: gathered('exp_avg_sq'),
    master: master.size > 0 ? master : undefined,
    groups: groups.map((group) => new Map([...plainArguments(group)].filter(([key]) => key !== 'params'))),
    step: await stepOf(optimizer),
    gradScaler: gradScaler && plainArguments(gradScaler),
    scheduler:
      scheduler === undefined
        ? undefined
        : [scheduler, plainArguments(dictionary(checkpoint.get(scheduler))!)],
  };
}

/** Of a 16-bit model it is wrapped. */
const adamOf = (optimizer: Dictionary): Dictionary =>
  dictionary(optimizer.get('optimizer') ?? optimizer.get('optimizer_state_dict')) ?? optimizer;

/** By slot, the tensors of a rank's parameters under their names. */
function readRank({ held: { checkpoint, file }, chunks }: RankModel): Map<Slot, Map<string, TorchTensor>[]> {
  const fail = (problem: string): never => {
    throw new InputError(`${file}: ${problem}; --no-save-optim leaves the optimizer's state out`);
  };
  const optimizer = dictionary(checkpoint.get('optimizer')) ?? new Map();
  const state = dictionary(adamOf(optimizer).get('state'));
  const groups = list(adamOf(optimizer).get('param_groups')).map((group) =>
    list(dictionary(group)?.get('params')),
  );
  const masters = list(optimizer.get('fp32_from_fp16_params') ?? optimizer.get('fp32_from_fp16')).flatMap(
    list,
  );

  const [decayed, others] = numbered(chunks.map((chunk) => [...chunk.keys()]));
  const expected = [decayed.length, others.length];
  if (groups.map(({ length }) => length).join() !== expected.join())
    fail(
      `expected an optimizer of ${expected.join(' and ')} parameters, found ${groups.map(({ length }) => length).join(' and ')}`,
    );
  const numbers = groups.flat();
  const tensors = new Map(slots.map((slot) => [slot, chunks.map(() => new Map<string, TorchTensor>())]));
  for (const [i, { chunk, name }] of [...decayed, ...others].entries()) {
    const { shape } = chunks[chunk]!.get(name)!;
    for (const slot of masters.length > 0 ? slots : moments) {
      const tensor = slot === 'master' ? masters[i] : dictionary(state?.get(numbers[i]))?.get(slot);
      if (!isTensor(tensor) || tensor.shape.join() !== shape.join())
        return fail(`expected ${slot} [${shape.join(', ')}] for ${name} in its optimizer`);
      tensors.get(slot)![chunk]!.set(name, tensor);
    }
  }
  return tensors;
}

/** Where Adam counts its steps for each parameter, and not for each group of them. */
async function stepOf(optimizer: Dictionary): Promise<number | undefined> {
  const [first] = dictionary(adamOf(optimizer).get('state'))!.values();
  const step = dictionary(first)?.get('step');
  if (typeof step === 'number') return step;
  if (!isTensor(step) || step.dtype !== 'F32' || step.shape.length > 0) return undefined;
  return Buffer.from(await readTensor(step)).readFloatLE();
}

/** The parameters of a rank as Adam numbers them: with weight decay, and without. */
function numbered(chunks: readonly (readonly MegatronName[])[]): [Numbered[], Numbered[]] {
  const all = chunks.flatMap((names, chunk) => inModuleOrder(names).map((name) => ({ chunk, name })));
  return [all.filter(({ name }) => hasDecay(name)), all.filter(({ name }) => !hasDecay(name))];
}
interface Numbered {
  readonly chunk: number;
  readonly name: MegatronName;
}

/**
 * The entries of a rank's checkpoint, in the form of version 2.0 and later.
 *
 * @param names the rank's parameters
 * @param tensorOf what is to be written for each
 */
export function trainingEntries(
  { master, groups, step, gradScaler, scheduler }: TrainingState,
  names: readonly MegatronName[],
  tensorOf: (slot: Slot, name: MegatronName) => PlainTensor,
): [key: string, value: unknown][] {
  const ordered = numbered([names]);
  const state = ordered
    .flat()
    .map(({ name }, i): [number, Map<string, unknown>] => [
      i,
      new Map<string, unknown>([
        ...(step === undefined ? [] : ([['step', step]] as const)),
        ...moments.map((slot) => [slot, tensorOf(slot, name)] as const),
      ]),
    ]);
  const firsts = [0, ordered[0].length];
  const adam = new Map<string, unknown>([
    ['state', new Map(state)],
    [
      'param_groups',
      ordered.map((group, i) => new Map([...groups[i]!, ['params', group.map((_, k) => firsts[i]! + k)]])),
    ],
  ]);
  const optimizer = master
    ? new Map<string, unknown>([
        ['optimizer', adam],
        ...(gradScaler ? ([['grad_scaler', gradScaler]] as const) : []),
        ['fp32_from_fp16_params', ordered.map((group) => group.map(({ name }) => tensorOf('master', name)))],
      ])
    : adam;
  return [['optimizer', optimizer], ...(scheduler ? [[...scheduler] as [string, unknown]] : [])];
}
