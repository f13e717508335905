// One conversion, as the command line does it: SOURCE DESTINATION.
import { convert } from '../dist/index.js';

const [source, destination] = process.argv.slice(2);
await convert(source, destination);
console.log(JSON.stringify({ peak_mebibytes: process.resourceUsage().maxRSS / 1024 }));
