/** The split model against the whole one, without any engine: ranks evaluated side by side in float64. */
import { describe, expect, test } from 'vitest';
import { forwardBackward } from '../src/graph/gradient.js';
import { input } from '../src/graph/functions.js';
import { makeProgram, type Program } from '../src/graph/program.js';
import { sizeOf, type Node, type Value } from '../src/graph/value.js';
import { hiddenInput, pretrainingBlocks } from '../src/model/blocks.js';
import { megatronBertConfig } from '../src/model/config.js';
import { flattenParameters, partShape } from '../src/model/parameters.js';
import type { Run } from '../src/model/run.js';
import { vocabParallelCrossEntropy, vocabParallelEmbedding } from '../src/model/tensor-parallel.js';
import { partLayout, takePart } from '../src/partition.js';
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
const layer = pretrainingBlocks(config, { predictionCount: 1 }).find(({ kind }) => kind === 'layer')!;

const runOn = (size: number, rank: number): Run => ({
  batchSize: 2,
  sequenceLength: 5,
  tensor: { group: 'tensor', size, rank },
  dropoutKey: input('dropout_key', [2], 'int32'),
});

function layerPrograms(size: number, rank: number) {
  const run = runOn(size, rank);
  const outputs = layer.outputs(run, hiddenInput(config, run));
  const wrt = [...makeProgram(outputs).inputs.values()].filter(({ dtype }) => dtype === 'float32');
  return { outputs, wrt, ...forwardBackward(outputs, 'hidden', wrt) };
}

const reductions = ({ nodes }: Program) =>
  nodes.filter(({ op }) => op === 'allReduce').map(({ shape, attributes }) => ({ shape, ...attributes }));

describe('communication of a layer', () => {
  const { forward, backward } = layerPrograms(2, 0);
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
    const alone = layerPrograms(1, 0);
    expect([...communications(alone.forward), ...communications(alone.backward)]).toEqual([]);
  });
});

/** The part of a parameter that a rank holds. */
function partOf(
  numbers: Numbers,
  shape: readonly number[],
  axis: number | undefined,
  size: number,
  rank: number,
): Numbers {
  if (axis === undefined) return numbers;
  const part = new Float32Array(numbers.length / size);
  takePart(Float32Array.from(numbers), partLayout(shape, axis, size, rank), part);
  return [...part];
}

test.each([2, 4])('a layer and its gradients, dropout on, split over %i ranks', (size) => {
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
      const { outputs, wrt } = layerPrograms(ranks, rank);
      return programOf(outputs.hidden!, wrt);
    });
    const inputs = programs.map((_, rank) => {
      const own = [...declared].map(([name, { shape, partition }]) => [
        name,
        partOf(whole[name]!, shape, partition, ranks, rank),
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
      const reference = parameter
        ? partOf(expected![name]!, parameter.shape, parameter.partition, size, rank)
        : expected![name]!;
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
      programs.map((_, rank) => ({ ids, table: partOf(table, [16, 3], 0, size, rank) })),
    );
    for (const { y } of results) expect(y).toEqual(ids.flatMap((id) => table.slice(3 * id, 3 * id + 3)));
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
        logits: partOf(logits, [5, 16], 1, size, rank),
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
});
