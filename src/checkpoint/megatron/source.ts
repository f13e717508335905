/**
 * Where the partitions of a Megatron-LM checkpoint lie: in a folder, in a zip archive as NVIDIA's catalogue gives
 * them, or in a single file. Source: Megatron-LM megatron/checkpointing.py, `get_checkpoint_name`.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../../errors.js';
import { openFile, readBytes, type ByteSource } from '../byte-source.js';
import { iterationFolder, trackerName } from '../iteration-folders.js';
import { isFolder } from '../paths.js';
import { readZipDirectory } from '../zip/directory.js';

export interface Partition {
  readonly tensorRank: number;
  readonly pipelineRank: number;
  readonly file: ByteSource;
}

export interface MegatronSource {
  readonly name: string;
  readonly iteration: number | 'release';
  readonly tensorSize: number;
  readonly pipelineSize: number;
  /** Of all ranks. */
  readonly partitions: readonly Partition[];
  readonly close: () => Promise<void>;
}

/** Files by their paths in a folder or archive. */
interface Tree {
  readonly names: readonly string[];
  readonly open: (name: string) => Promise<ByteSource>;
}

/** The largest models have some hundred. */
const mostPartitions = 512;
/** Checkpoints that an error names. */
const named = 5;
const partitionName =
  /^(?:(?<above>.*)\/)?mp_rank_(?<tensor>\d{2,3})(?:_(?<pipeline>\d{3}))?\/model(?:_optim)?_rng\.pt$/;

/** @throws InputError where there is no checkpoint, or not all of its partitions */
export async function openMegatronSource(name: string): Promise<MegatronSource> {
  const status = await stat(name).catch((error: unknown) => {
    throw new InputError(`${name}: cannot be opened: ${(error as Error).message}`, { cause: error });
  });
  if (status.isDirectory()) return openTree(name, await folderTree(name));
  const file = await openFile(name);
  try {
    const head = await readBytes(file, 0, Math.min(2, file.size));
    const archive = head.toString('latin1') === 'PK' ? await readZipDirectory(file) : undefined;
    const isArchive =
      archive && ![...archive.entries.keys()].some((entry) => /^[^/]+\/data\.pkl$/.test(entry));
    if (!isArchive) return singleFile(name, file);
    const tree: Tree = {
      names: [...archive.entries.keys()],
      open: (entry) => archive.open(archive.entries.get(entry)!),
    };
    const opened = await openTree(name, tree);
    return { ...opened, close: () => opened.close().then(file.close) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

const singleFile = (name: string, file: ByteSource): MegatronSource => ({
  name,
  iteration: 'release',
  tensorSize: 1,
  pipelineSize: 1,
  partitions: [{ tensorRank: 0, pipelineRank: 0, file }],
  close: file.close,
});

/** `iter_0001000/mp_rank_00/model_optim_rng.pt` is three levels deep. */
async function folderTree(folder: string, depth = 3): Promise<Tree> {
  const entries = await readdir(folder);
  const names: string[] = [];
  for (const entry of entries) {
    const inner = path.join(folder, entry);
    const isCheckpoint = /^(release|iter_\d+|mp_rank_\d.*)$/.test(entry) && (await isFolder(inner));
    if (!isCheckpoint) names.push(entry);
    else if (depth > 1)
      for (const name of (await folderTree(inner, depth - 1)).names) names.push(`${entry}/${name}`);
  }
  return { names, open: (name) => openFile(path.join(folder, name)) };
}

async function openTree(source: string, tree: Tree): Promise<MegatronSource> {
  const alone = tree.names.find((name) => /^model(_optim)?_rng\.pt$/.test(name));
  if (alone !== undefined) return singleFile(source, await tree.open(alone));
  const found = tree.names.flatMap((name) => {
    const { above = '', tensor, pipeline } = partitionName.exec(name)?.groups ?? {};
    return tensor === undefined
      ? []
      : [{ name, above, tensorRank: Number(tensor), pipelineRank: Number(pipeline ?? 0) }];
  });
  const folder = await chooseFolder(source, tree, [...new Set(found.map(({ above }) => above))]);
  const number = /iter_(\d+)$/.exec(folder)?.[1];
  if (!Number.isSafeInteger(Number(number ?? 0)))
    throw new InputError(`${source}: an iteration of ${number!.length} digits`);
  const chosen = found.filter(({ above }) => above === folder);
  const [tensorSize, pipelineSize] = gridOf(source, chosen);

  const partitions: Partition[] = [];
  const close = async () => {
    for (const { file } of partitions) await file.close();
  };
  try {
    for (const { name, tensorRank, pipelineRank } of chosen)
      partitions.push({ tensorRank, pipelineRank, file: await tree.open(name) });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    name: source,
    iteration: number === undefined ? 'release' : Number(number),
    tensorSize,
    pipelineSize,
    partitions,
    close,
  };
}

/** Of several checkpoints, the one that Megatron-LM would go on from. */
async function chooseFolder(source: string, tree: Tree, folders: readonly string[]): Promise<string> {
  if (folders.length === 1) return folders[0]!;
  if (folders.length === 0)
    throw new InputError(
      `${source}: no Megatron-LM checkpoint: expected release/ or iter_…/ with mp_rank_00/model_optim_rng.pt`,
    );
  const tracker = tree.names.find((name) => path.posix.basename(name) === trackerName);
  if (tracker !== undefined) {
    const file = await tree.open(tracker);
    const text = (await readBytes(file, 0, Math.min(file.size, 100))).toString().trim();
    await file.close();
    const wanted = /^\d+$/.test(text) ? iterationFolder(text) : text;
    const folder = folders.find((candidate) => path.posix.basename(candidate) === wanted);
    if (folder === undefined) {
      // what else is in the file, which may be a link, is nobody's business
      const shown = /^\w{1,20}$/.test(wanted) ? wanted : 'a checkpoint';
      throw new InputError(`${source}: ${trackerName} names ${shown} that is not there`);
    }
    return folder;
  }
  const some = [...folders].sort().slice(0, named).join(', ');
  throw new InputError(
    `${source}: ${folders.length} checkpoints and no ${trackerName}; give one of ${some}${folders.length > named ? ' …' : ''}`,
  );
}

/** @throws InputError unless there is one partition for each pair of ranks */
function gridOf(
  source: string,
  ranks: readonly { readonly tensorRank: number; readonly pipelineRank: number }[],
): [tensorSize: number, pipelineSize: number] {
  if (ranks.length > mostPartitions)
    throw new InputError(`${source}: expected at most ${mostPartitions} partitions, found ${ranks.length}`);
  const sizes = [
    1 + Math.max(...ranks.map(({ tensorRank }) => tensorRank)),
    1 + Math.max(...ranks.map(({ pipelineRank }) => pipelineRank)),
  ] as [number, number];
  const [tensorSize, pipelineSize] = sizes;
  const pairs = new Set(ranks.map(({ tensorRank, pipelineRank }) => `${tensorRank} ${pipelineRank}`));
  if (ranks.length !== pairs.size) throw new InputError(`${source}: two files for one partition`);
  if (ranks.length !== tensorSize * pipelineSize)
    throw new InputError(
      `${source}: expected ${tensorSize} × ${pipelineSize} partitions (tensor × pipeline), found ${ranks.length}`,
    );
  return sizes;
}
