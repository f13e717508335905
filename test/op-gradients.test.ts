import { describe, expect, test } from 'vitest';
import { gradient } from '../src/graph/gradient.js';
import { makeProgram } from '../src/graph/program.js';
import { knownShape } from '../src/graph/value.js';
import { input, multiply, sum } from '../src/graph/functions.js';
import { evaluateRanks, type Numbers } from './support/evaluate.js';
import { allCases, caseInputs, communicates, randomNumbers } from './support/op-cases.js';

describe('the gradient of every op is that of finite differences', () => {
  test.each(allCases)('$op: $name', ({ op, opCase }) => {
    // around f and g all ranks have one value and one loss; what is gathered or scattered differs by rank
    const isReplicated = op === 'copyToParallel' || op === 'allReduce';
    const seeds = communicates(op) ? [1, isReplicated ? 1 : 2] : [1];
    const { values } = caseInputs(opCase);
    const numbers = seeds.map((seed) => caseInputs(opCase, seed).numbers);
    const result = opCase.build(values);
    const weights = seeds.map((seed) => randomNumbers(knownShape(result.shape), seed, 'weights'));
    const weighting = input('weights', result.shape);
    const loss = sum(
      multiply(result, weighting),
      result.shape.map((_, axis) => axis),
    );
    const names = Object.keys(opCase.floats);
    const seed = input('seed', loss.shape);
    const gradients = gradient(
      [{ value: loss, seed }],
      names.map((name) => values[name]!),
    );
    const program = makeProgram({
      loss,
      ...Object.fromEntries(names.map((name, i) => [name, gradients[i]!])),
    });
    const programs = seeds.map(() => program);
    const evaluate = (given: readonly Record<string, Numbers>[]) =>
      evaluateRanks(
        programs,
        given.map((own, rank) => ({ ...own, weights: weights[rank]!, seed: [1] })),
      );

    const losses = (given: readonly Record<string, Numbers>[]) => {
      const all = evaluate(given).map((own) => own.loss![0]!);
      return isReplicated ? all[0]! : all.reduce((a, b) => a + b);
    };
    const analytic = evaluate(numbers);
    const step = 1e-5;
    for (const [rank, own] of numbers.entries())
      for (const name of names)
        own[name]!.forEach((x, i) => {
          const moved = (by: number) =>
            numbers.map((given, other) =>
              isReplicated || other === rank ? { ...given, [name]: given[name]!.with(i, x + by) } : given,
            );
          const difference = (losses(moved(step)) - losses(moved(-step))) / (2 * step);
          expect(analytic[rank]![name]![i]).toBeCloseTo(difference, 6);
        });
  });
});
