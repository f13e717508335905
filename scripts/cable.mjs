// A cable between two network namespaces that is as slow as asked, for kernels without netem: packets come out of one end
// when they have taken their time. Needs root: node scripts/cable.mjs BITS_PER_SECOND DELAY_IN_MICROSECONDS
// It prints a line when its ends, cable-a and cable-b, are there: network devices to be put where they belong.
import koffi from 'koffi';
import { openSync, read, write } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';

const [rate, delay] = process.argv.slice(2).map(Number);
const readPacket = promisify(read);
const writePacket = promisify(write);

// Linux: linux/if_tun.h, linux/if.h
const ioctl = koffi.load(null).func('ioctl', 'int', ['int', 'unsigned long', 'void *']);
const setInterface = 0x400454ca;
const [ipPackets, withoutHeader] = [0x0001, 0x1000];
const [nameLength, requestLength] = [16, 40];
const longestPacket = 65535;

function openEnd(name) {
  const file = openSync('/dev/net/tun', 'r+');
  const request = Buffer.alloc(requestLength);
  request.write(name);
  request.writeUInt16LE(ipPackets | withoutHeader, nameLength);
  if (ioctl(file, setInterface, request) !== 0) throw new Error(`expected to make the device ${name}`);
  return file;
}

const ends = ['cable-a', 'cable-b'].map(openEnd);

/** From one end to the other: each packet waits until those before it are through, and then for the delay. */
async function carry(from, to) {
  const underWay = [];
  let free = 0;
  const deliver = async () => {
    while (underWay.length > 0) {
      const { packet, arrival } = underWay[0];
      // timers are too coarse
      while (performance.now() < arrival) await setImmediate();
      underWay.shift();
      // an end that is not up yet loses what comes
      await writePacket(to, packet).catch(() => undefined);
    }
  };
  for (;;) {
    const buffer = Buffer.allocUnsafe(longestPacket);
    const { bytesRead } = await readPacket(from, buffer, 0, longestPacket, null);
    free = Math.max(free, performance.now()) + (8000 * bytesRead) / rate;
    underWay.push({ packet: buffer.subarray(0, bytesRead), arrival: free + delay / 1000 });
    if (underWay.length === 1) void deliver();
  }
}

console.log('ready');
await Promise.all([carry(ends[0], ends[1]), carry(ends[1], ends[0])]);
