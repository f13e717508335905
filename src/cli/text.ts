import { escapeControls } from '../errors.js';

/** Lines with names from files in them, which can be anything, also what a terminal obeys. */
export const printable = (text: string) => text.split('\n').map(escapeControls).join('\n');

/** In units of a thousand, as disks are sold. */
export function byteSize(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
