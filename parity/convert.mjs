// Runs conversions: one line of JSON [source, destination, options] each on stdin.
import { createInterface } from 'node:readline';
import { convert } from '../dist/index.js';

for await (const line of createInterface({ input: process.stdin })) await convert(...JSON.parse(line));
