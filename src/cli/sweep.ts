/** `finetune --sweep`. */
import path from 'node:path';
import { InputError } from '../errors.js';
import { columns } from '../plan/table.js';
import type { FinetuneOptions } from '../tasks/finetune-options.js';
import { sweep, type SweepEvent } from '../tasks/sweep/sweep.js';
import { shownParameters, sweepTable } from '../tasks/sweep/sweep-table.js';
import { createTaskProgress } from './task-progress.js';

export async function runSweep(
  file: string,
  { resume_from_checkpoint: goesOn = false, ...options }: FinetuneOptions,
  asJson: boolean,
): Promise<void> {
  if (typeof goesOn === 'string')
    throw new InputError(
      `--resume-from-checkpoint: expected no folder, as a sweep goes on where it was, found ${goesOn}`,
    );
  let show = createTaskProgress();
  const onEvent = (event: SweepEvent) => {
    if (event.kind === 'run') {
      const { run, of, parameters } = event;
      console.error(`run ${run}${of < Infinity ? ` of ${of}` : ''}: ${shownParameters(parameters)}`);
    } else if (event.kind === 'run-ended') {
      show.stop();
      show = createTaskProgress();
      const { run, error } = event.run;
      if (error !== undefined) console.error(`run ${run} failed: ${error}`);
    } else show.event(event);
  };
  try {
    const results = await sweep({ ...options, sweep: file, resume_from_checkpoint: goesOn, onEvent });
    if (asJson) {
      console.log(JSON.stringify(results, null, 2));
      return;
    }
    const { head, rows } = sweepTable(results);
    for (const line of columns([head, ...rows.map(({ cells }) => cells)])) console.log(line);
    console.log(`The best model, of run ${results.best}, is in ${path.join(options.output_dir, 'best')}`);
  } finally {
    show.stop();
  }
}
