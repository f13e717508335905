import { InputError } from '../errors.js';
import { MegatronBertForMaskedLM } from '../pretrained/classes.js';
import type { FromPretrainedOptions } from '../pretrained/from-pretrained.js';
import { readTokenizer } from '../text/tokenizer.js';
import { fillMask, type FilledMask, type FillMaskOptions } from './fill-mask.js';

export interface FillMaskPipeline {
  (text: string, options?: FillMaskOptions): Promise<FilledMask[] | FilledMask[][]>;
  dispose(): Promise<void>;
}

/**
 * A model folder as a function from text to answers.
 *
 * @example const fill = await pipeline('fill-mask', 'my-model'); await fill('Call me [MASK].');
 */
export async function pipeline(
  task: 'fill-mask',
  folder: string,
  options: FromPretrainedOptions = {},
): Promise<FillMaskPipeline> {
  // from JavaScript any string can come
  if ((task as string) !== 'fill-mask') throw new InputError(`unknown task ${task}: expected fill-mask`);
  const tokenizer = await readTokenizer(folder);
  const model = await MegatronBertForMaskedLM.from_pretrained(folder, options);
  const call = (text: string, given?: FillMaskOptions) => fillMask(model, tokenizer, text, given);
  return Object.assign(call, { dispose: () => model.dispose() });
}
