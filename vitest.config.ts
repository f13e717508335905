import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // ranks are threads that run the built package
    globalSetup: './test/support/build.ts',
    setupFiles: './test/support/plain.ts',
    testTimeout: 120_000,
    // every file that computes has threads of its own
    maxWorkers: 2,
  },
});
