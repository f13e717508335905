/** Attacks with folders: links, pipes and what is no file, in the source, at the target, and as a vocabulary. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { partition, torchZip, writeFiles, type Attack } from './checkpoint.js';

/** What lies in an attack's folder, by its place there. */
interface Scene {
  readonly files?: Readonly<Record<string, Buffer | string>>;
  readonly folders?: readonly string[];
  /** What each leads to. */
  readonly links?: Readonly<Record<string, string>>;
  readonly pipes?: readonly string[];
  /** Files of so many zeros, which are nowhere. */
  readonly sparse?: Readonly<Record<string, number>>;
}

function build(root: string, { files = {}, folders = [], links = {}, pipes = [], sparse = {} }: Scene): void {
  const placed = (name: string) => {
    const full = path.join(root, name);
    mkdirSync(path.dirname(full), { recursive: true });
    return full;
  };
  writeFiles(root, files);
  for (const name of folders) mkdirSync(placed(name));
  for (const [name, to] of Object.entries(links)) symlinkSync(to, placed(name));
  for (const name of pipes) execFileSync('mkfifo', [placed(name)]);
  for (const [name, size] of Object.entries(sparse)) {
    writeFileSync(placed(name), '');
    truncateSync(placed(name), size);
  }
}

const attack = (
  name: string,
  scene: Scene,
  expected: Attack['expected'],
  more: Pick<Attack, 'options' | 'target'> = {},
): Attack => ({
  name,
  write: (folder) => {
    build(folder, scene);
  },
  expected,
  ...more,
});

const tracker = 'source/latest_checkpointed_iteration.txt';
const released = `source/${partition}`;
const honest = { [released]: torchZip() };
const two = { ...honest, 'source/iter_0000001/mp_rank_00/model_optim_rng.pt': torchZip() };
const elsewhere = { [`elsewhere/${partition}`]: torchZip() };

const noCheckpoint = /no Megatron-LM checkpoint: expected release/;
const lost = /names a checkpoint that is not there/;

const sources = [
  attack('a link to a checkpoint', { files: elsewhere, links: { source: 'elsewhere' } }, 'converts'),
  attack(
    'a link in place of a folder of partitions',
    { files: elsewhere, links: { 'source/release': '../elsewhere/release' } },
    'converts',
  ),
  attack(
    'a link to /etc/passwd in place of a partition',
    { links: { [released]: '/etc/passwd' } },
    /not a file of torch.save/,
  ),
  attack(
    'a link to nothing in place of a partition',
    { links: { [released]: 'nothing' } },
    /cannot be opened/,
  ),
  attack('a link to itself', { links: { source: 'source' } }, /cannot be opened/),
  attack(
    'folders that are links to themselves',
    { links: { 'source/release': '.', 'source/mp_rank_00': '..' } },
    noCheckpoint,
  ),
  attack(
    'a link to /etc/passwd in place of a tracker',
    { files: two, links: { [tracker]: '/etc/passwd' } },
    lost,
  ),
  attack('a tracker that leads away', { files: { ...two, [tracker]: '../../etc' } }, lost),
  attack('a tracker of control characters', { files: { ...two, [tracker]: '\x1b[2J\n\x07' } }, lost),
  attack('a pipe in place of a checkpoint', { pipes: ['source'] }, /not a file/),
  attack('a pipe in place of a partition', { pipes: [released] }, /not a file/),
  attack('a pipe in place of a configuration', { pipes: ['source/config.json'] }, /not a file/),
  attack('a folder in place of a partition', { folders: [released] }, /not a file/),
  attack(
    'a file in place of a folder',
    { files: { 'source/release': '', 'source/mp_rank_00': '' } },
    noCheckpoint,
  ),
  attack('a partition of a terabyte', { sparse: { [released]: 2 ** 40 } }, /not a file of torch.save/),
  attack(
    'a configuration of a gigabyte',
    { sparse: { 'source/config.json': 2 ** 30 } },
    /expected at most \d+ bytes/,
  ),
];

const isLink = /a link; give the folder that it leads to/;
const nested = /expected a folder that is neither in/;
const overwriting = { options: { overwriteOutputDir: true } };

const targets = [
  attack(
    'a target that is a link',
    { files: honest, folders: ['outside'], links: { target: 'outside' } },
    isLink,
  ),
  attack('a target that is a link to nothing', { files: honest, links: { target: 'nothing' } }, isLink),
  attack(
    'a target that is a link, to be replaced',
    { files: honest, folders: ['outside'], links: { target: 'outside' } },
    isLink,
    overwriting,
  ),
  attack('a target in the source', { files: honest }, nested, { target: 'source/target' }),
  attack('a target in the source, called ..target', { files: honest }, nested, { target: 'source/..target' }),
  attack(
    'a target in the source, by a link above it',
    { files: honest, links: { above: 'source' } },
    nested,
    {
      target: 'above/new/target',
    },
  ),
  attack('a target around the source', { files: honest }, nested, { target: '.', ...overwriting }),
  attack(
    'a target in a link to nothing',
    { files: honest, links: { above: 'nothing' } },
    /cannot be written/,
    {
      target: 'above/target',
    },
  ),
  attack('a target in a file', { files: { ...honest, above: '' } }, /cannot be written/, {
    target: 'above/target',
  }),
  attack('a target that is a file', { files: { ...honest, target: 'kept' } }, /not a folder/, overwriting),
  attack('a target with something in it', { files: { ...honest, 'target/a': 'kept' } }, /is not empty/),
  attack(
    'a target with links out of it, to be replaced',
    {
      files: { ...honest, 'outside/config.json': 'kept' },
      links: { 'target/inner': '../outside', 'target/config.json': '../outside/config.json' },
    },
    'converts',
    overwriting,
  ),
  attack('a target in new folders, and no vocabulary', { files: honest }, /cannot be opened/, {
    target: 'new/folders/target',
    options: { vocabFile: 'nothing' },
  }),
];

const vocabFile = 'vocab.txt';
const vocabulary = (name: string, scene: Scene, expected: Attack['expected']) =>
  attack(`a vocabulary ${name}`, { ...scene, files: { ...honest, ...scene.files } }, expected, {
    options: { vocabFile },
  });
const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const words = (name: string, list: readonly string[], expected: Attack['expected']) =>
  vocabulary(name, { files: { [vocabFile]: list.join('\n') } }, expected);

const vocabularies = [
  vocabulary('of a gigabyte', { sparse: { [vocabFile]: 2 ** 30 } }, /expected at most 8388608 bytes/),
  vocabulary('of a million NULs', { sparse: { [vocabFile]: 2 ** 20 } }, /has no \[PAD\]/),
  vocabulary('that is a pipe', { pipes: [vocabFile] }, /not a file/),
  vocabulary('that is a folder', { folders: [vocabFile] }, /not a file/),
  vocabulary('that is a link to nothing', { links: { [vocabFile]: 'nothing' } }, /cannot be opened/),
  words('of eight million lines', ['\n'.repeat(2 ** 23)], /at most the model's 8 words, found more/),
  words('of control characters', [...special, '\x1b[2J', '\x1b[2J', '\0'], /stands on lines 6 and 7/),
  words('with NULs, __proto__ and constructor', [...special, '\0', '__proto__', 'constructor'], 'converts'),
  words('with what is no text', [...special, '\ud800', '\ufffe', '\x9b'], 'converts'),
];

export const folderAttacks: readonly Attack[] = [...sources, ...targets, ...vocabularies];
