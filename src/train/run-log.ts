/** `log.jsonl`: a line for each event of a run, without gaps or doubles however often it was stopped. */
import { readFile } from 'node:fs/promises';
import { writeFileAtomically, writeFully } from '../checkpoint/file-bytes.js';
import { openAppended } from './append-file.js';
import type { PretrainEvent } from './events.js';

/** What writes the events of a run to disk. */
export interface RunRecord {
  add(event: PretrainEvent): void;
  /** Returns when all that was added is on disk. @throws Error where it cannot be */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface RunLog extends RunRecord {
  /** All events so far, those of earlier processes included. */
  readonly events: readonly PretrainEvent[];
}

/**
 * @param completed iterations after which the run goes on: what is logged of later ones will come again
 * @param before the log of what is completed
 */
export async function openRunLog(name: string, completed: number, before = name): Promise<RunLog> {
  const events = completed === 0 ? [] : await readEvents(before, completed);
  await writeFileAtomically(name, (file) => writeFully(file, Buffer.from(events.map(toLine).join(''))));
  const file = await openAppended(name);
  return {
    events,
    add(event) {
      events.push(event);
      file.append(toLine(event));
    },
    flush: () => file.flush(),
    close: () => file.close(),
  };
}

const toLine = (event: PretrainEvent) => `${JSON.stringify(event)}\n`;

async function readEvents(name: string, completed: number): Promise<PretrainEvent[]> {
  const lines = (await readFile(name, 'utf8').catch(() => '')).split('\n');
  return lines.flatMap((line) => {
    const event = parse(line);
    return event && event.iteration <= completed ? [event] : [];
  });
}

/** The last line may be cut. */
function parse(line: string): PretrainEvent | undefined {
  try {
    return JSON.parse(line) as PretrainEvent;
  } catch {
    return undefined;
  }
}
