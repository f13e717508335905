import type { Row } from '../data/row.js';

/** A question of several answers, of which a model sees each in a pair. */
export interface ChoiceExample extends Row {
  readonly id: number;
  readonly context: string;
  /** What goes with the context in each pair. */
  readonly choices: readonly string[];
  /** The place of the right one; null where it is not published. */
  readonly label: number | null;
}
