/**
 * A training step, event by event: each stage goes through its schedule, and waits for what the others have not sent
 * yet; then gradients are summed up, and parameters updated.
 */
import {
  after,
  before,
  pipelineSchedule,
  type PipelinePlace,
  type ScheduleStep,
} from '../parallel/schedules.js';
import { sum } from './operations.js';

export interface SimulatedStep {
  readonly stages: number;
  readonly chunks: number;
  readonly microBatches: number;
  /** A stage's pass through one of its chunks, in the order in which it is computed. */
  readonly pieces: (pass: ScheduleStep['pass'], stage: number, chunk: number) => readonly Piece[];
  /** Seconds from one stage to another. */
  readonly transfer: (from: number, to: number) => number;
  /** Whether a piece's gradients are summed up while the next piece is computed, or all of them afterwards. */
  readonly overlap: boolean;
  /** The share of a device's speed that a collective leaves to what is computed beside it. */
  readonly speedBeside: number;
  /** Seconds of summing up the gradients of embeddings that the first and the last stage both have. */
  readonly tied: number;
  /** Seconds of a stage's update. */
  readonly update: (stage: number) => number;
}

/** A part of a pass: a layer, the embeddings or the heads. */
export interface Piece {
  readonly seconds: number;
  /** Of summing up its gradients over the data-parallel ranks, once a step. */
  readonly reduction: number;
}

export type EventKind = ScheduleStep['pass'] | 'gradients' | 'embeddings' | 'update';

export interface SimulatedEvent {
  readonly kind: EventKind;
  readonly stage: number;
  readonly microBatch?: number;
  readonly chunk?: number;
  /** Seconds from the beginning of the step. */
  readonly start: number;
  readonly end: number;
}

export interface Simulation {
  readonly events: readonly SimulatedEvent[];
  readonly seconds: number;
  /** Time in which stages wait for each other, for each second that they compute (arXiv 2104.04473, section 2.2). */
  readonly bubble: number;
}

interface Stage {
  readonly place: PipelinePlace;
  readonly schedule: readonly ScheduleStep[];
  next: number;
  /** When it is free to compute, and when its gradients' sums are done. */
  computed: number;
  reduced: number;
}

/** @throws Error where stages wait for each other for ever: no schedule of ours does */
export function simulate(step: SimulatedStep): Simulation {
  const { stages: count, chunks, microBatches } = step;
  const stages: Stage[] = Array.from({ length: count }, (_, stage) => {
    const place = { stage, stages: count, chunks };
    return { place, schedule: pipelineSchedule(place, microBatches), next: 0, computed: 0, reduced: 0 };
  });
  const events: SimulatedEvent[] = [];
  const arrivals = createArrivals(step);
  const links = new Map<number, number>();

  /** One stage's next pass, if what it takes has been sent. */
  function advance(stage: Stage): boolean {
    const scheduled = stage.schedule[stage.next];
    if (!scheduled) return false;
    const { pass, microBatch, chunk } = scheduled;
    const arrival = inputArrival(scheduled, stage.place, arrivals);
    if (Number.isNaN(arrival)) return false;
    const start = Math.max(stage.computed, arrival);
    // of each chunk, micro-batches come in their order
    const isLast = pass === 'backward' && microBatch === microBatches - 1;
    const end = computePieces(step, stage, scheduled, start, isLast);
    events.push({ kind: pass, stage: stage.place.stage, microBatch, chunk, start, end });
    stage.computed = end;
    stage.next++;
    send(scheduled, stage.place, end);
    return true;
  }

  /** What is sent from one stage to another goes one after the other. */
  function send(scheduled: ScheduleStep, place: PipelinePlace, end: number): void {
    const { pass, chunk } = scheduled;
    const target = (pass === 'forward' ? after : before)(place, chunk);
    const isSent = target !== undefined && target.stage !== place.stage;
    const link = place.stage * count + (target?.stage ?? 0);
    const arrival = isSent
      ? Math.max(end, links.get(link) ?? 0) + step.transfer(place.stage, target.stage)
      : end;
    if (isSent) links.set(link, arrival);
    arrivals.put(scheduled, place.stage, arrival);
  }

  let moved = true;
  while (moved) {
    moved = false;
    for (const stage of stages) while (advance(stage)) moved = true;
  }
  if (stages.some(({ next, schedule }) => next < schedule.length))
    throw new Error('stages wait for each other');
  return { ...finish(step, stages, events), bubble: bubbleOf(events, count) };
}

