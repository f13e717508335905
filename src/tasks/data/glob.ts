/**
 * Whether a path is one of those that a pattern stands for: `*` and `?` for characters of a name, `**` for folders too,
 * `[a-z]` and `[!a-z]` for one of them. In time of both lengths, whatever the pattern.
 * Source: `glob` of fsspec, which the hub's data sets use
 */
export function matchesGlob(pattern: string, path: string): boolean {
  const parts = partsOf(pattern);
  // places in the pattern that are reached after so many characters
  let reached = closure(new Set([0]), parts);
  for (const character of path) {
    const next = new Set<number>();
    for (const place of reached) {
      const part = parts[place];
      if (!part?.accepts(character)) continue;
      next.add(part.repeats ? place : place + 1);
    }
    reached = closure(next, parts);
  }
  return reached.has(parts.length);
}

interface Part {
  readonly accepts: (character: string) => boolean;
  /** Any number of times, also none. */
  readonly repeats: boolean;
  /** What the place after it may be, beside the next. */
  readonly skips?: number;
}

/** With the places that take no character to reach. */
function closure(places: Set<number>, parts: readonly Part[]): Set<number> {
  // a set is gone through with what is added to it
  for (const place of places) {
    const part = parts[place];
    if (part?.repeats) places.add(place + 1);
    if (part?.skips !== undefined) places.add(place + part.skips);
  }
  return places;
}

const inName = (character: string) => character !== '/';

function partsOf(pattern: string): Part[] {
  return Array.from(pattern.matchAll(/\*\*\/|\*+|\?|\[!?[^\]]+\]|[^]/gu), ([piece]): Part[] => {
    // folders, or none: a path up to a slash
    if (piece === '**/')
      return [
        { accepts: () => true, repeats: true, skips: 2 },
        { accepts: (character) => character === '/', repeats: false },
      ];
    if (piece.startsWith('*')) return [{ accepts: piece.length > 1 ? () => true : inName, repeats: true }];
    if (piece === '?') return [{ accepts: inName, repeats: false }];
    if (piece.length > 2 && piece.startsWith('[')) return [{ accepts: classOf(piece), repeats: false }];
    return [{ accepts: (character) => character === piece, repeats: false }];
  }).flat();
}

function classOf(piece: string): (character: string) => boolean {
  const isNot = piece[1] === '!';
  const ranges = Array.from(
    piece.slice(isNot ? 2 : 1, -1).matchAll(/(.)-(.)|(.)/gsu),
    ([, from, to, one]) => [(from ?? one)!, (to ?? one)!],
  );
  return (character) =>
    inName(character) && ranges.some(([from, to]) => from! <= character && character <= to!) !== isNot;
}
