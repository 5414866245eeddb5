import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import type { ProbeOptions, ProbeResult } from './programs/allocation-probe.ts';

// One boxed number takes 16 bytes. In a process of its own: the test runner's sandbox changes what V8 inlines.

const PROBE = fileURLToPath(new URL('./programs/allocation-probe.ts', import.meta.url));
const PROBE_MS_MAX = 300_000;
/** The measuring itself takes some; one boxed number in a thousand commands would take 16. */
const BYTES_PER_THOUSAND_COMMANDS_MAX = 8;
/** All that the runtime itself allocates in the measurements fits, so the collector does not run. */
const YOUNG_MIB = 64;

const ordinary: ProbeOptions = { flow: { resting: 1000 }, sequence: 0, request: 0, control: false };
/** Every number that a command carries is above 2^31, and so are the lower halves of those with two words. */
const large: ProbeOptions = {
  flow: {
    resting: 1000,
    price: 2 ** 40 + 3_000_000_000,
    lot: 2_000_000_000_001,
    firstAccount: 4_000_000_000,
    firstId: 2 ** 52 + 3_000_000_000,
  },
  sequence: 2 ** 42 + 3_000_000_000,
  request: 0,
  control: false,
};

test.each<[string, ProbeOptions]>([
  ['ordinary numbers', ordinary],
  ['large numbers', large],
  ['large numbers in a session', { ...large, request: 3_000_000_000 }],
  ['large numbers in a session, in batches', { ...large, request: 3_000_000_000, batches: true }],
  ['ordinary numbers and no terms, of a ruled instrument', { ...ordinary, ruled: 'plain', batches: true }],
  ['large numbers and terms, in a session', { ...large, ruled: 'terms', request: 3_000_000_000 }],
])(
  'commands with %s are applied without allocating',
  async (_, options) => {
    const { commands, grownBytes, collections } = await probe(options);
    expect(commands).toBeGreaterThanOrEqual(2_000_000);
    expect(collections).toBe(0);
    // The runtime may compile something once more in one measurement; what a command allocates is in all of them.
    expect((Math.min(...grownBytes) / commands) * 1000).toBeLessThan(BYTES_PER_THOUSAND_COMMANDS_MAX);
  },
  PROBE_MS_MAX,
);

test(
  'one small object a command would be seen',
  async () => {
    const { collections } = await probe({ ...ordinary, control: true });
    expect(collections).toBeGreaterThan(0);
  },
  PROBE_MS_MAX,
);

async function probe(options: ProbeOptions): Promise<ProbeResult> {
  const young = [`--min-semi-space-size=${YOUNG_MIB}`, `--max-semi-space-size=${YOUNG_MIB}`];
  const args = ['--expose-gc', ...young, PROBE, JSON.stringify(options)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as ProbeResult;
}