/** When what a pass gives is where it is taken; NaN while it is not computed. */
interface Arrivals {
  get(pass: ScheduleStep, stage: number): number;
  put(pass: ScheduleStep, stage: number, time: number): void;
}

function createArrivals({ stages, chunks, microBatches }: SimulatedStep): Arrivals {
  const times = new Float64Array(2 * stages * chunks * microBatches).fill(NaN);
  const indexOf = ({ pass, chunk, microBatch }: ScheduleStep, stage: number) =>
    (((pass === 'forward' ? 0 : 1) * stages + stage) * chunks + chunk) * microBatches + microBatch;
  return {
    get: (pass, stage) => times[indexOf(pass, stage)]!,
    put: (pass, stage, time) => {
      times[indexOf(pass, stage)] = time;
    },
  };
}

/** When a pass has what it takes. */
function inputArrival(step: ScheduleStep, place: PipelinePlace, arrivals: Arrivals): number {
  const source = (step.pass === 'forward' ? before : after)(place, step.chunk);
  if (source) return arrivals.get({ ...step, chunk: source.chunk }, source.stage);
  // the model's last chunk turns round by itself
  return step.pass === 'forward' ? 0 : arrivals.get({ ...step, pass: 'forward' }, place.stage);
}

/** @returns when the pass ends; where gradients are summed up beside it, it takes longer */
function computePieces(
  { pieces, overlap, speedBeside }: SimulatedStep,
  stage: Stage,
  { pass, chunk }: ScheduleStep,
  start: number,
  isLast: boolean,
): number {
  const parts = pieces(pass, stage.place.stage, chunk);
  if (!isLast || !overlap) return start + sum(parts.map(({ seconds }) => seconds));
  let now = start;
  for (const { seconds, reduction } of parts) {
    const beside = Math.min(Math.max(0, stage.reduced - now), seconds / speedBeside);
    now += beside + (seconds - beside * speedBeside);
    stage.reduced = Math.max(now, stage.reduced) + reduction;
  }
  return now;
}

/** Gradients, those of tied embeddings, and the update, for which all know the gradient's norm. */
function finish(
  step: SimulatedStep,
  stages: readonly Stage[],
  passes: readonly SimulatedEvent[],
): Omit<Simulation, 'bubble'> {
  const events = [...passes];
  for (const stage of stages) {
    const index = stage.place.stage;
    if (!step.overlap) {
      const reductions = Array.from({ length: step.chunks }, (_, chunk) =>
        step.pieces('backward', index, chunk).map(({ reduction }) => reduction),
      );
      stage.reduced = stage.computed + sum(reductions.flat());
    }
    stage.reduced = Math.max(stage.reduced, stage.computed);
    if (stage.reduced > stage.computed)
      events.push({ kind: 'gradients', stage: index, start: stage.computed, end: stage.reduced });
  }
  let ready = Math.max(...stages.map(({ reduced }) => reduced));
  if (step.tied > 0 && stages.length > 1) {
    const start = Math.max(stages[0]!.reduced, stages.at(-1)!.reduced);
    const end = start + step.tied;
    for (const stage of [0, stages.length - 1]) events.push({ kind: 'embeddings', stage, start, end });
    ready = Math.max(ready, end);
  }
  for (const stage of stages.keys())
    events.push({ kind: 'update', stage, start: ready, end: ready + step.update(stage) });
  return { events, seconds: lastEnd(events) };
}

function bubbleOf(passes: readonly SimulatedEvent[], stages: number): number {
  const span = lastEnd(passes);
  const busy = sum(passes.map(({ start, end }) => end - start));
  return (stages * span - busy) / busy;
}

const lastEnd = (events: readonly SimulatedEvent[]) =>
  events.reduce((latest, { end }) => Math.max(latest, end), 0);
