/** LoRA adapters in PEFT's format: `adapter_config.json` and `adapter_model.safetensors`. */
import { largestConfig, readJsonObject } from '../checkpoint/json-file.js';
import { InputError, shown } from '../errors.js';
import { adapterConfigName, baseOf } from '../hub/open-model.js';
import type { FindFile } from '../hub/repository.js';
import type { LoraOptions } from '../model/lora.js';
import type { TaskClass } from '../model/task-blocks.js';

export const adapterFile = 'adapter_model.safetensors';
/** What PEFT has before the names of a model's parameters. */
export const adapterPrefix = 'base_model.model.';

export interface Adapter {
  /** The model that it adapts, a folder or a name. */
  readonly base: string;
  readonly lora: LoraOptions;
}

/** PEFT's, but for the matrices: it knows none of this model's by itself, and of BERT it takes these. */
export const defaultLora: LoraOptions = {
  r: 8,
  lora_alpha: 8,
  lora_dropout: 0,
  target_modules: ['query', 'value'],
};

/** @throws InputError naming what cannot be used */
export function resolveLora(given: Partial<LoraOptions>): LoraOptions {
  const lora = { ...defaultLora, ...given };
  const { r, lora_alpha, lora_dropout, target_modules } = lora;
  if (!Number.isInteger(r) || r < 1)
    throw new InputError(`lora_r: expected a positive integer, found ${shown(r)}`);
  if (!(lora_alpha > 0))
    throw new InputError(`lora_alpha: expected a number above 0, found ${shown(lora_alpha)}`);
  if (!(lora_dropout >= 0 && lora_dropout < 1))
    throw new InputError(
      `lora_dropout: expected a number from 0 to less than 1, found ${shown(lora_dropout)}`,
    );
  if (target_modules.length === 0)
    throw new InputError('lora_target_modules: expected names of modules, found none');
  return lora;
}

/** Modules that are trained as a whole and saved with an adapter: PEFT's, by the kind of task. */
const savedModules = ['classifier', 'qa_outputs'];
export const isSavedWithAdapter = (name: string) => savedModules.includes(name.split('.')[0]!);

const taskTypes: Partial<Record<TaskClass, string>> = {
  MegatronBertForSequenceClassification: 'SEQ_CLS',
  MegatronBertForTokenClassification: 'TOKEN_CLS',
  MegatronBertForQuestionAnswering: 'QUESTION_ANS',
  MegatronBertForCausalLM: 'CAUSAL_LM',
};

export function adapterConfigJson(className: TaskClass, { base, lora }: Adapter): string {
  const hasHead = /Classification|QuestionAnswering|MultipleChoice/.test(className);
  const head = className === 'MegatronBertForQuestionAnswering' ? 'qa_outputs' : 'classifier';
  const fields = {
    base_model_name_or_path: base,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: lora.lora_alpha,
    lora_dropout: lora.lora_dropout,
    modules_to_save: hasHead ? [head] : null,
    peft_type: 'LORA',
    r: lora.r,
    target_modules: lora.target_modules,
    task_type: taskTypes[className] ?? null,
    use_dora: false,
    use_rslora: false,
  };
  return `${JSON.stringify(fields, null, 2)}\n`;
}

/** The adapter that a folder holds, where it holds one. @throws InputError where it is of a kind that is not known here */
export async function readAdapter(find: FindFile): Promise<Adapter | undefined> {
  const file = await find(adapterConfigName);
  if (file === undefined) return undefined;
  const fields = await readJsonObject(file, largestConfig);
  const expect = (name: string, allowed: readonly unknown[]) => {
    const value = fields[name] ?? null;
    const isEmpty = typeof value === 'object' && Object.keys(value ?? {}).length === 0;
    if (!allowed.includes(isEmpty ? null : value))
      throw new InputError(
        `${file}: ${name}: expected ${allowed.map(shown).join(' or ')}, found ${shown(value)}`,
      );
  };
  expect('peft_type', ['LORA']);
  expect('bias', ['none', null]);
  for (const name of [
    'fan_in_fan_out',
    'use_dora',
    'use_rslora',
    'rank_pattern',
    'alpha_pattern',
    'layers_to_transform',
    'layers_pattern',
  ])
    expect(name, [false, null]);
  const { r, lora_alpha, lora_dropout = 0, target_modules } = fields;
  if (!Array.isArray(target_modules) || !target_modules.every((name) => typeof name === 'string'))
    throw new InputError(`${file}: target_modules: expected a list of names, found ${shown(target_modules)}`);
  return {
    base: baseOf(fields, file),
    lora: resolveLora({
      r: r as number,
      lora_alpha: lora_alpha as number,
      lora_dropout: lora_dropout as number,
      target_modules,
    }),
  };
}
