/** transformers' classes by task: a model's configuration says of which family it is. */
import { InputError } from '../errors.js';
import type { ArchitectureName } from '../model/architectures.js';
import { readConfigFields } from './from-pretrained.js';
import { modelClasses, type ModelClasses } from './model-classes.js';
import type { Host, ModelSource } from './model-source.js';
import type { FromPretrainedOptions } from './options.js';

/** Their classes by `model_type`. */
const families = {
  AutoModel: { 'megatron-bert': 'MegatronBertModel', gpt2: 'GPT2Model' },
  AutoModelForCausalLM: { 'megatron-bert': 'MegatronBertForCausalLM', gpt2: 'GPT2LMHeadModel' },
  AutoModelForMaskedLM: { 'megatron-bert': 'MegatronBertForMaskedLM' },
  AutoModelForMultipleChoice: { 'megatron-bert': 'MegatronBertForMultipleChoice' },
  AutoModelForNextSentencePrediction: { 'megatron-bert': 'MegatronBertForNextSentencePrediction' },
  AutoModelForPreTraining: { 'megatron-bert': 'MegatronBertForPreTraining', gpt2: 'GPT2LMHeadModel' },
  AutoModelForQuestionAnswering: { 'megatron-bert': 'MegatronBertForQuestionAnswering' },
  AutoModelForSequenceClassification: {
    'megatron-bert': 'MegatronBertForSequenceClassification',
    gpt2: 'GPT2ForSequenceClassification',
  },
  AutoModelForTokenClassification: { 'megatron-bert': 'MegatronBertForTokenClassification' },
} as const satisfies Record<string, { 'megatron-bert': ArchitectureName; gpt2?: ArchitectureName }>;

export type AutoClassName = keyof typeof families;

/**
 * The class of the family that a model's `config.json` names; that of MegatronBERT where it names none.
 *
 * @throws InputError for a family that has no such class
 */
export async function classFor(
  name: AutoClassName,
  source: ModelSource,
  { config }: FromPretrainedOptions,
): Promise<ArchitectureName> {
  const [{ model_type = 'megatron-bert' }, file] = await readConfigFields(source, config);
  const classes: Readonly<Record<string, ArchitectureName>> = families[name];
  const found = Object.hasOwn(classes, String(model_type)) ? classes[String(model_type)] : undefined;
  if (found === undefined)
    throw new InputError(
      `${file}: expected model_type ${Object.keys(classes).join(' or ')}, found ${JSON.stringify(model_type)}`,
    );
  return found;
}

/** A class as that of MegatronBERT for the same task is called. */
type AutoClass<Name extends AutoClassName> = ModelClasses[(typeof families)[Name]['megatron-bert']];

function autoClass<Name extends AutoClassName>(host: Host, name: Name): AutoClass<Name> {
  return {
    async from_pretrained(model: string, options: FromPretrainedOptions = {}) {
      const source = await host.open(model, options);
      const found = await classFor(name, source, options);
      const opened = { ...host, open: () => Promise.resolve(source) };
      return modelClasses(opened)[found].from_pretrained(model, options);
    },
  } as unknown as AutoClass<Name>;
}

/** transformers' classes by task. */
export const autoClasses = (host: Host) => ({
  AutoModel: autoClass(host, 'AutoModel'),
  AutoModelForCausalLM: autoClass(host, 'AutoModelForCausalLM'),
  AutoModelForMaskedLM: autoClass(host, 'AutoModelForMaskedLM'),
  AutoModelForMultipleChoice: autoClass(host, 'AutoModelForMultipleChoice'),
  AutoModelForNextSentencePrediction: autoClass(host, 'AutoModelForNextSentencePrediction'),
  AutoModelForPreTraining: autoClass(host, 'AutoModelForPreTraining'),
  AutoModelForQuestionAnswering: autoClass(host, 'AutoModelForQuestionAnswering'),
  AutoModelForSequenceClassification: autoClass(host, 'AutoModelForSequenceClassification'),
  AutoModelForTokenClassification: autoClass(host, 'AutoModelForTokenClassification'),
});
