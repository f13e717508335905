/** Attacks that want something imported, called or opened while a pickle is read. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { everywhere, position, type Attack } from './checkpoint.js';
import {
  call,
  dictionary,
  get,
  global,
  integer,
  list,
  no,
  none,
  pairs,
  put,
  storage,
  tensor,
  text,
  tuple,
  uint32,
} from './pickle.js';

/** A file that is there when something was executed. */
export const marker = path.join(tmpdir(), `megatron-bert-executed-${process.pid}`);
const command = text(`touch ${marker}`);
const code = text(`__import__('os').system('touch ${marker}')`);
const system = global('os', 'system');
const imported = call('builtins', '__import__', text('os'));

/** A value of the checkpoint beside its model, which is converted all the same. */
const beside = (name: string, value: string): Attack[] =>
  everywhere(name, () => ({ entries: { extra: value } }), 'converts');

const calls = [
  ...beside('reduce on os.system', call('os', 'system', command)),
  ...beside('reduce on posix.system', call('posix', 'system', command)),
  ...beside('reduce on subprocess.Popen', call('subprocess', 'Popen', list(text('touch'), text(marker)))),
  ...beside('reduce on builtins.eval', call('builtins', 'eval', code)),
  ...beside('reduce on __builtin__.exec', call('__builtin__', 'exec', code)),
  ...beside('reduce on torch.load of another file', call('torch', 'load', text('/etc/passwd'))),
  ...beside(
    'reduce on what a call gives',
    `${call('builtins', 'getattr', imported, text('system'))}${tuple(command)}R`,
  ),
  ...beside('reduce on text', `${text('os.system')}${tuple(command)}R`),
  ...beside(
    'nested globals',
    list(dictionary({ a: call('functools', 'partial', system, call('builtins', 'eval', code)) })),
  ),
  ...beside('a call as the key of a dictionary', pairs(call('os', 'system', command), none)),
  ...beside('a dotted name', `${global('torch', 'serialization.os.system')}${tuple(command)}R`),
  ...beside('a module that is a path', `${global('../../../evil', 'run')}${tuple(command)}R`),
  ...beside(
    'globals of __proto__ and constructor',
    list(call('__proto__', 'constructor', code), call('constructor', 'prototype', code)),
  ),
];

const opcodes = [
  ...beside('INST', `(${command}ios\nsystem\n`),
  ...beside('OBJ', `(${system}${command}o`),
  ...beside('NEWOBJ', `${system}${tuple(command)}\x81`),
  ...beside('NEWOBJ_EX', `${system}${tuple(command)}${dictionary({ shell: command })}\x92`),
  ...beside(
    'STACK_GLOBAL of names in the memo',
    `${text('os')}${put(7)}0${text('system')}${put(8)}0${get(7)}${get(8)}\x93${tuple(command)}R`,
  ),
  ...beside(
    '__setstate__ of a call',
    `${call('os', 'system', command)}${dictionary({ __setstate__: system })}b`,
  ),
  ...beside('__setstate__ with slots', `${system})\x81${tuple(none, dictionary({ run: system }))}b`),
  ...beside('__setstate__ of a dictionary', `${dictionary({})}${dictionary({ __class__: system })}b`),
  ...beside(
    '__setstate__ of an array of numpy',
    `${call('numpy.core.multiarray', '_reconstruct')}${tuple(integer(1), tuple(integer(-5)), system, no, '\x8e\x02\0\0\0\0\0\0\0ab')}b`,
  ),
  ...beside(
    'copyreg._reconstructor',
    `${call('copyreg', '_reconstructor', system, global('builtins', 'object'), none)}${dictionary({ __reduce__: system })}b`,
  ),
  ...beside('extension codes', list('\x82\x01', '\x83\x01\x01', `\x84${uint32(2 ** 31)}`)),
  ...beside('items set on a call', `${call('os', 'putenv')}${text('PATH')}${text('/tmp')}s`),
];

/** In the place of something that is needed. */
const needed = [
  ...everywhere(
    'a model that is a call',
    () => ({ entries: { model: call('os', 'system', command) } }),
    /expected a dictionary with a "model"/,
  ),
  ...everywhere(
    'a parameter that is a call',
    () => ({ tensors: { [position]: call('os', 'system', command) } }),
    /which have embedding.position_embeddings.weight/,
  ),
  ...everywhere(
    'a call among the sizes of a tensor',
    () => ({
      tensors: {
        [position]: call(
          'torch._utils',
          '_rebuild_tensor_v2',
          storage({ key: '1', elements: 16 }),
          integer(0),
          tuple(call('os', 'system', command)),
          tuple(integer(1)),
          no,
          none,
        ),
      },
    }),
    /which have embedding.position_embeddings.weight/,
  ),
  ...everywhere(
    'STACK_GLOBAL of names that calls give',
    () => ({
      entries: { extra: `${call('operator', 'concat', text('o'), text('s'))}${text('system')}\x93` },
    }),
    /the name of a class is missing/,
  ),
  ...everywhere(
    'a command line that is a call',
    () => ({ entries: { args: call('argparse', 'Namespace', call('os', 'system', command)) } }),
    'converts',
  ),
  ...everywhere(
    'hooks of a tensor',
    () => ({
      tensors: {
        [position]: call(
          'torch._utils',
          '_rebuild_tensor_v2',
          storage({ key: '1', elements: 16 }),
          integer(0),
          tuple(integer(4), integer(4)),
          tuple(integer(4), integer(1)),
          no,
          call('collections', 'OrderedDict', list(list(integer(0), call('os', 'system', command)))),
        ),
      },
    }),
    'converts',
  ),
];

/** What a storage is, where a pickle speaks of something outside it. */
const outside = [
  ...everywhere(
    'a persistent id that is a path',
    () => ({ entries: { extra: 'P/etc/passwd\n' } }),
    /a storage of a kind that is not known/,
  ),
  ...everywhere(
    'a persistent id that is a call',
    () => ({ entries: { extra: `${call('os', 'system', command)}Q` } }),
    /a storage of a kind that is not known/,
  ),
  ...everywhere(
    'a persistent id whose key is a path',
    () => ({
      tensors: { [position]: tensor({ key: '../../../../etc/passwd', elements: 16, shape: [4, 4] }) },
    }),
    /expected (numbers, stored as they are, in archive.data|the keys of its)/,
  ),
  ...everywhere(
    'a persistent id whose key is __proto__',
    () => ({ tensors: { [position]: tensor({ key: '__proto__', elements: 16, shape: [4, 4] }) } }),
    /expected (numbers|the keys)/,
  ),
  ...everywhere(
    'a persistent id of an unknown type',
    () => ({
      tensors: { [position]: tensor({ key: '1', type: 'constructor', elements: 16, shape: [4, 4] }) },
    }),
    /a storage of a kind that is not known \(torch.constructor\)/,
  ),
  ...everywhere(
    'a persistent id of a callable type',
    () => ({
      entries: {
        extra: `${tuple(text('storage'), call('os', 'system', command), text('1'), text('cpu'), integer(16))}Q`,
      },
    }),
    /a storage of a kind that is not known/,
  ),
];

export const codeAttacks: readonly Attack[] = [...calls, ...opcodes, ...needed, ...outside];
