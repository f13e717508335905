/** What a pickle holds, as a tree that can be shown: of tensors their shapes, of long values their beginning. */
import { isTensor } from '../checkpoint/torch/tensor.js';
import { isGlobal, isObject } from '../checkpoint/torch/unpickle.js';
import { namespaceFields } from '../checkpoint/torch/known-values.js';

export interface TensorNode {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}
export interface ValueNode {
  readonly name: string;
  readonly value: string;
}
export interface BranchNode {
  readonly name: string;
  /** What it is where it is no dictionary. */
  readonly type?: string;
  readonly children: readonly TreeNode[];
}
export type TreeNode = TensorNode | ValueNode | BranchNode;

/** More are told as a number: values that contain themselves have no end. */
const mostNodes = 100_000;
const deepest = 12;
const longestText = 80;

export function treeOf(name: string, value: unknown): TreeNode {
  let left = mostNodes;
  const visit = (key: string, item: unknown, depth: number): TreeNode => {
    left--;
    if (isTensor(item)) return { name: key, dtype: item.dtype, shape: item.shape };
    const entries = depth < deepest && left > 0 ? entriesOf(item) : undefined;
    if (!entries) return { name: key, value: summarized(item) };
    const children: TreeNode[] = [];
    for (const [childKey, child] of entries.items) {
      if (left <= 0) break;
      children.push(visit(childKey, child, depth + 1));
    }
    const omitted = entries.items.length - children.length;
    if (omitted > 0) children.push({ name: '…', value: `${omitted} more` });
    return { name: key, ...(entries.type !== undefined && { type: entries.type }), children };
  };
  return visit(name, value, 0);
}

interface Entries {
  readonly type?: string;
  readonly items: readonly (readonly [name: string, value: unknown])[];
}

/** Of what is shown in parts; lists of plain values are not. */
function entriesOf(value: unknown): Entries | undefined {
  const named = (map: ReadonlyMap<unknown, unknown>) =>
    [...map].map(([key, item]) => [summarized(key), item] as const);
  if (value instanceof Map) return { items: named(value) };
  const fields = namespaceFields(value);
  if (fields) return { type: 'argparse.Namespace', items: named(fields) };
  if (isObject(value)) {
    const { arguments: args, state, items } = value;
    const parts = {
      arguments: args.length > 0 ? args : undefined,
      state,
      items: items.length > 0 ? items : undefined,
    };
    const given = Object.entries(parts).filter(([, part]) => part !== undefined);
    return { type: `object of ${summarized(value.type)}, not made`, items: given };
  }
  const isBranch = (item: unknown) =>
    isTensor(item) || item instanceof Map || isObject(item) || Array.isArray(item);
  if (Array.isArray(value) && value.some(isBranch))
    return { type: 'list', items: (value as unknown[]).map((item, i) => [String(i), item] as const) };
  return undefined;
}

function summarized(value: unknown): string {
  if (typeof value === 'string') return shortened(value);
  if (isGlobal(value)) return shortened(`${value.module}.${value.name}`);
  if (isObject(value)) return `object of ${isGlobal(value.type) ? summarized(value.type) : 'no class'}`;
  if (value instanceof Map) return `dictionary of ${value.size}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) {
    const isShort = value.length <= 8 && value.every((item) => item === null || typeof item !== 'object');
    return isShort ? `[${value.map(summarized).join(', ')}]` : `list of ${value.length}`;
  }
  if (typeof value === 'object' && value !== null) return 'kind' in value ? String(value.kind) : 'an object';
  return shortened(String(value));
}

const shortened = (text: string) =>
  text.length > longestText ? `${text.slice(0, longestText)}… (${text.length} characters)` : text;
