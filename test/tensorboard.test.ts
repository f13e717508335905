/** Event files against those of TensorBoard's own writer, and read back by a second reader. */
import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { PretrainEvent, StepEvent } from '../src/train/events.js';
import { openTensorboard } from '../src/train/tensorboard.js';
import { fixture } from './support/fixture.js';
import { temporaryFolder } from './support/workspace.js';

const folder = temporaryFolder();

afterEach(() => {
  vi.useRealTimers();
});

const step = (iteration: number, fields: Partial<StepEvent> = {}): StepEvent => ({
  kind: 'step',
  iteration,
  loss: 6.95,
  lm_loss: 6.25,
  next_sentence_loss: 0.7,
  learning_rate: 1e-4,
  global_batch_size: 512,
  consumed_samples: 512 * iteration,
  gradient_norm: NaN,
  seconds: 1.5,
  data_seconds: 0.1,
  tokens_per_second: 1000,
  model_flops_per_second: 5e10,
  peak_flops_per_second: 1e11,
  memory: 1e9,
  ...fields,
});

const evaluation = (iteration: number, loss: number): PretrainEvent => ({
  kind: 'evaluation',
  iteration,
  loss,
  accuracy: 1,
});

async function write(name: string, completed: number, events: readonly PretrainEvent[]): Promise<void> {
  const tensorboard = await openTensorboard(path.join(folder, name), completed);
  for (const event of events) tensorboard.add(event);
  await tensorboard.flush();
  await tensorboard.close();
}

test('the bytes are those of TensorBoard', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_250 });
  await write('bytes', 299, [step(300), evaluation(1_000_000, 0)]);
  expect(readdirSync(path.join(folder, 'bytes'))).toEqual([`events.out.tfevents.1700000000.${hostname()}`]);
  expect(files('bytes')).toEqual([readFileSync(fixture('tensorboard/events'))]);
});

test('a run that goes on has a file that comes later, and says from where', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_250 });
  await write('resumed', 0, [evaluation(0, 30), step(1), step(2)]);
  // the clock has been set back
  vi.setSystemTime(1_600_000_000_000);
  await write('resumed', 1, [step(2, { lm_loss: 5 })]);
  const [first, second] = files('resumed').map((bytes) => [...records(bytes)].map(decode));
  expect(first!.map(({ step, start, scalars }) => [step, start, scalars?.['lm loss']])).toEqual([
    [0, false, undefined],
    [0, true, undefined],
    [0, false, undefined],
    [1, false, 6.25],
    [2, false, 6.25],
  ]);
  expect(first![2]!.scalars).toEqual({
    'lm loss validation': 30,
    'lm loss validation ppl': Math.fround(Math.exp(20)),
  });
  expect(second!.map(({ step, start, scalars }) => [step, start, scalars?.['lm loss']])).toEqual([
    [0, false, undefined],
    [2, true, undefined],
    [2, false, 5],
  ]);
});

const files = (name: string) =>
  readdirSync(path.join(folder, name))
    .sort()
    .map((file) => readFileSync(path.join(folder, name, file)));

function* records(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    yield bytes.subarray(at + 12, at + 12 + length);
    at += length + 16;
  }
}

type Field = readonly [number: number, value: number | Buffer];

function* fields(bytes: Buffer): Generator<Field> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => bytes.subarray(at, (at += length));
  const readers: Readonly<Record<number, () => number | Buffer>> = {
    0: varint,
    1: () => take(8).readDoubleLE(),
    2: () => take(varint()),
    5: () => take(4).readFloatLE(),
  };
  while (at < bytes.length) {
    const tag = varint();
    yield [tag >> 3, readers[tag & 7]!()];
  }
}

function decode(bytes: Buffer) {
  const event = new Map(fields(bytes));
  const summary = event.get(5) as Buffer | undefined;
  const values = summary && [...fields(summary)].map(([, value]) => new Map(fields(value as Buffer)));
  return {
    step: (event.get(2) as number | undefined) ?? 0,
    start: event.has(7),
    scalars: values && Object.fromEntries(values.map((value) => [String(value.get(1)), value.get(2)])),
  };
}
