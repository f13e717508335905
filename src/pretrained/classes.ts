import { autoClasses } from './auto-classes.js';
import { modelClasses } from './model-classes.js';
import { nodeHost } from './node-host.js';

/** transformers' classes in Node. */
export const {
  MegatronBertModel,
  MegatronBertForPreTraining,
  MegatronBertForMaskedLM,
  MegatronBertForCausalLM,
  MegatronBertForNextSentencePrediction,
  MegatronBertForSequenceClassification,
  MegatronBertForMultipleChoice,
  MegatronBertForTokenClassification,
  MegatronBertForQuestionAnswering,
  GPT2Model,
  GPT2LMHeadModel,
  GPT2ForSequenceClassification,
} = modelClasses(nodeHost);

export const {
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForMultipleChoice,
  AutoModelForNextSentencePrediction,
  AutoModelForPreTraining,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
} = autoClasses(nodeHost);
