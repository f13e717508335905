import { randomKey, randomUniform } from '../random.js';
import { processScores, sharpenScores, softmax } from './logits-processors.js';
import type { GenerationSettings } from './options.js';
import type { Continued } from './stepper.js';

export type Step = (sequences: readonly Continued[]) => Promise<Float32Array[]>;

/** Follows each prompt by its likeliest token, or one that is drawn, until each has ended. */
export async function decode(
  step: Step,
  prompts: readonly (readonly number[])[],
  settings: GenerationSettings,
): Promise<number[][]> {
  const { doSample, returned, ends, padding, maxLength, seed, onTokens } = settings;
  // a prompt that is continued in several ways is computed once
  const origins = prompts.flatMap((_, i) => new Array<number>(returned).fill(i));
  const sequences = origins.map((origin) => [...prompts[origin]!]);
  const ended = sequences.map(() => false);
  const choose = doSample ? draw : likeliest;
  const key = randomKey(seed, 'generate');

  let scores: Float32Array[] = (await step(prompts.map((tokens, origin) => ({ tokens, origin })))).flatMap(
    (row) => Array.from({ length: returned }, () => row.slice()),
  );
  let continued = origins;
  for (;;) {
    const tokens = sequences.map((sequence, i) => {
      if (ended[i]) return padding;
      processScores(scores[i]!, sequence, settings);
      if (doSample) sharpenScores(scores[i]!, settings);
      return choose(scores[i]!, () => randomUniform(key, sequence.length * sequences.length + i));
    });
    sequences.forEach((sequence, i) => {
      sequence.push(tokens[i]!);
      ended[i] ||= ends.has(tokens[i]!);
    });
    onTokens?.(tokens);
    if (ended.every(Boolean) || sequences[0]!.length >= maxLength) return sequences;
    scores = await step(sequences.map((sequence, i) => ({ tokens: sequence, origin: continued[i]! })));
    continued = sequences.map((_, i) => i);
  }
}

const likeliest = (scores: Float32Array) =>
  scores.reduce((best, score, token) => (score > scores[best]! ? token : best), 0);

function draw(scores: Float32Array, uniform: () => number): number {
  const probabilities = softmax(scores);
  let left = uniform();
  let last = 0;
  for (const [token, probability] of probabilities.entries()) {
    if (probability === 0) continue;
    last = token;
    left -= probability;
    if (left < 0) break;
  }
  return last;
}
