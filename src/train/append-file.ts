/** A file that grows in the background. */
import { open } from 'node:fs/promises';

export interface AppendedFile {
  append(content: string | Uint8Array): void;
  /** Returns when all that was appended is on disk. @throws Error where it cannot be */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** @param flags 'a', or 'ax' where there must be no such file yet */
export async function openAppended(name: string, flags: 'a' | 'ax' = 'a'): Promise<AppendedFile> {
  const file = await open(name, flags);
  let written = Promise.resolve();
  return {
    append(content) {
      written = written.then(() => file.appendFile(content));
      // what cannot be written is said when it is flushed, not before
      written.catch(() => undefined);
    },
    async flush() {
      await written;
      await file.sync();
    },
    close: () => file.close(),
  };
}
