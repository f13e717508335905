/** Attacks with the command line that a checkpoint was trained with, its version and its iteration. */
import { everywhere, type Attack } from './checkpoint.js';
import { dictionary, double, get, integer, list, none, number, put, text } from './pickle.js';

type Options = NonNullable<Attack['options']>;
type Entries = Readonly<Record<string, string>>;

const entered = (name: string, entries: () => Entries, expected: Attack['expected'], options?: Options) =>
  everywhere(name, () => ({ entries: entries() }), expected, options);

/** With arguments beside the number of attention heads. */
const told = (name: string, fields: () => Entries, expected: Attack['expected'], options?: Options) =>
  entered(
    name,
    () => ({ arguments: dictionary({ num_attention_heads: integer(2), ...fields() }) }),
    expected,
    options,
  );

const megatron: Options = { to: 'megatron' };

const heads = (name: string, value: string, expected: RegExp) =>
  told(name, () => ({ num_attention_heads: value }), expected);
const noHeads = /num_attention_heads: expected a positive number/;
const unknownHeads = /does not say how many attention heads/;

const numbers = [
  ...heads('no attention heads', integer(0), noHeads),
  ...heads('attention heads below 0', integer(-2), noHeads),
  ...heads('half an attention head', double(0.5), noHeads),
  ...heads('1e308 attention heads', double(1e308), noHeads),
  ...heads('NaN attention heads', double(NaN), noHeads),
  ...heads('2⁵³ − 1 attention heads', integer(2 ** 53 - 1), /are not divisible by/),
  ...heads('attention heads of 600 bits', `\x8a\x4b${'\x7f'.repeat(75)}`, unknownHeads),
  ...heads('attention heads that are a list in itself', `]${put(1)}${get(1)}a`, unknownHeads),
  ...told('a billion layers', () => ({ num_layers: integer(1e9), hidden_size: integer(1e9) }), 'converts'),
  ...told(
    'a billion partitions',
    () => ({ tensor_model_parallel_size: integer(1e9) }),
    /one of 1000000000 × 1 partitions/,
  ),
  ...told('an infinite epsilon', () => ({ layernorm_epsilon: double(Infinity) }), /layer_norm_eps/),
  ...told('more dropout than all', () => ({ hidden_dropout: integer(5) }), /hidden_dropout_prob/),
];

const vocabulary = (name: string, words: string, divisor: string) =>
  told(
    `a vocabulary ${name}`,
    () => ({ vocab_size: words, make_vocab_size_divisible_by: divisor }),
    'converts',
    megatron,
  );
const vocabularies = [
  ...vocabulary('of a billion words', integer(1e9), integer(1)),
  ...vocabulary('of no words', integer(0), integer(1)),
  ...vocabulary('of less than no words', integer(-1), integer(1)),
  ...vocabulary('of NaN words', double(NaN), double(NaN)),
  ...vocabulary('divisible by a half', double(3.5), double(0.5)),
  ...vocabulary('divisible by 0', integer(8), integer(0)),
  ...vocabulary('divisible by less than 0', integer(8), integer(-8)),
  ...vocabulary('divisible by a billion', integer(8), integer(1e9)),
];

/** What terminals, YAML and Markdown take for theirs. */
const injection =
  'BertWordPieceLowerCase\x1b]0;evil\x07\u009b31m\u202e\n---\nlicense: evil\n---\n# [x](javascript:evil) <script>';
/** The same value by many names. */
const byNames = (value: string) => ({
  value: `${value}${put(1)}`,
  ...Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`name ${i}`, get(1)])),
});
const manyTexts = () => list(`${text('a'.repeat(1000))}${put(2)}`, get(2).repeat(900));

const texts = [
  ...told('a tokenizer that speaks to others', () => ({ tokenizer_type: text(injection) }), 'converts'),
  ...told(
    'a normalization that speaks to others',
    () => ({ normalization: text(injection) }),
    /normalization = /,
  ),
  ...told('a name that speaks to others', () => ({ [injection]: integer(1) }), 'converts', megatron),
  ...told('a list of a hundred thousand', () => ({ path: list('K\x01'.repeat(1e5)) }), 'converts', megatron),
  ...told('a million characters by many names', () => byNames(text('a'.repeat(1e6))), 'converts', megatron),
  ...told('many texts by many names', () => byNames(manyTexts()), 'converts', megatron),
  ...told(
    'arguments called __proto__ and constructor',
    () => ({ ['__proto__']: integer(1), constructor: integer(1), hasOwnProperty: integer(1) }),
    'converts',
    megatron,
  ),
  ...entered(
    'a command line in itself',
    () => ({ arguments: `}${put(1)}(${text('num_attention_heads')}${integer(2)}${text('self')}${get(1)}u` }),
    'converts',
    megatron,
  ),
];

const noVersion = /checkpoint_version: expected 0, 1, 2, 3, found/;
const states = [
  ...entered('a version of text', () => ({ checkpoint_version: text('3\x1b[2J\n') }), noVersion),
  ...entered(
    'a version of a million characters',
    () => ({ checkpoint_version: text('3'.repeat(1e6)) }),
    noVersion,
  ),
  ...entered('a version of a half', () => ({ checkpoint_version: number(2.5) }), noVersion),
  ...entered('an iteration of 1e300', () => ({ iteration: double(1e300) }), 'converts', megatron),
  ...entered('an iteration of a half', () => ({ iteration: double(0.5) }), 'converts', megatron),
  ...entered('an iteration that is a path', () => ({ iteration: text('../../evil') }), 'converts', megatron),
  ...entered(
    'entries called __proto__ and constructor',
    () => ({ ['__proto__']: dictionary({ polluted: integer(1) }), constructor: none }),
    'converts',
  ),
];

export const argumentAttacks: readonly Attack[] = [...numbers, ...vocabularies, ...texts, ...states];
