// One rank of test/collectives.test.ts.
import { runRank } from '../../dist/parallel/rank.js';
import { performAll } from './perform-collectives.mjs';

await runRank(async ({ cases, small = 0 }, ranks) => {
  const wrong = await performAll(cases, ranks);
  const { world } = ranks.groups;
  const sum = (world.size * (world.size - 1)) / 2;
  for (let i = 0; i < small; i++) {
    const data = Float32Array.of(world.rank + i, world.rank);
    await world.allReduce(data, 'sum');
    if (data[0] !== Math.fround(sum + world.size * i) || data[1] !== sum)
      wrong.push(`operation ${i}: ${data}`);
  }
  return wrong;
});
