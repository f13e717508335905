/** Something the caller gave is wrong: the message says what was expected, what was found and where. */
export class InputError extends Error {
  override name = 'InputError';
}
