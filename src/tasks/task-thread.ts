/** A rank that is a thread. */
import { runRank } from '../parallel/rank.js';
import type { FineTuneEvent } from '../train/fine-tuning/fine-tune-rank.js';
import { taskRank, type RankResult, type RankTask } from './task-rank.js';

await runRank<RankTask, FineTuneEvent, RankResult>(taskRank);
