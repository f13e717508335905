/** Values that transformers and PyTorch gave (parity/make_fixtures.py), computed again. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../src/engine/engine.js';
import { openEngine } from '../src/engine/node.js';
import {
  MegatronBertForMaskedLM,
  MegatronBertForPreTraining,
  MegatronBertModel,
} from '../src/pretrained/classes.js';
import { hiddenInput, pretrainingBlocks } from '../src/model/blocks.js';
import { singleRank } from '../src/model/run.js';
import { singleRanks } from '../src/parallel/ranks.js';
import type { Trainer } from '../src/train/trainer.js';
import { createTrainer } from '../src/train/trainer.js';
import { defaultOptimizer } from '../src/train/optimizer.js';
import { evaluateBatches } from '../src/train/evaluation.js';
import { toBlockInputs } from '../src/train/objectives/masked-batch.js';
import {
  difference,
  fixture,
  readJson,
  readTensors,
  relativeError,
  tinyConfig,
  toRows,
  type NumberTensor,
} from './support/fixture.js';

let expected: Map<string, NumberTensor>;
beforeAll(async () => {
  expected = await readTensors(fixture('tiny/expected.safetensors'));
});

const modelInputs = () => ({
  input_ids: toRows(expected.get('input_ids')!),
  attention_mask: toRows(expected.get('attention_mask')!),
  token_type_ids: toRows(expected.get('token_type_ids')!),
});

describe('forward', () => {
  test('MegatronBertForPreTraining: every output and the loss', async () => {
    const model = await MegatronBertForPreTraining.from_pretrained(fixture('tiny'));
    const outputs = await model.forward({
      ...modelInputs(),
      labels: toRows(expected.get('labels')!),
      next_sentence_label: [...expected.get('next_sentence_label')!.data],
    });
    expect(Object.keys(outputs).sort()).toEqual(['loss', 'prediction_logits', 'seq_relationship_logits']);
    for (const name of ['prediction_logits', 'seq_relationship_logits'] as const) {
      expect(outputs[name].dims).toEqual(expected.get(name)!.shape);
      expect(difference(outputs[name].data, expected.get(name)!.data), name).toBeLessThan(1e-4);
    }
    expect(outputs.loss!.data[0]).toBeCloseTo(expected.get('loss')!.data[0]!, 4);
    await model.dispose();
  });

  test('MegatronBertModel, out of a head model: every output and hidden state', async () => {
    const model = await MegatronBertModel.from_pretrained(fixture('tiny'));
    const { hidden_states, last_hidden_state, pooler_output } = await model.forward(modelInputs(), {
      output_hidden_states: true,
    });
    const named = { last_hidden_state, pooler_output: pooler_output! };
    const states = hidden_states!.map((state, i) => [`hidden_states.${i}`, state] as const);
    expect(states.length).toBe(model.config.num_hidden_layers + 1);
    for (const [name, { dims, data }] of [...Object.entries(named), ...states]) {
      expect(dims).toEqual(expected.get(name)!.shape);
      expect(difference(data, expected.get(name)!.data), name).toBeLessThan(1e-4);
    }
    await model.dispose();
  });

  test('MegatronBertForMaskedLM: the prediction logits', async () => {
    const model = await MegatronBertForMaskedLM.from_pretrained(fixture('tiny'));
    const { logits } = await model.forward(modelInputs());
    expect(difference(logits.data, expected.get('prediction_logits')!.data)).toBeLessThan(1e-4);
    await model.dispose();
  });
});

interface TrainingFixture {
  readonly hyper_parameters: Readonly<Record<string, number>>;
  readonly losses: readonly number[];
  readonly gradient_norms: readonly number[];
  readonly learning_rates: readonly number[];
}

describe('training', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = openEngine({ threads: 1 });
  });
  afterAll(() => engine.release());

  async function tinyTrainer(
    microBatchSize: number,
    sequenceLength: number,
  ): Promise<{ trainer: Trainer; predictionCount: number }> {
    const config = tinyConfig();
    const predictionCount = microBatchSize * 3;
    const trainer = await createTrainer({
      engine,
      ranks: singleRanks,
      blocks: pretrainingBlocks(config, { predictionCount }),
      evaluationBlocks: pretrainingBlocks(config, { predictionCount, predicts: true }),
      hidden: hiddenInput(config, { batchSize: microBatchSize, sequenceLength, tensor: singleRank }),
      microBatchSize,
      sequenceLength,
      optimizer: defaultOptimizer,
      schedule: {
        learningRate: 1e-3,
        minLearningRate: 1e-5,
        warmupIterations: 5,
        decayIterations: 50,
        decayStyle: 'linear',
      },
      seed: 1,
    });
    const weights = await readTensors(fixture('tiny/model.safetensors'));
    expect([...weights.keys()].sort()).toEqual([...trainer.parameters.keys()].sort());
    for (const [name, { value }] of trainer.parameters) await engine.write(value, weights.get(name)!.data);
    return { trainer, predictionCount };
  }

  const batchOf = (
    tensors: Map<string, NumberTensor>,
    prefix: string,
    rows: number,
    length: number,
    at: number,
  ) => {
    const take = (name: string, width: number) =>
      (tensors.get(prefix + name)!.data as Int32Array).subarray(at * rows * width, (at + 1) * rows * width);
    return {
      batchSize: rows,
      sequenceLength: length,
      input_ids: take('input_ids', length),
      attention_mask: take('attention_mask', length),
      token_type_ids: take('token_type_ids', length),
      labels: take('labels', length),
      next_sentence_label: take('next_sentence_label', 1),
    };
  };

  test("every parameter's gradient is autograd's", async () => {
    const { trainer, predictionCount } = await tinyTrainer(3, 16);
    const { scalars } = await trainer.step([toBlockInputs(batchOf(expected, '', 3, 16, 0), predictionCount)]);
    expect(scalars.loss).toBeCloseTo(expected.get('loss')!.data[0]!, 4);
    for (const [name, { gradient }] of trainer.parameters) {
      const reference = expected.get(`gradient.${name}`)!.data;
      const found = await engine.read(gradient!);
      // a constant added to all keys changes no attention: that gradient is rounding noise
      if (name.endsWith('key.bias')) expect(difference(found, reference)).toBeLessThan(1e-6);
      else expect(relativeError(found, reference), name).toBeLessThan(1e-4);
    }
  });

  test("masked words are taken for transformers' likeliest", async () => {
    const { trainer, predictionCount } = await tinyTrainer(3, 16);
    const batch = batchOf(expected, '', 3, 16, 0);
    const { vocab_size: vocabSize } = tinyConfig();
    const { samples } = await evaluateBatches(trainer, [toBlockInputs(batch, predictionCount)], {
      vocabSize,
      ranks: singleRanks,
      microBatchSize: 3,
      sequenceLength: 16,
    });
    const logits = expected.get('prediction_logits')!.data;
    expect(samples).toHaveLength(3);
    // the first and the last token of a text are not told
    const { attention_mask } = batch;
    const isInside = (i: number) => i % 16 > 0 && i % 16 < 15 && attention_mask[i + 1] === 1;
    const labelled = batch.labels.filter((label, i) => label >= 0 && isInside(i));
    expect(samples.flatMap(({ predictions }) => predictions)).toHaveLength(labelled.length);
    for (const [row, { predictions }] of samples.entries())
      for (const { position, id, probability } of predictions) {
        const start = (16 * row + position + 1) * vocabSize;
        const own = [...logits.subarray(start, start + vocabSize)];
        expect(id).toBe(own.indexOf(Math.max(...own)));
        const total = own.reduce((sum, x) => sum + Math.exp(x), 0);
        expect(probability).toBeCloseTo(Math.exp(own[id]!) / total, 5);
      }
  });

  test("50 steps follow PyTorch's losses, norms and rates", async () => {
    const { trainer, predictionCount } = await tinyTrainer(4, 16);
    const batches = await readTensors(fixture('tiny/training.safetensors'));
    const { losses, gradient_norms, learning_rates } = readJson(
      fixture('tiny/training.json'),
    ) as TrainingFixture;
    for (const [step, loss] of losses.entries()) {
      const report = await trainer.step([
        toBlockInputs(batchOf(batches, 'step.', 4, 16, step), predictionCount),
      ]);
      expect(Math.abs(report.scalars.loss! - loss), `loss of step ${step}`).toBeLessThan(1e-3);
      expect(report.gradientNorm / gradient_norms[step]!).toBeCloseTo(1, 3);
      expect(report.learningRate).toBeCloseTo(learning_rates[step]!, 9);
    }
  });

  test('micro-batches add up to their mean gradient', async () => {
    const batches = await readTensors(fixture('tiny/training.safetensors'));
    const gradients = async (microBatches: number[]) => {
      const { trainer, predictionCount } = await tinyTrainer(4, 16);
      await trainer.step(
        microBatches.map((at) => toBlockInputs(batchOf(batches, 'step.', 4, 16, at), predictionCount)),
      );
      const entries = [...trainer.parameters].map(
        async ([name, { gradient }]) => [name, await engine.read(gradient!)] as const,
      );
      return new Map(await Promise.all(entries));
    };
    const [first, second, both] = [await gradients([0]), await gradients([1]), await gradients([0, 1])];
    for (const [name, gradient] of both) {
      const mean = Float32Array.from(gradient, (_, i) => (first.get(name)![i]! + second.get(name)![i]!) / 2);
      expect(difference(gradient, mean), name).toBeLessThan(1e-5);
    }
  });
});
