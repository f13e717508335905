import { open, rename, rm } from 'node:fs/promises';

/** Where results go, one after the other. */
export interface Results {
  /** @param lines as people read it @param value as programs do */
  add(lines: () => readonly string[], value: unknown): Promise<void>;
  /** Nothing is kept of results that are not ended. */
  end(): Promise<void>;
  abandon(): Promise<void>;
}

export const printedResults: Results = {
  add: async (lines) => {
    console.log(lines().join('\n'));
  },
  end: async () => undefined,
  abandon: async () => undefined,
};

/** One JSON document on standard output: the result of a single text, or a list of all. */
export function jsonResults(isSingle: boolean): Results {
  let count = 0;
  const write = (text: string) =>
    new Promise<void>((resolve) => {
      process.stdout.write(text, () => {
        resolve();
      });
    });
  return {
    add: (_, value) => write(`${isSingle ? '' : count++ === 0 ? '[' : ',\n'}${JSON.stringify(value)}`),
    end: () => write(isSingle ? '\n' : count === 0 ? '[]\n' : ']\n'),
    abandon: async () => undefined,
  };
}

/** A file of JSON lines, written beside its name and renamed at the end. */
export async function fileResults(name: string): Promise<Results> {
  const part = `${name}.${process.pid}.part`;
  const file = await open(part, 'w');
  return {
    add: (_, value) => file.appendFile(`${JSON.stringify(value)}\n`),
    async end() {
      await file.close();
      await rename(part, name);
    },
    async abandon() {
      await file.close();
      await rm(part, { force: true });
    },
  };
}
