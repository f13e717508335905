/** Pictures of a run, which are legible on white, and in a page whose style colours them. */
import { smoothed, thin } from '../../train/loss-curve.js';
import { lineChart, svgDocument, type DrawingSize, type LineChart } from '../../train/line-chart.js';
import { drawnMetric, metricName, pointsOf } from './evaluations.js';
import type { TrainingReport } from './report.js';

/** Lines of the log that are drawn as they are. */
const shortLog = 30;

const panel = { width: 760, height: 420 };

/** What there is to draw of a run: its losses, and its main metric where that is another. */
export function curves(
  { history, bestStep }: Pick<TrainingReport, 'history' | 'bestStep'>,
  mainMetric: string,
): LineChart[] {
  const training = thin(pointsOf(history, 'loss'));
  const evaluation = pointsOf(history, 'eval_loss');
  const isBest = bestStep !== null && bestStep > 0;
  const mark = isBest ? { mark: { step: bestStep, name: 'best' } } : {};
  // a few logs are means of many steps, and need no smoothing
  const isShort = training.length <= shortLog;
  const losses: LineChart = {
    ...{ title: 'Loss', stepName: 'step', valueName: 'loss', ...mark },
    lines: (
      [
        { className: 'raw', points: isShort ? [] : training },
        {
          className: 'first',
          name: 'training',
          hasDots: isShort,
          points: isShort ? training : smoothed(training),
        },
        { className: 'second', name: 'evaluation', points: evaluation, hasDots: true },
      ] as const
    ).filter(({ points }) => points.length > 0),
  };
  const key = drawnMetric(history, mainMetric);
  const metric = key === undefined ? [] : [metricChart(key)];
  return [...(losses.lines.length > 0 ? [losses] : []), ...metric];

  function metricChart(key: string): LineChart {
    const name = metricName(key);
    const points = pointsOf(history, key);
    return {
      ...{ title: `Evaluation: ${name}`, stepName: 'step', valueName: name, ...mark },
      lines: [{ className: 'second', points, hasDots: true }],
    };
  }
}

/** One below the other, as an SVG document; undefined where nothing was logged. */
export function curvesPicture(training: TrainingReport, mainMetric: string): string | undefined {
  const charts = curves(training, mainMetric);
  if (charts.length === 0) return undefined;
  const panels = charts.map(
    (chart, i) => `<g transform="translate(0 ${i * panel.height})">\n${lineChart(chart, panel)}\n</g>`,
  );
  return svgDocument({ ...panel, height: panel.height * charts.length }, panels.join('\n'));
}

/** One by itself. */
export const curvePicture = (chart: LineChart, size: DrawingSize): string =>
  svgDocument(size, lineChart(chart, size));
