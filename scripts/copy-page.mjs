import { cpSync } from 'node:fs';

// what the compiler does not copy
for (const name of ['index.html', 'style.css'])
  cpSync(
    new URL(`../src/dashboard/page/${name}`, import.meta.url),
    new URL(`../dist/dashboard/page/${name}`, import.meta.url),
  );
