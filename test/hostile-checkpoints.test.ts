/** Checkpoints that mean harm: each is refused with an error that says why, or converted with what is hostile inert. */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { convert } from '../src/convert/convert.js';
import { InputError } from '../src/errors.js';
import { archiveAttacks } from './hostile/archives.js';
import { argumentAttacks } from './hostile/arguments.js';
import { parameters, type Attack } from './hostile/checkpoint.js';
import { codeAttacks, marker } from './hostile/code.js';
import { configurationAttacks } from './hostile/configurations.js';
import { folderAttacks } from './hostile/folders.js';
import { modelAttacks } from './hostile/models.js';
import { mutatedArchive, unpacked } from './hostile/mutations.js';
import { partitionAttacks } from './hostile/partitions.js';
import { tensorAttacks } from './hostile/tensors.js';
import { valueAttacks } from './hostile/values.js';
import { weightAttacks } from './hostile/weights.js';
import { fixture, readJson, readTensors } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

const groups: Readonly<Record<string, readonly Attack[]>> = {
  'code in pickles': codeAttacks,
  'values without end': valueAttacks,
  tensors: tensorAttacks,
  archives: archiveAttacks,
  arguments: argumentAttacks,
  models: modelAttacks,
  partitions: partitionAttacks,
  folders: folderAttacks,
  configurations: configurationAttacks,
  weights: weightAttacks,
};
const attacks = Object.values(groups).flat();

/** Of the processor's time, which does not grow with what else it has to do. */
const mostMilliseconds = 2000;
/** Of the whole process, which has 80 MB before it reads anything. */
const mostMemory = 200e6;

/** Runs in a process of its own, so that time and memory are the product's. */
const script = `
  import { readFileSync } from 'node:fs';
  import { createInterface } from 'node:readline';
  const built = (name) => import(new URL(name, ${JSON.stringify(new URL('../dist/', import.meta.url).href)}).href);
  const { convert } = await built('convert/convert.js');
  const { InputError } = await built('errors.js');
  // what getrusage says counts the process that started this one, too
  const mostMemory = () =>
    process.platform === 'linux'
      ? 1024 * Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
      : 1024 * process.resourceUsage().maxRSS;
  for await (const line of createInterface({ input: process.stdin })) {
    const { source, target, options } = JSON.parse(line);
    // what the attack before it left to be collected is not this one's
    gc();
    const started = process.cpuUsage();
    const outcome = await convert(source, target, options).then(
      () => ({}),
      (error) => ({ isInputError: error instanceof InputError, message: error.message, stack: error.stack }),
    );
    const { user, system } = process.cpuUsage(started);
    const milliseconds = (user + system) / 1000;
    console.log(JSON.stringify({ ...outcome, milliseconds, memory: mostMemory() }));
  }
`;

interface Outcome {
  readonly isInputError?: boolean;
  readonly message?: string;
  readonly stack?: string;
  readonly milliseconds: number;
  /** Bytes that the process has had at most, with all attacks before. */
  readonly memory: number;
}

const root = temporaryFolder();
const folders = new Map(attacks.map((attack, i) => [attack, path.join(root, String(i))]));
const folderOf = (attack: Attack) => folders.get(attack)!;
const targetOf = (attack: Attack) => path.join(folderOf(attack), attack.target ?? 'target');

function conversionOf(attack: Attack): string {
  const { options = {} } = attack;
  const folder = folderOf(attack);
  const vocabFile = options.vocabFile && { vocabFile: path.resolve(folder, options.vocabFile) };
  const source = path.join(folder, 'source');
  return JSON.stringify({ source, target: targetOf(attack), options: { ...options, ...vocabFile } });
}

/** Everything in a folder, with what changes where a file is written; links are not followed. */
function listing(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true });
  return names
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
    .map((name) => {
      const status = lstatSync(name);
      return status.isDirectory() ? name : `${name} ${status.size} ${status.mtimeMs}`;
    });
}

const outcomes = new Map<Attack, Outcome>();
const listings = new Map<Attack, readonly string[]>();
beforeAll(() => {
  for (const attack of attacks) {
    mkdirSync(folderOf(attack));
    attack.write(folderOf(attack));
    listings.set(attack, listing(folderOf(attack)));
  }
  const { stdout } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script], {
    input: attacks.map(conversionOf).join('\n'),
    stdio: ['pipe', 'pipe', 'inherit'],
    encoding: 'utf8',
    timeout: 300_000,
    maxBuffer: 2 ** 26,
  });
  const lines = stdout.split('\n').filter((line) => line !== '');
  lines.forEach((line, i) => outcomes.set(attacks[i]!, JSON.parse(line) as Outcome));
}, 600_000);

