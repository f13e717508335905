/** Ranks that are threads of this process. */
import { randomUUID } from 'node:crypto';
import { BroadcastChannel } from 'node:worker_threads';
import { launchRanks } from '../../parallel/launch.js';
import { meshSize } from '../../parallel/mesh.js';
import { threadsOfRank } from '../../parallel/threads.js';
import type { DividedModel, Division } from './division.js';
import type { RankThreadMessage, RankThreadTask } from './rank-thread.js';
import type { AskedRanks, Tensors } from './requests.js';

interface Pending {
  readonly resolve: (outputs: Tensors) => void;
  readonly reject: (error: Error) => void;
  readonly outputs: Record<string, Tensors[string]>;
  /** Ranks that have not answered. */
  missing: number;
}

export async function openThreads(
  model: DividedModel,
  { mesh, threads: given }: Division,
): Promise<AskedRanks> {
  const size = meshSize(mesh);
  const threads = given ?? threadsOfRank(size);
  const channel = new BroadcastChannel(`megatron-bert-${randomUUID()}`);
  const pending: Pending[] = [];
  let failure: Error | undefined;

  const expectAnswers = () =>
    new Promise<Tensors>((resolve, reject) => {
      pending.push({ resolve, reject, outputs: {}, missing: size });
    });
  const answered = new Array<number>(size).fill(0);
  let settled = 0;
  const take = (outputs: Tensors, rank: number) => {
    const asked = pending[answered[rank]!++ - settled]!;
    Object.assign(asked.outputs, outputs);
    if (--asked.missing > 0) return;
    pending.shift();
    settled++;
    asked.resolve(asked.outputs);
  };

  const listening = expectAnswers();
  const ended = launchRanks<RankThreadTask, Tensors, undefined>({
    mesh,
    module: new URL('./rank-thread.js', import.meta.url),
    task: { model, threads, channel: channel.name },
    onEvent: take,
  })
    .then(
      () => new Error('this model was given back'),
      (error: unknown) => error as Error,
    )
    .then((error) => {
      failure = error;
      for (const { reject } of pending.splice(0)) reject(error);
      channel.close();
    });
  await listening;
  const post = (message: RankThreadMessage) => {
    channel.postMessage(message);
  };
  return {
    async ask(request) {
      if (failure) throw failure;
      post(request);
      return expectAnswers();
    },
    async close() {
      if (!failure) post({ kind: 'close' });
      await ended;
    },
  };
}
