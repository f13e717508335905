import type { Allocator, Buffer, Buffers, Engine, Executable, HostArray } from '../engine/engine.js';
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

/** Blocks of a model one after the other, on an engine: all of them, or those that a pipeline stage has. */
export interface ChainOptions {
  readonly engine: Engine;
  readonly blocks: readonly Block[];
  readonly parameters: OwnParameters;
  readonly run: Run;
  /** What blocks hand on, as each takes it: the input `hidden`. */
  readonly hidden: Value;
  /** Memory for all but parameters; the engine's by default. */
  readonly memory?: Allocator;
}

export interface EvaluationChain {
  /** What the block before the first one has given. */
  readonly input: Buffer;
  /** What the last block hands on, where it hands on anything. */
  readonly output: Buffer;
  /** @param batch what the blocks take besides parameters, by name */
  forward(batch: Batch): Promise<void>;
  /** The scalars that the last forward gave; none but of the model's last block. */
  scalars(): Promise<Scalars>;
  /** What the last forward gave by a name, scalar or not. */
  read(name: string): Promise<HostArray>;
}

/** A chain to evaluate with: nothing is kept on the way. */
export async function createEvaluationChain(options: ChainOptions): Promise<EvaluationChain> {
  const { engine, blocks, hidden, memory = engine } = options;
  const { kinds, results, ...workspace } = createWorkspace(options);
  const batchBuffers = workspace.allocateBatch();
  const [even, odd] = memory.allocate([hidden, hidden]);
  const forward = new Map<string, Executable>();
  for (const [kind, outputs] of kinds) forward.set(kind, await engine.compile(makeProgram(outputs)));
  return {
    input: odd,
    output: blocks.length % 2 === 0 ? odd : even,
    async forward(batch) {
      await workspace.writeBatch(batchBuffers, batch);
      for (const [i, { kind }] of blocks.entries()) {
        const [from, to] = i % 2 === 0 ? [odd, even] : [even, odd];
        const inputs = { ...batchBuffers, ...workspace.values[i], hidden: from };
        await forward.get(kind)!.run(inputs, { ...results, hidden: to });
      }
    },
    scalars: workspace.readScalars,
    read: (name) => engine.read(results[name]!),
  };
}

export interface TrainingChainOptions extends ChainOptions {
  readonly recomputation?: Recomputation;
  /** Micro-batches that may be between their forward and backward pass at a time, each in a slot of its own. */
  readonly slots?: number;
  /** Whether blocks before these are trained, and want the gradient of what they hand on. */
  readonly trainsBefore?: boolean;
}

export interface TrainingChain {
  /** What the block before the first one has given for the micro-batch of a slot. */
  input(slot: number): Buffer;
  /** What the last block hands on of it, where it hands on anything. */
  output(slot: number): Buffer;
  /** The gradient of the last block's output, where the loss is another chain's, before a backward pass. */
  readonly outputGradient: Buffer;
  /** The gradient of the first block's input, after it. */
  readonly inputGradient: Buffer;
  /**
   * @param batch what the blocks take besides parameters, by name
   * @param dropoutKey gives each block of this chain the key of its masks
   */
  forward(slot: number, batch: Batch, dropoutKey?: (block: number) => RandomKey): Promise<void>;
  /** The scalars that the last forward gave; none but of the model's last block. */
  scalars(): Promise<Scalars>;
  /**
   * Adds to every parameter's gradient that of the slot's micro-batch: `scale` times its loss's, where this chain has
   * it. A gradient whose name is not in `accumulated` yet is overwritten, and its name added.
   *
   * @param computed is told the names of the parameters of each block that is done
   */
  backward(
    slot: number,
    scale: number,
    accumulated: Set<string>,
    computed: (names: readonly string[]) => void,
  ): Promise<void>;
}

/** What forward leaves for backward. */
interface Kept {
  readonly output: Buffer;
  readonly key: Buffer;
  /** Maybe shared with other blocks of the kind, which overwrite it. */
  readonly saved: Buffers;
}

