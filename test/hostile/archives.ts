/** Attacks with zip archives: names, sizes and places that are not true, and bombs. */
import { catalogued, file, partition, partitionOf, torchFiles, torchZip, type Attack } from './checkpoint.js';
import { pickled } from './pickle.js';
import { longNumbers, zip, type End, type Fields, type ZipFile } from './zip.js';

const mebibyte = 2 ** 20;
const named = (name: string, data = torchZip()): ZipFile => ({ name, data });
const rank = (number: number, data = torchZip()) => named(partitionOf(number), data);

type Told = Pick<ZipFile, 'local' | 'directory' | 'isDeflated'>;

/** In torch's archive and in the catalogue's, of which one file says what is not true. */
const falsified = (name: string, told: Told, expected: Attack['expected']) => [
  file(`${name} (torch)`, () => zip([{ ...torchFiles()[0]!, ...told }, ...torchFiles().slice(1)]), expected),
  file(`${name} (catalogue)`, () => zip([{ ...rank(0), ...told }, named('other')]), expected),
];
const listed = (name: string, directory: Partial<Fields>, expected: Attack['expected']) =>
  falsified(name, { directory }, expected);
const ended = (name: string, told: Partial<End>, expected: Attack['expected']) => [
  file(`${name} (torch)`, () => zip(torchFiles(), told), expected),
  file(`${name} (catalogue)`, () => zip([rank(0)], told), expected),
];

const names = [
  file(
    'zip slip: files above the archive',
    () =>
      catalogued(torchZip(), [
        named('../../evil'),
        named('/tmp/evil'),
        named('C:\\evil'),
        named('release/../../evil'),
      ]),
    'converts',
  ),
  file('zip slip: a partition above the archive', () => zip([named(`../../../${partition}`)]), 'converts'),
  file('zip slip: a partition of an absolute path', () => zip([named(`/tmp/${partition}`)]), 'converts'),
  file(
    'zip slip: an iteration above the archive',
    () => zip([named('../iter_7/mp_rank_00/model_optim_rng.pt')]),
    'converts',
    { to: 'megatron' },
  ),
  file(
    'an iteration that no number holds',
    () => zip([named(`iter_${'9'.repeat(400)}/mp_rank_00/model_optim_rng.pt`)]),
    /an iteration of 400 digits/,
    { to: 'megatron' },
  ),
  file(
    'a link in place of a partition',
    () => zip([named(partition, Buffer.from('/etc/passwd'))]),
    /not a file of torch.save/,
  ),
  file(
    'names of control characters',
    () =>
      zip(
        ['\x1b[2J', '\x1b]0;evil\x07', '\u009b31m', '\u202egp.'].map((name) =>
          named(`${name}/mp_rank_00/model_optim_rng.pt`),
        ),
      ),
    /4 checkpoints and no latest/,
  ),
  file(
    'a name of 40,000 characters',
    () => zip([rank(0), named(`${'a/'.repeat(20_000)}mp_rank_00/model_optim_rng.pt`)]),
    /2 checkpoints and no latest/,
  ),
  file(
    '30,000 checkpoints',
    () =>
      zip(
        Array.from({ length: 30_000 }, (_, i) =>
          named(`${i}/mp_rank_00/model_optim_rng.pt`, Buffer.alloc(0)),
        ),
      ),
    /30000 checkpoints and no latest/,
  ),
  file(
    'a partition of every number',
    () => zip(Array.from({ length: 1000 }, (_, i) => rank(i, Buffer.alloc(0)))),
    /expected at most 512 partitions/,
  ),
  file(
    'a partition by two names, and none',
    () => zip([rank(0), named('release/mp_rank_000/model_optim_rng.pt'), rank(2)]),
    /two files for one partition/,
  ),
  file('the thousandth partition alone', () => zip([rank(999)]), /expected 1000 × 1 partitions/),
  file(
    'a tracker that leads away',
    () =>
      zip([
        named('a/mp_rank_00/model_optim_rng.pt'),
        named('b/mp_rank_00/model_optim_rng.pt'),
        named('latest_checkpointed_iteration.txt', Buffer.from('../../../etc')),
      ]),
    /names a checkpoint that is not there/,
  ),
  file(
    'two files of one name (torch)',
    () => zip([...torchFiles(), torchFiles()[0]!]),
    /two files of one name/,
  ),
  file(
    'two files of one name (catalogue)',
    () => zip([rank(0), rank(0, Buffer.from('other'))]),
    /two files of one name/,
  ),
  file(
    'two pickles',
    () => zip([...torchFiles(), { ...torchFiles()[0]!, name: 'other/data.pkl' }]),
    /expected one data.pkl/,
  ),
];

