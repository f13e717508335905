/** `log.jsonl` as it grows. */
import { open, stat } from 'node:fs/promises';
import { z } from 'zod';
import { measures, type LoggedEvent, type Measures } from './history.js';

const iteration = z.int().nonnegative();
const number = z
  .number()
  .nullish()
  .transform((value) => value ?? null);
const event: z.ZodType<LoggedEvent> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('step'),
    iteration,
    skipped: z.boolean().optional(),
    ...(Object.fromEntries(measures.map((name) => [name, number])) as Record<keyof Measures, typeof number>),
  }),
  z.object({ kind: z.literal('evaluation'), iteration, loss: number, accuracy: number }),
  z.object({
    kind: z.literal('predictions'),
    iteration,
    sentences: z.array(
      z.array(
        z.union([z.string(), z.object({ word: z.string(), predicted: z.string(), probability: z.number() })]),
      ),
    ),
  }),
]);

/** Bytes that are read at a time. */
const pieceLength = 2 ** 20;
/** No line is longer: a file without line ends is no log. */
const longestLine = 2 ** 24;

export interface LogReader {
  /**
   * Reads what was added since the last call.
   *
   * @param onReset called where the file is another one, or was cut: what was read of it before is no more
   * @returns when the file was changed last, in milliseconds since 1970; null where there is none
   */
  read(onEvent: (event: LoggedEvent) => void, onReset: () => void): Promise<number | null>;
}

/** Reads the events of a log; passes over lines that are none. */
export function createLogReader(name: string): LogReader {
  let inode = 0;
  let position = 0;
  let rest = Buffer.alloc(0);
  return {
    async read(onEvent, onReset) {
      const found = await stat(name).catch(() => undefined);
      const isSame = found?.ino === inode && found.size >= position;
      if (position > 0 && !isSame) {
        [position, rest] = [0, Buffer.alloc(0)];
        onReset();
      }
      if (!found) return null;
      inode = found.ino;
      if (found.size === position) return found.mtimeMs;
      const file = await open(name);
      try {
        while (position < found.size) {
          const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(pieceLength), position });
          if (bytesRead === 0) break;
          position += bytesRead;
          const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
          const end = bytes.lastIndexOf('\n') + 1;
          rest = bytes.length - end > longestLine ? Buffer.alloc(0) : bytes.subarray(end);
          for (const line of bytes.toString('utf8', 0, end).split('\n')) {
            const parsed = parse(line);
            if (parsed) onEvent(parsed);
          }
        }
      } finally {
        await file.close();
      }
      return found.mtimeMs;
    },
  };
}

function parse(line: string): LoggedEvent | undefined {
  try {
    return event.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
