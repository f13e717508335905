import { availableParallelism } from 'node:os';

/** Threads of each rank where so many share this machine's cores. */
export const threadsOfRank = (ranks: number) => Math.max(1, Math.floor(availableParallelism() / ranks));
