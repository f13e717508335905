import type { Buffer, Buffers, Engine, Executable, HostArray } from '../engine/engine.js';
import { forwardBackward } from '../graph/gradient.js';
import { makeProgram } from '../graph/program.js';
import type { Node, Value } from '../graph/value.js';
import type { Block } from '../model/blocks.js';
import { flattenParameters } from '../model/parameters.js';
import type { Run } from '../model/run.js';
import type { RandomKey } from '../random.js';
import type { OwnParameters } from './parameters.js';
import { mayKeepFor, type Recomputation } from './recomputation.js';

export type Scalars = Readonly<Record<string, number>>;
export type Batch = Readonly<Record<string, HostArray>>;

/** A model as a chain of blocks on an engine. */
export interface Chain {
  /**
   * Computes the last block's scalars.
   * @param batch what the blocks take besides parameters, by name
   * @param dropoutKey gives each block the key of its masks
   */
  forward(batch: Batch, dropoutKey?: (block: number) => RandomKey): Promise<Scalars>;
}

export interface TrainingChain extends Chain {
  /**
   * Adds `scale` times the gradient of the last forward's loss to every parameter's gradient. A gradient
   * whose name is not in `accumulated` yet is overwritten, and its name added.
   */
  backward(scale: number, accumulated: Set<string>): Promise<void>;
}

/** What a chain is made of. */
export interface ChainOptions {
  readonly engine: Engine;
  readonly blocks: readonly Block[];
  readonly parameters: OwnParameters;
  readonly run: Run;
  /** What blocks hand on, as each takes it: the input `hidden`. */
  readonly hidden: Value;
}

export interface EvaluationChain extends Chain {
  /** What the last forward gave by a name, scalar or not. */
  read(name: string): Promise<HostArray>;
}

/** A chain to evaluate with: nothing is kept on the way. */
export async function createEvaluationChain(options: ChainOptions): Promise<EvaluationChain> {
  const { engine, blocks, hidden } = options;
  const { kinds, inputs, results, ...workspace } = createWorkspace(options);
  const [even, odd] = engine.allocate([hidden, hidden]);
  const forward = new Map<string, Executable>();
  for (const [kind, outputs] of kinds) forward.set(kind, await engine.compile(makeProgram(outputs)));
  return {
    async forward(batch) {
      await workspace.writeBatch(batch);
      for (const [i, { kind }] of blocks.entries()) {
        const [from, to] = i % 2 === 0 ? [odd, even] : [even, odd];
        await forward.get(kind)!.run({ ...inputs(i), hidden: from }, { ...results, hidden: to });
      }
      return workspace.readScalars();
    },
    read: (name) => engine.read(results[name]!),
  };
}

/** A chain to train with: blocks keep what their backward programs take, or compute it again. */
export async function createTrainingChain(
  options: ChainOptions,
  recomputation: Recomputation = 'none',
): Promise<TrainingChain> {
  const { engine, blocks, hidden, parameters, run } = options;
  const { kinds, inputs, results, names, ...workspace } = createWorkspace(options);
  const programs = new Map<string, DifferentiatedKind>();
  for (const [i, { kind }] of blocks.entries())
    if (!programs.has(kind))
      programs.set(
        kind,
        await differentiate(engine, kinds.get(kind)!, names[i]!, mayKeepFor(recomputation, run)),
      );

  const [seed, ...arriving] = engine.allocate([{ shape: [], dtype: 'float32' }, hidden, hidden]);
  const allocateSaved = (kind: string): Buffers => {
    const { saved } = programs.get(kind)!;
    const buffers = engine.allocate([...saved.values()]);
    return Object.fromEntries([...saved.keys()].map((name, j) => [name, buffers[j]!]));
  };
  const shared = new Map(
    recomputation === 'full' ? [...kinds.keys()].map((kind) => [kind, allocateSaved(kind)]) : [],
  );
  const kept = blocks.map(({ kind }) => {
    const [output, key] = engine.allocate([hidden, { shape: [2], dtype: 'int32' }]);
    return { output, key, saved: shared.get(kind) ?? allocateSaved(kind) };
  });
  /** The block whose values are in what is saved. */
  const savedOf = new Map<Buffers, number>();
  const given = (i: number): Buffers => ({
    ...inputs(i),
    ...(i > 0 && { hidden: kept[i - 1]!.output }),
    ...(run.dropoutKey?.op === 'input' && { [run.dropoutKey.attributes.name]: kept[i]!.key }),
  });

  const runForward = async (i: number) => {
    const { output, saved } = kept[i]!;
    await programs.get(blocks[i]!.kind)!.forward.run(given(i), { ...results, ...saved, hidden: output });
    savedOf.set(saved, i);
  };

  return {
    async forward(batch, dropoutKey) {
      await workspace.writeBatch(batch);
      for (const [i, { key }] of kept.entries()) {
        if (dropoutKey) await engine.write(key, Int32Array.from(dropoutKey(i)));
        await runForward(i);
      }
      return workspace.readScalars();
    },
    async backward(scale, accumulated) {
      await engine.write(seed, Float32Array.of(scale));
      for (const [i, { kind }] of [...blocks.entries()].reverse()) {
        if (savedOf.get(kept[i]!.saved) !== i) await runForward(i);
        const [from, to] = i % 2 === 0 ? arriving : arriving.toReversed();
        const own = names[i]!.map(({ local, global }) => [local, parameters.get(global)!.gradient] as const);
        const again = names[i]!.filter(({ global }) => accumulated.has(global)).map(({ local }) => local);
        const program = await programs.get(kind)!.backward(new Set(again));
        await program.run(
          {
            ...given(i),
            ...kept[i]!.saved,
            'gradient.loss': seed,
            'gradient.hidden': from!,
            ...Object.fromEntries(own.map(([name, buffer]) => [`accumulated.${name}`, buffer])),
          },
          {
            'gradient.hidden': to!,
            ...Object.fromEntries(own.map(([name, buffer]) => [`gradient.${name}`, buffer])),
          },
        );
        for (const { global } of names[i]!) accumulated.add(global);
      }
    },
  };
}

