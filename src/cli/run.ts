import type { Command } from 'commander';
import { pipeline } from '../pipelines/node.js';
import type { FilledMask } from '../pipelines/fill-mask.js';
import { command, positiveInteger } from './options.js';

interface Options {
  readonly model: string;
  readonly topK: number;
  readonly json?: true;
}

export function runCommand(): Command {
  const run = command('run', 'Use a model.', [
    'run fill-mask --model my-model "Paris is the [MASK] of France."',
  ]);
  return run.addCommand(
    command('fill-mask', 'The likeliest words for [MASK].', [
      'run fill-mask --model my-model "Paris is the [MASK] of France."',
      'run fill-mask --model my-model --top-k 3 --json "Call me [MASK]."',
    ])
      .argument('<text...>', 'texts with a [MASK] each')
      .requiredOption('--model <folder>', 'a model folder')
      .option('--top-k <n>', 'words to suggest', positiveInteger, 5)
      .option('--json', 'print the results as JSON')
      .action(async (texts: string[], { model, topK, json }: Options) => {
        const fill = await pipeline('fill-mask', model);
        try {
          const results: (FilledMask[] | FilledMask[][])[] = [];
          for (const text of texts) results.push(await fill(text, { top_k: topK }));
          if (json) console.log(JSON.stringify(texts.length === 1 ? results[0] : results));
          else
            texts.forEach((text, i) => {
              console.log(describe(text, results[i]!));
            });
        } finally {
          await fill.dispose();
        }
      }),
  );
}

function describe(text: string, result: FilledMask[] | FilledMask[][]): string {
  const lists = (Array.isArray(result[0]) ? result : [result]) as FilledMask[][];
  const lines = lists.map((list) =>
    list.map(({ score, token_str }) => `  ${token_str.padEnd(16)} ${(100 * score).toFixed(1)} %`).join('\n'),
  );
  return `${text}\n${lines.join('\n\n')}`;
}
