/** What changes the scores of the next token, in transformers' order; each in place. */
import type { GenerationSettings } from './options.js';

export type Scores = Float32Array;

/** @param tokens prompt and continuation so far */
export function processScores(scores: Scores, tokens: readonly number[], settings: GenerationSettings): void {
  const { repetitionPenalty, noRepeatNgramSize, minLength, ends } = settings;
  if (repetitionPenalty !== 1) penalizeRepetition(scores, tokens, repetitionPenalty);
  if (noRepeatNgramSize > 0) forbidRepeatedNgrams(scores, tokens, noRepeatNgramSize);
  if (tokens.length < minLength) for (const end of ends) scores[end] = -Infinity;
}

/** For draws. */
export function sharpenScores(scores: Scores, { temperature, topK, topP }: GenerationSettings): void {
  if (temperature !== 1) scores.forEach((score, i) => (scores[i] = score / temperature));
  if (topK > 0) keepTopK(scores, topK);
  if (topP < 1) keepTopP(scores, topP);
}

/** arXiv 1909.05858: scores of tokens that were there are divided where positive, else multiplied. */
function penalizeRepetition(scores: Scores, tokens: readonly number[], penalty: number): void {
  for (const token of new Set(tokens))
    scores[token] = scores[token]! > 0 ? scores[token]! / penalty : scores[token]! * penalty;
}

function forbidRepeatedNgrams(scores: Scores, tokens: readonly number[], size: number): void {
  const prefix = tokens.slice(tokens.length - (size - 1)).join();
  for (let end = size; end <= tokens.length; end++)
    if (tokens.slice(end - size, end - 1).join() === prefix) scores[tokens[end - 1]!] = -Infinity;
}

/** Tokens that tie with the last one kept stay. */
function keepTopK(scores: Scores, count: number): void {
  if (count >= scores.length) return;
  const least = scores.toSorted().at(-count)!;
  scores.forEach((score, i) => {
    if (score < least) scores[i] = -Infinity;
  });
}

/** The fewest of the likeliest tokens whose probabilities come to p; the likeliest at least. */
function keepTopP(scores: Scores, p: number): void {
  const order = Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  const probabilities = softmax(scores);
  let total = 0;
  for (const token of order.slice(0, -1)) {
    total += probabilities[token]!;
    if (total > 1 - p) break;
    scores[token] = -Infinity;
  }
}

export function softmax(scores: Scores): Float64Array {
  const logarithms = logSoftmax(scores);
  return Float64Array.from(logarithms, Math.exp);
}

export function logSoftmax(scores: Scores): Float32Array {
  const greatest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = scores.reduce((sum, score) => sum + Math.exp(score - greatest), 0);
  return scores.map((score) => score - greatest - Math.log(total));
}
