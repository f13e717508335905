/** The features that transformers' scripts make of the tasks' rows, made again. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { listOf, type Ragged } from '../src/tasks/features.js';
import type { Split } from '../src/tasks/task.js';
import { taskNames, type TaskName } from '../src/tasks/tasks.js';
import { dataSets, prepared, type Feature } from './support/task-fixtures.js';

test('there are examples of every task', () => {
  expect(new Set([...dataSets.values()].map(({ task }) => task))).toEqual(new Set(taskNames));
  for (const { rows } of dataSets.values()) expect(rows).toHaveLength(500);
});

describe('features', () => {
  const all = [...dataSets].flatMap(([name, dataSet]) =>
    Object.entries(dataSet.features).map(([variant, stored]) => ({ name, variant, dataSet, stored })),
  );
  test.each(all)('$name, $variant', async ({ dataSet, stored }) => {
    const rows = Array.from({ length: stored.repeated }, () => dataSet.rows).flat();
    const { train } = await prepared(dataSet, rows, stored.options);
    const features = asStored(dataSet.task, train!);
    expect(features.slice(0, stored.first.length)).toEqual(stored.first);
    expect(features.map(hash)).toEqual(stored.hashes);
  });
});

const hash = (feature: Feature) =>
  createHash('sha256').update(JSON.stringify(feature)).digest('hex').slice(0, 16);

/** Features as the fixtures have them. */
function asStored(task: TaskName, { features, examples }: Split): Feature[] {
  const { choices, input_ids, token_type_ids, labels } = features;
  const own = (lists: Ragged, example: number) =>
    Array.from({ length: choices }, (_, i) => [...listOf(lists, example * choices + i)]);
  const labelOf = (name: string, example: number) => [...listOf(labels[name]!, example)];
  const windows = task === 'question-answering' ? windowsOf(examples) : [];
  return Array.from({ length: features.examples }, (_, example) => {
    const ids = own(input_ids, example);
    const types = own(token_type_ids, example);
    switch (task) {
      case 'masked-lm':
      case 'causal-lm':
        return { input_ids: ids[0] };
      case 'multiple-choice':
        return { input_ids: ids, token_type_ids: types, label: labelOf('labels', example)[0] };
      case 'sequence-classification': {
        const label = labelOf('labels', example);
        return {
          input_ids: ids[0],
          token_type_ids: types[0],
          label: label.length === 1 ? label[0] : label,
        };
      }
      case 'token-classification':
        return {
          ...{ input_ids: ids[0], token_type_ids: types[0], labels: labelOf('labels', example) },
          first_tokens: (examples[example] as { readonly firstTokens: readonly number[] }).firstTokens,
        };
      case 'question-answering': {
        const start = labelOf('start_positions', example)[0]!;
        const { length } = ids[0]!;
        return {
          ...{ input_ids: ids[0], token_type_ids: types[0] },
          // the script goes on to the end of the window where the answer begins in the last token of the context
          start_positions: start === length - 2 ? length - 1 : start,
          end_positions: labelOf('end_positions', example)[0],
          ...windows[example],
        };
      }
    }
  });
}

const windowsOf = (examples: readonly unknown[]) =>
  (examples as readonly { readonly windows: readonly Int32Array[] }[]).flatMap(({ windows }, example) =>
    windows.map((offsets) => ({
      example,
      offsets: Array.from({ length: offsets.length / 2 }, (_, i) => [offsets[2 * i], offsets[2 * i + 1]]),
    })),
  );
