/** Characters of a message, at its beginning and at its end. */
const longest = 1000;

/** Something the caller gave is wrong: the message says what was expected, what was found and where. */
export class InputError extends Error {
  override name = 'InputError';

  /** @param message one line: what it quotes may be anyone's, and becomes what no terminal obeys */
  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
  }
}

/** The beginning of a value that is not as expected. */
export const shown = (value: unknown): string =>
  (JSON.stringify(value) as string | undefined)?.slice(0, 100) ?? typeof value;

const oneLine = (text: string) =>
  escapeControls(text.length > 2 * longest ? `${text.slice(0, longest)}…${text.slice(-longest)}` : text);

/** Characters that are not shown, but may be obeyed, as their numbers. */
export const escapeControls = (text: string) =>
  text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
