import { smooth, ticks, tickStep } from './curves.js';

/** Loss over a run. */
export interface LossPoint {
  readonly iteration: number;
  readonly loss: number;
}

const width = 760;
const height = 420;
const margin = { top: 48, right: 24, bottom: 52, left: 60 };

/** Points that a drawing of this width can show; a long run has millions. */
const mostPoints = 1000;

/** Means of as many neighbouring points as it takes. */
function thin(points: readonly LossPoint[]): LossPoint[] {
  const size = Math.ceil(points.length / mostPoints);
  return Array.from({ length: Math.ceil(points.length / (size || 1)) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    return {
      iteration: group.at(-1)!.iteration,
      loss: group.reduce((sum, { loss }) => sum + loss, 0) / group.length,
    };
  });
}

function smoothed(points: readonly LossPoint[]): LossPoint[] {
  const losses = smooth(points.map(({ loss }) => loss));
  return points.map(({ iteration }, i) => ({ iteration, loss: losses[i]! }));
}

/** The curve of a run as an SVG document: training loss, smoothed and raw, and held-out loss. */
export function lossCurve(steps: readonly LossPoint[], heldOut: readonly LossPoint[], title: string): string {
  const train = thin(steps);
  const all = [...train, ...heldOut];
  const losses = all.map(({ loss }) => loss);
  const last = Math.max(1, ...all.map(({ iteration }) => iteration));
  const lowest = Math.min(...losses);
  const pad = Math.max(0.05, (Math.max(...losses) - lowest) * 0.05);
  const bottom = Math.max(0, lowest - pad);
  const top = Math.max(...losses) + pad;
  const x = (iteration: number) => margin.left + (iteration / last) * (width - margin.left - margin.right);
  const y = (loss: number) =>
    margin.top + ((top - loss) / (top - bottom)) * (height - margin.top - margin.bottom);
  const line = (points: readonly LossPoint[], attributes: string) =>
    `<polyline fill="none" ${attributes} points="${points.map((p) => `${x(p.iteration).toFixed(1)},${y(p.loss).toFixed(1)}`).join(' ')}"/>`;
  const right = width - margin.right;
  const floor = height - margin.bottom;
  const decimals = Math.max(0, -Math.floor(Math.log10(tickStep(top - bottom, 6))));

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#444">
<rect width="100%" height="100%" fill="white"/>
<text x="${margin.left}" y="24" font-size="15" fill="#111">${escape(title)}</text>
${ticks(bottom, top, 6)
  .map(
    (loss) =>
      `<line x1="${margin.left}" x2="${right}" y1="${y(loss)}" y2="${y(loss)}" stroke="#e4e4e4"/><text x="${margin.left - 8}" y="${y(loss) + 4}" text-anchor="end">${loss.toFixed(decimals)}</text>`,
  )
  .join('\n')}
${ticks(0, last, 8)
  .filter(Number.isInteger)
  .map((iteration) => `<text x="${x(iteration)}" y="${floor + 18}" text-anchor="middle">${iteration}</text>`)
  .join('\n')}
<text x="${(margin.left + right) / 2}" y="${height - 12}" text-anchor="middle">iteration</text>
<text transform="translate(16 ${(margin.top + floor) / 2}) rotate(-90)" text-anchor="middle">masked-LM loss (nats per token)</text>
${line(train, 'stroke="#9ec3ea" stroke-width="1"')}
${line(smoothed(train), 'stroke="#1f6fc4" stroke-width="2"')}
${line(heldOut, 'stroke="#d9541e" stroke-width="2"')}
${heldOut.map((p) => `<circle cx="${x(p.iteration).toFixed(1)}" cy="${y(p.loss).toFixed(1)}" r="3.5" fill="#d9541e"/>`).join('\n')}
<g transform="translate(${right - 190} 20)"><line x2="20" stroke="#1f6fc4" stroke-width="2"/><text x="26" y="4">training</text><line x1="100" x2="120" stroke="#d9541e" stroke-width="2"/><text x="126" y="4">held-out</text></g>
</svg>
`;
}

export function escape(text: string): string {
  return text.replace(/[&<>]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[character]!);
}