/** A chain to train with: blocks keep what their backward programs take, or compute it again. */
export async function createTrainingChain(options: TrainingChainOptions): Promise<TrainingChain> {
  const { engine, blocks, hidden, parameters, run, recomputation = 'none', slots = 1 } = options;
  const { memory = engine, trainsBefore = false } = options;
  const { kinds, results, names, ...workspace } = createWorkspace(options);
  const trained = names.map((own) => own.filter(({ global }) => parameters.get(global)!.gradient));
  const firstTrained = trained.findIndex((own) => own.length > 0);
  /** No block before this one has to be differentiated. */
  const lowest = trainsBefore ? 0 : firstTrained < 0 ? blocks.length : firstTrained;
  const differentiated = new Map<string, Promise<DifferentiatedKind>>();
  const programs: DifferentiatedKind[] = [];
  for (const [i, { kind }] of blocks.entries()) {
    const before = i > lowest || trainsBefore ? ['hidden'] : [];
    const wrt = [...before, ...trained[i]!.map(({ local }) => local)];
    const key = [kind, ...wrt].join();
    const program =
      differentiated.get(key) ?? differentiate(engine, kinds.get(kind)!, wrt, mayKeepFor(recomputation, run));
    differentiated.set(key, program);
    programs.push(await program);
  }

  const [seed, ...arriving] = memory.allocate([{ shape: [], dtype: 'float32' }, hidden, hidden]);
  const allocateSaved = ({ saved }: DifferentiatedKind): Buffers => {
    const buffers = memory.allocate([...saved.values()]);
    return Object.fromEntries([...saved.keys()].map((name, j) => [name, buffers[j]!]));
  };
  const shared = new Map(
    recomputation === 'full'
      ? [...new Set(programs)].map((program) => [program, allocateSaved(program)])
      : [],
  );
  const allocateSlot = () => {
    // what frozen blocks hand on is needed no longer than until the next one has it
    const passing = memory.allocate([hidden, hidden]);
    return {
      batch: workspace.allocateBatch(),
      input: memory.allocate([hidden])[0],
      kept: programs.map((program, i): Kept => {
        const [key] = memory.allocate([{ shape: [2], dtype: 'int32' }]);
        const output = i < lowest ? passing[i % 2]! : memory.allocate([hidden])[0];
        return { output, key, saved: shared.get(program) ?? allocateSaved(program) };
      }),
    };
  };
  const allocated = Array.from({ length: slots }, allocateSlot);
  /** What was computed into what is saved. */
  const savedOf = new Map<Buffers, Kept>();
  const given = (slot: number, i: number): Buffers => {
    const { batch, input, kept } = allocated[slot]!;
    return {
      ...batch,
      ...workspace.values[i],
      hidden: i > 0 ? kept[i - 1]!.output : input,
      ...(run.dropoutKey?.op === 'input' && { [run.dropoutKey.attributes.name]: kept[i]!.key }),
    };
  };
  const runForward = async (slot: number, i: number) => {
    const kept = allocated[slot]!.kept[i]!;
    const { output, saved } = kept;
    const outputs = { ...results, ...saved, hidden: output };
    await programs[i]!.forward.run(given(slot, i), outputs);
    savedOf.set(saved, kept);
  };
  /** The gradients of a block's input and output take turns in two buffers. */
  const gradientAfter = (block: number) => arriving[block % 2]!;

  return {
    input: (slot) => allocated[slot]!.input,
    output: (slot) => allocated[slot]!.kept.at(-1)!.output,
    outputGradient: gradientAfter(blocks.length - 1),
    inputGradient: gradientAfter(1),
    scalars: workspace.readScalars,
    async forward(slot, data, dropoutKey) {
      const { batch, kept } = allocated[slot]!;
      await workspace.writeBatch(batch, data);
      for (const [i, { key }] of kept.entries()) {
        if (dropoutKey) await engine.write(key, Int32Array.from(dropoutKey(i)));
        await runForward(slot, i);
      }
    },
    async backward(slot, scale, accumulated, computed) {
      await engine.write(seed, Float32Array.of(scale));
      const { kept } = allocated[slot]!;
      for (let i = blocks.length - 1; i >= lowest; i--) {
        if (savedOf.get(kept[i]!.saved) !== kept[i]) await runForward(slot, i);
        const own = trained[i]!.map(
          ({ local, global }) => [local, parameters.get(global)!.gradient!] as const,
        );
        const again = trained[i]!.filter(({ global }) => accumulated.has(global)).map(({ local }) => local);
        const program = await programs[i]!.backward(new Set(again));
        await program.run(
          {
            ...given(slot, i),
            ...kept[i]!.saved,
            'gradient.loss': seed,
            'gradient.hidden': gradientAfter(i),
            ...Object.fromEntries(own.map(([name, buffer]) => [`accumulated.${name}`, buffer])),
          },
          {
            'gradient.hidden': gradientAfter(i + 1),
            ...Object.fromEntries(own.map(([name, buffer]) => [`gradient.${name}`, buffer])),
          },
        );
        for (const { global } of trained[i]!) accumulated.add(global);
        computed(trained[i]!.map(({ global }) => global));
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

/** @param names of the inputs to differentiate by; where there are none, nothing is saved for a backward pass */
async function differentiate(
  engine: Engine,
  outputs: Readonly<Record<string, Value>>,
  names: readonly string[],
  mayKeep: (value: Value) => boolean,
): Promise<DifferentiatedKind> {
  const { inputs } = makeProgram(outputs);
  const wrt = names.flatMap((name): Node<'input'>[] => {
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
function createWorkspace({ engine, memory = engine, blocks, parameters, run, hidden }: ChainOptions) {
  const names = blocks.map(({ prefix, parameters: tree }) =>
    flattenParameters(tree).map(([name]): ParameterName => ({ local: name, global: prefix + name })),
  );
  const values = names.map((own): Buffers =>
    Object.fromEntries(own.map(({ local, global }) => [local, parameters.get(global)!.value])),
  );
  const kinds = new Map(blocks.map((block) => [block.kind, block.outputs(run, hidden)]));
  const parameterNames = new Set(names.flat().map(({ local }) => local));
  const taken = new Map<string, Value>();
  const results: Record<string, Buffer> = {};
  for (const outputs of kinds.values()) {
    for (const [name, value] of makeProgram(outputs).inputs)
      if (!parameterNames.has(name) && value !== hidden && value !== run.dropoutKey) taken.set(name, value);
    for (const [name, value] of Object.entries(outputs))
      if (name !== 'hidden') results[name] = memory.allocate([value])[0];
  }
  return {
    names,
    kinds,
    results,
    /** Each block's parameters. */
    values,
    /** For what the blocks take besides them. */
    allocateBatch: (): Buffers =>
      Object.fromEntries([...taken].map(([name, value]) => [name, memory.allocate([value])[0]])),
    async writeBatch(buffers: Buffers, data: Batch): Promise<void> {
      for (const [name, buffer] of Object.entries(buffers)) {
        const array = data[name];
        if (!array) throw new Error(`the batch lacks ${name}`);
        await engine.write(buffer, array);
      }
    },
    readScalars: async (): Promise<Scalars> => {
      const read = async ([name, buffer]: [string, Buffer]) =>
        [name, (await engine.read(buffer))[0]!] as const;
      const scalars = Object.entries(results).filter(([, { shape }]) => shape.length === 0);
      return Object.fromEntries(await Promise.all(scalars.map(read)));
    },
  };
}
