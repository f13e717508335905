/** Pipeline schedules as data: what each stage computes, one step after the other (arXiv 2104.04473, section 2.2). */

export interface ScheduleStep {
  readonly pass: 'forward' | 'backward';
  readonly microBatch: number;
  /** Which of the stage's parts of the model, each being several layers; 0 where it has one. */
  readonly chunk: number;
}

export interface PipelinePlace {
  readonly stage: number;
  readonly stages: number;
  /** Parts of the model that each stage has: more than one are interleaved. */
  readonly chunks: number;
}

/**
 * 1F1B: after some forward passes, as many as there are stages behind this one, forward and backward in turn. So a stage
 * keeps the activations of no more than `stages` − `stage` micro-batches at a time.
 *
 * With several chunks the interleaved schedule, Megatron-LM's, in which the micro-batches go round the stages in groups of
 * `stages`: their number must be a multiple of it.
 */
export function pipelineSchedule(place: PipelinePlace, microBatches: number): ScheduleStep[] {
  const { stage, stages, chunks } = place;
  const total = microBatches * chunks;
  const ahead = chunks === 1 ? stages - stage - 1 : 2 * (stages - stage - 1) + (chunks - 1) * stages;
  // where each stage's micro-batches fill one group only, nothing is gained by beginning to go back earlier
  const warmUp = chunks > 1 && microBatches === stages ? total : Math.min(ahead, total);
  const forward = (k: number) => stepOf('forward', k, place);
  const backward = (k: number) => stepOf('backward', k, place);
  return [
    ...Array.from({ length: warmUp }, (_, k) => forward(k)),
    ...Array.from({ length: total - warmUp }, (_, k) => [forward(warmUp + k), backward(k)]).flat(),
    ...Array.from({ length: warmUp }, (_, k) => backward(total - warmUp + k)),
  ];
}

/** Number `k` of a stage's passes of one direction. */
function stepOf(pass: ScheduleStep['pass'], k: number, { stages, chunks }: PipelinePlace): ScheduleStep {
  if (chunks === 1) return { pass, microBatch: k, chunk: 0 };
  const chunk = Math.floor((k % (stages * chunks)) / stages);
  return {
    pass,
    microBatch: Math.floor(k / (stages * chunks)) * stages + (k % stages),
    chunk: pass === 'forward' ? chunk : chunks - 1 - chunk,
  };
}

/** Micro-batches of a chunk between whose forward and backward pass the stage is, at most. */
export function mostInFlight(schedule: readonly ScheduleStep[], chunk: number): number {
  let [now, most] = [0, 0];
  for (const step of schedule.filter((each) => each.chunk === chunk)) {
    now += step.pass === 'forward' ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

/** The stage and chunk whose output is this one's input; undefined for the model's first. */
export function before({ stage, stages }: PipelinePlace, chunk: number) {
  if (stage > 0) return { stage: stage - 1, chunk };
  return chunk > 0 ? { stage: stages - 1, chunk: chunk - 1 } : undefined;
}

/** The stage and chunk whose input is this one's output; undefined for the model's last. */
export function after({ stage, stages, chunks }: PipelinePlace, chunk: number) {
  if (stage < stages - 1) return { stage: stage + 1, chunk };
  return chunk < chunks - 1 ? { stage: 0, chunk: chunk + 1 } : undefined;
}