/** A parameter's name in its block's programs, and in the state dict. */
interface ParameterName {
  readonly local: string;
  readonly global: string;
}

interface DifferentiatedKind {
  readonly forward: Executable;
  readonly saved: ReadonlyMap<string, Value>;
  /** @param accumulate the parameters, by their local names, whose gradients are added to */
  readonly backward: (accumulate: ReadonlySet<string>) => Promise<Executable>;
}

async function differentiate(
  engine: Engine,
  outputs: Readonly<Record<string, Value>>,
  names: readonly ParameterName[],
  mayKeep: (value: Value) => boolean,
): Promise<DifferentiatedKind> {
  const { inputs } = makeProgram(outputs);
  const wrt = ['hidden', ...names.map(({ local }) => local)].flatMap((name): Node<'input'>[] => {
    const node = inputs.get(name);
    return node ? [node] : [];
  });
  const differentiated = 'loss' in outputs ? 'loss' : 'hidden';
  const programs = (accumulate?: ReadonlySet<string>) =>
    forwardBackward(outputs, differentiated, wrt, accumulate, mayKeep);
  const { forward, saved } = programs();
  const backward = new Map<string, Promise<Executable>>();
  return {
    forward: await engine.compile(forward),
    saved,
    backward(accumulate) {
      const key = [...accumulate].join();
      const known = backward.get(key);
      if (known) return known;
      const executable = engine.compile(programs(accumulate).backward);
      backward.set(key, executable);
      return executable;
    },
  };
}

/** What the blocks have in common, whether they are trained or evaluated. */
function createWorkspace({ engine, blocks, parameters, run, hidden }: ChainOptions) {
  const names = blocks.map(({ prefix, parameters: tree }) =>
    flattenParameters(tree).map(([name]): ParameterName => ({ local: name, global: prefix + name })),
  );
  const values = names.map((own): Buffers =>
    Object.fromEntries(own.map(({ local, global }) => [local, parameters.get(global)!.value])),
  );
  const kinds = new Map(blocks.map((block) => [block.kind, block.outputs(run, hidden)]));
  const parameterNames = new Set(names.flat().map(({ local }) => local));
  const batch: Record<string, Buffer> = {};
  const results: Record<string, Buffer> = {};
  for (const outputs of kinds.values()) {
    for (const [name, value] of makeProgram(outputs).inputs)
      if (!parameterNames.has(name) && value !== hidden && value !== run.dropoutKey)
        batch[name] ??= engine.allocate([value])[0];
    for (const [name, value] of Object.entries(outputs))
      if (name !== 'hidden') results[name] = engine.allocate([value])[0];
  }
  return {
    names,
    kinds,
    results,
    /** All that block `i` takes but what the block before gave. */
    inputs: (i: number): Buffers => ({ ...batch, ...values[i] }),
    async writeBatch(data: Batch): Promise<void> {
      for (const [name, buffer] of Object.entries(batch)) {
        const array = data[name];
        if (!array) throw new Error(`the batch lacks ${name}`);
        await engine.write(buffer, array);
      }
    },
    async readScalars(): Promise<Scalars> {
      const read = async ([name, buffer]: [string, Buffer]) =>
        [name, (await engine.read(buffer))[0]!] as const;
      const scalars = Object.entries(results).filter(([, { shape }]) => shape.length === 0);
      return Object.fromEntries(await Promise.all(scalars.map(read)));
    },
  };
}
