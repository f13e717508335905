// What the benchmarks that run processes in turns share.
import { execFileSync } from 'node:child_process';

/** Contenders take turns; each turn is a process of its own. */
export function takeTurns(rounds, contenders) {
  const measured = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++)
    for (const [name, run] of Object.entries(contenders)) measured[name].push(run());
  return measured;
}

/** What a process reports, which is its last line. */
export function measure(program, args, env = {}) {
  const output = execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  return JSON.parse(output.trim().split('\n').at(-1));
}

export function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

/** Paired by round, so that a slow moment of the machine counts for both. */
export function pairedRatio(over, under, of) {
  return over && under ? median(over.map((run, round) => of(run) / of(under[round]))).toFixed(2) : '';
}

export function printTable(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  console.log(`\n${line(head)}\n${line(head.map((_, i) => (i === 0 ? '---' : '---:')))}`);
  for (const row of rows) console.log(line(row));
}
