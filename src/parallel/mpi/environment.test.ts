import { expect, test } from 'vitest';
import { rankFromEnvironment } from './environment.js';

const slurm = {
  SLURM_PROCID: '5',
  SLURM_NTASKS: '8',
  SLURM_STEP_NUM_TASKS: '6',
  SLURM_LOCALID: '1',
  SLURM_STEP_ID: '0',
};

test('no launcher', () => {
  expect(rankFromEnvironment({ PATH: '/bin', PMI_RANK: '0' })).toBeUndefined();
});

test('mpirun of Open MPI', () => {
  const environment = {
    OMPI_COMM_WORLD_RANK: '3',
    OMPI_COMM_WORLD_SIZE: '4',
    OMPI_COMM_WORLD_LOCAL_RANK: '1',
  };
  const expected = { launcher: 'Open MPI', rank: 3, size: 4, localRank: 1 };
  expect(rankFromEnvironment(environment)).toEqual(expected);
  expect(rankFromEnvironment({ ...slurm, ...environment })).toEqual(expected);
});

test('mpirun of MPICH', () => {
  expect(rankFromEnvironment({ PMI_RANK: '0', PMI_SIZE: '2', MPI_LOCALRANKID: '0' })).toEqual({
    launcher: 'MPICH',
    rank: 0,
    size: 2,
    localRank: 0,
  });
});

test('srun', () => {
  expect(rankFromEnvironment(slurm)).toEqual({ launcher: 'Slurm', rank: 5, size: 6, localRank: 1 });
});

test.each([undefined, '4294967291', '4294967290'])(
  "a Slurm job's script or shell is no rank (step %s)",
  (step) => {
    expect(rankFromEnvironment({ ...slurm, SLURM_STEP_ID: step })).toBeUndefined();
  },
);

test('numbers that are none', () => {
  expect(rankFromEnvironment({ PMI_RANK: 'first', PMI_SIZE: '2' })).toBeUndefined();
});
