import { generate, type Generated, type GenerationInputs } from '../generation/generate.js';
import type { GenerationOptions } from '../generation/options.js';
import type { ArchitectureName } from '../model/architectures.js';
import type { TransformerConfig } from '../model/config.js';
import { parameterCount } from '../model/initial-values.js';
import { forwardEach, type Example, type ForwardEachOptions } from './forward-each.js';
import { fromPretrained } from './from-pretrained.js';
import type { BodyInputs } from './model-inputs.js';
import type { LayerOutputs } from './model-outputs.js';
import type { LoadingInfo } from './model-weights.js';
import { forward, modelParameters, releasePrograms, type ForwardOptions, type LoadedModel } from './model.js';
import { resizeTokenEmbeddings } from './resize-embeddings.js';
import type { Host } from './model-source.js';
import type { FromPretrainedOptions } from './options.js';
import type { SaveOptions } from './save-pretrained.js';
import type { Cube, Matrix, Tensor, Vector } from './tensors.js';

/** A model in memory, ready to compute. */
export interface PretrainedModel<Inputs = BodyInputs, Outputs = LayerOutputs> {
  readonly config: TransformerConfig;
  /** What of the class and the file did not fit. */
  readonly loading_info: LoadingInfo;
  /**
   * The outputs of transformers' class of the same name, by its names. Calls may run side by side.
   * @throws InputError naming the input, what was expected and what was found
   */
  forward(inputs: Inputs, options?: ForwardOptions): Promise<Outputs & LayerOutputs>;
  /**
   * The outputs for texts of any lengths, each without an axis of the batch and without padding: those of about one
   * length are computed together.
   */
  forwardEach(
    examples: readonly Example[],
    options?: ForwardEachOptions,
  ): Promise<(Outputs & LayerOutputs)[]>;
  /** Tied parameters count once. */
  num_parameters(options?: { readonly exclude_embeddings?: boolean }): number;
  /** Writes a folder that transformers loads. */
  save_pretrained(folder: string, options?: SaveOptions): Promise<void>;
  /** Gives the vocabulary another size, a multiple of `pad_to_multiple_of`. */
  resize_token_embeddings(size: number, options?: { readonly pad_to_multiple_of?: number }): Promise<void>;
  /** Gives the memory back; the model must not be used again. */
  dispose(): Promise<void>;
}

/** A class of models. */
export interface PretrainedClass<Inputs, Outputs> {
  /**
   * Loads a model.
   * @param model a folder with `config.json` and weights, or the name of a model on the hub
   * @throws InputError naming the file, and what in it is missing or of another shape
   */
  from_pretrained(model: string, options?: FromPretrainedOptions): Promise<PretrainedModel<Inputs, Outputs>>;
}

/** A model of a class: `ModelOf<typeof MegatronBertForMaskedLM>`. */
export type ModelOf<Class> =
  Class extends PretrainedClass<infer Inputs, infer Outputs> ? PretrainedModel<Inputs, Outputs> : never;

function wrap<Inputs extends BodyInputs<unknown, unknown>, Outputs>(
  host: Host,
  model: LoadedModel,
  loading_info: LoadingInfo,
): PretrainedModel<Inputs, Outputs> {
  return {
    get config() {
      return model.config;
    },
    loading_info,
    forward: (inputs, options) => forward(model, inputs as never, options) as never,
    forwardEach: (examples, options) => forwardEach(model, examples, options) as never,
    num_parameters: ({ exclude_embeddings = false } = {}) => {
      const declared = [...modelParameters(model)];
      const counted = declared.filter(
        ([name]) => !exclude_embeddings || !/(embeddings\.\w+|\bwte|\bwpe)\.weight$/.test(name),
      );
      return parameterCount(counted.map(([, parameter]) => parameter));
    },
    save_pretrained: (folder, options) => host.save(model, folder, options),
    resize_token_embeddings: (size, { pad_to_multiple_of } = {}) =>
      resizeTokenEmbeddings(model, size, pad_to_multiple_of),
    dispose: async () => {
      await releasePrograms(model);
      await model.computer.release();
    },
  };
}

/** Where logits are wanted, [batch, count]; everywhere without it. */
export interface PredictionPositions {
  readonly prediction_positions?: Matrix;
}
export interface Loss {
  /** A scalar, where labels are given. */
  readonly loss?: Tensor;
}
export interface Logits extends Loss {
  readonly logits: Tensor;
}
/** −100 where there is none. */
export interface Labelled<Labels> {
  readonly labels?: Labels;
}

