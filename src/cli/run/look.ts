import { isatty } from 'node:tty';
import { createColors } from 'picocolors';
import stringWidth from 'string-width';
import { printable } from '../text.js';

const { FORCE_COLOR: forced, NO_COLOR: refused, TERM: terminal } = process.env;
const wanted = forced === undefined ? isatty(1) && terminal !== 'dumb' : forced !== '0';
/** Not picocolors' own rule: that colours what is piped wherever `CI` is set. */
const colors = createColors(wanted && !refused);

/** A text that a terminal only shows. */
export const plain = printable;

/** Characters of the longest bar. */
const barWidth = 24;
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** Names and their probabilities in columns; on a terminal with bars. */
export function scoreLines(rows: readonly { readonly name: string; readonly score: number }[]): string[] {
  const names = rows.map(({ name }) => plain(name));
  const width = Math.max(12, ...names.map((name) => stringWidth(name)));
  return rows.map(({ score }, i) => {
    const name = names[i]! + ' '.repeat(width - stringWidth(names[i]!));
    const number = `${(100 * score).toFixed(1)} %`.padStart(8);
    return colors.isColorSupported
      ? `  ${name} ${colors.dim(number)} ${colors.cyan(bar(score))}`.trimEnd()
      : `  ${name} ${number}`;
  });
}

function bar(share: number): string {
  const length = Math.round(Math.max(0, Math.min(1, share)) * barWidth * 8);
  return '█'.repeat(Math.floor(length / 8)) + eighths[length % 8]!;
}

export const heading = (text: string) => colors.bold(plain(text));
export const faint = (text: string) => colors.dim(plain(text));

export interface Marked {
  readonly start: number;
  readonly end: number;
  readonly label: string;
}

const inks = [colors.green, colors.magenta, colors.yellow, colors.blue, colors.cyan, colors.red];

/** A text with coloured stretches and their labels; one colour for each label. */
export function highlighted(text: string, marks: readonly Marked[]): string {
  const labels = [...new Set(marks.map(({ label }) => label))].sort();
  let place = 0;
  let shown = '';
  for (const { start, end, label } of marks) {
    if (start < place) continue;
    const ink = inks[labels.indexOf(label) % inks.length]!;
    shown += `${plain(text.slice(place, start))}${ink(`${colors.underline(plain(text.slice(start, end)))} ${colors.dim(plain(label))}`)}`;
    place = end;
  }
  return shown + plain(text.slice(place));
}
