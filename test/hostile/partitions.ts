/** Attacks with several partitions, which together take more than one may, and with the state of their optimizer. */
import {
  everywhere,
  file,
  folder,
  parameters,
  partitionOf,
  torchFiles,
  torchZip,
  type Attack,
} from './checkpoint.js';
import {
  call,
  dictionary,
  elementsOf,
  get,
  integer,
  laughs,
  list,
  none,
  pairs,
  put,
  tensor,
  text,
} from './pickle.js';
import { zip, type ZipFile } from './zip.js';

const mebibyte = 2 ** 20;
const ranks = (count: number, make: (rank: number) => Buffer) =>
  Object.fromEntries(Array.from({ length: count }, (_, rank) => [partitionOf(rank), make(rank)]));
const deflated = (parts: Readonly<Record<string, Buffer>>) =>
  zip(Object.entries(parts).map(([name, data]) => ({ name, data, isDeflated: true })));
/** Two ranks, of which the second has something else for the first parameter. */
const unlike = (value: string) =>
  ranks(2, (rank) => torchZip(rank === 0 ? {} : { tensors: { [parameters[0]![0]]: value } }));

/** Bytes that shrink to a fiftieth, which no honest reader refuses. */
function filler(size: number): ZipFile {
  const data = Buffer.alloc(size);
  for (let at = 0; at < size; at += 80) data.writeUInt16LE((at * 40_503) % 65_536, at);
  return { name: 'archive/filler', data };
}

/** A rank of two, of many layers, whose numbers lie one after the other, or by turns at the beginning and the end. */
function half(isTorn: boolean): Buffer {
  const layers = Array.from({ length: 20 }, (_, layer) => `layers.${layer}`);
  const all = layers.flatMap((layer) =>
    parameters.map(([name, shape]) => [name.replace('layers.0', layer), halved(name, shape)] as const),
  );
  const shapes = Object.entries(Object.fromEntries(all));
  const [pickle, ...numbers] = torchFiles({
    tensors: Object.fromEntries(
      shapes.map(([name, shape]) => [name, tensor({ key: name, elements: elementsOf(shape), shape })]),
    ),
    storages: Object.fromEntries(shapes.map(([name, shape]) => [name, Buffer.alloc(4 * elementsOf(shape))])),
  });
  const atEnd = (i: number) => !isTorn || i % 2 === 0;
  return zip([
    pickle!,
    ...numbers.filter((_, i) => !atEnd(i)),
    filler(15 * mebibyte),
    ...numbers.filter((_, i) => atEnd(i)),
  ]);
}

function halved(name: string, shape: readonly number[]): readonly number[] {
  if (/word_embeddings|query_key_value|dense_h_to_4h/.test(name)) return shape.with(0, shape[0]! / 2);
  return /attention\.dense\.weight|4h_to_h\.weight/.test(name) ? shape.with(1, shape[1]! / 2) : shape;
}

const partitions = [
  folder(
    'sixteen partitions whose values take too much together',
    () => ranks(16, () => torchZip({ entries: { extra: `(${']'.repeat(2.5e5)}t` } })),
    /its values take more memory/,
  ),
  file(
    'sixty-four partitions that are all inflated ahead',
    () => deflated(ranks(64, () => zip([...torchFiles(), filler(2 * mebibyte)]))),
    /2 attention heads in 64 partitions/,
  ),
  file(
    'two partitions of which one is inflated again for each parameter',
    () => deflated(ranks(2, (rank) => half(rank === 1))),
    /lie in an order in which they cannot be inflated/,
  ),
  folder(
    'partitions of different shapes',
    () => unlike(tensor({ key: '0', elements: 32, shape: [4, 8] })),
    /partitions of different shapes or types/,
  ),
  folder('partitions of different parameters', () => unlike(''), /expected 2 parts, found 1/),
];

const trained = (name: string, optimizer: () => string, expected: Attack['expected']) =>
  everywhere(
    `an optimizer ${name}`,
    () => ({
      entries: {
        optimizer: optimizer(),
        lr_scheduler: dictionary({ text: text('\x1b[2J'), self: call('os', 'system', text('false')) }),
      },
    }),
    expected,
    { to: 'megatron' },
  );
const state = pairs(integer(0), dictionary({ exp_avg: none }));
const wrong = /expected an optimizer of \d+ and \d+ parameters|expected exp_avg/;

const optimizers = [
  trained('that is a call', () => call('os', 'system', text('false')), 'converts'),
  trained('in itself', () => `}${put(1)}(${text('optimizer')}${get(1)}${text('state')}${state}u`, wrong),
  trained(
    'of a hundred thousand groups',
    () => dictionary({ state, param_groups: `](${']'.repeat(1e5)}e` }),
    wrong,
  ),
  trained('of endless groups', () => dictionary({ state, param_groups: laughs(')') }), wrong),
  trained(
    'of groups that are calls',
    () => dictionary({ state, param_groups: list(call('os', 'system'), call('os', 'system')) }),
    wrong,
  ),
  trained('of endless weights', () => dictionary({ state, fp32_from_fp16_params: laughs(')') }), wrong),
  trained('without parameters', () => dictionary({ state: dictionary({}) }), 'converts'),
].flat();

export const partitionAttacks: readonly Attack[] = [...partitions, ...optimizers];
