import { nodeHost } from './node-host.js';
import { modelClasses } from './model-classes.js';

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
} = modelClasses(nodeHost);
