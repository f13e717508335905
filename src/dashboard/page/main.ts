/** A run as it goes, told by the server that this page came from. */
import { smooth } from '../../train/curves.js';
import { addEvent, emptyHistory, type LoggedStep, type StepPoint } from '../history.js';
import type { FolderMessage, Messages } from '../messages.js';
import { createChart, createPointer, type ChartOptions, type Line, type Point } from './chart.js';
import { byId, element } from './dom.js';
import { bytes, count, duration, gigaflops, percent, significant } from './format.js';
import { createPredictions } from './predictions.js';
import { drawTables } from './tables.js';

let folder: FolderMessage = { name: '', run: {}, checkpoints: [] };
let history = emptyHistory();
/** When the log was written to last. */
let modified: number | null = null;
let connection: 'open' | 'lost' | 'closed' = 'open';

const pointer = createPointer();
const chart = (id: string, options: ChartOptions) => createChart(byId(id), pointer, options);
const charts = {
  loss: chart('loss', { title: 'Loss', format: significant, logarithmic: 'on demand' }),
  order: chart('order-loss', { title: 'Loss of sentence order', format: significant }),
  rate: chart('learning-rate', { title: 'Learning rate', format: significant }),
  norm: chart('gradient-norm', { title: 'Gradient norm', format: significant, logarithmic: 'at first' }),
  speed: chart('throughput', { title: 'Tokens per second', format: significant }),
};
const predictions = createPredictions();

/** A number of `run.json`. */
function told(name: string): number | undefined {
  const value = folder.run[name];
  return typeof value === 'number' ? value : undefined;
}

type OfPoint = (point: StepPoint) => number | null;

const pointsOf = (of: OfPoint): Point[] =>
  history.steps.flatMap((point): Point[] => {
    const value = of(point);
    return value === null ? [] : [[point.iteration, value]];
  });

/** As it was, and smoothed. */
function curves(name: string, of: OfPoint): Line[] {
  const points = pointsOf(of);
  const smoothed = smooth(points.map(([, value]) => value));
  return [
    { className: 'train faint', points },
    { name, className: 'train', points: points.map(([iteration], i) => [iteration, smoothed[i]!]) },
  ];
}

function drawCharts(): void {
  const heldOut = history.evaluations.flatMap(({ iteration, loss }): Point[] =>
    loss === null ? [] : [[iteration, loss]],
  );
  charts.loss.draw([
    ...curves('training', (point) => point.lm_loss),
    { name: 'held-out', className: 'held-out', points: heldOut, dots: true },
  ]);
  charts.order.draw(curves('', (point) => point.next_sentence_loss));
  // a GPT-2 learns no order
  byId('order-loss').hidden = history.steps.every((point) => point.next_sentence_loss === null);
  charts.rate.draw([{ name: '', className: 'train', points: pointsOf((point) => point.learning_rate) }]);
  charts.norm.draw(curves('', (point) => point.gradient_norm));
  charts.speed.draw(curves('', tokensPerSecond));
}

function tokensPerSecond({ global_batch_size, seconds }: StepPoint): number | null {
  const length = told('sequence_length');
  return length === undefined || global_batch_size === null || seconds === null
    ? null
    : (length * global_batch_size) / seconds;
}

/** The last tenth of the points, but no more than fifty: what goes on now. */
const recent = () => history.steps.slice(-Math.min(50, Math.ceil(history.steps.length / 10)));

function meanOf(of: OfPoint): number | undefined {
  const values = recent().flatMap((point) => of(point) ?? []);
  return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined;
}

