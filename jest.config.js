import { join } from 'node:path';

// For the processes and threads that tests start: each of them would strip the types of every file anew.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '.cache', 'compiled');

/** @type {import('jest').Config} */
export default {
  testEnvironment: '<rootDir>/test/plain-global.cjs',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } },
    ],
  },
  // Many times what one takes by itself: a test that waits for something has a limit of its own, and tells what it saw.
  testTimeout: 120_000,
  maxWorkers: 2,
  // Jest does not get rid of all that a file loaded, and collecting garbage takes longer with each.
  workerIdleMemoryLimit: '400MB',
  testSequencer: '<rootDir>/test/slow-first.cjs',
};
