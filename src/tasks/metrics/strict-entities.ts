/** The entities of tags that keep to a scheme, as in seqeval's strict mode. */
import { InputError, shown } from '../../errors.js';
import type { TaggedEntity } from './lenient-entities.js';

/** Tags of neighbours: the prefix before (* is any), the prefix, and whether their types must be equal or differ. */
type Pattern = string;

interface Scheme {
  readonly prefixes: string;
  readonly start: readonly Pattern[];
  readonly inside: readonly Pattern[];
  /** Of the last tag and what follows the entity; other entities are dropped. */
  readonly end: readonly Pattern[];
}

/** seqeval 1.2.2's, also where it has gaps: IOE1 does not end an E before O. */
const schemes = {
  IOB1: {
    prefixes: 'IOB',
    start: ['OI', 'II≠', 'BI', 'IB=', 'BB='],
    inside: ['BI=', 'II='],
    end: ['II≠', 'IO', 'IB', 'BO', 'BI≠', 'BB='],
  },
  IOB2: {
    prefixes: 'IOB',
    start: ['*B'],
    inside: ['BI=', 'II='],
    end: ['IO', 'II≠', 'IB', 'BO', 'BI≠', 'BB'],
  },
  IOE1: {
    prefixes: 'IOE',
    start: ['OI', 'II≠', 'EI', 'EE='],
    inside: ['II=', 'IE='],
    end: ['II≠', 'IO', 'IE≠', 'EI=', 'EE='],
  },
  IOE2: {
    prefixes: 'IOE',
    start: ['OI', 'OE', 'EI', 'EE', 'II≠', 'IE≠'],
    inside: ['IE=', 'II='],
    end: ['E*'],
  },
  IOBES: {
    prefixes: 'IOBES',
    start: ['*B', '*S'],
    inside: ['BI=', 'BE=', 'II=', 'IE='],
    end: ['S*', 'E*'],
  },
  BILOU: {
    prefixes: 'BILOU',
    start: ['*B', '*U'],
    inside: ['BI=', 'BL=', 'II=', 'IL='],
    end: ['U*', 'L*'],
  },
} as const satisfies Record<string, Scheme>;

/** IOBES is also known as BIOES. */
export type TaggingScheme = keyof typeof schemes;

/** Entities of sentences of tags, such as "B-PER", named `source` in errors. */
export function strictEntities(
  sentences: readonly (readonly string[])[],
  name: TaggingScheme,
  source: string,
): TaggedEntity[] {
  if (!Object.hasOwn(schemes, name))
    throw new InputError(`scheme: expected one of ${Object.keys(schemes).join(', ')}, found ${shown(name)}`);
  let place = 0;
  return sentences.flatMap((tags, sentence) => {
    const first = place;
    place += tags.length;
    return entitiesOf(
      tags.map((tag, i) => parseTag(tag, name, `${source}[${sentence}][${i}]`)),
      schemes[name],
    ).map(({ type, start, end }) => ({ type, start: first + start, end: first + end }));
  });
}

interface Tag {
  readonly prefix: string;
  readonly type: string;
}

const outside: Tag = { prefix: 'O', type: '_' };

function entitiesOf(tags: readonly Tag[], scheme: Scheme): TaggedEntity[] {
  const at = (place: number) => tags[place] ?? outside;
  const matches = (patterns: readonly Pattern[], place: number) =>
    patterns.some((pattern) => isMatched(pattern, at(place - 1), at(place)));
  const entities: TaggedEntity[] = [];
  for (let start = 0, next = 1; start < tags.length; start = next, next = start + 1) {
    if (!matches(scheme.start, start)) continue;
    while (next < tags.length && matches(scheme.inside, next)) next++;
    if (matches(scheme.end, next)) entities.push({ type: at(start).type, start, end: next - 1 });
  }
  return entities;
}

function isMatched([prefixBefore, prefix, types]: Pattern, before: Tag, tag: Tag): boolean {
  const isPrefix = (expected: string | undefined, found: string) => expected === '*' || expected === found;
  return (
    isPrefix(prefixBefore, before.prefix) &&
    isPrefix(prefix, tag.prefix) &&
    (types === undefined || (types === '=') === (before.type === tag.type))
  );
}

function parseTag(tag: string, name: TaggingScheme, where: string): Tag {
  const prefix = tag.charAt(0);
  const { prefixes } = schemes[name];
  if (!prefixes.includes(prefix))
    throw new InputError(
      `${where}: expected a tag of ${name} (${Array.from(prefixes).join(', ')}), found ${shown(tag)}`,
    );
  return { prefix, type: tag.slice(1).replace(/^-+|-+$/g, '') || '_' };
}
