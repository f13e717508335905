/** A rank that is a thread: the module that `openThreads` launches. */
import { BroadcastChannel } from 'node:worker_threads';
import { runRank } from '../../parallel/rank.js';
import type { DividedModel } from './division.js';
import { openRankModel } from './rank-model.js';
import type { RankRequest, Tensors } from './requests.js';

export interface RankThreadTask {
  readonly model: DividedModel;
  readonly threads: number;
  /** The name of the channel that requests come by. */
  readonly channel: string;
}

/** What the main thread sends. */
export type RankThreadMessage = RankRequest | { readonly kind: 'close' };

await runRank<RankThreadTask, Tensors, undefined>(
  async ({ model, threads, channel: name }, ranks, report) => {
    const channel = new BroadcastChannel(name);
    const answer = openRankModel(model, ranks, threads);
    try {
      await new Promise<void>((resolve, reject) => {
        let turn = Promise.resolve();
        channel.onmessage = (event) => {
          const request = (event as MessageEvent).data as RankThreadMessage;
          if (request.kind === 'close') resolve();
          else
            turn = turn.then(async () => {
              report(await answer(request));
            });
          turn.catch(reject);
        };
        // it listens
        report({});
      });
    } finally {
      channel.close();
    }
    return undefined;
  },
);