function drawTiles(last: LoggedStep): void {
  const seconds = meanOf((point) => point.seconds);
  const waiting = meanOf((point) => point.data_seconds);
  const flops = meanOf((point) => point.model_flops_per_second);
  const evaluation = history.evaluations.at(-1);
  const shown = (value: number | null | undefined, format: (value: number) => string) =>
    value == null ? '–' : format(value);
  const ranks = told('ranks');
  const parameters = told('parameters');
  const tiles: [name: string, value: string, note: string][] = [
    [
      'training loss',
      shown(
        meanOf((point) => point.lm_loss),
        significant,
      ),
      'nats per token predicted',
    ],
    [
      'held-out loss',
      shown(evaluation?.loss, significant),
      evaluation?.accuracy == null ? '' : `${percent(evaluation.accuracy)} of predictions right`,
    ],
    [
      'tokens per second',
      shown(meanOf(tokensPerSecond), count),
      shown(flops, gigaflops) +
        (flops !== undefined && last.peak_flops_per_second
          ? `, ${percent(flops / last.peak_flops_per_second, 0)} of the peak`
          : ''),
    ],
    [
      'an iteration takes',
      shown(seconds, (value) => (value < 10 ? `${count(1000 * value)} ms` : duration(value))),
      seconds === undefined || waiting === undefined
        ? ''
        : `${percent(waiting / seconds)} of it waiting for data`,
    ],
    [
      'memory',
      shown(last.memory, bytes),
      ranks === undefined ? '' : `${ranks} ${ranks === 1 ? 'rank' : 'ranks'}`,
    ],
    ['parameters', shown(parameters, count), `${count(history.skipped)} iterations skipped`],
  ];
  byId('tiles').replaceChildren(
    ...tiles.map(([name, value, note]) =>
      element('div', '', element('dt', '', name), element('dd', '', value), element('dd', 'note', note)),
    ),
  );
}

function drawStatus(): void {
  const iteration = history.last?.iteration ?? 0;
  const iterations = told('iterations') ?? iteration;
  const seconds = meanOf((point) => point.seconds) ?? 0;
  const silence = modified === null ? 0 : (Date.now() - modified) / 1000;
  const isFinished = iteration > 0 && iteration >= iterations;
  const isSilent = silence > Math.max(60, 10 * seconds);
  const state = isFinished
    ? 'finished'
    : connection !== 'open'
      ? 'offline'
      : isSilent
        ? 'silent'
        : 'training';
  const notes = {
    finished: 'finished',
    offline: connection === 'lost' ? 'not connected, trying again' : 'no longer served',
    silent: `nothing new for ${duration(silence)}`,
    training: iteration === 0 ? 'starting' : `${duration((iterations - iteration) * seconds)} left`,
  };
  document.body.dataset.state = state;
  byId('name').textContent = folder.name;
  byId('status').textContent = `${count(iteration)} of ${count(iterations)} iterations · ${notes[state]}`;
  (byId('progress') as HTMLProgressElement).value = iterations > 0 ? iteration / iterations : 0;
  document.title = `${iterations > 0 ? percent(iteration / iterations, 0) : ''} ${folder.name} · megatron-bert`;
}

function draw(): void {
  byId('empty').hidden = history.last !== null || history.evaluations.length > 0;
  if (history.last) drawTiles(history.last);
  else byId('tiles').replaceChildren();
  drawCharts();
  predictions.draw(history.predictions);
  drawStatus();
}

let isDue = false;
/** Once for all that is told before the next picture. */
function drawSoon(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
  });
}

const source = new EventSource('/events');
function listen<Name extends keyof Messages>(name: Name, react: (data: Messages[Name]) => void): void {
  source.addEventListener(name, (event: MessageEvent<string>) => {
    connection = 'open';
    react(JSON.parse(event.data) as Messages[Name]);
    drawSoon();
  });
}
listen('folder', (data) => {
  folder = data;
  drawTables(folder);
});
listen('history', (data) => {
  ({ history, modified } = data);
});
listen('events', (data) => {
  for (const event of data.events) addEvent(history, event);
  ({ modified } = data);
});
listen('closed', () => {
  connection = 'closed';
  source.close();
});
source.addEventListener('error', () => {
  if (connection !== 'closed') connection = 'lost';
  drawSoon();
});
setInterval(drawStatus, 1000);
