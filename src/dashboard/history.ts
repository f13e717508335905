/**
 * What a page shows of a run's log: bounded, however long the run is. The server keeps it of the whole log, the page
 * goes on with what comes later.
 */

/** What is drawn of each iteration, by its name in the log. */
export const measures = [
  'lm_loss',
  'next_sentence_loss',
  'learning_rate',
  'gradient_norm',
  'global_batch_size',
  'seconds',
  'data_seconds',
  'model_flops_per_second',
  'peak_flops_per_second',
  'memory',
] as const;

/** Null where the log has no number. */
export type Measures = Readonly<Record<(typeof measures)[number], number | null>>;

export interface LoggedStep extends Measures {
  readonly kind: 'step';
  readonly iteration: number;
  readonly skipped?: boolean | undefined;
}

export interface LoggedEvaluation {
  readonly kind: 'evaluation';
  readonly iteration: number;
  readonly loss: number | null;
  readonly accuracy: number | null;
}

export interface LoggedPredictions {
  readonly kind: 'predictions';
  readonly iteration: number;
  readonly sentences: readonly (readonly (string | LoggedWord)[])[];
}

export interface LoggedWord {
  readonly word: string;
  readonly predicted: string;
  readonly probability: number;
}

/** A line of the log as it was read: anyone may have written it. */
export type LoggedEvent = LoggedStep | LoggedEvaluation | LoggedPredictions;

/** Means of `count` iterations in a row, the last of which is `iteration`. */
export interface StepPoint extends Measures {
  readonly iteration: number;
  readonly count: number;
}

export interface History {
  /** Iterations of a point. */
  width: number;
  steps: StepPoint[];
  evaluations: LoggedEvaluation[];
  predictions: LoggedPredictions[];
  last: LoggedStep | null;
  skipped: number;
}

export const emptyHistory = (): History => ({
  width: 1,
  steps: [],
  evaluations: [],
  predictions: [],
  last: null,
  skipped: 0,
});

const most = { steps: 1000, evaluations: 1000, predictions: 100 };

export function addEvent(history: History, event: LoggedEvent): void {
  if (event.kind === 'step') addStep(history, event);
  else if (event.kind === 'evaluation')
    history.evaluations = thinned([...history.evaluations, event], most.evaluations);
  else history.predictions = thinned([...history.predictions, event], most.predictions);
}

function addStep(history: History, step: LoggedStep): void {
  const { steps, width } = history;
  const point = { ...pick(step), iteration: step.iteration, count: 1 };
  const last = steps.at(-1);
  if (last && last.count < width) steps[steps.length - 1] = merge(last, point);
  else steps.push(point);
  history.last = step;
  if (step.skipped) history.skipped++;
  if (steps.length <= most.steps) return;
  history.width = 2 * width;
  history.steps = Array.from({ length: Math.ceil(steps.length / 2) }, (_, i) => {
    const [first, second] = [steps[2 * i]!, steps[2 * i + 1]];
    return second ? merge(first, second) : first;
  });
}

const pick = (step: LoggedStep) => Object.fromEntries(measures.map((name) => [name, step[name]])) as Measures;

function merge(a: StepPoint, b: StepPoint): StepPoint {
  const count = a.count + b.count;
  const mean = (x: number | null, y: number | null) =>
    x === null || y === null ? (x ?? y) : (x * a.count + y * b.count) / count;
  const values = Object.fromEntries(measures.map((name) => [name, mean(a[name], b[name])]));
  return { ...(values as Measures), iteration: b.iteration, count };
}

/** Every second one where there are too many; the newest stays. */
const thinned = <T>(list: readonly T[], length: number): T[] =>
  list.filter((_, i) => list.length <= length || (list.length - 1 - i) % 2 === 0);
