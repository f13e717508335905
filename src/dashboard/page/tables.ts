/** What a run was started with. */
import type { FolderMessage } from '../messages.js';
import { byId, element } from './dom.js';
import { count } from './format.js';

export function drawTables({ run, checkpoints }: FolderMessage): void {
  fill('options', run.options);
  fill('model', run.config);
  byId('checkpoints').replaceChildren(
    ...checkpoints.flatMap((iteration, i) => row(count(iteration), i === 0 ? 'the newest' : '')),
  );
  for (const details of document.querySelectorAll<HTMLElement>('#about details'))
    details.hidden = details.querySelector('dl')!.children.length === 0;
}

function fill(id: string, values: unknown): void {
  const entries = typeof values === 'object' && values !== null ? Object.entries(values) : [];
  byId(id).replaceChildren(...entries.flatMap(([name, value]) => row(words(name), shown(value))));
}

const row = (name: string, value: string) => [element('dt', '', name), element('dd', '', value)];

/** microBatchSize and num_hidden_layers as words. */
const words = (name: string) =>
  name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase();

const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