const bombs = [
  file('a zip bomb: zeros', () => catalogued(Buffer.alloc(50 * mebibyte)), /say that they hold/),
  file(
    'a zip bomb of many files',
    () =>
      zip(
        Array.from({ length: 4 }, (_, i) => ({ ...rank(i, Buffer.alloc(15 * mebibyte)), isDeflated: true })),
      ),
    /say that they hold/,
  ),
  file(
    'a zip bomb that says it is small',
    () =>
      zip([{ ...rank(0, Buffer.alloc(50 * mebibyte)), isDeflated: true, directory: { byteLength: 100 } }]),
    /checksum is another/,
  ),
  file(
    'a zip bomb that says 2⁶³ bytes',
    () =>
      zip([
        {
          ...rank(0),
          isDeflated: true,
          directory: { byteLength: 0xffffffff, extra: longNumbers(2n ** 63n) },
        },
      ]),
    /say that they hold/,
  ),
  file(
    'a zip bomb in a zip bomb',
    () => catalogued(catalogued(catalogued(Buffer.alloc(50 * mebibyte)))),
    /has no data.pkl/,
  ),
  file(
    'a deflated pickle',
    () =>
      zip([
        { name: 'archive/data.pkl', data: Buffer.from(pickled('N0'.repeat(7 * mebibyte))), isDeflated: true },
      ]),
    /data.pkl: expected it as it is/,
  ),
  file('an archive in itself', () => catalogued(catalogued(torchZip())), /has no data.pkl/),
  file(
    'a directory of five megabytes',
    () => zip(Array.from({ length: 20_000 }, (_, i) => named(`${i}${'a'.repeat(200)}`, Buffer.alloc(0)))),
    /its directory has \d+ bytes/,
  ),
  file(
    'deflated bytes that end early',
    () =>
      zip([
        {
          ...rank(0, Buffer.alloc(mebibyte, torchZip())),
          isDeflated: true,
          directory: { byteLength: 2 * mebibyte },
        },
      ]),
    /expected 2097152 bytes, found|checksum/,
  ),
  file(
    'deflated bytes that are not',
    () => zip([{ ...rank(0), directory: { method: 8 } }]),
    /cannot be inflated|checksum/,
  ),
  file(
    'a checksum that is another',
    () => zip([{ ...rank(0), isDeflated: true, directory: { crc: 1 } }]),
    /its checksum is another/,
  ),
];

