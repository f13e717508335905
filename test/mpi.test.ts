/** Ranks as processes: collectives and messages over MPI against loops, and runs that end with one rank. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { meshSize, type Mesh } from '../src/parallel/mesh.js';
import { arbitraryCases, fixedCases, meshesOf, type CollectiveCase } from './support/collective-cases.js';
import { launchers, runRanks, type MpiRun } from './support/mpi.js';
import { temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();
const generatedCases = 200;
const operationsOfSoak = 100_000;
/** More numbers than are summed at a time, on two ranks or more. */
const longCases: readonly CollectiveCase[] = [
  { ...fixedCases[0]!, operation: 'sum', length: 2 ** 22 + 5 },
  { ...fixedCases[0]!, operation: 'reduceScatter', length: 2 ** 21 + 5 },
];

const pair: Mesh = { tensor: 2, pipeline: 1, data: 1 };

/** That every rank did all, as the loop says, and nobody complained. */
function expectAllWell({ code, output, reports }: MpiRun, size: number, performed: number): void {
  expect(reports).toEqual(Array.from({ length: size }, (_, rank) => ({ rank, performed, wrong: [] })));
  expect(output.replace('failing\n', '')).toBe('');
  expect(code).toBe(0);
}

test('there is a launcher', ({ skip }) => {
  if (launchers.length === 0) skip('neither Open MPI nor MPICH is installed: scripts/install-mpi.sh');
});

describe.each(launchers)('$name', (launcher) => {
  describe.each(Object.values(meshesOf).flat())(
    '$tensor (tensor) × $pipeline (pipeline) × $data (data) ranks',
    (mesh) => {
      const size = meshSize(mesh);
      test('operations give what a loop gives', async () => {
        const cases = [...fixedCases, ...fc.sample(arbitraryCases(), generatedCases)];
        const run = await runRanks(launcher, size, folder, { action: 'cases', mesh, cases });
        expectAllWell(run, size, cases.length);
      });
    },
  );

  test.each([2, 3])('more numbers than are summed at a time, on %i ranks', async (size) => {
    const mesh = { ...pair, tensor: size };
    const run = await runRanks(launcher, size, folder, { action: 'cases', mesh, cases: longCases });
    expectAllWell(run, size, longCases.length);
  });

  test('a rank may be a worker thread of its process', async () => {
    const task = { action: 'cases', inWorker: true, mesh: pair, cases: fixedCases };
    expectAllWell(await runRanks(launcher, 2, folder, task), 2, fixedCases.length);
  });

  test(`${operationsOfSoak} small operations`, async () => {
    const run = await runRanks(launcher, 2, folder, { action: 'soak', mesh: pair, count: operationsOfSoak });
    expectAllWell(run, 2, operationsOfSoak);
  });

  describe('all ranks end at once', () => {
    const three: Mesh = { tensor: 3, pipeline: 1, data: 1 };
    /** Ours, among what the launcher says. */
    const errors = ({ output }: MpiRun) => output.match(/^rank \d+ on .*$/gm) ?? [];
    const fail = async (action: string, options = {}) => {
      const run = await runRanks(launcher, 3, folder, { action, mesh: three, ...options });
      expect(run.code).not.toBe(0);
      expect(run.secondsToEnd).toBeLessThan(5);
      return run;
    };

    test.each([
      ['throws', 'throw', /^rank 1 on \S+: no more; paper$/],
      ['exits', 'exit', /^rank 1 on \S+: ended with code 3 before it was done$/],
      ['waits for what never comes', 'forget', /^rank 1 on \S+: ended with code \d+ before it was done$/],
    ])('when one %s', async (_, action, message) => {
      expect(errors(await fail(action))).toEqual([expect.stringMatching(message)]);
      expect(errors(await fail(action, { inWorker: true }))).toHaveLength(1);
    });

    test('when one is killed', async () => {
      const run = await fail('kill');
      expect(errors(run)).toEqual([]);
      expect(run.output).toMatch(/signal 9/);
    });

    test.each([
      ['hang', 'allReduce'],
      ['send nothing', 'receive'],
    ])('when one does not come (%s)', async (action, operation) => {
      const [message] = errors(await fail(action, { timeoutSeconds: 1 }));
      expect(message).toMatch(/^rank [02] on \S+: \w+: waited 1 s for rank 1 on \S+$/);
      expect(message).toContain(`: ${operation}: `);
    });

    test('when one never opens MPI', async () => {
      const run = await fail('never open', { timeoutSeconds: 1 });
      // its alarm ends another, and the launcher the rest
      expect(run.output).toMatch(/signal 1[45]/);
    });

    test.each([
      ['longer message', /: receive: expected 3 numbers from rank 1 on \S+, found 5$/],
      [
        'other lengths',
        /: allReduce(: expected [34] numbers from rank \d on \S+, found [34]| with rank \d on \S+: .*truncated)/,
      ],
    ])('when one sends another number of numbers (%s)', async (action, message) => {
      expect(errors(await fail(action))[0]).toMatch(message);
    });

    test('when MPI is opened again', async () => {
      expect(errors(await fail('open again'))[0]).toMatch(/: MPI was opened before in this process/);
    });
  });

  test('a mesh of another size is refused', async () => {
    const run = await runRanks(launcher, 2, folder, {
      action: 'cases',
      mesh: { ...pair, data: 2 },
      cases: [],
    });
    expect(run.output).toMatch(
      /: expected as many processes as the mesh has ranks, 2 \(tensor\) × 1 \(pipeline\) × 2 \(data\), found 2/,
    );
    expect(run.code).toBe(2);
  });

  test('the library of another launcher is refused', async ({ skip }) => {
    const other = launchers.find(({ name }) => name !== launcher.name);
    if (!other) skip('there is only one MPI here');
    const task = { action: 'soak', mesh: pair, count: 1, library: other!.library };
    const run = await runRanks(launcher, 2, folder, task);
    expect(run.code).not.toBe(0);
    expect(run.output).toMatch(
      `expected the one that belongs to the launcher, which is ${launcher.name} and started 2 processes, found one that sees 1`,
    );
  });
});
