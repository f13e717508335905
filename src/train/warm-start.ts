/** What a run begins with or goes on from, before anything is written. */
import path from 'node:path';
import { areNested } from '../checkpoint/new-folder.js';
import { exists, isFolder } from '../checkpoint/paths.js';
import type { FoundCheckpoint } from '../checkpoint/training/read.js';
import { InputError, shown } from '../errors.js';
import { pretrainingBlocks } from '../model/blocks.js';
import { megatronBertConfig, type MegatronBertConfig } from '../model/config.js';
import type { AnyTokenizer } from '../text/tokenizer-json.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { requireVocabularyOf, wordsInCommon } from './loaded-vocabulary.js';
import { matchWeightSource, type LoadedWeights } from './loaded-weights.js';
import { declaredParameters } from './parameters.js';
import type { PretrainOptions } from './pretrain-options.js';
import { findCheckpoint } from './resume.js';
import { resolveConfig } from './trained-model.js';
import { openWeights, type OpenedWeights, type WeightSource } from './weight-source.js';

export interface Start {
  /** Those that were given, with the architecture of what is loaded. */
  readonly options: PretrainOptions;
  /** Where the run goes on, and the folder of the run that it goes on with. */
  readonly continued?: { readonly folder: string; readonly checkpoint: FoundCheckpoint };
  /** The weights that it begins with, where it is not at random. */
  readonly loaded?: LoadedWeights;
}

/**
 * Finds the newest checkpoint of the output folder with `resume`, or else what `load` names.
 *
 * @throws InputError where that is no model, or one of another architecture or vocabulary than is asked for
 */
export async function findStart(options: PretrainOptions, tokenizer: AnyTokenizer): Promise<Start> {
  const { load, finetune = false, resume = false, output } = options;
  if (finetune && load === undefined) throw new InputError('--finetune needs --load, and what to load');
  const own = resume ? await findCheckpoint(output, options) : undefined;
  if (load === undefined)
    return own
      ? { options: withVocabularyOf(own, options), continued: { folder: output, checkpoint: own } }
      : { options };
  if (tokenizer.type !== 'WordPiece')
    throw new InputError('--load: expected the architecture bert; a GPT-2 goes on with --resume alone');
  if (own) return continuedFrom(output, own, options);

  if (!(await exists(load)))
    throw new InputError(
      `${load}: expected a model folder, a run's or a Megatron-LM checkpoint, found nothing`,
    );
  if (await areNested(load, output))
    throw new InputError(
      `${output}: expected an output folder that is neither in ${load} nor around it; a run goes on in its own with --resume`,
    );
  const checkpoint = await findCheckpoint(load, options);
  if (checkpoint && !finetune) {
    const words = await requireVocabularyOf(load, tokenizer);
    if (words !== undefined && words !== tokenizer.vocabSize)
      throw new InputError(
        `${load}: a run goes on with its ${words} tokens, found a tokenizer of ${tokenizer.vocabSize}; --finetune begins a new run with its weights`,
      );
    return continuedFrom(load, checkpoint, options);
  }
  return begunWith(load, await sourceOf(load, checkpoint, options), options, tokenizer);
}

/** The padding of its vocabulary is that of the mesh on which a run began. */
function withVocabularyOf({ manifest }: FoundCheckpoint, options: PretrainOptions): PretrainOptions {
  const saved = manifest.run.config as { readonly vocab_size?: unknown } | undefined;
  return typeof saved?.vocab_size === 'number'
    ? { ...options, config: { vocab_size: saved.vocab_size, ...options.config } }
    : options;
}

function continuedFrom(folder: string, checkpoint: FoundCheckpoint, options: PretrainOptions): Start {
  const config = megatronBertConfig(checkpoint.manifest.run.config, checkpoint.folder);
  const { vocab_size } = config;
  return {
    options: withArchitecture(options, config, folder, { vocab_size }),
    continued: { folder, checkpoint },
  };
}

async function sourceOf(
  load: string,
  checkpoint: FoundCheckpoint | undefined,
  { config }: PretrainOptions,
): Promise<WeightSource> {
  if (checkpoint) return { layout: 'run', checkpoint };
  if (await exists(path.join(load, 'config.json'))) return { layout: 'transformers', folder: load };
  const numAttentionHeads = config?.num_attention_heads;
  return { layout: 'megatron', name: load, ...(numAttentionHeads !== undefined && { numAttentionHeads }) };
}

