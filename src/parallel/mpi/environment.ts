/** What a launcher tells the processes that it starts. */

/** A process among those of its run. */
export interface LaunchedRank {
  readonly launcher: 'Open MPI' | 'MPICH' | 'Slurm';
  readonly rank: number;
  readonly size: number;
  /** Its number among those on the same host. */
  readonly localRank: number;
  /** How many are on the same host, where the launcher says it. */
  readonly localSize?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The variables that each launcher sets. MPICH's, Hydra, is that of Intel MPI and MVAPICH too; Slurm runs either's
 * library. mpirun within a Slurm job leaves Slurm's variables as they were, so that they come last.
 */
const launchers = [
  {
    launcher: 'Open MPI',
    rank: 'OMPI_COMM_WORLD_RANK',
    size: 'OMPI_COMM_WORLD_SIZE',
    localRank: 'OMPI_COMM_WORLD_LOCAL_RANK',
    localSize: 'OMPI_COMM_WORLD_LOCAL_SIZE',
  },
  {
    launcher: 'MPICH',
    rank: 'PMI_RANK',
    size: 'PMI_SIZE',
    localRank: 'MPI_LOCALRANKID',
    localSize: 'MPI_LOCALNRANKS',
  },
  {
    launcher: 'Slurm',
    rank: 'SLURM_PROCID',
    size: 'SLURM_STEP_NUM_TASKS',
    localRank: 'SLURM_LOCALID',
    // of jobs that say it: the same number on each host
    localSize: 'SLURM_NTASKS_PER_NODE',
  },
] as const;

/** The numbers from which on Slurm's steps are none that srun started, but the job's script or shell (slurm.h). */
const firstSpecialStep = 0xfffffff0;

/** @returns undefined where no launcher started this process */
export function rankFromEnvironment(environment: Environment): LaunchedRank | undefined {
  const read = (name: string) => {
    const text = environment[name] ?? '';
    return /^\d+$/.test(text) ? Number(text) : undefined;
  };
  const startedBySlurm = (read('SLURM_STEP_ID') ?? firstSpecialStep) < firstSpecialStep;
  for (const { launcher, ...names } of launchers) {
    const rank = read(names.rank);
    const size = read(names.size);
    if (rank === undefined || size === undefined || (launcher === 'Slurm' && !startedBySlurm)) continue;
    const localSize = read(names.localSize);
    return {
      ...{ launcher, rank, size, localRank: read(names.localRank) ?? 0 },
      ...(localSize !== undefined && { localSize }),
    };
  }
  return undefined;
}
