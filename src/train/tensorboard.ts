/**
 * TensorBoard's event files: TFRecords (https://www.tensorflow.org/tutorials/load_data/tfrecord) of `Event` messages.
 * The numbers below are the field numbers of event.proto and summary.proto
 * (https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto).
 */
import { mkdir, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { bytesField, doubleField, floatField, integerField, message, stringField } from '../protobuf.js';
import { openAppended } from './append-file.js';
import { crc32c } from './crc32c.js';
import type { EvaluationEvent, StepEvent } from './events.js';
import type { RunRecord } from './run-log.js';

/**
 * Begins a new file in the folder, which TensorBoard reads after those that are there.
 *
 * @param completed iterations after which the run goes on: what earlier files say of later ones no longer counts
 */
export async function openTensorboard(folder: string, completed = 0): Promise<RunRecord> {
  await mkdir(folder, { recursive: true });
  const file = await openAppended(path.join(folder, await newName(folder)), 'ax');
  const add = (step: number, ...content: readonly Uint8Array[]) => {
    const stepField = step === 0 ? [] : [integerField(2, step)];
    file.append(record(message(doubleField(1, Date.now() / 1000), ...stepField, ...content)));
  };
  add(0, stringField(3, 'brain.Event:2'));
  // a fresh run replaces the evaluation before its first iteration too
  add(completed === 0 ? 0 : completed + 1, bytesField(7, integerField(1, sessionStart)));
  return {
    add: (event) => {
      if (event.kind === 'predictions') return;
      add(event.iteration, bytesField(5, summary(scalars(event))));
    },
    flush: () => file.flush(),
    close: () => file.close(),
  };
}

/** By Megatron-LM's names, so that runs of both lie in one chart. */
function scalars(event: StepEvent | EvaluationEvent): Readonly<Record<string, number>> {
  if (event.kind === 'evaluation')
    return {
      'lm loss validation': event.loss,
      'lm loss validation ppl': Math.exp(Math.min(20, event.loss)),
    };
  return {
    'lm loss': event.lm_loss,
    ...(event.next_sentence_loss !== undefined && { 'sop loss': event.next_sentence_loss }),
    'learning-rate': event.learning_rate,
    'grad-norm': event.gradient_norm,
    'batch-size': event.global_batch_size,
    'iteration-time': event.seconds,
    'model-flops-per-second': event.model_flops_per_second,
  };
}

function summary(values: Readonly<Record<string, number>>): Uint8Array {
  const fields = Object.entries(values).map(([name, value]) =>
    bytesField(1, message(stringField(1, name), floatField(2, value))),
  );
  return message(...fields);
}

/** `SessionLog.START`: TensorBoard then drops what it read of this step and later ones. */
const sessionStart = 1;

/** Length (64 bits) and its checksum, content and its checksum; all little-endian. */
function record(content: Uint8Array): Uint8Array {
  const framed = new Uint8Array(8 + 4 + content.length + 4);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(content.length), true);
  view.setUint32(8, maskedCrc(framed.subarray(0, 8)), true);
  framed.set(content, 12);
  view.setUint32(12 + content.length, maskedCrc(content), true);
  return framed;
}

/** Turned and moved, since the checksum of what contains its own checksum says little. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** TensorBoard reads files in the order of their names: this one comes last, whatever the clock says. */
async function newName(folder: string): Promise<string> {
  const taken = (await readdir(folder)).map((name) =>
    Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0),
  );
  const seconds = Math.max(Math.floor(Date.now() / 1000), ...taken.map((earlier) => earlier + 1));
  return `events.out.tfevents.${seconds}.${hostname()}`;
}
