/** The split model against the whole one, without any engine: ranks evaluated side by side in float64. */
import { describe, expect, test } from 'vitest';
import { forwardBackward } from '../src/graph/gradient.js';
import { input } from '../src/graph/functions.js';
import { makeProgram, type Program } from '../src/graph/program.js';
import { sizeOf, type Node, type Value } from '../src/graph/value.js';
import { hiddenInput, pretrainingBlocks, type Block } from '../src/model/blocks.js';
import { megatronBertConfig } from '../src/model/config.js';
import { gpt2Blocks } from '../src/model/gpt2-blocks.js';
import { gpt2Config } from '../src/model/gpt2-config.js';
import { gpt2LayerParameters } from '../src/model/gpt2.js';
import { flattenParameters, partShape } from '../src/model/parameters.js';
import { labelledLoss, labelledLossByRows } from '../src/model/losses.js';
import type { Run } from '../src/model/run.js';
import {
  vocabParallelCrossEntropy,
  vocabParallelEmbedding,
  vocabParallelFirstChoice,
} from '../src/model/tensor-parallel.js';
import { layoutOf, takePart, type Partitioned } from '../src/partition.js';
import { evaluateRanks, type Numbers } from './support/evaluate.js';
import { randomNumbers } from './support/op-cases.js';

const config = megatronBertConfig({
  vocab_size: 16,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 12,
  max_position_embeddings: 5,
  hidden_dropout_prob: 0.3,
  attention_probs_dropout_prob: 0.3,
});
const gpt2 = gpt2Config({
  vocab_size: 16,
  n_embd: 8,
  n_layer: 2,
  n_head: 4,
  n_inner: 12,
  n_positions: 5,
  resid_pdrop: 0.3,
  attn_pdrop: 0.3,
});
const layers = {
  MegatronBERT: pretrainingBlocks(config, { predictionCount: 1 })[1]!,
  'GPT-2': gpt2Blocks(gpt2)[1]!,
};

const runOn = (size: number, rank: number): Run => ({
  batchSize: 2,
  sequenceLength: 5,
  tensor: { group: 'tensor', size, rank },
  dropoutKey: input('dropout_key', [2], 'int32'),
});

function layerPrograms(layer: Block, size: number, rank: number) {
  const run = runOn(size, rank);
  const outputs = layer.outputs(run, hiddenInput(config, run));
  const wrt = [...makeProgram(outputs).inputs.values()].filter(({ dtype }) => dtype === 'float32');
  return { outputs, wrt, ...forwardBackward(outputs, 'hidden', wrt) };
}

const reductions = ({ nodes }: Program) =>
  nodes.filter(({ op }) => op === 'allReduce').map(({ shape, attributes }) => ({ shape, ...attributes }));

describe.each(Object.entries(layers))('communication of a layer of %s', (_, layer) => {
  const { forward, backward } = layerPrograms(layer, 2, 0);
  const wholeActivation = { shape: [10, 8], group: 'tensor', size: 2, reduction: 'sum' };

  test('two all-reduces forward and two backward, each of batch × sequence × hidden', () => {
    expect(reductions(forward)).toEqual([wholeActivation, wholeActivation]);
    expect(reductions(backward)).toEqual([wholeActivation, wholeActivation]);
  });

  test('nothing else is communicated, and nothing at all on one rank', () => {
    const communications = ({ nodes }: Program) =>
      nodes.filter(({ op }) => ['allGather', 'reduceScatter', 'allReduce', 'copyToParallel'].includes(op));
    expect(
      [...communications(forward), ...communications(backward)].filter(({ op }) => op.startsWith('all'))
        .length,
    ).toBe(4);
    const alone = layerPrograms(layer, 1, 0);
    expect([...communications(alone.forward), ...communications(alone.backward)]).toEqual([]);
  });
});

/** The part of a parameter that a rank holds. */
function partOf(numbers: Numbers, parameter: Partitioned, size: number, rank: number): Numbers {
  if (parameter.partition === undefined) return numbers;
  const part = new Float32Array(numbers.length / size);
  takePart(Float32Array.from(numbers), layoutOf(parameter, size, rank), part);
  return [...part];
}

