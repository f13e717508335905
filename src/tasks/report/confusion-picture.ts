/** What is taken for what, as a picture. */
import stringWidth from 'string-width';
import { cut, escape, visible } from '../../markup.js';
import { svgDocument } from '../../train/line-chart.js';
import { mostConfused, sum, type Confusion } from './evaluations.js';

/** Labels that are legible. */
const mostLabels = 30;
/** Characters of a label. */
const longestLabel = 18;
/** From here on letters are light. */
const strong = 0.72;

/**
 * A row for each class that examples are of, a column for each that they are taken for: counts, and what share of their
 * row they are. Of many labels those that are confused most.
 */
export function confusionPicture(confusion: Confusion, title: string): string {
  const { labels, counts } = confusion;
  const drawn = mostConfused(confusion, mostLabels);
  const cell = drawn.length <= 4 ? 84 : drawn.length <= 8 ? 60 : drawn.length <= 15 ? 48 : 36;
  const names = drawn.map((i) => visible(labels[i]!));
  const short = names.map((name) => cut(name, longestLabel));
  const letters = Math.max(3, ...short.map((name) => stringWidth(name))) * 7.5;
  const isTurned = letters > cell;
  const note =
    drawn.length < labels.length
      ? `The ${drawn.length} of ${labels.length} labels that are confused most; shares are of whole rows.`
      : '';
  // beside the column of labels stands what rows and columns are
  const left = 24 + Math.max(letters, 84);
  const top = 50 + (note ? 20 : 0) + Math.max(34, isTurned ? 0.71 * letters + 16 : 0);
  const side = drawn.length * cell;
  const middle = (i: number) => (i + 0.5) * cell;
  const widths = short.map((name) => 7.5 * stringWidth(name));
  const rightmost = isTurned ? widths.map((width, i) => middle(i) + 0.71 * width) : [];
  const width = Math.ceil(Math.max(left + Math.max(side, ...rightmost) + 16, 250, note.length * 6.6 + 40));
  const height = Math.ceil(top + side + 20);

  const columns = short.map((name, j) => {
    const at = `translate(${left + middle(j)} ${top - 8})`;
    const place = isTurned ? `transform="${at} rotate(-45)"` : `transform="${at}" text-anchor="middle"`;
    return `<text ${place}>${escape(name)}<title>${escape(names[j]!)}</title></text>`;
  });
  const rows = drawn.flatMap((i, row) => {
    const y = top + row * cell;
    const total = sum(counts[i]!);
    const name = `<text x="${left - 8}" y="${y + cell / 2 + 4}" text-anchor="end">${escape(short[row]!)}<title>${escape(names[row]!)}</title></text>`;
    const cells = drawn.map((j, column) =>
      cellOf(counts[i]![j]!, total, {
        ...{ x: left + column * cell, y, cell, isRight: i === j },
        said: `${names[row]!} → ${names[column]!}`,
      }),
    );
    return [name, ...cells];
  });

  return svgDocument(
    { width, height },
    `<text class="title" x="16" y="24" font-size="15" fill="#111">${escape(title)}</text>
${note ? `<text x="16" y="44">${note}</text>` : ''}
<text x="${left - 8}" y="${top - 26}" text-anchor="end">predicted →</text>
<text x="${left - 8}" y="${top - 8}" text-anchor="end">expected ↓</text>
<g>${columns.join('\n')}</g>
${rows.join('\n')}`,
  );
}

interface Cell {
  readonly x: number;
  readonly y: number;
  readonly cell: number;
  readonly isRight: boolean;
  readonly said: string;
}

/** What is right has a frame: colours alone do not tell. */
function cellOf(count: number, total: number, { x, y, cell, isRight, said }: Cell): string {
  const share = total === 0 ? 0 : count / total;
  const percent = `${(100 * share).toFixed(share > 0 && share < 0.01 ? 1 : 0)} %`;
  const inset = isRight ? 2 : 0.5;
  const frame = isRight ? 'stroke="#111" stroke-width="2"' : 'stroke="#dddddd" stroke-width="1"';
  const box = `x="${x + inset}" y="${y + inset}" width="${cell - 2 * inset}" height="${cell - 2 * inset}"`;
  const centre = x + cell / 2;
  const digits = String(count);
  const size = Math.min(cell >= 48 ? 15 : 11, (cell * 1.5) / digits.length);
  const text = share > strong ? 'class="strong" fill="white"' : 'class="weak" fill="#111"';
  // a matrix of many labels is mostly zeros
  const numbers =
    count === 0 && cell < 48
      ? ''
      : count === 0
        ? `<text x="${centre}" y="${y + cell / 2 + 4}" text-anchor="middle" fill="#767676">0</text>`
        : `<text ${text} x="${centre}" y="${y + cell / 2 - 1}" font-size="${size.toFixed(1)}" text-anchor="middle">${digits}</text><text ${text} x="${centre}" y="${y + cell / 2 + (cell >= 48 ? 15 : 11)}" font-size="${cell >= 48 ? 11 : 9}" text-anchor="middle">${percent}</text>`;
  return `<g><title>${escape(`${said}: ${count} of ${total} (${percent})`)}</title><rect class="${isRight ? 'cell right' : 'cell'}" ${box} fill="#174f8f" fill-opacity="${share.toFixed(3)}" ${frame}/>${numbers}</g>`;
}
