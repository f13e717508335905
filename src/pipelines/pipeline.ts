import { InputError } from '../errors.js';
import type { ArchitectureName } from '../model/architectures.js';
import { classFor } from '../pretrained/auto-classes.js';
import type { FromPretrainedOptions } from '../pretrained/options.js';
import type { LoadingInfo } from '../pretrained/model-weights.js';
import type { Host } from '../pretrained/model-source.js';
import { modelClasses, type PretrainedModel } from '../pretrained/model-classes.js';
import { parseAnyTokenizer, parseTokenizer } from '../text/tokenizer-json.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { definitions, taskAliases, type Definition } from './definitions.js';
import type { Pipelines, TaskName } from './pipelines.js';
import { settle, values, type CallOptions } from './run.js';
import type { TaskModel } from './task.js';

/** Makes the function `pipeline` for a place where models are used. */
export const createPipeline =
  (host: Host) =>
  /**
   * A model as a function from texts to answers.
   *
   * @param model a folder, the name of a model on the hub, or in a page a URL
   * @throws InputError naming what is missing
   * @example const fill = await pipeline('fill-mask', 'my-model'); await fill('Call me [MASK].');
   */
  async <Name extends TaskName>(
    task: Name,
    model: string,
    options: FromPretrainedOptions = {},
  ): Promise<Pipelines[Name]> => {
    const definition = findDefinition(task);
    const source = await host.open(model, options);
    const architecture = await classFor(definition.model, source, options);
    const loading = loadModel({ ...host, open: async () => source }, architecture, model, options);
    // where both fail, what is wrong with the tokenizer is said, whichever failed first
    loading.catch(() => undefined);
    // MegatronBERT's tasks need its special tokens; those that GPT-2 has a class for do with any tokenizer
    const parse = architecture.startsWith('GPT2') ? parseAnyTokenizer : parseTokenizer;
    const tokenizer = (await parse(source.readText, model)) as Tokenizer;
    const loaded = await loading;
    const { config } = loaded;
    const { warn = console.warn } = options;
    if (tokenizer.vocabSize > config.vocab_size)
      warn(
        `${model}: the tokenizer has ${tokenizer.vocabSize} tokens, but the model knows ${config.vocab_size}: it is another model's`,
      );
    const longest = Math.min(tokenizer.model_max_length, config.max_position_embeddings);
    return makeCallable(definition, loaded, { config, tokenizer, longest, warn }) as Pipelines[Name];
  };

function findDefinition(task: string): Definition {
  const name = taskAliases[task] ?? task;
  if (Object.hasOwn(definitions, name)) return definitions[name as keyof typeof definitions];
  const known = [...Object.keys(definitions), ...Object.keys(taskAliases)];
  throw new InputError(`unknown task ${JSON.stringify(task)}: expected ${known.join(', ')}`);
}

/** A model without its pooler, where the file has none: it would be a random one. */
async function loadModel(
  host: Host,
  name: ArchitectureName,
  model: string,
  options: FromPretrainedOptions,
): Promise<PretrainedModel> {
  const warnings: string[] = [];
  const load = (more: FromPretrainedOptions) =>
    modelClasses(host)[name].from_pretrained(model, {
      ...options,
      warn: (text) => warnings.push(text),
      ...more,
    });
  let loaded = await load({});
  if (name === 'MegatronBertModel' && lacksPooler(loaded.loading_info)) {
    warnings.length = 0;
    await loaded.dispose();
    loaded = await load({ add_pooling_layer: false });
  }
  for (const warning of warnings) (options.warn ?? console.warn)(warning);
  return loaded as unknown as PretrainedModel;
}

const lacksPooler = ({ missing_keys }: LoadingInfo) => missing_keys.some((key) => key.startsWith('pooler.'));

type Options = Readonly<Record<string, unknown>> & CallOptions;

function makeCallable(definition: Definition, model: PretrainedModel, task: TaskModel) {
  const { run, parse, isOne = (inputs) => !Array.isArray(inputs), one, many } = definition;
  const settled = (inputs: Iterable<unknown> | AsyncIterable<unknown>, { batch_size, ...options }: Options) =>
    settle(inputs, run(model, task, options), {
      ...(batch_size !== undefined && { batch_size }),
      ...(options.signal && { signal: options.signal }),
    });

  const runOne = async (input: unknown, options: Options) => {
    const [result] = await collect(settled([input], options));
    if (result!.status === 'rejected') throw result!.reason;
    return one ? one(result!.value as never) : result!.value;
  };
  const runMany = async (inputs: readonly unknown[], options: Options) => {
    const results = await collect(values(settled(inputs, options)));
    return many ? many(results as never[]) : results;
  };
  const call = (...given: readonly unknown[]) => {
    const [inputs, options = {}] = parse ? parse(given) : (given as [unknown, Options?]);
    if (isStream(inputs)) return values(settled(inputs, options));
    return isOne(inputs, options) ? runOne(inputs, options) : runMany(inputs as unknown[], options);
  };
  return Object.assign(call, {
    allSettled: (inputs: Iterable<unknown> | AsyncIterable<unknown>, options: Options = {}) =>
      settled(inputs, options),
    dispose: () => model.dispose(),
  });
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const isStream = (inputs: unknown): inputs is AsyncIterable<unknown> =>
  typeof inputs === 'object' && inputs !== null && Symbol.asyncIterator in inputs;