/** What terminals obey, and what they show in another order. */
const controls = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

const honestWeights = Object.fromEntries(
  parameters.flatMap(([, , names], i) => names.map((name) => [name, i + 1])),
);

/** Every tensor is filled with its number. */
async function expectWeights({ options, weights }: Attack, target: string): Promise<void> {
  const folder = options?.to === 'megatron' ? `${target}-back` : target;
  if (folder !== target) await convert(target, folder);
  const found = await readTensors(path.join(folder, 'model.safetensors'));
  if (folder !== target) rmSync(folder, { recursive: true });
  const filled = [...found].map(([name, { data }]) => [
    name,
    data.every((x) => x === data[0]) ? data[0] : data,
  ]);
  expect(Object.fromEntries(filled)).toMatchObject(weights ?? honestWeights);
}

/** Text that is shown says nothing of the attack's to what shows it. */
function expectInertText(target: string): void {
  for (const name of readdirSync(target)) {
    const text = /^(README\.md|config\.json)$/.test(name)
      ? readFileSync(path.join(target, name), 'utf8')
      : '';
    for (const line of text.split('\n')) expect(line).not.toMatch(controls);
    if (name === 'README.md') expect(text).not.toMatch(/evil|<script|javascript:/);
  }
}

describe.each(Object.entries(groups))('%s', (_, members) => {
  test.each(members)('$name', async (attack) => {
    const outcome = outcomes.get(attack);
    expect(outcome, 'the process came to no end with it').toBeDefined();
    const { message, isInputError, stack, milliseconds, memory } = outcome!;
    const target = targetOf(attack);
    if (attack.expected === 'converts') {
      expect(stack).toBeUndefined();
      await expectWeights(attack, target);
      expectInertText(target);
      rmSync(target, { recursive: true });
    } else {
      expect(isInputError, stack).toBe(true);
      expect(message).toMatch(attack.expected);
      expect(message).not.toMatch(controls);
      expect(message!.length).toBeLessThan(4000);
    }
    const before = listings
      .get(attack)!
      .filter((line) => attack.expected !== 'converts' || !line.startsWith(target));
    expect(listing(folderOf(attack))).toEqual(before);
    expect(milliseconds).toBeLessThan(mostMilliseconds);
    expect(memory).toBeLessThan(mostMemory);
  });
});

test('nothing was executed, and every attack came to its end', () => {
  expect(existsSync(marker)).toBe(false);
  const names = new Set(attacks.map(({ name }) => name.replace(/ \(\w+\)$/, '')));
  const memory = Math.max(...[...outcomes.values()].map((outcome) => outcome.memory));
  const slowest = Math.max(...[...outcomes.values()].map(({ milliseconds }) => milliseconds));
  console.log(
    `${names.size} attacks in ${attacks.length} forms: ${Math.round(slowest)} ms at most, ${Math.round(memory / 1e6)} MB`,
  );
  expect(outcomes.size).toBe(attacks.length);
  expect(names.size).toBeGreaterThan(45);
});

describe('what PyTorch wrote, with a few bytes changed', () => {
  const cases = readJson(fixture('megatron/cases.json')) as { name: string }[];
  const folder = temporaryFolder();
  const [source, target] = [path.join(folder, 'source'), path.join(folder, 'target')];
  const mostGrowth = 64 * 2 ** 20;

  test.each(cases)('$name is converted or refused', async ({ name }) => {
    const files = await unpacked(fixture(`megatron/${name}.zip`));
    const size = files.reduce((sum, { data }) => sum + data.length, 0);
    const before = process.memoryUsage().rss;
    await fc.assert(
      fc.asyncProperty(
        mutatedArchive(files),
        fc.constantFrom('transformers', 'megatron'),
        async (bytes, to) => {
          writeFileSync(source, bytes);
          await convert(source, target, { to, numAttentionHeads: 4 }).catch((error: unknown) => {
            expect(error).toBeInstanceOf(InputError);
            expect((error as InputError).message).not.toMatch(controls);
            expect(readdirSync(folder)).toEqual(['source']);
          });
          rmSync(target, { recursive: true, force: true });
        },
      ),
      { numRuns: 5000 / cases.length },
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(size + mostGrowth);
  });
});
