/** The module of the threads that `preprocess` starts. */
import { parentPort, workerData } from 'node:worker_threads';
import { readAnyTokenizer } from '../../text/tokenizer-files.js';
import type { ChunkData } from './chunks.js';
import { chunkEncoder, type EncodedChunk } from './encode.js';
import type { EncodingOptions } from './options.js';
import { ChunkProblem } from './records.js';
import type { Answer } from './threads.js';
import { InputError } from '../../errors.js';

/** What a thread is started with. */
export interface EncodeThreadData {
  readonly tokenizer: string;
  readonly encoding: EncodingOptions;
}

/** Documents, or what is wrong with them: in which line of the chunk, if it is about one. */
export type EncodeResult = EncodedChunk | { readonly problem: string; readonly line: number | undefined };

const port = parentPort!;
const answer = (message: Answer<EncodeResult>, transfer: ArrayBuffer[] = []) => {
  port.postMessage(message, transfer);
};
const toError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)));

try {
  const { tokenizer, encoding } = workerData as EncodeThreadData;
  const encode = chunkEncoder(await readAnyTokenizer(tokenizer, { local_files_only: true }), encoding);
  port.on('message', (data: ChunkData) => {
    encode(data).then(
      (result) => {
        const memory = result.documents.map(({ tokens }) => tokens.buffer as ArrayBuffer);
        answer({ kind: 'result', result }, memory);
      },
      (error: unknown) => {
        if (error instanceof ChunkProblem || error instanceof InputError)
          answer({
            kind: 'result',
            result: { problem: error.message, line: error instanceof ChunkProblem ? error.line : undefined },
          });
        else answer({ kind: 'error', error: toError(error) });
      },
    );
  });
  answer({ kind: 'ready' });
} catch (error) {
  answer({ kind: 'error', error: toError(error) });
}
