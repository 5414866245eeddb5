import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { MESSAGE_COMMANDS_MAX } from '../../sequencer/messages.ts';
import type { IntakeProbeOptions, IntakeProbeResult } from './programs/intake-probe.ts';

// In a process of its own: the test runner's sandbox changes what V8 inlines.

const PROBE = fileURLToPath(new URL('./programs/intake-probe.ts', import.meta.url));
/** What a message of 256 commands may take: its header, views of its bytes. One small object a command would be eight times as much. */
const BYTES_PER_MESSAGE_MAX = 1_024;
/** All that is allocated in a measurement fits, so the collector does not run. */
const YOUNG_MIB = 128;

test.each<[string, boolean]>([
  ['of anybody', false],
  ['of an identity, for its account', true],
])('commands %s are taken without allocating for each', async (_, bound) => {
  const { commands, grownBytes, collections } = await probe({ bound, control: false });
  expect(collections).toBe(0);
  expect(grownBytes / (commands / MESSAGE_COMMANDS_MAX)).toBeLessThan(BYTES_PER_MESSAGE_MAX);
});

test('one small object a command would be seen', async () => {
  const { commands, grownBytes } = await probe({ bound: true, control: true });
  expect(grownBytes / (commands / MESSAGE_COMMANDS_MAX)).toBeGreaterThan(BYTES_PER_MESSAGE_MAX);
});

async function probe(options: IntakeProbeOptions): Promise<IntakeProbeResult> {
  const young = [`--min-semi-space-size=${YOUNG_MIB}`, `--max-semi-space-size=${YOUNG_MIB}`];
  const args = ['--expose-gc', ...young, PROBE, JSON.stringify(options)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as IntakeProbeResult;
}
