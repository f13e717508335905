/** What learns in fine-tuning, and how fast. */
import { cpSync, existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { difference, fixture, readTensors } from './support/fixture.js';
import { folder, jsonOf, model, rows, run, weightsOf, type Run } from './support/fine-tuning.js';
import { built } from './support/package.js';

describe('what learns', () => {
  const changed = async (trained: Run, base: string) => {
    const before = await readTensors(path.join(model(base), 'model.safetensors'));
    const after = await weightsOf(trained);
    return [...after].flatMap(([name, { data }]) => {
      const stored = before.get(name) ?? before.get(name.replace(/^bert\./, ''));
      return stored && difference(data, stored.data) > 0 ? [name] : [];
    });
  };

  test('everything by default, the head alone, or what is not frozen', async () => {
    const names = await changed(await run(), 'model');
    expect(names).toContain('bert.embeddings.word_embeddings.weight');
    expect(names.some((name) => name.startsWith('bert.encoder.layer.0.'))).toBe(true);
    expect(await changed(await run({ head_only: true }), 'model')).toEqual([
      'bert.pooler.dense.weight',
      'bert.pooler.dense.bias',
    ]);
    const frozen = await changed(await run({ freeze_layers: 1, pipeline_parallel_size: 2 }), 'model');
    expect(frozen.some((name) => /embeddings|layer\.0\./.test(name))).toBe(false);
    expect(frozen.some((name) => name.includes('layer.1.'))).toBe(true);
  });

  test('lower layers more slowly, where their rate decays', async () => {
    const movement = async (decay: number) => {
      const after = await weightsOf(await run({ max_steps: 1, layerwise_lr_decay: decay, warmup_steps: 0 }));
      const before = await readTensors(path.join(model('model'), 'model.safetensors'));
      return (name: string) => difference(after.get(`bert.${name}`)!.data, before.get(name)!.data);
    };
    const [plain, decayed] = [await movement(1), await movement(0.1)];
    const [first, second] = [0, 1].map((layer) => `encoder.layer.${layer}.output.dense.weight`);
    expect(decayed(second!) / plain(second!)).toBeCloseTo(0.1, 3);
    expect(decayed(first!) / plain(first!)).toBeCloseTo(0.01, 3);
  });

  test('an adapter: the model stays, is read back, and may go on learning on two ranks', async () => {
    const lora = { r: 2, target_modules: ['query', 'intermediate.dense', 'attention.output.dense'] };
    const trained = await run({ lora, max_steps: 20, learning_rate: 1e-2 });
    const tensors = await weightsOf(trained, 'adapter_model.safetensors');
    expect([...tensors.keys()]).toContain(
      'base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight',
    );
    expect([...tensors.keys()].every((name) => /lora_[AB]|classifier/.test(name))).toBe(true);
    expect(existsSync(path.join(trained.output, 'model.safetensors'))).toBe(false);
    expect(jsonOf(trained, 'adapter_config.json')).toMatchObject({
      peft_type: 'LORA',
      r: 2,
      task_type: 'SEQ_CLS',
    });
    const evaluated = await built.evaluate({
      task: 'sequence-classification',
      model: trained.output,
      validation: rows.slice(80),
      max_seq_length: 64,
      tensor_parallel_size: 2,
    });
    expect(evaluated.eval_loss).toBeCloseTo(trained.results.eval_loss!, 5);
    const split = await run({ lora, max_steps: 20, learning_rate: 1e-2, tensor_parallel_size: 2 });
    expect(difference(split.losses, trained.losses)).toBeLessThan(1e-4);
  });

  test('smoothed labels, of a GPT-2 too', async () => {
    const gpt2 = path.join(folder, 'gpt2');
    cpSync(fixture('gpt2-tokenizer/plain'), gpt2, { recursive: true });
    cpSync(fixture('gpt2/text'), gpt2, { recursive: true });
    const { text } = rows[0]!;
    const noDropout = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
    const { losses } = await run({
      ...{ task: 'causal-lm', model: gpt2, train: [{ text }], validation: [{ text }], config: noDropout },
      ...{ max_seq_length: 16, train_sampling_strategy: 'sequential', per_device_train_batch_size: 1 },
      ...{ max_steps: 1, learning_rate: 0, label_smoothing_factor: 0.2 },
    });

    const tokenizer = await built.readAnyTokenizer(gpt2);
    const { input_ids } = tokenizer.encode(text, null, { max_length: 16, truncation: true });
    const loaded = await built.GPT2LMHeadModel.from_pretrained(gpt2);
    const { logits } = await loaded.forward({ input_ids: [input_ids] });
    await loaded.dispose();
    const words = logits.dims.at(-1)!;
    const costs = input_ids.slice(1).map((next, i) => {
      const scores = Array.from(logits.data.subarray(i * words, (i + 1) * words));
      const logSum = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0));
      const ofAll = scores.reduce((sum, score) => sum + logSum - score, 0) / words;
      return 0.8 * (logSum - scores[next]!) + 0.2 * ofAll;
    });
    expect(losses[0]).toBeCloseTo(costs.reduce((sum, cost) => sum + cost, 0) / costs.length, 5);
  });
});
