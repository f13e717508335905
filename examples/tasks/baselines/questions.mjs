// Questions: in the sentence that has most of a question's words, the number, name or phrase that is nearest to them.
import { squadMetrics } from '../../../dist/tasks/metrics/squad.js';
import { sentencesOf } from '../data/common.mjs';
import { inverseFrequencies, wordsOf } from './counting.mjs';

export function questionBaselines({ train, ...heldOut }) {
  const rarity = inverseFrequencies(train.map(({ context }) => context));
  const baselines = {
    'the sentence with most of its words': ({ question, context }) => nearestSentence(question, context),
    'in it, the nearest number, name or phrase': ({ question, context }) =>
      nearestSpan(question, nearestSentence(question, context)),
  };
  return Object.entries(heldOut).flatMap(([split, questions]) =>
    Object.entries(baselines).flatMap(([baseline, answer]) => {
      const predictions = new Map(questions.map((question) => [question.id, answer(question)]));
      const references = questions.map(({ id, answers }) => ({
        id,
        answers: answers.map(({ text }) => text),
      }));
      return Object.entries(squadMetrics(predictions, references)).map(([metric, percent]) => ({
        ...{ task: 'questions', baseline, split, metric },
        value: percent / 100,
      }));
    }),
  );

  function nearestSentence(question, context) {
    const asked = new Set(wordsOf(question));
    const scores = sentencesOf(context).map((sentence) => ({
      sentence,
      score: [...new Set(wordsOf(sentence))]
        .filter((word) => asked.has(word))
        .reduce((sum, word) => sum + rarity(word), 0),
    }));
    return scores.reduce((best, other) => (other.score > best.score ? other : best)).sentence;
  }

  function nearestSpan(question, sentence) {
    const asked = new Set(wordsOf(question));
    const places = [...sentence.matchAll(/[\p{L}\p{N}$]+/gu)]
      .filter(([word]) => asked.has(word.toLowerCase()))
      .map(({ index, 0: word }) => ({ at: index, weight: rarity(word.toLowerCase()) }));
    const nearness = ({ index }) =>
      places.reduce((sum, { at, weight }) => sum + weight / (1 + Math.abs(at - index)), 0);
    for (const pattern of patternsFor(question)) {
      const spans = [...sentence.matchAll(pattern)].filter(
        ([span]) => !wordsOf(span).every((word) => asked.has(word)),
      );
      if (spans.length > 0)
        return spans.reduce((best, span) => (nearness(span) > nearness(best) ? span : best))[0];
    }
    return sentence;
  }
}

const number = /\$?\b\d[\d,.]*(?: (?:million|billion|percent|years))?\b/g;
const name = /\b[A-Z][a-z]+(?: (?:of )?[A-Z][a-z]+)*\b/g;
const phrase = /\b(?:a|an|the|his|her|its|their|our) [a-z-]+(?: [a-z-]{4,})?/g;

/** What kinds of span a question may ask for, the likeliest first. */
function patternsFor(question) {
  if (/\b(?:when|how many|how much|how large|how old|how long|percentage|year)\b/i.test(question))
    return [number, phrase, name];
  return /\b(?:who|whom|whose|where|which)\b/i.test(question)
    ? [name, phrase, number]
    : [phrase, name, number];
}
