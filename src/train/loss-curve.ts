import { smooth } from './curves.js';
import { lineChart, svgDocument, type ChartPoint } from './line-chart.js';

/** Loss over a run. */
export interface LossPoint {
  readonly iteration: number;
  readonly loss: number;
}

const size = { width: 760, height: 420 };

/** Points that a drawing of this width can show; a long run has millions. */
const mostPoints = 1000;

/** Means of as many neighbouring points as it takes. */
export function thin(points: readonly ChartPoint[]): ChartPoint[] {
  const size = Math.ceil(points.length / mostPoints);
  return Array.from({ length: Math.ceil(points.length / (size || 1)) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    return [group.at(-1)![0], group.reduce((sum, [, value]) => sum + value, 0) / group.length] as const;
  });
}

export function smoothed(points: readonly ChartPoint[]): ChartPoint[] {
  const values = smooth(points.map(([, value]) => value));
  return points.map(([step], i) => [step, values[i]!]);
}

/** The curve of a run as an SVG document: training loss, smoothed and raw, and held-out loss. */
export function lossCurve(steps: readonly LossPoint[], heldOut: readonly LossPoint[], title: string): string {
  const toPoint = ({ iteration, loss }: LossPoint): ChartPoint => [iteration, loss];
  const train = thin(steps.map(toPoint));
  const chart = {
    title,
    stepName: 'iteration',
    valueName: 'masked-LM loss (nats per token)',
    lines: [
      { className: 'raw', points: train },
      { className: 'first', name: 'training', points: smoothed(train) },
      { className: 'second', name: 'held-out', points: heldOut.map(toPoint), hasDots: true },
    ],
  } as const;
  return svgDocument(size, lineChart(chart, size));
}
