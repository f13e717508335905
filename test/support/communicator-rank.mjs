// The work of one rank in test/communicator.test.ts; threads run the built package.
import { runRank } from '../../dist/parallel/rank.js';

const numbers = (rank, length) =>
  Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(i + 1) * (rank + 1)));

await runRank(async ({ action, length }, { groups }, report) => {
  const communicator = groups.world;
  const { rank, size } = communicator;
  report(`rank ${rank} of ${size} started`);
  switch (action) {
    case 'sum':
    case 'max': {
      const data = numbers(rank, length);
      await communicator.allReduce(data, action);
      return data;
    }
    case 'allGather': {
      const whole = new Float32Array(length * size);
      await communicator.allGather(numbers(rank, length), whole);
      return whole;
    }
    case 'reduceScatter': {
      const part = new Float32Array(length);
      await communicator.reduceScatter(numbers(rank, length * size), part);
      return part;
    }
    case 'fail':
      if (rank === 1) throw new Error('no more paper');
      await communicator.barrier();
      return;
    case 'exit':
      if (rank === 1) process.exit(3);
      await communicator.barrier();
      return;
    case 'wait':
      report('waiting');
      if (rank === 0) await communicator.barrier();
      else await new Promise(() => setInterval(() => {}, 1000));
  }
});
