/** What is told of downloads, in the shapes that transformers.js gives its `progress_callback`. */

/** What happens to a file. */
export interface FileProgress {
  readonly status: 'initiate' | 'download' | 'progress' | 'done';
  /** The model. */
  readonly name: string;
  readonly file: string;
  /** Percent. */
  readonly progress?: number;
  /** Bytes. */
  readonly loaded?: number;
  readonly total?: number;
}

/** How far all files are that were begun so far; before every `progress` of one. */
export interface TotalProgress {
  readonly status: 'progress_total';
  readonly name: string;
  readonly progress: number;
  readonly loaded: number;
  readonly total: number;
  readonly files: Readonly<Record<string, { readonly loaded: number; readonly total: number }>>;
}

export type DownloadProgress = FileProgress | TotalProgress;

export interface ProgressTeller {
  begin(file: string, total: number): void;
  advance(file: string, loaded: number): void;
  end(file: string): void;
}

/** @param name of the model */
export function progressTeller(
  name: string,
  tell: (progress: DownloadProgress) => void = () => undefined,
): ProgressTeller {
  const files = new Map<string, { readonly loaded: number; readonly total: number }>();
  return {
    begin(file, total) {
      files.set(file, { loaded: 0, total });
      tell({ status: 'initiate', name, file });
      tell({ status: 'download', name, file });
    },
    advance(file, loaded) {
      const { total } = files.get(file)!;
      files.set(file, { loaded, total });
      tell({
        status: 'progress_total',
        name,
        ...sumOf([...files.values()]),
        files: Object.fromEntries(files),
      });
      tell({ status: 'progress', name, file, ...sumOf([{ loaded, total }]) });
    },
    end(file) {
      tell({ status: 'done', name, file });
    },
  };
}

function sumOf(files: readonly { readonly loaded: number; readonly total: number }[]) {
  const loaded = files.reduce((sum, file) => sum + file.loaded, 0);
  const total = files.reduce((sum, file) => sum + file.total, 0);
  return { progress: total === 0 ? 100 : (100 * loaded) / total, loaded, total };
}
