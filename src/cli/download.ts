import { stat } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { InputError } from '../errors.js';
import { downloadModelFiles } from '../hub/download-model.js';
import { downloadNgc, ngcModels, type NgcModel, type NgcOptions } from '../hub/ngc.js';
import { placeFiles } from '../hub/place-files.js';
import { command } from './options.js';
import { createProgress } from './progress.js';
import { byteSize, printable } from './text.js';

interface Options extends Pick<NgcOptions, 'mirror' | 'sha256'> {
  readonly output?: string;
  readonly revision?: string;
  readonly json?: true;
}

export function downloadCommand(): Command {
  return command(
    'download',
    "Download NVIDIA's 345M BERT from its catalogue, with its vocabulary, or a model from the Hugging Face hub.",
    [
      'download uncased',
      'download cased --output models --mirror https://mirror.example',
      'download UFNLP/gatortron-base',
      'download owner/name --revision v1.0 --output my-model',
    ],
  )
    .argument('<model>', "uncased or cased of NVIDIA's, or owner/name on the hub", modelName)
    .option(
      '--output <folder>',
      "where the files go: NVIDIA's here by default, the hub's only into its cache",
    )
    .option('--revision <name>', 'a branch, tag or commit on the hub (default: main)')
    .option('--mirror <url>', "a server with the same paths as NVIDIA's (or the variable NGC_ENDPOINT)")
    .option('--sha256 <digits>', "the checksum that NVIDIA's archive must have", sha256)
    .option('--json', 'print what was downloaded as JSON')
    .action((model: string, options: Options) =>
      isNgcModel(model) ? downloadFromNvidia(model, options) : downloadFromHub(model, options),
    );
}

const isNgcModel = (model: string): model is NgcModel => (ngcModels as readonly string[]).includes(model);

async function downloadFromNvidia(
  model: NgcModel,
  { output = '.', revision, json, ...options }: Options,
): Promise<void> {
  if (revision !== undefined) throw new InputError(`--revision is of models on the hub, ${model} has none`);
  const files = await withProgress((update) =>
    downloadNgc(model, output, {
      ...options,
      onProgress({ loaded, total }) {
        update(loaded, total ?? loaded);
      },
    }),
  );
  if (json) {
    console.log(JSON.stringify(files));
    return;
  }
  const { archive, bytes, sha256, vocab, notes } = files;
  console.log(`${archive}  ${byteSize(bytes)}  sha256 ${sha256}`);
  if (vocab !== undefined) console.log(vocab);
  for (const note of notes) console.log(`- ${note}`);
}

async function downloadFromHub(
  model: string,
  { output, revision, json, mirror, sha256 }: Options,
): Promise<void> {
  if (mirror !== undefined)
    throw new InputError("--mirror is of NVIDIA's catalogue; the hub's is HF_ENDPOINT");
  if (sha256 !== undefined)
    throw new InputError("--sha256 is of NVIDIA's archives; the hub says its files' own");
  const { folder: cached, files: names } = await withProgress((update) =>
    downloadModelFiles(model, {
      ...(revision !== undefined && { revision }),
      progress_callback(progress) {
        if (progress.status === 'progress_total') update(progress.loaded, progress.total);
      },
    }),
  );
  if (output !== undefined) await placeFiles(cached, names, output);
  const folder = output ?? cached;
  const files: { name: string; bytes: number }[] = [];
  for (const name of names) files.push({ name, bytes: (await stat(path.join(folder, name))).size });
  if (json) {
    console.log(JSON.stringify({ model, commit: path.basename(cached), folder, files }));
    return;
  }
  const width = Math.max(...names.map((name) => name.length));
  console.log(
    printable(
      [folder, ...files.map(({ name, bytes }) => `  ${name.padEnd(width)}  ${byteSize(bytes)}`)].join('\n'),
    ),
  );
}

async function withProgress<T>(
  run: (update: (loaded: number, total: number) => void) => Promise<T>,
): Promise<T> {
  const progress = createProgress('downloading', 'MB');
  // of a small file too there is a megabyte to do
  const megabytes = (bytes: number) => Math.ceil(bytes / 1e6);
  try {
    return await run((loaded, total) => {
      progress.update(megabytes(loaded), megabytes(total));
    });
  } finally {
    progress.stop();
  }
}

function modelName(text: string): string {
  if (!isNgcModel(text) && !text.includes('/'))
    throw new InvalidArgumentError(
      `expected ${ngcModels.join(', ')} or the name of a model on the hub (owner/name)`,
    );
  return text;
}

function sha256(text: string): string {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new InvalidArgumentError('expected 64 hexadecimal digits');
  return text.toLowerCase();
}
