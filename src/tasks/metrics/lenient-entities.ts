/** The entities that tags of any scheme are taken for, as in seqeval's default mode, which is conlleval's. */

/** Places of tags are counted through all sentences. */
export interface TaggedEntity {
  readonly type: string;
  readonly start: number;
  /** Of its last tag. */
  readonly end: number;
}

interface Tag {
  readonly prefix: string;
  readonly type: string;
}

const outside = 'O';

/**
 * Entities of sentences of tags, such as "B-PER". One begins at B, S, and at what cannot go on with the tag before; it
 * ends before O, B, S and another type, and after E and S. As seqeval's `get_entities`, which takes all sentences for
 * one with an O after each.
 */
export function lenientEntities(sentences: readonly (readonly string[])[]): TaggedEntity[] {
  const entities: TaggedEntity[] = [];
  let before = parseTag(outside);
  let start = 0;
  sentences
    .flatMap((tags) => [...tags, outside])
    .map(parseTag)
    .forEach((tag, place) => {
      if (endsBetween(before, tag)) entities.push({ type: before.type, start, end: place - 1 });
      if (startsBetween(before, tag)) start = place;
      before = tag;
    });
  return entities;
}

/** Any first character is a prefix, whatever follows it. */
function parseTag(tag: string): Tag {
  const [prefix = ''] = tag;
  return { prefix, type: tag.slice(prefix.length).replace(/^[^-]*-/, '') || '_' };
}

const isOneOf = (prefixes: string, { prefix }: Tag) => prefixes.includes(prefix);

const endsBetween = (before: Tag, tag: Tag) =>
  isOneOf('ES', before) ||
  (isOneOf('BI', before) && isOneOf('BSO', tag)) ||
  (!isOneOf('O.', before) && before.type !== tag.type);

const startsBetween = (before: Tag, tag: Tag) =>
  isOneOf('BS', tag) ||
  (isOneOf('ESO', before) && isOneOf('EI', tag)) ||
  (!isOneOf('O.', tag) && before.type !== tag.type);
