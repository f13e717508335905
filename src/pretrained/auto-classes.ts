/** transformers' classes by task: there is one `model_type` here, and a folder of another is refused. */
export {
  MegatronBertModel as AutoModel,
  MegatronBertForCausalLM as AutoModelForCausalLM,
  MegatronBertForMaskedLM as AutoModelForMaskedLM,
  MegatronBertForMultipleChoice as AutoModelForMultipleChoice,
  MegatronBertForNextSentencePrediction as AutoModelForNextSentencePrediction,
  MegatronBertForPreTraining as AutoModelForPreTraining,
  MegatronBertForQuestionAnswering as AutoModelForQuestionAnswering,
  MegatronBertForSequenceClassification as AutoModelForSequenceClassification,
  MegatronBertForTokenClassification as AutoModelForTokenClassification,
} from './classes.js';
