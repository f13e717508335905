import type * as Package from '../../src/index.js';

/** The package as it is built and shipped: its ranks are threads, which run built files. */
export const built = (await import(new URL('../../dist/index.js', import.meta.url).href)) as typeof Package;
