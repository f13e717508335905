/** Ranks that are processes of MPI: the first asks, and the others serve it. */
import { groupsOf } from '../../parallel/mesh.js';
import { rankFromEnvironment } from '../../parallel/mpi/environment.js';
import { hearObject, receiveObject, sendObject, tellObject } from '../../parallel/objects.js';
import { threadsOfRank } from '../../parallel/threads.js';
import type { Ranks } from '../../parallel/ranks.js';
import type { DividedModel, Division } from './division.js';
import { openRankModel, type AnswerRequest } from './rank-model.js';
import type { AskedRanks, RankRequest, Tensors } from './requests.js';

/** What the first process tells the others. */
type Message =
  | { readonly kind: 'open'; readonly model: DividedModel; readonly threads: number }
  | RankRequest
  | { readonly kind: 'end' };

const leader = 0;

/** Of the first process. */
export async function openProcesses(
  model: DividedModel,
  { threads: given, ranks }: Division & { readonly ranks: Ranks },
): Promise<AskedRanks> {
  const { world } = ranks.groups;
  const ranksOfHost = rankFromEnvironment(process.env)?.localSize ?? world.size;
  const threads = given ?? threadsOfRank(ranksOfHost);
  const tell = (message: Message) => tellObject(message, world);
  await tell({ kind: 'open', model, threads });
  const answer = openRankModel(model, ranks, threads);
  const reporters = groupsOf('pipeline', ranks.mesh)[0]!.filter((rank) => rank !== leader);
  let turn: Promise<unknown> = Promise.resolve();
  return {
    ask(request) {
      const answers = turn.then(async () => {
        await tell(request);
        const outputs = { ...(await answer(request)) };
        if (request.kind === 'run')
          for (const reporter of reporters) Object.assign(outputs, await receiveObject(reporter, world));
        return outputs;
      });
      turn = answers.catch(() => undefined);
      return answers;
    },
    close: async () => {
      await turn;
    },
  };
}

/** Of the other processes: answers for one model after the other, until the first process needs no more. */
export async function serveProcesses(ranks: Ranks): Promise<void> {
  const { world } = ranks.groups;
  let answer: AnswerRequest | undefined;
  for (;;) {
    const message = (await hearObject(leader, world)) as Message;
    if (message.kind === 'end') return;
    if (message.kind === 'open') answer = openRankModel(message.model, ranks, message.threads);
    else {
      const outputs: Tensors = await answer!(message);
      if (message.kind === 'run' && ranks.place.tensor === 0) await sendObject(outputs, leader, world);
    }
  }
}

/** The first process needs the others no longer. */
export const endProcesses = ({ groups: { world } }: Ranks) =>
  tellObject({ kind: 'end' } satisfies Message, world);
