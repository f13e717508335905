/** Texts that may be anyone's in YAML and in Markdown. */
import { cut, visible } from '../../markup.js';

/** Characters that YAML or a terminal obeys, in YAML's and JSON's spelling. */
const obeyed = /[\u007f-\u009f\u00ad\u2028\u2029\ufeff\p{Bidi_Control}]/gu;

/** What JSON and YAML alike read as one text, on one line. */
export const yamlText = (text: string): string =>
  JSON.stringify(text.replace(/[\p{Surrogate}\p{Noncharacter_Code_Point}]/gu, '\ufffd')).replace(
    obeyed,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** As transformers does, four digits behind the point; a number to readers of YAML 1.1, too. */
export function yamlNumber(value: number): string {
  if (Number.isNaN(value)) return '.nan';
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf';
  return value.toFixed(4).replace(/\.?0+$/, '') || '0';
}

/** A text of Markdown that says what it says and nothing else. */
export const markdownText = (text: string, most = 100): string =>
  cut(visible(text), most)
    .replace(/[\\`*_[\]<>|~&$#@!]/g, '\\$&')
    // what looks like an address becomes a link
    .replace(/:(?=\/)/g, '\\:')
    .replace(/\bwww\./gi, 'www\\.');
