/** What a model's ranks are asked, and the model as those who ask see it. */
import type { HostTensor } from '../../engine/engine.js';
import type { TransformerConfig } from '../../model/config.js';
import type { Computer } from '../computer.js';
import type { Call } from '../model-programs.js';

export type Tensors = Readonly<Record<string, HostTensor>>;

/** Plain data; `program` numbers the programs of a model. Ranks take requests one after the other, all in one order. */
export type RankRequest =
  | {
      readonly kind: 'load';
      readonly program: number;
      readonly config: TransformerConfig;
      readonly call: Call;
    }
  | { readonly kind: 'run'; readonly program: number; readonly inputs: Tensors }
  | { readonly kind: 'release'; readonly program: number };

/** All ranks together. */
export interface AskedRanks {
  /** @returns the outputs of a run, those of all stages @throws the first error of any rank */
  readonly ask: (request: RankRequest) => Promise<Tensors>;
  readonly close: () => Promise<void>;
}

export function computeOnRanks({ ask, close }: AskedRanks): Computer {
  let programs = 0;
  return {
    async load({ config }, call) {
      const program = programs++;
      await ask({ kind: 'load', program, config, call });
      return {
        run: (inputs, signal) => unlessAborted(ask({ kind: 'run', program, inputs }), signal),
        release: () => {
          // where it fails, so does all that follows
          ask({ kind: 'release', program }).catch(() => undefined);
        },
      };
    },
    release: close,
  };
}

/** What ranks have begun they end; an abort only stops the waiting for it. */
async function unlessAborted<Result>(result: Promise<Result>, signal?: AbortSignal): Promise<Result> {
  if (!signal) return result;
  signal.throwIfAborted();
  let abort!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      reject(signal.reason as Error);
    };
  });
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
