import { formatType, type Node, type Value } from './value.js';

/** A computation: values in an order in which each follows its inputs. */
export interface Program {
  readonly inputs: ReadonlyMap<string, Node<'input'>>;
  readonly outputs: ReadonlyMap<string, Value>;
  readonly nodes: readonly Value[];
}

/**
 * The program that computes `outputs`. Equal expressions become one node, and what no output needs is not
 * in it, by construction.
 *
 * @param replacements values to put in the place of others, found by identity
 * @throws Error where one input name stands for two types
 */
export function makeProgram(
  outputs: Readonly<Record<string, Value>>,
  replacements: ReadonlyMap<Value, Value> = new Map(),
): Program {
  const canonical = new Map<string, Value>();
  const visited = new Map<Value, Value>();
  const numbers = new Map<Value, number>();
  const inputs = new Map<string, Node<'input'>>();

  const visit = (original: Value): Value => {
    const known = visited.get(original);
    if (known) return known;
    const value = replacements.get(original) ?? original;
    const args = value.inputs.map(visit);
    const key = `${value.op}(${args.map((arg) => numbers.get(arg)).join()})${formatAttributes(value)}${formatType(value)}`;
    let node = canonical.get(key);
    if (!node) {
      node = args.every((arg, i) => arg === value.inputs[i]) ? value : { ...value, inputs: args };
      canonical.set(key, node);
      numbers.set(node, numbers.size);
      if (node.op === 'input') {
        if (inputs.has(node.attributes.name))
          throw new Error(`two types for the input ${node.attributes.name}`);
        inputs.set(node.attributes.name, node);
      }
    }
    visited.set(original, node);
    return node;
  };

  const results = Object.entries(outputs).map(([name, value]) => [name, visit(value)] as const);
  return { inputs, outputs: new Map(results), nodes: [...numbers.keys()] };
}

/** JSON, but that infinities and NaN keep their names. */
function formatAttributes({ attributes }: Value): string {
  return JSON.stringify(attributes, (_, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
}

/** A printout to read: one line a value, then the outputs. */
export function formatProgram({ nodes, outputs }: Program): string {
  const names = new Map(nodes.map((node, i) => [node, `%${i}`]));
  const argument = (value: Value) =>
    value.op === 'constant'
      ? String(value.attributes.value)
      : value.op === 'input'
        ? value.attributes.name
        : names.get(value)!;
  const lines = nodes
    .filter(({ op }) => op !== 'constant')
    .map((node) => {
      if (node.op === 'input') return `${node.attributes.name}: ${formatType(node)}`;
      const attributes = Object.keys(node.attributes).length > 0 ? ` ${formatAttributes(node)}` : '';
      return `${names.get(node)!} = ${node.op}(${node.inputs.map(argument).join(', ')})${attributes}: ${formatType(node)}`;
    });
  return [...lines, ...[...outputs].map(([name, value]) => `${name} ← ${argument(value)}`)].join('\n');
}
