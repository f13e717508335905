import { logSoftmax, processScores } from './logits-processors.js';
import type { Step } from './decode.js';
import type { GenerationSettings } from './options.js';

interface Beam {
  readonly tokens: readonly number[];
  /** Sum of the tokens' log probabilities. */
  readonly score: number;
  /** The beam of the step before, among those of all prompts. */
  readonly origin: number;
}

/** A sequence that ended; its score is divided by a power of its length. */
interface Finished {
  readonly tokens: readonly number[];
  readonly score: number;
}

/** The beams of one prompt. */
interface Search {
  readonly running: readonly Beam[];
  /** The best that ended, best first; at most as many as there are beams. */
  readonly finished: readonly Finished[];
  /** Whether a running beam may still come before the finished ones. */
  readonly isOpen: boolean;
  /** Whether every continuation of the last step was the last. */
  readonly isExhausted: boolean;
}

/** Follows the likeliest sequences of each prompt, as transformers' `_beam_search`. */
export async function beamSearch(
  step: Step,
  prompts: readonly (readonly number[])[],
  settings: GenerationSettings,
): Promise<{ sequences: number[][]; scores: number[] }> {
  const { returned, padding, ends, earlyStopping, beams } = settings;
  const promptLength = prompts[0]!.length;
  let searches: Search[] = prompts.map((tokens, origin) => ({
    running: [{ tokens, score: 0, origin }],
    finished: [],
    isOpen: true,
    isExhausted: false,
  }));
  for (;;) {
    const running = searches.flatMap((search) => search.running);
    const rows = await step(running);
    let start = 0;
    searches = searches.map((search) => {
      const first = start;
      start += search.running.length;
      return advance(search, rows.slice(first, start), first, promptLength, settings);
    });
    const isFull = searches.every(({ finished }) => finished.length >= beams);
    if (
      !searches.some(({ isOpen }) => isOpen) ||
      (earlyStopping === true && isFull) ||
      searches.every(({ isExhausted }) => isExhausted)
    )
      break;
  }
  const best = searches.flatMap(({ finished }) => finished.slice(0, returned));
  const length = Math.max(...best.map(({ tokens }) => tokens.length));
  // as transformers has it: where padding is token 0, beams are filled up with the end token
  const filling = padding || ([...ends][0] ?? padding);
  return {
    sequences: best.map(({ tokens }) => [
      ...tokens,
      ...new Array<number>(length - tokens.length).fill(filling),
    ]),
    scores: best.map(({ score }) => score),
  };
}

/** @param first the number of the search's first beam among all prompts' */
function advance(
  { running, finished, isOpen }: Search,
  rows: readonly Float32Array[],
  first: number,
  promptLength: number,
  settings: GenerationSettings,
): Search {
  const { beams, ends, maxLength, earlyStopping, lengthPenalty } = settings;
  const continuations = running.flatMap(({ tokens, score }, i) => {
    const scores = logSoftmax(rows[i]!);
    processScores(scores, tokens, settings);
    return Array.from(scores, (own, token) => ({ score: Math.fround(score + own), token, beam: i }));
  });
  // as many as leave enough to go on with when one of each beam's is an end
  const kept = continuations
    .sort((a, b) => b.score - a.score)
    .slice(0, Math.max(2, 1 + ends.size) * beams)
    .map(({ score, token, beam }): Beam => ({
      tokens: [...running[beam]!.tokens, token],
      score,
      origin: first + beam,
    }));
  const length = running[0]!.tokens.length + 1;
  const isLast = ({ tokens }: Beam) => length >= maxLength || ends.has(tokens.at(-1)!);

  const takesMore = isOpen && !(earlyStopping === true && finished.length >= beams);
  const ended = takesMore ? kept.slice(0, beams).filter(isLast) : [];
  const scored = ended.map(({ tokens, score }) => ({
    tokens,
    score: score / (length - promptLength) ** lengthPenalty,
  }));
  const best = [...finished, ...scored].sort((a, b) => b.score - a.score).slice(0, beams);
  const next = kept.filter((beam) => !isLast(beam)).slice(0, beams);

  const possibleLength =
    earlyStopping === 'never' && lengthPenalty > 0 ? maxLength - promptLength : length - promptLength;
  const possible = (next[0]?.score ?? -Infinity) / possibleLength ** lengthPenalty;
  const worst = best.length >= beams ? best.at(-1)!.score : -Infinity;
  return {
    running: next.length > 0 ? next : running,
    finished: best,
    isOpen: isOpen && possible > worst,
    isExhausted: kept.every(isLast),
  };
}
