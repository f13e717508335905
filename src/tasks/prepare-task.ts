/** All that is settled before a task's ranks begin: the model, its labels, features. */
import { InputError } from '../errors.js';
import { adapterConfigName, openModel } from '../hub/open-model.js';
import { taskBlocks, type TaskClass } from '../model/task-blocks.js';
import { checkTensorParallel, megatronBertConfig, type TransformerConfig } from '../model/config.js';
import { gpt2Config } from '../model/gpt2-config.js';
import type { Mesh } from '../parallel/mesh.js';
import { adapterConfigJson, isSavedWithAdapter, readAdapter, resolveLora } from '../pretrained/adapter.js';
import { configJson } from '../pretrained/save-pretrained.js';
import { readAnyTokenizer } from '../text/tokenizer-files.js';
import { tokenizerFiles, type AnyTokenizer } from '../text/tokenizer-json.js';
import { openWeights, readModelConfig } from '../train/weight-source.js';
import { matchWeightSource } from '../train/loaded-weights.js';
import { declaredParameters } from '../train/parameters.js';
import { isLoraParameter, type LoraOptions } from '../model/lora.js';
import type { Parameter } from '../model/parameters.js';
import { renameColumns, type ColumnMapping } from './columns.js';
import type { LabelSet, Rows, Split, Task, TaskContext, TaskOptions, TokenIds } from './task.js';

export interface DataSplits {
  readonly train?: Rows;
  /** By what comes before their metrics' names: `eval`. */
  readonly evaluations: Readonly<Record<string, Rows>>;
}

export interface PrepareOptions {
  /** A folder, or the name of a model on the hub. */
  readonly model: string;
  readonly columns: ColumnMapping;
  readonly options: Partial<TaskOptions>;
  /** Whether labels are numbers to be measured, where that is not to be seen. */
  readonly isRegression: boolean;
  /** Gives the model an adapter. */
  readonly lora?: Partial<LoraOptions>;
  /** Fields of the configuration that are others than the model's. */
  readonly config: Partial<TransformerConfig>;
  readonly mesh: Mesh;
}

export interface PreparedTask {
  readonly task: Task;
  /** Where the weights are: the model, or the one that it adapts. */
  readonly base: string;
  /** How matrices are adapted, and the folder of the adapter that there is. */
  readonly lora?: LoraOptions;
  readonly adapter?: string;
  readonly tokenizer: AnyTokenizer;
  readonly context: TaskContext;
  readonly train?: Split;
  readonly evaluations: Readonly<Record<string, Split>>;
  /** The parameters, an adapter's included, by their names. */
  readonly declared: ReadonlyMap<string, Parameter>;
  /** Those that the model and its adapter lack: they begin at random, as a new adapter does, which is not named. */
  readonly missing: readonly string[];
  /** Of the model folder that comes of it. */
  readonly files: Readonly<Record<string, string>>;
}

/** @throws InputError for a model or rows that cannot be used */
export async function prepareTask(
  task: Task,
  data: DataSplits,
  { model, columns, options: given, isRegression, lora: wanted, config: changed, mesh }: PrepareOptions,
): Promise<PreparedTask> {
  const find = await openModel(model);
  const adapter = await readAdapter(find);
  if (adapter && wanted)
    throw new InputError(`${model}: expected a model to adapt, found an adapter: merge it first`);
  const base = adapter?.base ?? model;
  const lora = adapter?.lora ?? (wanted && resolveLora(wanted));
  const found = await readModelConfig(find, model);
  const tokenizer = await readAnyTokenizer(model);
  const named = (rows: Rows) => {
    if (rows.rows.length === 0) throw new InputError(`${rows.source}: expected at least one row, found none`);
    return renameColumns(rows, task.columns, columns);
  };
  const train = data.train && named(data.train);
  const evaluations = Object.entries(data.evaluations).map(([name, rows]) => [name, named(rows)] as const);
  const labels = train ? task.findLabels(train, found, isRegression) : labelsOf(found);
  const className = classOf(task, found, base, lora !== undefined);
  const config = taskConfig(className, found, labels, changed, tokenizer);
  checkTensorParallel(config, mesh.tensor);
  const longest = Math.min(tokenizer.model_max_length, config.max_position_embeddings);
  const max_seq_length = given.max_seq_length ?? Math.min(task.defaultLength, longest);
  const doc_stride = Math.min(128, Math.floor(max_seq_length / 3));
  const options = { ...defaultOptions, doc_stride, ...given, max_seq_length };
  if (options.max_seq_length > config.max_position_embeddings)
    throw new InputError(
      `max_seq_length: expected at most the model's ${config.max_position_embeddings} positions, found ${options.max_seq_length}`,
    );
  const context = { className, config, options, labels, tokens: tokenIds(tokenizer) };
  const encode = (rows: Rows, isTraining: boolean) =>
    task.encode(rows, { tokenizer, options, labels, isTraining });
  const opened = await openWeights({ layout: 'transformers', folder: base });
  const declared = declaredParameters(taskBlocks(className, config, { ...(lora && { lora }) }));
  const { missing } = matchWeightSource(declared, opened, base);
  await opened.close();
  const isOfAdapter = (name: string) =>
    isLoraParameter(name) || (adapter !== undefined && isSavedWithAdapter(name));
  return {
    ...{ task, base, tokenizer, context, declared },
    ...(lora && { lora }),
    ...(adapter && { adapter: model }),
    missing: missing.filter((name) => !isOfAdapter(name)),
    ...(train && { train: encode(train, true) }),
    evaluations: Object.fromEntries(evaluations.map(([name, rows]) => [name, encode(rows, false)])),
    files: {
      'config.json': configJson(config, className),
      ...(lora && { [adapterConfigName]: adapterConfigJson(className, { base, lora }) }),
      ...Object.fromEntries(tokenizerFiles(tokenizer, config.max_position_embeddings)),
    },
  };
}

