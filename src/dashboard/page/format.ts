/** Numbers as one reads them. */

export const count = (value: number) => Math.round(value).toLocaleString('en');

/** Four digits that say something. */
export function significant(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace(/\.?0*e\+?/, 'e');
  return size >= 1000 ? count(value) : String(Number(value.toPrecision(4)));
}

export const percent = (fraction: number, digits = 1) => `${(100 * fraction).toFixed(digits)} %`;

export const gigaflops = (flops: number) => `${significant(Number((flops / 1e9).toPrecision(3)))} GFLOP/s`;

export function bytes(value: number): string {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(1, value)) / 3));
  return `${(value / 1000 ** power).toFixed(power > 2 ? 2 : 0)} ${['bytes', 'kB', 'MB', 'GB', 'TB'][power]!}`;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}
