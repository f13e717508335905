/** Lines over the steps of a run, as SVG: by itself on white, or in a page whose style colours it. */
import { escape } from '../markup.js';
import { ticks, tickStep } from './curves.js';

export type ChartPoint = readonly [step: number, value: number];

export interface ChartLine {
  readonly points: readonly ChartPoint[];
  /** What a style sheet may colour it by. */
  readonly className: 'raw' | 'first' | 'second';
  /** In the legend, where it is there. */
  readonly name?: string;
  readonly hasDots?: boolean;
}

export interface LineChart {
  readonly title: string;
  readonly stepName: string;
  readonly valueName: string;
  readonly lines: readonly ChartLine[];
  /** A step to point out, and what it is. */
  readonly mark?: { readonly step: number; readonly name: string };
}

export interface DrawingSize {
  readonly width: number;
  readonly height: number;
}

const strokes = {
  raw: 'stroke="#9ec3ea" stroke-width="1"',
  first: 'stroke="#1f6fc4" stroke-width="2"',
  second: 'stroke="#c8501c" stroke-width="2" stroke-dasharray="6 3"',
} as const;
const fills = { raw: '#9ec3ea', first: '#1f6fc4', second: '#c8501c' } as const;

const margin = { top: 76, right: 24, bottom: 52, left: 66 };

/** Dots that can be told apart. */
const mostDots = 100;

/** An SVG document of drawings one below the other. */
export const svgDocument = (
  { width, height }: DrawingSize,
  content: string,
): string => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#444">
<rect class="paper" width="100%" height="100%" fill="white"/>
${content}
</svg>
`;

/** What an SVG document of this size has in it. */
export function lineChart(chart: LineChart, { width, height }: DrawingSize): string {
  const { title, stepName, valueName } = chart;
  // JSON and logs may hold what is no number
  const lines = chart.lines.map((line) => ({ ...line, points: line.points.filter(isFinitePoint) }));
  const all = lines.flatMap(({ points }) => points);
  const values = all.map(([, value]) => value);
  const last = all.reduce((most, [step]) => Math.max(most, step), 1);
  const [bottom, top] = valueRange(values);
  const right = width - margin.right;
  const floor = height - margin.bottom;
  const x = (step: number) => round(margin.left + (step / last) * (right - margin.left));
  const y = (value: number) => round(margin.top + ((top - value) / (top - bottom)) * (floor - margin.top));
  const decimals = Math.max(0, -Math.floor(Math.log10(tickStep(top - bottom, 6)) + 1e-9));
  const path = (points: readonly ChartPoint[]) =>
    points.map(([step, value]) => `${x(step)},${y(value)}`).join(' ');
  const { mark } = chart;

  return `<text class="title" x="${margin.left}" y="24" font-size="15" fill="#111">${escape(title)}</text>
<g>${legend(lines)}</g>
${ticks(bottom, top, 6)
  .map(
    (value) =>
      `<line class="grid" x1="${margin.left}" x2="${right}" y1="${y(value)}" y2="${y(value)}" stroke="#e4e4e4"/><text x="${margin.left - 8}" y="${y(value) + 4}" text-anchor="end">${value.toFixed(decimals)}</text>`,
  )
  .join('\n')}
${ticks(0, last, width / 100)
  .filter(Number.isInteger)
  .map((step) => `<text x="${x(step)}" y="${floor + 18}" text-anchor="middle">${step}</text>`)
  .join('\n')}
<text x="${(margin.left + right) / 2}" y="${height - 12}" text-anchor="middle">${escape(stepName)}</text>
<text class="axis" transform="translate(16 ${(margin.top + floor) / 2}) rotate(-90)" text-anchor="middle">${escape(valueName)}</text>
${mark ? `<line class="mark" x1="${x(mark.step)}" x2="${x(mark.step)}" y1="${margin.top}" y2="${floor}" stroke="#767676" stroke-dasharray="2 4"/><text x="${x(mark.step)}" y="${margin.top - 4}" text-anchor="middle">${escape(mark.name)}</text>` : ''}
${lines
  .map(
    ({ className, points }) =>
      `<polyline class="${className}" fill="none" stroke-linejoin="round" ${strokes[className]} points="${path(points)}"/>`,
  )
  .join('\n')}
${lines
  .filter(({ hasDots, points }) => hasDots && points.length <= mostDots)
  .flatMap(({ className, name, points }) =>
    points.map(
      ([step, value]) =>
        `<circle class="${className}" cx="${x(step)}" cy="${y(value)}" r="3.5" fill="${fills[className]}"><title>${escape(`${stepName} ${step}: ${name ?? valueName} ${Number(value.toPrecision(5))}`)}</title></circle>`,
    ),
  )
  .join('\n')}`;
}

const isFinitePoint = ([step, value]: ChartPoint) => Number.isFinite(step) && Number.isFinite(value);

const round = (x: number) => Math.round(10 * x) / 10;

/** A little more than the values take. */
export function valueRange(values: readonly number[]): readonly [number, number] {
  if (values.length === 0) return [0, 1];
  const lowest = values.reduce((a, b) => Math.min(a, b));
  const greatest = values.reduce((a, b) => Math.max(a, b));
  const pad = (greatest - lowest) * 0.05 || Math.max(0.05, Math.abs(greatest) * 0.05);
  // losses and shares are never below zero
  return [lowest >= 0 ? Math.max(0, lowest - pad) : lowest - pad, greatest + pad];
}

/** One entry after the other; room for letters of a larger font, too. */
function legend(lines: readonly ChartLine[]): string {
  let at = margin.left;
  return lines
    .flatMap(({ name, className, hasDots }) => {
      if (name === undefined) return [];
      const start = at;
      at += 44 + 9.5 * name.length;
      const dot = hasDots
        ? `<circle class="${className}" cx="${start + 11}" cy="44" r="3.5" fill="${fills[className]}"/>`
        : '';
      return [
        `<line class="${className}" x1="${start}" x2="${start + 22}" y1="44" y2="44" ${strokes[className]}/>${dot}<text x="${start + 28}" y="48">${escape(name)}</text>`,
      ];
    })
    .join('');
}
