/** What runs came to over one of their parameters, as SVG. */
import { escape } from '../../markup.js';
import { ticks, tickStep } from '../../train/curves.js';
import { svgDocument, valueRange } from '../../train/line-chart.js';
import type { Choice, ParameterValue } from './configuration.js';
import { shownValue } from './sweep-table.js';

export interface ScatterPoint {
  readonly x: ParameterValue;
  readonly y: number;
  readonly isBest: boolean;
  /** What it is. */
  readonly name: string;
}

export interface Scatter {
  readonly xName: string;
  readonly yName: string;
  readonly choice: Choice;
  readonly points: readonly ScatterPoint[];
}

const [width, height] = [420, 300];
const [left, right, top, bottom] = [70, width - 24, 44, height - 52];

export function scatterPicture({ xName, yName, choice, points }: Scatter): string {
  const [low, high] = valueRange(points.map(({ y }) => y));
  const y = (value: number) => round(top + ((high - value) / (high - low)) * (bottom - top));
  const x = (value: ParameterValue) => round(left + shareOf(choice, value) * (right - left));
  const decimals = Math.max(0, -Math.floor(Math.log10(tickStep(high - low, 5)) + 1e-9));
  const content = [
    `<text class="title" x="${left}" y="24" font-size="15" fill="#111">${escape(xName)}</text>`,
    ...ticks(low, high, 5).map(
      (value) =>
        `<line class="grid" x1="${left}" x2="${right}" y1="${y(value)}" y2="${y(value)}" stroke="#e4e4e4"/><text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${value.toFixed(decimals)}</text>`,
    ),
    ...xTicks(choice).map(
      (value) =>
        `<text x="${x(value)}" y="${bottom + 18}" text-anchor="middle">${escape(shownValue(value))}</text>`,
    ),
    `<text class="axis" transform="translate(16 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escape(yName)}</text>`,
    ...points.map(
      ({ x: value, y: objective, isBest, name }) =>
        `<circle class="${isBest ? 'second' : 'first'}" cx="${x(value)}" cy="${y(objective)}" r="${isBest ? 6 : 4}" fill="${isBest ? '#c8501c' : '#1f6fc4'}"><title>${escape(`${name}: ${xName} ${shownValue(value)}, ${yName} ${shownValue(objective, 5)}`)}</title></circle>`,
    ),
  ];
  return svgDocument({ width, height }, content.join('\n'));
}

const round = (value: number) => Math.round(10 * value) / 10;

/** Where a value is, from 0 to 1: values stand side by side in their order. */
function shareOf(choice: Choice, value: ParameterValue): number {
  if ('values' in choice) return (choice.values.indexOf(value) + 0.5) / choice.values.length;
  const { min, max, distribution } = choice;
  const at = distribution === 'log_uniform' ? Math.log : Number;
  return (at(Number(value)) - at(min)) / (at(max) - at(min));
}

function xTicks(choice: Choice): readonly ParameterValue[] {
  if ('values' in choice) return choice.values;
  const { min, max, distribution } = choice;
  if (distribution !== 'log_uniform')
    return ticks(min, max, 4).filter((value) => distribution === 'uniform' || Number.isInteger(value));
  const powers: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power++) powers.push(power);
  const factors = max / min <= 100 ? [1, 2, 5] : [1];
  return powers
    .flatMap((power) => factors.map((factor) => Number(`${factor}e${power}`)))
    .filter((value) => value >= min && value <= max);
}
