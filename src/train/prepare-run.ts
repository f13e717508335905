/** All that is settled before a run's ranks begin. */
import type { Division, Manifest } from '../checkpoint/training/manifest.js';
import type { TransformerConfig } from '../model/config.js';
import { parameterCount } from '../model/initial-values.js';
import { meshSize, type Mesh } from '../parallel/mesh.js';
import type { AnyTokenizer } from '../text/tokenizer-json.js';
import { readAnyTokenizer } from '../text/tokenizer-files.js';
import { createObjective } from './objectives/objective.js';
import { declaredParameters } from './parameters.js';
import { resolveTask, type PretrainOptions, type PretrainProgress } from './pretrain-options.js';
import type { PretrainTask } from './pretrain-rank.js';
import { preparePretrainingData, type PretrainingData } from './pretraining-data.js';
import { describeRun, requireSameRun } from './resume.js';
import { leaveOutput, openOutput } from './run-folder.js';
import { resolveConfig, sampleKind } from './trained-model.js';
import { findStart, type Start } from './warm-start.js';

export interface PreparedRun {
  /** Those that were given, with the architecture of what is loaded. */
  readonly options: PretrainOptions;
  readonly mesh: Mesh;
  readonly tokenizer: AnyTokenizer;
  readonly config: TransformerConfig;
  readonly data: PretrainingData;
  readonly task: PretrainTask;
  readonly continued: Start['continued'];
  /** What checkpoints say of the run, and how they are divided. */
  readonly run: Manifest['run'];
  readonly division: Division;
  /** That this took. */
  readonly seconds: number;
  readonly ready: Extract<PretrainProgress, { kind: 'ready' }>;
}

/**
 * @param opensOutput whether this process is the one that makes sure of the output folder
 * @throws InputError for options, a corpus or a tokenizer that cannot be used; nothing was written then
 */
export async function prepareRun(
  given: PretrainOptions,
  mesh: Mesh,
  opensOutput: boolean,
): Promise<PreparedRun> {
  const started = performance.now();
  const tokenizer = await readAnyTokenizer(given.tokenizer);
  const { options, continued, loaded } = await findStart(given, tokenizer);
  const config = resolveConfig(options, tokenizer, mesh.tensor);
  const settings = resolveTask(options, config, tokenizer, mesh);
  const kind = sampleKind(settings.samples, options);
  const described = describeRun(settings, tokenizer);
  if (continued) requireSameRun(continued.checkpoint, described, options);
  const isNew = opensOutput && (await openOutput(options.output, options));
  const prepare = async () => {
    const data = await preparePretrainingData(options, tokenizer, kind, {
      train: settings.trainIterations * settings.batches.globalBatchSize,
      evaluation: settings.evaluationBatches * settings.batches.microBatchSize,
    });
    const run = { ...described, text: data.identity };
    if (continued) requireSameRun(continued.checkpoint, run, options);
    return { data, run };
  };
  const { data, run } = await prepare().catch(async (error: unknown) => {
    if (isNew) await leaveOutput(options.output);
    throw error;
  });
  const resumed = continued?.checkpoint;
  const task = { ...settings, data, ...(resumed && { resumed }), ...(loaded && { loaded }) };
  return {
    ...{ options, mesh, tokenizer, config, data, task, continued, run },
    division: {
      tensor_model_parallel_size: mesh.tensor,
      pipeline_model_parallel_size: mesh.pipeline,
      optimizer_shares: task.sharesOptimizer ? mesh.data : 1,
    },
    seconds: (performance.now() - started) / 1000,
    ready: {
      kind: 'ready',
      iterations: task.trainIterations,
      sequenceLength: task.samples.sequenceLength,
      ranks: meshSize(mesh),
      parameters: countParameters(task),
      trainTokens: data.trainTokens,
      heldOutTokens: data.heldOutTokens,
    },
  };
}

function countParameters({ config, samples, batches }: PretrainTask): number {
  const { blocks } = createObjective(config, samples, batches.microBatchSize);
  return parameterCount(declaredParameters(blocks).values());
}
