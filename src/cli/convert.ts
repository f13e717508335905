import { Option, type Command } from 'commander';
import { checkpointVersions, type CheckpointVersion } from '../checkpoint/megatron/query-key-value.js';
import { convert } from '../convert/convert.js';
import type { ConvertOptions, ConvertSummary } from '../convert/options.js';
import { command, positiveInteger } from './options.js';
import { createProgress } from './progress.js';
import { byteSize, printable } from './text.js';

interface Options extends Omit<ConvertOptions, 'checkpointVersion'> {
  readonly checkpointVersion: string;
  readonly json?: true;
}

export function convertCommand(): Command {
  return command(
    'convert',
    'Convert Megatron-LM checkpoints and transformers model folders into each other.',
    [
      'convert megatron_bert_345m_v0.1_uncased.zip my-model --vocab-file vocab.txt',
      'convert checkpoints/ my-model                             # merges all partitions',
      'convert my-model checkpoints --to megatron --tensor-model-parallel-size 4',
      'convert checkpoints/ others --to megatron --tensor-model-parallel-size 2 --pipeline-model-parallel-size 2',
      'convert folder-with-pytorch_model.bin folder-with-safetensors',
      'convert my-lora-adapter my-model                          # merges it into the model that it adapts',
    ],
  )
    .argument('<source>', 'a Megatron-LM checkpoint (folder, archive or file), a model folder or an adapter')
    .argument('<destination>', 'the folder to make')
    .addOption(
      new Option('--to <layout>', 'whose layout to write')
        .choices(['transformers', 'megatron'])
        .default('transformers'),
    )
    .addOption(
      new Option('--dtype <type>', 'of the numbers (default: as they are)').choices(['fp32', 'fp16', 'bf16']),
    )
    .option('--vocab-file <file>', 'a vocab.txt: writes the tokenizer too')
    .option('--vocab-size <n>', 'rows of the word embeddings that are no padding', positiveInteger)
    .option('--num-attention-heads <n>', 'for checkpoints that do not say it', positiveInteger)
    .option('--as-transformers', "write exactly what transformers' conversion script writes")
    .addOption(
      new Option('--checkpoint-version <n>', "of Megatron-LM's checkpoints")
        .choices(checkpointVersions.map(String))
        .default('3'),
    )
    .option('--tensor-model-parallel-size <n>', 'parts of each matrix', positiveInteger, 1)
    .option('--pipeline-model-parallel-size <n>', 'stages of the layers', positiveInteger, 1)
    .option(
      '--with-arguments',
      'store the command line as Megatron-LM does (torch.load needs weights_only=False then)',
    )
    .option('--no-save-optim', "leave out the optimizer's state, which Megatron-LM's layout keeps")
    .option('--overwrite-output-dir', 'replace a folder that is not empty')
    .option('--json', 'print the summary as JSON')
    .action(async (source: string, destination: string, { json, checkpointVersion, ...options }: Options) => {
      const progress = createProgress('converting', 'MB');
      const summary = await convert(source, destination, {
        ...options,
        checkpointVersion: Number(checkpointVersion) as CheckpointVersion,
        onProgress({ done, total }) {
          progress.update(Math.round(done / 1e6), Math.round(total / 1e6));
        },
      }).finally(() => {
        progress.stop();
      });
      console.log(json ? JSON.stringify(summary) : printable(describe(summary)));
    });
}

function describe({
  from,
  to,
  parameters,
  dtype,
  files,
  seconds,
  notes,
  destination,
}: ConvertSummary): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const width = Math.max(...files.map(({ name }) => name.length));
  return [
    `${from} → ${to}`,
    `${parameters.toLocaleString('en')} parameters, ${dtype}; ${byteSize(bytes)} in ${seconds.toFixed(1)} s, in ${destination}:`,
    ...files.map(
      ({ name, bytes: size, sha256 }) =>
        `  ${name.padEnd(width)}  ${String(size).padStart(12)}  sha256 ${sha256.slice(0, 16)}…`,
    ),
    ...notes.map((note) => `- ${note}`),
  ].join('\n');
}
