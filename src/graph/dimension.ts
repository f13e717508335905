/**
 * Sizes that are known (numbers) or named (`'batch'`), so that one program serves every batch. Products and
 * sums of named sizes are expressions in one spelling: `'batch*sequence'`, `'past+sequence'`.
 */
export type Dimension = number | string;

/** Coefficients of products of names: `2*batch*sequence + 3` is { 'batch*sequence': 2, '': 3 }. */
type Terms = ReadonlyMap<string, number>;

function parse(dimension: Dimension): Terms {
  if (typeof dimension === 'number') return new Map([['', dimension]]);
  return new Map(
    dimension.split('+').map((term) => {
      const factors = term.split('*');
      const names = factors.filter((factor) => !/^\d+$/.test(factor));
      const coefficient = factors.length > names.length ? Number(factors[0]) : 1;
      return [names.join('*'), coefficient];
    }),
  );
}

function format(terms: Terms): Dimension {
  const kept = [...terms].filter(([, coefficient]) => coefficient !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
  if (kept.every(([names]) => names === '')) return kept[0]?.[1] ?? 0;
  return kept
    .map(([names, coefficient]) =>
      names === '' ? String(coefficient) : coefficient === 1 ? names : `${coefficient}*${names}`,
    )
    .join('+');
}

function collect(terms: Iterable<readonly [names: string, coefficient: number]>): Dimension {
  const collected = new Map<string, number>();
  for (const [names, coefficient] of terms) collected.set(names, (collected.get(names) ?? 0) + coefficient);
  return format(collected);
}

export function addDimensions(a: Dimension, b: Dimension): Dimension {
  return typeof a === 'number' && typeof b === 'number' ? a + b : collect([...parse(a), ...parse(b)]);
}

export function multiplyDimensions(a: Dimension, b: Dimension): Dimension {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  const joined = (left: string, right: string) =>
    [...left.split('*'), ...right.split('*')].filter(Boolean).sort().join('*');
  return collect(
    [...parse(a)].flatMap(([left, m]) =>
      [...parse(b)].map(([right, n]) => [joined(left, right), m * n] as const),
    ),
  );
}

/** The terms of a dimension: each the product of a number and names. */
export function termsOf(dimension: Dimension): { coefficient: number; names: readonly string[] }[] {
  return [...parse(dimension)].map(([names, coefficient]) => ({
    coefficient,
    names: names.split('*').filter(Boolean),
  }));
}

/** A known size. @throws Error for a named one */
export function knownSize(dimension: Dimension): number {
  if (typeof dimension === 'string') throw new Error(`expected a known size, found ${dimension}`);
  return dimension;
}

/** The size that a dimension has when its names have these. @throws Error for another name */
export function resolveDimension(dimension: Dimension, sizes: Readonly<Record<string, number>>): number {
  if (typeof dimension === 'number') return dimension;
  return termsOf(dimension).reduce(
    (sum, { coefficient, names }) =>
      sum +
      names.reduce((product, name) => {
        const size = sizes[name];
        if (size === undefined) throw new Error(`the size of ${name} is not known`);
        return product * size;
      }, coefficient),
    0,
  );
}