const labelsOf = ({ id2label, problem_type }: TransformerConfig): LabelSet => {
  const names = Object.keys(id2label).map((id) => id2label[id]!);
  return {
    names,
    problem: problem_type ?? (names.length === 1 ? 'regression' : 'single_label_classification'),
  };
};

/** @throws InputError where a model has no such head */
function classOf(
  { className }: Task,
  { model_type }: TransformerConfig,
  model: string,
  isAdapted: boolean,
): TaskClass {
  if (model_type === 'megatron-bert') return className;
  if (isAdapted) throw new InputError(`${model}: expected a MegatronBERT to adapt, found a ${model_type}`);
  if (className === 'MegatronBertForCausalLM') return 'GPT2LMHeadModel';
  throw new InputError(`${model}: expected a MegatronBERT for this task, found a ${model_type}`);
}

function taskConfig(
  className: TaskClass,
  found: TransformerConfig,
  { names, problem }: LabelSet,
  changed: Partial<TransformerConfig>,
  tokenizer: AnyTokenizer,
): TransformerConfig {
  if (found.model_type === 'gpt2')
    return gpt2Config({ ...found, ...gpt2Dropout(changed), architectures: [className] });
  if (tokenizer.vocabSize > found.vocab_size)
    throw new InputError(
      `expected a tokenizer of at most the model's ${found.vocab_size} tokens, found ${tokenizer.vocabSize}`,
    );
  return megatronBertConfig({
    ...found,
    ...changed,
    id2label: Object.fromEntries(names.map((name, i) => [i, name])),
    label2id: Object.fromEntries(names.map((name, i) => [name, i])),
    problem_type: problem,
    ...(className === 'MegatronBertForCausalLM' && { is_decoder: true }),
    torch_dtype: 'float32',
  });
}

/** By GPT-2's names. */
const gpt2Dropout = ({
  hidden_dropout_prob: hidden,
  attention_probs_dropout_prob: attention,
}: Partial<TransformerConfig>) => ({
  ...(hidden !== undefined && { resid_pdrop: hidden, embd_pdrop: hidden }),
  ...(attention !== undefined && { attn_pdrop: attention }),
});

const defaultOptions = {
  version_2_with_negative: false,
  null_score_diff_threshold: 0,
  n_best_size: 20,
  max_answer_length: 30,
  label_all_tokens: false,
  mlm_probability: 0.15,
  whole_word_mask: false,
  line_by_line: false,
  choice_first: false,
  overlapping_eval: 32,
  strict_lambada: false,
  seed: 42,
};

function tokenIds(tokenizer: AnyTokenizer): TokenIds {
  const { vocabSize } = tokenizer;
  if (tokenizer.type === 'BPE') {
    const { eos } = tokenizer.tokens;
    return { pad: eos, mask: eos, special: [eos], vocabSize, continues: new Uint8Array(vocabSize) };
  }
  const { pad, mask } = tokenizer.tokens;
  const continues = Uint8Array.from({ length: vocabSize }, (_, id) => Number(tokenizer.isContinuation(id)));
  return { pad, mask, special: Object.values<number>({ ...tokenizer.tokens }), vocabSize, continues };
}