export type CausalInputs = BodyInputs & PredictionPositions & Labelled<Matrix>;

export interface CausalLanguageModel extends PretrainedModel<CausalInputs, Logits> {
  /** Continues prompts. @throws InputError naming the option or input */
  generate(inputs: GenerationInputs, options?: GenerationOptions): Promise<Generated>;
}

const pretrainedClass = <Inputs extends BodyInputs<unknown, unknown>, Outputs>(
  host: Host,
  architecture: ArchitectureName,
): PretrainedClass<Inputs, Outputs> => ({
  async from_pretrained(name, options) {
    const { model, info } = await fromPretrained(host, architecture, name, options);
    return wrap<Inputs, Outputs>(host, model, info);
  },
});

function causalClass(host: Host, architecture: ArchitectureName) {
  const plain = pretrainedClass<CausalInputs, Logits>(host, architecture);
  return {
    async from_pretrained(name: string, options?: FromPretrainedOptions): Promise<CausalLanguageModel> {
      const model = await plain.from_pretrained(name, options);
      return Object.assign(model, {
        generate: (inputs: GenerationInputs, generation?: GenerationOptions) =>
          generate(model, model.config, inputs, generation),
      });
    },
  };
}

/** transformers' classes, by its names. */
export const modelClasses = (host: Host) => ({
  MegatronBertModel: pretrainedClass<
    BodyInputs,
    {
      /** [batch, sequence, hidden] */
      readonly last_hidden_state: Tensor;
      /** [batch, hidden] */
      readonly pooler_output?: Tensor;
    }
  >(host, 'MegatronBertModel'),

  MegatronBertForPreTraining: pretrainedClass<
    BodyInputs & PredictionPositions & Labelled<Matrix> & { readonly next_sentence_label?: Vector },
    Loss & {
      /** [batch, sequence, vocabulary] */
      readonly prediction_logits: Tensor;
      /** [batch, 2] */
      readonly seq_relationship_logits: Tensor;
    }
  >(host, 'MegatronBertForPreTraining'),

  /** logits [batch, sequence, vocabulary] */
  MegatronBertForMaskedLM: pretrainedClass<BodyInputs & PredictionPositions & Labelled<Matrix>, Logits>(
    host,
    'MegatronBertForMaskedLM',
  ),

  /** logits [batch, 2]: 0, the second text follows the first; 1, it does not */
  MegatronBertForNextSentencePrediction: pretrainedClass<BodyInputs & Labelled<Vector>, Logits>(
    host,
    'MegatronBertForNextSentencePrediction',
  ),

  /** labels [batch], or [batch, labels] of numbers for several at once; logits [batch, labels] */
  MegatronBertForSequenceClassification: pretrainedClass<BodyInputs & Labelled<Vector | Matrix>, Logits>(
    host,
    'MegatronBertForSequenceClassification',
  ),

  /** Texts [examples, choices, sequence], logits [examples, choices] */
  MegatronBertForMultipleChoice: pretrainedClass<BodyInputs<Cube, never> & Labelled<Vector>, Logits>(
    host,
    'MegatronBertForMultipleChoice',
  ),

  /** logits [batch, sequence, labels] */
  MegatronBertForTokenClassification: pretrainedClass<BodyInputs & Labelled<Matrix>, Logits>(
    host,
    'MegatronBertForTokenClassification',
  ),

  MegatronBertForQuestionAnswering: pretrainedClass<
    BodyInputs & { readonly start_positions?: Vector; readonly end_positions?: Vector },
    Loss & {
      /** [batch, sequence] */
      readonly start_logits: Tensor;
      /** [batch, sequence] */
      readonly end_logits: Tensor;
    }
  >(host, 'MegatronBertForQuestionAnswering'),

  /** logits [batch, sequence, vocabulary] */
  MegatronBertForCausalLM: causalClass(host, 'MegatronBertForCausalLM'),

  /** last_hidden_state [batch, sequence, hidden] */
  GPT2Model: pretrainedClass<BodyInputs, { readonly last_hidden_state: Tensor }>(host, 'GPT2Model'),

  /** logits [batch, sequence, vocabulary] */
  GPT2LMHeadModel: causalClass(host, 'GPT2LMHeadModel'),

  /** labels [batch], or [batch, labels] of numbers for several at once; logits [batch, labels] */
  GPT2ForSequenceClassification: pretrainedClass<BodyInputs & Labelled<Vector | Matrix>, Logits>(
    host,
    'GPT2ForSequenceClassification',
  ),
});

export type ModelClasses = ReturnType<typeof modelClasses>;
