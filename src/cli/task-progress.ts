import type { TaskEvent } from '../tasks/finetune-options.js';
import { createProgress } from './progress.js';

/** A bar of steps, and lines for what is measured on the way. */
export function createTaskProgress() {
  const progress = createProgress('Step', 'steps');
  let steps = 0;
  const event = (event: TaskEvent) => {
    if (event.kind === 'warning') progress.print(event.message);
    else if (event.kind === 'hyper-parameters')
      progress.print(
        `By ${event.source}: ${Object.entries(event.arguments)
          .map(([name, value]) => `${name} ${value}`)
          .join(', ')}`,
      );
    else if (event.kind === 'ready') {
      steps = event.steps;
      const { examples, trainedParameters: trained, parameters, labels } = event;
      const share = trained === parameters ? '' : `${trained.toLocaleString('en')} of `;
      progress.print(
        `${examples} examples, ${steps} steps, ${share}${parameters.toLocaleString('en')} parameters` +
          (labels.length > 1 ? `, labels ${labels.slice(0, 12).join(', ')}` : ''),
      );
    } else if (event.kind === 'step') progress.update(event.step, steps, `loss ${event.loss.toFixed(4)}`);
    else if (event.kind === 'evaluation')
      progress.print(
        `Step ${event.step}: ${Object.entries(event.metrics)
          .map(([name, value]) => `${name} ${value.toFixed(4)}`)
          .join(', ')}`,
      );
  };
  return {
    event,
    stop: () => {
      progress.stop();
    },
  };
}