async function begunWith(
  load: string,
  source: WeightSource,
  given: PretrainOptions,
  tokenizer: Tokenizer,
): Promise<Start> {
  const { onEvent, tensorModelParallelSize: ranks = 1 } = given;
  const warn = (message: string) => onEvent?.({ kind: 'warning', message: `${load}: ${message}` });
  const opened = await open(source, load);
  try {
    requireTrainable(opened.config, load);
    const rows = opened.config.vocab_size;
    const words = await wordsInCommon(load, source, opened, tokenizer, warn);
    const options = withArchitecture(given, opened.config, load, rowsOf(rows, given, tokenizer, ranks));
    const config = resolveConfig(options, tokenizer, ranks);
    const declared = declaredParameters(pretrainingBlocks(config, { predictionCount: 1 }));
    const { missing, unexpected } = matchWeightSource(declared, opened, load);

    onEvent?.({ kind: 'loaded', source: load, layout: source.layout });
    for (const note of opened.notes) warn(note);
    if (missing.length > 0) warn(`not in the weights, and begun at random: ${missing.join(', ')}`);
    if (unexpected.length > 0) warn(`not used: ${unexpected.join(', ')}`);
    const added = tokenizer.vocabSize - words;
    if (added > 0) warn(`${added} new tokens begin as the mean of the ${words} that it has`);
    const keptRows = Math.min(added > 0 ? words : rows, config.vocab_size);
    return { options, loaded: { source, keptRows } };
  } finally {
    await opened.close();
  }
}

async function open(source: WeightSource, load: string): Promise<OpenedWeights> {
  try {
    return await openWeights(source);
  } catch (error) {
    if (!(error instanceof InputError) || source.layout !== 'megatron' || !(await isFolder(load)))
      throw error;
    throw new InputError(
      `${load}: expected a model folder (config.json), a run's (checkpoints) or a Megatron-LM checkpoint: ${error.message}`,
      { cause: error },
    );
  }
}

/** The rows that the model has, where they suit the run: its loss is over all of them. */
function rowsOf(
  rows: number,
  { makeVocabSizeDivisibleBy, config }: PretrainOptions,
  { vocabSize }: Tokenizer,
  ranks: number,
): Pick<MegatronBertConfig, 'vocab_size'> | undefined {
  if (config?.vocab_size !== undefined) return { vocab_size: config.vocab_size };
  const areKept = makeVocabSizeDivisibleBy === undefined && rows >= vocabSize && rows % ranks === 0;
  return areKept ? { vocab_size: rows } : undefined;
}

/** What makes another model of the same weights. */
const architecture = [
  'num_hidden_layers',
  'hidden_size',
  'num_attention_heads',
  'intermediate_size',
  'hidden_act',
  'max_position_embeddings',
  'position_embedding_type',
  'type_vocab_size',
  'layer_norm_eps',
  'tie_word_embeddings',
] as const;

/** What a run may have otherwise. */
const settings = ['hidden_dropout_prob', 'attention_probs_dropout_prob', 'initializer_range'] as const;

/** @throws InputError where another architecture is asked for */
function withArchitecture(
  options: PretrainOptions,
  found: MegatronBertConfig,
  name: string,
  vocabulary: Pick<MegatronBertConfig, 'vocab_size'> | undefined,
): PretrainOptions {
  const given = options.config ?? {};
  for (const field of architecture)
    if (given[field] !== undefined && given[field] !== found[field])
      throw new InputError(
        `${field}: expected ${shown(found[field])}, as ${name} has it, found ${shown(given[field])}`,
      );
  const filled = Object.fromEntries([...architecture, ...settings].map((field) => [field, found[field]]));
  return { ...options, config: { ...filled, ...given, ...vocabulary } };
}

/** @throws InputError for a model whose layers differ, or that is no encoder of sentence pairs */
function requireTrainable(config: MegatronBertConfig, name: string): void {
  const { is_decoder, add_cross_attention, pruned_heads, type_vocab_size, position_embedding_type } = config;
  const refuse = (what: string, found: string) => {
    throw new InputError(`${name}: pretraining expects ${what}, found ${found}`);
  };
  if (config.model_type !== 'megatron-bert') refuse('a MegatronBERT', `a ${config.model_type}`);
  if (is_decoder || add_cross_attention) refuse('an encoder', 'a decoder (is_decoder)');
  if (Object.values(pruned_heads).some(({ length }) => length > 0))
    refuse('layers that are alike', 'pruned heads (pruned_heads)');
  if (position_embedding_type !== 'absolute')
    refuse('absolute positions', `position_embedding_type ${shown(position_embedding_type)}`);
  if (type_vocab_size < 2) refuse('two token types', `type_vocab_size ${type_vocab_size}`);
}
