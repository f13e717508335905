/** Micro-batches on their way through the stages of a model. */
import type { Allocator, Buffer, HostArray } from '../engine/engine.js';
import { input } from '../graph/functions.js';
import { tensorParallel } from '../parallel/ranks.js';
import { after, before, mostInFlight, pipelineSchedule, type PipelinePlace } from '../parallel/schedules.js';
import { randomKey } from '../random.js';
import {
  createEvaluationChain,
  createTrainingChain,
  type Batch,
  type EvaluationChain,
  type Scalars,
} from './chain.js';
import type { GradientSums } from './gradients.js';
import { declaredParameters, type OwnParameters } from './parameters.js';
import { stageBlocks, type StageBlocks } from './stages.js';
import type { TrainerOptions } from './trainer.js';

export interface PipelineOptions extends TrainerOptions {
  readonly place: PipelinePlace;
  /** Of this rank's stage. */
  readonly parameters: OwnParameters;
  /** Gives the memory of a step, or of an evaluation, for all but parameters. */
  readonly openMemory: () => Allocator;
}

export interface Pipeline {
  /**
   * Forward and backward passes of this rank's micro-batches, after which its gradients are the average over those of
   * all data ranks but for what the others have to add.
   *
   * @param computed see `GradientSums`
   * @returns each one's scalars, on the last stage
   */
  forwardBackward(
    microBatches: readonly Batch[],
    iteration: number,
    computed: GradientSums['computed'],
  ): Promise<Scalars[]>;
  /** @returns scalars on the last stage */
  evaluate(batch: Batch): Promise<Scalars>;
  readEvaluated(name: string): Promise<HostArray>;
}

export async function createPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { engine, ranks, place, blocks, evaluationBlocks = blocks, parameters, hidden, seed } = options;
  const {
    recomputeActivations,
    mostMicroBatches = place.stages,
    isTrained = () => true,
    openMemory,
  } = options;
  const { mesh } = ranks;
  const run = {
    batchSize: options.microBatchSize,
    sequenceLength: options.sequenceLength,
    tensor: tensorParallel(ranks, options),
  };
  const dropoutKey = input('dropout_key', [2], 'int32');
  const schedules = [place.stages, mostMicroBatches].map((count) => pipelineSchedule(place, count));
  const firstTrained = blocks.findIndex((block) => [...declaredParameters([block]).keys()].some(isTrained));
  const memory = openMemory();
  const openChunk = async ({ first, blocks: own }: StageBlocks, chunk: number) => {
    const slots = Math.max(...schedules.map((schedule) => mostInFlight(schedule, chunk)));
    const chain = await createTrainingChain({
      ...{ engine, memory, blocks: own, parameters, hidden, slots },
      trainsBefore: first > firstTrained && firstTrained >= 0,
      run: { ...run, dropoutKey },
      ...(recomputeActivations && { recomputation: recomputeActivations }),
    });
    return { first, slots, chain, before: before(place, chunk), after: after(place, chunk) };
  };
  const chunks = await Promise.all(stageBlocks(blocks, place).map(openChunk));
  let evaluation: Promise<EvaluationChain[]> | undefined;

  const stages = engine.group('pipeline');
  type Neighbour = { readonly stage: number } | undefined;
  const send = (buffer: Buffer, to: Neighbour) => to && stages.send(buffer, to.stage);
  const receive = (buffer: Buffer, from: Neighbour) => from && stages.receive(buffer, from.stage);

  return {
    async forwardBackward(microBatches, iteration, computed) {
      const accumulated = new Set<string>();
      const scale = 1 / (microBatches.length * mesh.data);
      const all: Scalars[] = [];
      for (const { pass, microBatch, chunk } of pipelineSchedule(place, microBatches.length)) {
        const { first, slots, chain, before, after } = chunks[chunk]!;
        const slot = microBatch % slots;
        if (pass === 'forward') {
          await receive(chain.input(slot), before);
          const number = microBatch * mesh.data + ranks.place.data;
          await chain.forward(slot, microBatches[microBatch]!, (block) =>
            randomKey(seed, 'dropout', iteration, number, first + block),
          );
          if (after) await send(chain.output(slot), after);
          else all.push(await chain.scalars());
        } else {
          await receive(chain.outputGradient, after);
          await chain.backward(slot, scale, accumulated, computed);
          await send(chain.inputGradient, before);
        }
      }
      return all;
    },
    async evaluate(batch) {
      evaluation ??= openEvaluation();
      let scalars: Scalars = {};
      for (const [i, chain] of (await evaluation).entries()) {
        const { before, after } = chunks[i]!;
        await receive(chain.input, before);
        await chain.forward(batch);
        if (after) await send(chain.output, after);
        else scalars = await chain.scalars();
      }
      return scalars;
    },
    async readEvaluated(name) {
      if (!evaluation) throw new Error('nothing was evaluated');
      return (await evaluation).at(-1)!.read(name);
    },
  };

  /** Chains that are made when they are first needed. */
  async function openEvaluation(): Promise<EvaluationChain[]> {
    const chains = [];
    const memory = openMemory();
    for (const { blocks: own } of stageBlocks(evaluationBlocks, place))
      chains.push(await createEvaluationChain({ engine, memory, blocks: own, parameters, hidden, run }));
    return chains;
  }
}