const entries = [
  file(
    'two files at one place',
    () => zip([rank(0), { ...rank(1), directory: { offset: 0 } }]),
    /overlaps what follows it/,
  ),
  ...listed('a file that starts in its header', { offset: 1 }, /overlaps|is not where it should be/),
  ...listed('a file beyond the archive', { offset: 0xfffffffe }, /overlaps what follows it/),
  ...listed(
    'a file that is longer than its archive',
    { storedLength: 2 ** 30, byteLength: 2 ** 30 },
    /overlaps what follows it|say that they hold/,
  ),
  ...listed('a stored file that says two sizes', { byteLength: 7 }, /says two sizes/),
  ...listed('an encrypted file', { flags: 1 }, /is encrypted/),
  ...listed(
    'a method that there is not',
    { method: 12 },
    /found compression method 12|data.pkl: expected it as it is/,
  ),
  ...listed(
    'zip64: a place of 2⁶⁴ − 1',
    { offset: 0xffffffff, extra: longNumbers(2n ** 64n - 1n) },
    /overlaps what follows it/,
  ),
  ...listed(
    'zip64: sizes of 2⁶³',
    { storedLength: 0xffffffff, byteLength: 0xffffffff, extra: longNumbers(2n ** 63n, 2n ** 63n) },
    /say that they hold/,
  ),
  ...listed('zip64: a size that is missing', { byteLength: 0xffffffff }, /the size of .* is missing/),
  ...listed(
    'zip64: an extra field beyond its end',
    { offset: 0xffffffff, extra: longNumbers(0n).subarray(0, 6) },
    /the size of .* is missing/,
  ),
  ...falsified('a header with another name', { local: { name: 'another' } }, /is not where it should be/),
  file(
    'a header with another name, as long',
    () => zip([{ ...rank(0), local: { name: partitionOf(1) } }]),
    /is not where it should be/,
  ),
  ...falsified(
    'a header with other sizes and flags',
    { local: { storedLength: 1, byteLength: 2 ** 31, crc: 1, flags: 1, method: 99 } },
    'converts',
  ),
  ...falsified(
    'a header whose extra field reaches into the next file',
    { local: { extraLength: 100 } },
    /overlaps what follows it/,
  ),
  file(
    'a hundred files in each other',
    () =>
      zip(
        Array.from({ length: 100 }, (_, i) => ({
          ...rank(i, Buffer.alloc(300)),
          directory: { storedLength: 20_000, byteLength: 20_000 },
        })),
      ),
    /overlaps what follows it/,
  ),
];

const ends = [
  ...ended('a comment with another end', { comment: zip([]) }, /it has two directories/),
  ...ended(
    'a comment with another archive',
    { comment: zip([rank(0, Buffer.from('other'))]) },
    /it has two directories|has no directory|not where it should be/,
  ),
  ...ended('a directory that starts elsewhere', { offset: 10 }, /its directory is not where it should be/),
  ...ended('a directory beyond the archive', { offset: 2 ** 31 }, /its directory is not where it should be/),
  ...ended('a directory of four gigabytes', { length: 0xffffffff }, /its directory/),
  ...ended('a directory of other numbers of files', { count: 7 }, /files, and says 7/),
  ...ended('a directory that is cut', { length: 20, offset: 0 }, /its directory/),
  ...ended('zip64: a directory of 2⁶⁰ files', { count: 0xffff, long: { count: 2 ** 60 } }, /files, and says/),
  ...ended('zip64: a directory at 2⁶⁰', { offset: 0xffffffff, long: { offset: 2 ** 60 } }, /its directory/),
  ...ended('zip64: two directories', { long: { offset: 3 } }, /it has two directories/),
  ...ended('zip64: a locator that leads away', { long: { at: 2n ** 63n } }, /bytes at Infinity are not in/),
  file('an archive of nothing', () => zip([]), /no Megatron-LM checkpoint/),
  file('two letters of an archive', () => Buffer.from('PK'), /it has no directory|are not in its/),
  file(
    'an archive that goes on',
    () => Buffer.concat([torchZip(), Buffer.from('more')]),
    /it has no directory/,
  ),
  file(
    'an archive that starts late',
    () => Buffer.concat([Buffer.from('PK  '), torchZip()]),
    /its directory is not where it should be/,
  ),
  file('an archive of tar', () => Buffer.alloc(1024).fill('ustar\0', 257, 263), /a tar file/),
  file('nothing', () => Buffer.alloc(0), /not a file of torch.save/),
];

export const archiveAttacks: readonly Attack[] = [...names, ...bombs, ...entries, ...ends];
