import { Argument, InvalidArgumentError, type Command } from 'commander';
import { downloadNgc, ngcModels, type NgcModel, type NgcOptions } from '../hub/ngc.js';
import { command } from './options.js';
import { createProgress } from './progress.js';
import { byteSize } from './text.js';

interface Options extends Pick<NgcOptions, 'mirror' | 'sha256'> {
  readonly output: string;
  readonly json?: true;
}

export function downloadCommand(): Command {
  return command('download', "Download NVIDIA's 345M BERT from its catalogue, with its vocabulary.", [
    'download uncased',
    'download cased --output models --mirror https://mirror.example',
  ])
    .addArgument(new Argument('<model>', 'which of the two').choices([...ngcModels]))
    .option('--output <folder>', 'where the files go', '.')
    .option('--mirror <url>', 'a server with the same paths (or the variable NGC_ENDPOINT)')
    .option('--sha256 <digits>', 'the checksum that the archive must have', sha256)
    .option('--json', 'print what was downloaded as JSON')
    .action(async (model: NgcModel, { output, json, ...options }: Options) => {
      const progress = createProgress('downloading', 'MB');
      const files = await downloadNgc(model, output, {
        ...options,
        onProgress({ loaded, total }) {
          progress.update(Math.round(loaded / 1e6), Math.round((total ?? loaded) / 1e6));
        },
      }).finally(() => {
        progress.stop();
      });
      if (json) {
        console.log(JSON.stringify(files));
        return;
      }
      const { archive, bytes, sha256, vocab, notes } = files;
      console.log(`${archive}  ${byteSize(bytes)}  sha256 ${sha256}`);
      if (vocab !== undefined) console.log(vocab);
      for (const note of notes) console.log(`- ${note}`);
    });
}

function sha256(text: string): string {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new InvalidArgumentError('expected 64 hexadecimal digits');
  return text.toLowerCase();
}
