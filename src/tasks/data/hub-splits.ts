/** Which files of a data set on the hub are those of a configuration's splits. */
import { InputError } from '../../errors.js';
import { NoRevision } from '../../hub/refusal.js';
import { openDatasetRepository, type HubOptions, type RepositoryFiles } from '../../hub/repository.js';
import { textReader } from '../../hub/text-files.js';
import { largestCard, readCard, type Card, type CardConfiguration, type ClassNames } from './card.js';
import { matchesGlob } from './glob.js';
import { requireRows } from './rows.js';
import { configurationsIn, longestName, splitCalled, type SplitFiles } from './split-names.js';

/** Where the hub keeps data sets that it converted itself. */
const converted = 'refs/convert/parquet';

export interface HubSplits {
  readonly splits: SplitFiles;
  readonly classNames: ClassNames;
  /** Downloads a file of a split, if it is not there yet. @returns its path */
  readonly find: (name: string) => Promise<string>;
}

/**
 * As the header of README.md says, or else the names of the files; of a data set that only has a program to make it,
 * those that the hub made with it.
 *
 * @param asked a configuration, where there are several
 * @throws InputError where the data set cannot be had, or has no such configuration
 */
export async function findHubSplits(
  id: string,
  asked: string | undefined,
  hub: HubOptions,
): Promise<HubSplits> {
  const own = await openDatasetRepository(id, hub);
  const readText = textReader(own.find);
  const readme = await readText('README.md', largestCard);
  const card = readCard(readme?.text ?? '', `${id}: README.md`);
  const names = await own.list();
  let repository = own;
  let configurations = fromCard(id, card, names) ?? configurationsIn(names);
  if (configurations.size === 0) {
    repository = await openConverted(id, names, hub);
    configurations = configurationsIn(await repository.list());
  }
  const name = choose(id, card, [...configurations.keys()], asked);
  const splits = configurations.get(name)!;
  if (splits.size === 0) throw new InputError(`${id}: configuration ${name} has no files of rows`);
  return {
    splits,
    classNames: card.classNames.get(name) ?? onlyOne(card.classNames) ?? {},
    async find(file) {
      const found = await repository.find(file);
      if (found !== undefined) return found;
      throw new InputError(`${id} has no ${file}: load it once online`);
    },
  };
}

const onlyOne = (classNames: Card['classNames']): ClassNames | undefined =>
  classNames.size === 1 ? [...classNames.values()][0] : undefined;

async function openConverted(
  id: string,
  names: readonly string[],
  hub: HubOptions,
): Promise<RepositoryFiles> {
  const isProgram = names.some((name) => name.endsWith('.py'));
  const problem = isProgram
    ? `${id} has a program that makes its rows, which is not run`
    : `${id} has no files of rows whose names say a split, as train.csv does`;
  if (hub.revision !== undefined && hub.revision !== 'main')
    throw new InputError(`${problem}: give the revision ${converted}, which the hub has made of main`);
  try {
    const repository = await openDatasetRepository(id, { ...hub, revision: converted });
    if (configurationsIn(await repository.list()).size > 0) return repository;
  } catch (error) {
    if (!(error instanceof NoRevision)) throw error;
  }
  throw new InputError(`${problem}, and the hub has not converted it (${converted})`);
}

/** Undefined where the card has nothing to say of files. */
function fromCard(
  id: string,
  { configurations }: Card,
  names: readonly string[],
): ReadonlyMap<string, SplitFiles> | undefined {
  const described = configurations.filter(({ patterns, folder }) => patterns ?? folder);
  if (described.length === 0) return undefined;
  return new Map(described.map((configuration) => [configuration.name, splitsIn(id, configuration, names)]));
}

function splitsIn(
  id: string,
  { name, folder = '', patterns }: CardConfiguration,
  names: readonly string[],
): SplitFiles {
  const prefix = folder.replace(/^(\.?\/)+|\/+$/g, '').replace(/(?<=.)$/, '/');
  if (!patterns) {
    const inside = names.filter((file) => file.startsWith(prefix)).map((file) => file.slice(prefix.length));
    const splits = configurationsIn(inside).get('default') ?? new Map<string, string[]>();
    return new Map([...splits].map(([split, files]) => [split, files.map((file) => prefix + file)]));
  }
  const paths = names.filter((file) => file.length <= longestName);
  const splits = new Map<string, readonly string[]>();
  for (const [split, given] of patterns) {
    const files = given.flatMap((pattern) => {
      const whole = prefix + pattern.replace(/^(\.?\/)+/, '');
      const found = paths.filter((file) => matchesGlob(whole, file)).sort();
      if (found.length === 0) throw new InputError(`${id}: configuration ${name}: no file is ${pattern}`);
      return found;
    });
    files.forEach(requireRows);
    const called = splitCalled(split);
    splits.set(patterns.has(called) || splits.has(called) ? split : called, [...new Set(files)]);
  }
  return splits;
}

function choose(id: string, card: Card, names: readonly string[], asked: string | undefined): string {
  const marked = card.configurations.find(({ isDefault }) => isDefault)?.name;
  const name = asked ?? marked ?? (names.length === 1 ? names[0]! : 'default');
  if (names.includes(name)) return name;
  const found = names.length > 50 ? `${names.slice(0, 50).join(', ')}, …` : names.join(', ');
  throw new InputError(
    asked === undefined
      ? `${id} has several configurations, of which one must be given: ${found}`
      : `${id}: expected a configuration ${asked}, found ${found}`,
  );
}
