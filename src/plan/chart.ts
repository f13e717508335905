/** A step as a picture: a row for each stage, time from left to right. */
import { ticks } from '../train/curves.js';
import { escape } from '../markup.js';
import type { Estimate } from './estimate.js';
import { totalMemory } from './memory.js';
import type { EventKind, SimulatedEvent } from './simulate.js';

const width = 960;
const margin = { top: 62, right: 76, bottom: 44, left: 68 };

const kinds: Readonly<Record<EventKind, { readonly color: string; readonly text: string }>> = {
  forward: { color: '#9ec3ea', text: 'forward' },
  backward: { color: '#1f6fc4', text: 'backward' },
  gradients: { color: '#d9541e', text: 'sums of gradients' },
  embeddings: { color: '#8a5cc2', text: 'tied embeddings' },
  update: { color: '#4d9a5b', text: 'update' },
};

/** Pixels that a number needs. */
const legible = 13;

/** Drawn lighter: chunks after the first. */
const opacityOf = (chunk: number) => Math.max(0.45, 1 - 0.2 * chunk);

/** @param title anything: it is escaped */
export function scheduleChart({ step, memory }: Estimate, title: string): string {
  const stages = memory.length;
  const rowHeight = Math.max(5, Math.min(30, 540 / stages));
  const height = margin.top + stages * rowHeight + margin.bottom;
  const floor = height - margin.bottom;
  const x = (seconds: number) =>
    margin.left + (seconds / step.seconds) * (width - margin.left - margin.right);
  const y = (stage: number) => margin.top + stage * rowHeight;
  const bar = rowHeight * 0.86;

  // a long step has hundreds of thousands
  const paths = alike(step.events).map((events) => {
    const { kind, chunk = 0 } = events[0]!;
    const outlines = events.map(
      ({ stage, start, end }) =>
        `M${x(start).toFixed(2)} ${y(stage).toFixed(1)}H${x(end).toFixed(2)}v${bar.toFixed(1)}H${x(start).toFixed(2)}z`,
    );
    return `<path fill="${kinds[kind].color}" fill-opacity="${opacityOf(chunk)}" stroke="white" stroke-width="0.4" d="${outlines.join('')}"/>`;
  });
  const numbers = step.events
    .filter(
      ({ microBatch, start, end }) =>
        microBatch !== undefined && x(end) - x(start) >= legible && rowHeight >= legible,
    )
    .map(({ kind, microBatch, stage, start, end }: SimulatedEvent) => {
      const fill = kind === 'forward' ? '#12365e' : 'white';
      return `<text x="${((x(start) + x(end)) / 2).toFixed(1)}" y="${(y(stage) + bar / 2 + 4).toFixed(1)}" text-anchor="middle" font-size="10" fill="${fill}">${microBatch! + 1}</text>`;
    });
  const everyStage = Math.ceil(14 / rowHeight);
  const labels = memory.flatMap((rank, stage) =>
    stage % everyStage === 0
      ? [
          `<text x="${margin.left - 8}" y="${(y(stage) + bar / 2 + 4).toFixed(1)}" text-anchor="end">stage ${stage + 1}</text>`,
          `<text x="${width - margin.right + 8}" y="${(y(stage) + bar / 2 + 4).toFixed(1)}">${(totalMemory(rank) / 1e9).toFixed(1)} GB</text>`,
        ]
      : [],
  );
  const legend = Object.entries(kinds)
    .filter(([kind]) => step.events.some((event) => event.kind === kind))
    .map(
      ([, { color, text }], i) =>
        `<rect x="${margin.left + 165 * i}" y="38" width="12" height="12" fill="${color}"/><text x="${margin.left + 165 * i + 17}" y="48">${text}</text>`,
    );
  const marks = ticks(0, step.seconds, 8);
  const decimals = Math.max(0, -Math.floor(Math.log10(marks[1] ?? 1)));

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#444">
<rect width="100%" height="100%" fill="white"/>
<text x="${margin.left}" y="24" font-size="15" fill="#111">${escape(title)}</text>
${legend.join('\n')}
${marks.map((seconds) => `<line x1="${x(seconds).toFixed(1)}" x2="${x(seconds).toFixed(1)}" y1="${margin.top}" y2="${floor}" stroke="#e4e4e4"/><text x="${x(seconds).toFixed(1)}" y="${floor + 16}" text-anchor="middle">${seconds.toFixed(decimals)}</text>`).join('\n')}
<text x="${(margin.left + width - margin.right) / 2}" y="${height - 10}" text-anchor="middle">seconds</text>
${[...paths, ...numbers, ...labels].join('\n')}
</svg>
`;
}

/** Events that are drawn in one color. */
function alike(events: readonly SimulatedEvent[]): SimulatedEvent[][] {
  const groups = new Map<string, SimulatedEvent[]>();
  for (const event of events) {
    const key = `${event.kind} ${opacityOf(event.chunk ?? 0)}`;
    const group = groups.get(key);
    if (group) group.push(event);
    else groups.set(key, [event]);
  }
  return [...groups.values()];
}
