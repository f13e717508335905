// What ranks bring to collective operations, how they ask for them, and what a loop says that they must get.
import { groupsOf, rankAt } from '../../dist/parallel/mesh.js';

const specialNumbers = [NaN, Infinity, -Infinity, 0, -0, 1e-45, -1e-45, 3.4e38, -3.4e38];

const mix = (a, b) => {
  const x = Math.imul(a ^ (b + 0x9e3779b9), 0x85ebca6b);
  return Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0;
};

/** Numbers of such different sizes that the order in which they are added matters. */
export function brought({ seed, special }, rank, length) {
  const start = mix(seed, rank);
  const numbers = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    const bits = mix(start, i);
    numbers[i] =
      special && bits % 4 === 0
        ? specialNumbers[(bits >>> 8) % specialNumbers.length]
        : ((bits >>> 8) / 2 ** 23 - 1) * 2 ** ((bits % 24) - 12);
  }
  return numbers;
}

/** The parts' numbers, combined one after the other. */
function combined([first, ...later], combine) {
  const result = Float32Array.from(first);
  for (const part of later) for (let i = 0; i < result.length; i++) result[i] = combine(result[i], part[i]);
  return result;
}

const sum = (a, b) => a + b;
const greater = (a, b) => Math.max(a, b);

function concatenated(parts) {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

/** Messages that one rank sends another: as many as `count`, each a little longer. */
const letters = (one, size, from, to) =>
  Array.from({ length: one.count }, (_, i) =>
    brought({ ...one, seed: one.seed + i }, from * size + to, one.length + i),
  );

/** What the rank `own` of `size` must get. */
export function expected(one, own, size) {
  const { operation, length } = one;
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  const all = (length) => ranks.map((rank) => brought(one, rank, length));
  switch (operation) {
    case 'sum':
      return combined(all(length), sum);
    case 'max':
      return combined(all(length), greater);
    case 'allGather':
      return concatenated(all(length));
    case 'reduceScatter':
      return combined(
        all(length * size).map((whole) => whole.subarray(own * length, (own + 1) * length)),
        sum,
      );
    case 'started sums': {
      const of = (operation, seed) => expected({ ...one, operation, seed }, own, size);
      return concatenated([of('sum', one.seed), of('reduceScatter', one.seed), of('sum', one.seed + 1)]);
    }
    case 'broadcast':
      return brought(one, one.root % size, length);
    case 'messages':
      return concatenated(
        ranks.filter((rank) => rank !== own).flatMap((rank) => letters(one, size, rank, own)),
      );
  }
}

// a page that grows would move, so that all that is placed there has to fit
const webAssemblyFloats = 2 ** 21;
const webAssembly = new WebAssembly.Memory({ initial: (4 * webAssemblyFloats) / 2 ** 16 });

/** Arrays as callers have them: whole buffers, or parts of memory that is shared or WebAssembly's. */
function allocate(memory, length) {
  const skipped = 3;
  if (memory === 'shared')
    return new Float32Array(new SharedArrayBuffer(4 * (skipped + length)), 4 * skipped);
  if (memory === 'WebAssembly' && skipped + length <= webAssemblyFloats)
    return new Float32Array(webAssembly.buffer, 4 * skipped, length);
  return new Float32Array(length);
}

/** Asks a communicator for what the case says. @returns what it got */
export async function perform(one, communicator) {
  const { operation, length, memory } = one;
  const { rank, size } = communicator;
  const place = (numbers) => {
    const placed = allocate(memory, numbers.length);
    placed.set(numbers);
    return placed;
  };
  const own = (length) => place(brought(one, rank, length));
  switch (operation) {
    case 'sum':
    case 'max': {
      const data = own(length);
      await communicator.allReduce(data, operation);
      return data;
    }
    case 'allGather': {
      const whole = new Float32Array(length * size);
      await communicator.allGather(own(length), whole);
      return whole;
    }
    case 'reduceScatter': {
      const part = new Float32Array(length);
      await communicator.reduceScatter(own(length * size), part);
      return part;
    }
    case 'started sums': {
      const [data, part] = [own(length), allocate('plain', length)];
      const whole = Float32Array.from(brought(one, rank, length * size));
      const sums = [communicator.startSum(data), communicator.startSum(whole, part)];
      // ranks go on at different times, and sum up something else meanwhile
      for (let i = 0; i < rank * 20; i++) sums[i % 2].advance();
      const other = Float32Array.from(brought({ ...one, seed: one.seed + 1 }, rank, length));
      await communicator.allReduce(other, 'sum');
      for (const sum of sums) {
        sum.advance();
        await sum.finish();
      }
      return concatenated([data, part, other]);
    }
    case 'broadcast': {
      const data = own(length);
      await communicator.broadcast(data, one.root % size);
      return data;
    }
    case 'messages': {
      const others = Array.from({ length: size }, (_, other) => other).filter((other) => other !== rank);
      // all send before any receives, and write over what they sent
      for (const other of others)
        for (const letter of letters(one, size, rank, other)) {
          const data = place(letter);
          await communicator.send(data, other);
          data.fill(NaN);
        }
      const received = [];
      for (const other of others)
        for (let i = 0; i < one.count; i++) {
          const data = allocate('plain', length + i);
          await communicator.receive(data, other);
          received.push(data);
        }
      return concatenated(received);
    }
  }
}

/** Where two lists differ in bits, in words; a NaN is like any other. */
export function difference(found, wanted) {
  if (found.length !== wanted.length) return `expected ${wanted.length} numbers, found ${found.length}`;
  for (let i = 0; i < found.length; i++)
    if (!Object.is(found[i], wanted[i])) return `expected ${wanted[i]} at ${i}, found ${found[i]}`;
  return undefined;
}

/** Goes through all cases with the other ranks. @returns which went wrong, in words */
export async function performAll(cases, { mesh, place, groups }) {
  const wrong = [];
  for (const one of cases) {
    const communicator = groups[one.group];
    const members = groupsOf(one.group, mesh).find((ranks) => ranks.includes(rankAt(place, mesh)));
    if (members.length !== communicator.size || members[communicator.rank] !== rankAt(place, mesh))
      wrong.push(`${one.group}: expected to be one of ${members}`);
    if (one.operation === 'messages' && members.length === 1) continue;
    const found = await perform(one, communicator);
    const text = difference(found, expected(one, communicator.rank, communicator.size));
    if (text) wrong.push(`${JSON.stringify(one)}: ${text}`);
  }
  return wrong;
}