const splits = Object.entries(layers).flatMap(([name, layer]) =>
  [2, 4].map((size) => [name, size, layer] as const),
);

test.each(splits)('a layer of %s and its gradients, dropout on, split over %i ranks', (_, size, layer) => {
  const declared = new Map(flattenParameters(layer.parameters));
  const whole: Record<string, Numbers> = {
    attention_mask: [1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
    dropout_key: [5, 6],
    hidden: randomNumbers([10, 8], 'hidden'),
    'gradient.hidden': randomNumbers([10, 8], 'dy'),
  };
  for (const [name, { shape }] of declared)
    whole[name] = randomNumbers(shape, name).map((x) => Math.fround(0.5 * x));

  const evaluateLayer = (ranks: number) => {
    const programs = Array.from({ length: ranks }, (_, rank) => {
      const { outputs, wrt } = layerPrograms(layer, ranks, rank);
      return programOf(outputs.hidden!, wrt);
    });
    const inputs = programs.map((_, rank) => {
      const own = [...declared].map(([name, parameter]) => [
        name,
        partOf(whole[name]!, parameter, ranks, rank),
      ]);
      return { ...whole, ...Object.fromEntries(own) } as Record<string, Numbers>;
    });
    return evaluateRanks(programs, inputs);
  };
  const [expected] = evaluateLayer(1);
  const found = evaluateLayer(size);
  for (const [rank, outputs] of found.entries())
    for (const [name, numbers] of Object.entries(outputs)) {
      const parameter = declared.get(name.replace('gradient.', ''));
      const reference = parameter ? partOf(expected![name]!, parameter, size, rank) : expected![name]!;
      expect(numbers.length).toBe(parameter ? sizeOf(partShape(parameter, size)) : reference.length);
      numbers.forEach((x, i) => {
        expect(x, `${name} of rank ${rank}`).toBeCloseTo(reference[i]!, 5);
      });
    }
});

/** Output and gradients in one program. */
function programOf(output: Value, wrt: readonly Node<'input'>[]): Program {
  const { forward, backward, saved } = forwardBackward({ hidden: output }, 'hidden', wrt);
  const replacements = new Map(
    [...saved].map(([name, value]) => [backward.inputs.get(name) as Value, value]),
  );
  return makeProgram(
    { hidden: forward.outputs.get('hidden')!, ...Object.fromEntries(backward.outputs) },
    replacements,
  );
}

test("a rank's part of GPT-2's fused matrix has its heads' queries, keys and values", () => {
  const { c_attn } = gpt2LayerParameters(gpt2, 0).attn;
  const [inputs, width, ranks] = [8, 8, 2];
  const names = ['q', 'k', 'v'].flatMap((name) => Array.from({ length: width }, (_, i) => `${name}${i}`));
  const numbers = Array.from({ length: inputs }, (_, row) =>
    names.map((_, column) => 100 * row + column),
  ).flat();
  const second = partOf(numbers, c_attn.weight, ranks, 1);
  const expected = Array.from({ length: inputs }, (_, row) =>
    ['q', 'k', 'v'].flatMap((name) => [4, 5, 6, 7].map((i) => 100 * row + names.indexOf(`${name}${i}`))),
  ).flat();
  expect(second).toEqual(expected);
  const bias = partOf(numbers.slice(0, 24), c_attn.bias, ranks, 1);
  expect(bias).toEqual(expected.slice(0, 12));
});

describe('the vocabulary split over ranks', () => {
  const ids = [0, 3, 4, 15, 8];

  test.each([2, 4])('embedding on %i ranks', (size) => {
    const table = randomNumbers([16, 3], 'table');
    const programs = Array.from({ length: size }, (_, rank) =>
      makeProgram({
        y: vocabParallelEmbedding(input('ids', [5], 'int32'), input('table', [16 / size, 3]), {
          group: 'tensor',
          size,
          rank,
        }),
      }),
    );
    const results = evaluateRanks(
      programs,
      programs.map((_, rank) => ({
        ids,
        table: partOf(table, { shape: [16, 3], partition: 0 }, size, rank),
      })),
    );
    for (const { y } of results) expect(y).toEqual(ids.flatMap((id) => table.slice(3 * id, 3 * id + 3)));
  });

  test.each([1, 2, 4])('the first choice of each row on %i ranks', (size) => {
    const logits = randomNumbers([5, 16], 'logits').map((x) => 3 * x);
    // a tie
    [logits[2], logits[13]] = [9, 9];
    const width = 16 / size;
    const programs = Array.from({ length: size }, (_, rank) => {
      const tensor = { group: 'tensor', size, rank };
      return makeProgram({
        ...vocabParallelFirstChoice(input('logits', [5, width]), input('ids', [width]), tensor),
      });
    });
    const results = evaluateRanks(
      programs,
      programs.map((_, rank) => ({
        logits: partOf(logits, { shape: [5, 16], partition: 1 }, size, rank),
        ids: [...Array(width).keys()].map((i) => rank * width + i),
      })),
    );
    for (const { id, probability } of results)
      ids.forEach((_, row) => {
        const own = logits.slice(16 * row, 16 * row + 16);
        const greatest = Math.max(...own);
        expect(id![row]).toBe(own.lastIndexOf(greatest));
        const total = own.reduce((all, x) => all + Math.exp(x), 0);
        expect(probability![row]).toBeCloseTo(Math.exp(greatest) / total, 6);
      });
  });

  test.each([1, 2, 4])(
    'cross entropy on %i ranks: −log softmax, its gradient, and no all-reduce backward',
    (size) => {
      const logits = randomNumbers([5, 16], 'logits').map((x) => 3 * x);
      const part = input('logits', [5, 16 / size]);
      const programs = Array.from({ length: size }, (_, rank) => {
        const { loss } = vocabParallelCrossEntropy(part, input('labels', [5], 'int32'), {
          group: 'tensor',
          size,
          rank,
        });
        return forwardBackward({ loss }, 'loss', [part as Node<'input'>]);
      });
      const inputs = programs.map((_, rank) => ({
        labels: ids,
        'gradient.loss': [1, 1, 1, 1, 1],
        logits: partOf(logits, { shape: [5, 16], partition: 1 }, size, rank),
      }));
      const forward = evaluateRanks(
        programs.map((p) => p.forward),
        inputs,
      );
      const backward = evaluateRanks(
        programs.map((p) => p.backward),
        inputs.map((own, rank) => ({ ...own, ...forward[rank] })),
      );
      expect(reductions(programs[0]!.backward)).toEqual([]);
      ids.forEach((id, row) => {
        const own = logits.slice(16 * row, 16 * row + 16);
        const total = own.reduce((all, x) => all + Math.exp(x), 0);
        for (const [rank, { loss }] of forward.entries()) {
          expect(loss![row]).toBeCloseTo(Math.log(total) - own[id]!, 6);
          const width = 16 / size;
          for (let i = 0; i < width; i++) {
            const column = rank * width + i;
            const expected = Math.exp(own[column]!) / total - Number(column === id);
            expect(backward[rank]!['gradient.logits']![row * width + i]).toBeCloseTo(expected, 6);
          }
        }
      });
    },
  );

  test('scored some rows at a time: the same loss and counts', () => {
    const [hidden, width] = [randomNumbers([6, 3], 'rows'), 2 ** 23];
    const whole = input('hidden', [6, 3]);
    const labels = input('labels', [6], 'int32');
    const tensor = { group: 'tensor', size: 1, rank: 0 };
    // as if it had so many classes that two rows are enough
    const { loss, count, correct } = labelledLossByRows(whole, (rows) => rows, width, labels, tensor);
    const expected = labelledLoss(whole, labels, tensor);
    const program = makeProgram({ loss, count, correct });
    expect(program.nodes.filter(({ op }) => op === 'exp').map(({ shape }) => shape)).toEqual(
      [2, 2, 2].map((rows) => [rows, 3]),
    );
    const given = { hidden, labels: [0, -100, 2, 1, 1, -100] };
    const [found] = evaluateRanks([program], [given]);
    const [reference] = evaluateRanks(
      [makeProgram({ loss: expected.loss, count: expected.count, correct: expected.correct })],
      [given],
    );
    expect(found!.count).toEqual([4]);
    for (const name of ['loss', 'count', 'correct'])
      expect(found![name]![0]).toBeCloseTo(reference![name]![0]!, 10);
  });
});
