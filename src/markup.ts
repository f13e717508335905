/** Texts as XML and HTML. What they say may be anyone's. */

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** As text or as an attribute's value. */
export const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character]!);

/**
 * A text on one line, without what XML forbids, and with the numbers of characters that would change how their
 * neighbours are shown.
 */
export function visible(text: string): string {
  return (
    text
      .replace(/\s+/gu, ' ')
      // halves of characters, and those that are none
      .replace(/[\p{Surrogate}\p{Noncharacter_Code_Point}]/gu, '\ufffd')
      .replace(
        /[\p{Cc}\p{Bidi_Control}\ufeff]/gu,
        (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
      )
  );
}

/** Its first characters, where there are more than `most`. Characters are whole. */
export function cut(text: string, most: number): string {
  // a character is two units at most
  const characters = Array.from(text.slice(0, 2 * most + 2));
  return characters.length <= most
    ? text
    : `${characters
        .slice(0, most - 1)
        .join('')
        .trimEnd()}…`;
}

/** A text in markup, at most so long. */
export const shownText = (text: string, most = 200): string => escape(cut(visible(text), most));
