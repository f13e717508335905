/** Attacks with what is JSON in model folders: configurations, and indexes of weights. */
import { folder, type Attack } from './checkpoint.js';
import { bert, honestSafetensors } from './weights.js';

const configured = (name: string, config: () => string, expected: Attack['expected']) =>
  folder(
    `a configuration ${name}`,
    () => ({ 'config.json': config(), 'model.safetensors': honestSafetensors() }),
    expected,
    { to: 'megatron' },
  );
const withFields = (name: string, fields: object, expected: Attack['expected']) =>
  configured(name, () => JSON.stringify({ ...bert, ...fields }), expected);

const deep = '['.repeat(4e5);
const flat = `[${'[],'.repeat(3e5)}[]]`;
const tooDeep = /more than 500 lists and objects in each other/;
const tooMany = /\d+ lists and objects in \d+ characters/;
const noModel = /model_type: expected megatron-bert or gpt2/;

const configurations = [
  configured('of lists in lists', () => deep, tooDeep),
  configured('of many lists', () => flat, tooMany),
  configured('of control characters', () => '\x1b[2J\x07\n', /is not JSON/),
  configured('of two megabytes', () => JSON.stringify('a'.repeat(2 ** 21)), /expected at most 1048576 bytes/),
  configured('that is nothing', () => 'null', /expected an object/),
  configured('that is a list', () => '[]', /config\.json: expected an object, found \[\]/),
  configured('in __proto__', () => `{"__proto__":${JSON.stringify(bert)}}`, noModel),
  withFields(
    'of a model that speaks to terminals',
    { model_type: '\x1b]0;evil\x07\u009b'.repeat(1e4) },
    noModel,
  ),
  withFields(
    'of 1e308 layers',
    { num_hidden_layers: 1e308 },
    /num_hidden_layers: expected a positive number/,
  ),
  withFields('of ten thousand layers', { num_hidden_layers: 1e4 }, /expected BERT or GPT-2, which have/),
  withFields(
    'of a list of heads',
    { num_attention_heads: [[2]] },
    /num_attention_heads: expected a positive number/,
  ),
  withFields(
    'of 2⁵³ heads',
    { num_attention_heads: 2 ** 53 },
    /num_attention_heads: expected a positive number/,
  ),
  withFields(
    'of an activation that is an object',
    { hidden_act: { gelu: 1 } },
    /Megatron-LM has no activation/,
  ),
  withFields('of an epsilon that is an object', { layer_norm_eps: { a: [] } }, 'converts'),
  withFields('of dropout that is lists in lists', { hidden_dropout_prob: [[[[]]]] }, 'converts'),
  withFields('of an architecture that is lists in lists', { architectures: [[[[{}]]]] }, 'converts'),
  withFields('of a tokenizer that speaks to terminals', { tokenizer_type: '\x1b]0;evil\x07\n' }, 'converts'),
];

const indexed = (name: string, index: () => string, expected: RegExp) =>
  (['pytorch_model.bin', 'model.safetensors'] as const).map((weights) =>
    folder(
      `an index ${name} (${weights})`,
      () => ({ 'config.json': JSON.stringify(bert), [`${weights}.index.json`]: index() }),
      expected,
      { to: weights === 'pytorch_model.bin' ? 'transformers' : 'megatron' },
    ),
  );
const mapped = (name: string, file: unknown, expected: RegExp) =>
  indexed(name, () => JSON.stringify({ weight_map: { a: file } }), expected);
const noFile = /expected the name of a file/;
const missing = /cannot be opened|is missing/;

const indexes = [
  ...mapped('of a file above the folder', '../evil', noFile),
  ...mapped('of a file by its absolute path', '/etc/passwd', noFile),
  ...mapped('of a file called ..', '..', noFile),
  ...mapped('of a file without a name', '', noFile),
  ...mapped('of a file that is an object', { toString: 'evil' }, noFile),
  ...mapped('of a file called by control characters', '\x1b[2J\n', missing),
  ...mapped('of a file called by a NUL', 'a\0b', missing),
  ...indexed('in __proto__', () => '{"__proto__":{"weight_map":{"a":"b"}}}', /expected a weight_map/),
  ...indexed('of lists in lists', () => `{"weight_map":${deep}`, tooDeep),
  ...indexed('of many lists', () => flat, tooMany),
  ...indexed('of control characters', () => '\x1b[2J', /is not JSON/),
];

export const configurationAttacks: readonly Attack[] = [...configurations, ...indexes];
