/** Whatever can be cloned, between ranks of a communicator, which has numbers only: its bytes take their place. */
import { deserialize, serialize } from 'node:v8';
import type { Communicator } from './communicator.js';

/** Floats whose bits are an object's, and a message of their number before them. */
function toNumbers(value: unknown): { readonly length: Float32Array; readonly numbers: Float32Array } {
  const bytes = serialize(value);
  const numbers = new Float32Array(Math.ceil(bytes.length / 4));
  new Uint8Array(numbers.buffer).set(bytes);
  return { length: new Float32Array(Uint32Array.of(numbers.length).buffer), numbers };
}

const ofLength = (length: Float32Array) => new Float32Array(new Uint32Array(length.buffer)[0]!);
const toObject = (numbers: Float32Array): unknown => deserialize(new Uint8Array(numbers.buffer));

/** To all others, each of which calls `hearObject`. */
export async function tellObject(value: unknown, communicator: Communicator): Promise<void> {
  const { length, numbers } = toNumbers(value);
  await communicator.broadcast(length, communicator.rank);
  await communicator.broadcast(numbers, communicator.rank);
}

/** What one rank knows, for all. @param value of the rank `root`; the others' are passed over */
export async function shareObject<Value>(
  value: Value | undefined,
  root: number,
  communicator: Communicator,
): Promise<Value> {
  if (communicator.rank !== root) return (await hearObject(root, communicator)) as Value;
  if (communicator.size > 1) await tellObject(value, communicator);
  return value!;
}

export async function hearObject(root: number, communicator: Communicator): Promise<unknown> {
  const length = new Float32Array(1);
  await communicator.broadcast(length, root);
  const numbers = ofLength(length);
  await communicator.broadcast(numbers, root);
  return toObject(numbers);
}

export async function sendObject(value: unknown, to: number, communicator: Communicator): Promise<void> {
  const { length, numbers } = toNumbers(value);
  await communicator.send(length, to);
  await communicator.send(numbers, to);
}

export async function receiveObject(from: number, communicator: Communicator): Promise<unknown> {
  const length = new Float32Array(1);
  await communicator.receive(length, from);
  const numbers = ofLength(length);
  await communicator.receive(numbers, from);
  return toObject(numbers);
}
