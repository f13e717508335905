/**
 * Turns the tokenised texts of language-model evaluations back into text as it is written: Megatron-LM's rules
 * (tasks/zeroshot_gpt/detokenizer.py), in their order. The text is a whole file.
 */
import { strip } from './python-text.js';

/** Of what is opened and not closed, all that follows is matched, once, and stays as it is. */
const stripInside = (open: string) => (_: string, inside: string, close: string) =>
  `${open}${close === '' ? inside : strip(inside)}${close}`;

/**
 * WikiText's `@-@`, spaces around punctuation and inside brackets, headings, `N` for numbers.
 *
 * Megatron-LM has one more rule after the first, to join an apostrophe to a digit. It is written between slashes, as in
 * Perl, which Python takes for two characters of the text: it finds none, and is left out.
 *
 * Quotes are paired from the beginning of the file to its end, apostrophes with any others, as there.
 */
export const detokenizeWikitext = (text: string): string =>
  text
    .replaceAll("s '", "s'")
    .replaceAll(' @-@ ', '-')
    .replaceAll(' @,@ ', ',')
    .replaceAll(' @.@ ', '.')
    .replaceAll(' : ', ': ')
    .replaceAll(' ; ', '; ')
    .replaceAll(' . ', '. ')
    .replaceAll(' ! ', '! ')
    .replaceAll(' ? ', '? ')
    .replaceAll(' , ', ', ')
    .replace(/\(([^)]*)(\)?)/g, stripInside('('))
    .replace(/\[([^\]]*)(\]?)/g, stripInside('['))
    .replace(/\{([^}]*)(\}?)/g, stripInside('{'))
    .replace(/"([^"]*)("?)/g, stripInside('"'))
    .replace(/'([^']*)('?)/g, stripInside("'"))
    .replaceAll('= = = =', '====')
    .replaceAll('= = =', '===')
    .replaceAll('= =', '==')
    .replaceAll(' ° ', '°')
    .replaceAll(' \n', '\n')
    .replaceAll('\n ', '\n')
    .replaceAll(' N ', ' 1 ')
    .replaceAll(" 's", "'s");

/** Penn Treebank's contractions, `N` for numbers, and signs before them. */
export const detokenizePtb = (text: string): string =>
  text
    .replaceAll(" '", "'")
    .replaceAll(' \n', '\n')
    .replaceAll('\n ', '\n')
    .replaceAll(" n't", "n't")
    // joined to the word before, as there
    .replaceAll(' N ', '1 ')
    .replaceAll('$ 1', () => '$1')
    .replaceAll('# 1', '#1');

/** LAMBADA's file is text as it is written. */
export const detokenizeLambada = (text: string): string => text;
