/** How each pipeline is called. */
import type { EntityGroup } from './entities.js';
import type { FeatureExtractionOptions, Features } from './feature-extraction.js';
import type { FeatureTensor } from './feature-tensor.js';
import type { FilledMasks, FillMaskOptions } from './fill-mask.js';
import type { ChoiceInput, ScoredChoice } from './multiple-choice.js';
import type { SentencePair } from './next-sentence.js';
import type { Answer, QuestionAnsweringOptions, QuestionInput } from './question-answering.js';
import type { CallOptions } from './run.js';
import type { LabelScore, TextClassificationOptions, TextOrPair } from './text-classification.js';
import type { GeneratedText, TextGenerationOptions } from './text-generation.js';
import type { TokenClassificationOptions, TokenEntity } from './token-classification.js';
import type { ZeroShotOptions, ZeroShotResult } from './zero-shot-classification.js';

/** A model as a function from inputs to results: one, a list, or a stream whose results come in its order. */
export interface Pipeline<Input, Options, Result, One = Result, Many = Result[]> {
  /** @throws InputError saying what is wrong with the input */
  (input: Input, options?: Options & CallOptions): Promise<One>;
  /** @throws InputError saying which input is wrong */
  (inputs: readonly Input[], options?: Options & CallOptions): Promise<Many>;
  (inputs: AsyncIterable<Input>, options?: Options & CallOptions): AsyncGenerator<Result, void>;
  /** The result of each input, or what is wrong with it: one that cannot be used does not keep the others. */
  allSettled(
    inputs: Iterable<Input> | AsyncIterable<Input>,
    options?: Options & CallOptions,
  ): AsyncGenerator<PromiseSettledResult<Result>, void>;
  /** Gives the memory back; the pipeline must not be used again. */
  dispose(): Promise<void>;
}

type TextClassification = Pipeline<
  TextOrPair,
  TextClassificationOptions,
  LabelScore | LabelScore[],
  LabelScore[]
>;

type TokenClassification = Pipeline<
  string | readonly string[],
  TokenClassificationOptions,
  (TokenEntity | EntityGroup)[]
>;

interface QuestionAnswering extends Pipeline<QuestionInput, QuestionAnsweringOptions, Answer | Answer[]> {
  (
    question: string,
    context: string,
    options?: QuestionAnsweringOptions & CallOptions,
  ): Promise<Answer | Answer[]>;
  (
    questions: readonly string[],
    contexts: readonly string[],
    options?: QuestionAnsweringOptions & CallOptions,
  ): Promise<(Answer | Answer[])[]>;
}

interface ZeroShotClassification extends Pipeline<string, ZeroShotOptions, ZeroShotResult> {
  (
    text: string,
    labels: string | readonly string[],
    options?: Omit<ZeroShotOptions, 'candidate_labels'> & CallOptions,
  ): Promise<ZeroShotResult>;
  (
    texts: readonly string[],
    labels: string | readonly string[],
    options?: Omit<ZeroShotOptions, 'candidate_labels'> & CallOptions,
  ): Promise<ZeroShotResult[]>;
}

interface MultipleChoice extends Pipeline<ChoiceInput, object, ScoredChoice[]> {
  (prompt: string, choices: readonly string[], options?: CallOptions): Promise<ScoredChoice[]>;
}

interface NextSentence extends Pipeline<SentencePair, object, LabelScore[]> {
  (text: string, text_pair: string, options?: CallOptions): Promise<LabelScore[]>;
}

/** By task. */
export interface Pipelines {
  readonly 'fill-mask': Pipeline<string, FillMaskOptions, FilledMasks>;
  readonly 'text-classification': TextClassification;
  readonly 'sentiment-analysis': TextClassification;
  readonly 'token-classification': TokenClassification;
  readonly ner: TokenClassification;
  readonly 'question-answering': QuestionAnswering;
  readonly 'zero-shot-classification': ZeroShotClassification;
  readonly 'multiple-choice': MultipleChoice;
  readonly 'next-sentence': NextSentence;
  readonly 'text-generation': Pipeline<string, TextGenerationOptions, GeneratedText[]>;
  readonly 'feature-extraction': Pipeline<
    string,
    FeatureExtractionOptions,
    Features,
    FeatureTensor,
    FeatureTensor
  >;
}

export type TaskName = keyof Pipelines;
