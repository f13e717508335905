import type { Command } from 'commander';
import { inspect, type InspectedFile, type Inspection } from '../inspect/inspect.js';
import type { TreeNode } from '../inspect/tree.js';
import { describeDataset } from './inspect-dataset.js';
import { command } from './options.js';
import { byteSize, printable } from './text.js';
import { elementsOf } from '../checkpoint/torch/tensor.js';

export function inspectCommand(): Command {
  return command(
    'inspect',
    'Show what a checkpoint, an archive, a model folder or a data set holds; nothing in it is executed.',
    [
      'inspect megatron_bert_345m_v0.1_uncased.zip',
      'inspect checkpoints/',
      'inspect pytorch_model.bin --json',
      'inspect data/corpus_text_sentence --tokenizer my-tokenizer',
    ],
  )
    .argument(
      '<path>',
      'a Megatron-LM checkpoint, a .pt, .bin or .safetensors file, a model folder, or a data set',
    )
    .option('--tokenizer <model>', "shows the beginning of a data set's text")
    .option('--json', 'print everything as JSON')
    .action(
      async (source: string, { json, tokenizer }: { readonly json?: true; readonly tokenizer?: string }) => {
        const inspection = await inspect(source);
        const { dataset } = inspection;
        if (json) console.log(JSON.stringify(inspection));
        else if (dataset) console.log(printable(await describeDataset(dataset, tokenizer)));
        else console.log(printable(describe(inspection)));
      },
    );
}

const number = (value: number) => value.toLocaleString('en');

function describe({ source, files, checkpoint, config, problem }: Inspection): string {
  const lines = [source];
  if (checkpoint) {
    const { model, checkpoint_version, iteration, parameters, sizes, ...partition } = checkpoint;
    const { tensor_model_parallel_size, pipeline_model_parallel_size } = partition;
    lines.push(
      `Megatron-LM ${model === 'bert' ? 'BERT' : 'GPT-2'}, checkpoint version ${checkpoint_version}, ` +
        `${tensor_model_parallel_size} × ${pipeline_model_parallel_size} partitions (tensor × pipeline), ` +
        (iteration === 'release' ? 'release' : `iteration ${iteration}`),
      `${sizes.layers} layers, hidden size ${sizes.hiddenSize}, ${sizes.heads} heads, feed-forward size ${sizes.ffnHiddenSize}, ` +
        `${sizes.positions} positions, vocabulary ${sizes.vocabulary}; ${number(parameters)} parameters`,
    );
  }
  if (config)
    lines.push(
      `model_type ${String(config.model_type)}, architectures ${JSON.stringify(config.architectures)}`,
    );
  if (problem !== undefined) lines.push(`cannot be converted as it is: ${problem}`);
  return [...lines, ...files.flatMap(describeFile)].join('\n');
}

function describeFile({ name, bytes, format, content, parameters, suspicious }: InspectedFile): string[] {
  return [
    '',
    `${name}  (${format}, ${byteSize(bytes)}, ${number(parameters)} numbers)`,
    ...suspicious.map((global) => `  ! names ${global}, which weights have no need of; it was not called`),
    ...table('children' in content ? content.children : [content]),
  ];
}

/** One node or several of the same form, with the place of each in the tree. */
interface Row {
  readonly depth: number;
  readonly name: string;
  readonly what: string;
}

function table(nodes: readonly TreeNode[]): string[] {
  const rows = rowsOf(nodes, 1);
  const width = Math.min(60, Math.max(0, ...rows.map(({ depth, name }) => 2 * depth + name.length)));
  return rows.map(({ depth, name, what }) =>
    `${`${'  '.repeat(depth)}${name}`.padEnd(width)}  ${what}`.trimEnd(),
  );
}

/** Layers that differ in nothing but their number are one row. */
function rowsOf(nodes: readonly TreeNode[], depth: number): Row[] {
  const alike = new Map<string, TreeNode[]>();
  for (const node of nodes) {
    const key = JSON.stringify({ ...node, name: node.name.replace(/\d+/, '#') });
    const found = alike.get(key);
    if (found) found.push(node);
    else alike.set(key, [node]);
  }
  return [...alike.values()].flatMap((group) => {
    const [node] = group as [TreeNode];
    const row = { depth, name: sharedName(group), what: whatOf(node, group.length) };
    return 'children' in node ? [row, ...rowsOf(node.children, depth + 1)] : [row];
  });
}

function sharedName(group: readonly TreeNode[]): string {
  const [first, last] = [group[0]!.name, group.at(-1)!.name];
  return group.length === 1 ? first : first.replace(/\d+/, (start) => `${start}…${/\d+/.exec(last)![0]}`);
}

function whatOf(node: TreeNode, count: number): string {
  const times = count > 1 ? `${count} × ` : '';
  if ('shape' in node) {
    const size = elementsOf(node.shape);
    return `${node.dtype.padEnd(4)}  ${`[${node.shape.join(', ')}]`.padEnd(14)}  ${times}${number(size)}`;
  }
  if ('value' in node) return node.value;
  return `${times}${node.type ?? ''}`;
}
