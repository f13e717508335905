/** Lists and objects that any text may have, and the characters that each more takes in one that says something. */
const fewBrackets = 1000;
const charactersPerBracket = 16;
/** Lists and objects in each other, which functions may follow. */
const deepest = 500;

/**
 * `JSON.parse` of what anyone may have written: of a million brackets it would make a hundred megabytes.
 *
 * @throws {SyntaxError} for invalid JSON, for what is mostly brackets, in strings too, and for what is very deep
 */
export function parseJson(text: string): unknown {
  let brackets = 0;
  let depth = 0;
  for (let position = 0; position < text.length; position += 1) {
    const character = text[position];
    if (character === '[' || character === '{') {
      brackets += 1;
      depth += 1;
      if (depth > deepest) throw new SyntaxError(`more than ${deepest} lists and objects in each other`);
    } else if (character === ']' || character === '}') depth -= 1;
  }
  if (brackets > fewBrackets + text.length / charactersPerBracket)
    throw new SyntaxError(`${brackets} lists and objects in ${text.length} characters`);
  return JSON.parse(text);
}

/**
 * `JSON.parse`, but an object with the same key twice is an error: two readers would believe different values of it.
 *
 * @throws {SyntaxError} for invalid JSON, for a repeated key and for what `parseJson` refuses
 */
export function parseJsonWithUniqueKeys(text: string): unknown {
  const value = parseJson(text);
  // from here on the text is known to be valid, so that only strings and the brackets between them matter
  const keysOfOpenObjects: (Set<string> | undefined)[] = [];
  for (let position = 0; position < text.length; position += 1) {
    const character = text[position]!;
    if (character === '{') keysOfOpenObjects.push(new Set());
    else if (character === '[') keysOfOpenObjects.push(undefined);
    else if (character === '}' || character === ']') keysOfOpenObjects.pop();
    else if (character === '"') {
      const end = endOfString(text, position);
      if (isKey(text, end)) addKey(keysOfOpenObjects.at(-1)!, text.slice(position, end));
      position = end - 1;
    }
  }
  return value;
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let position = start + 1;
  while (text[position] !== '"') position += text[position] === '\\' ? 2 : 1;
  return position + 1;
}

function isKey(text: string, endOfString: number): boolean {
  let position = endOfString;
  while (/[\t\n\r ]/.test(text[position] ?? '')) position += 1;
  return text[position] === ':';
}

function addKey(keys: Set<string>, quotedKey: string): void {
  // the same key can be written in several ways: "a" and "\u0061"
  const key = JSON.parse(quotedKey) as string;
  if (keys.has(key)) throw new SyntaxError(`the key ${quotedKey.slice(0, 100)} occurs twice`);
  keys.add(key);
}
