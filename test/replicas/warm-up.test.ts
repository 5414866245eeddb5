import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { warmUp } from '../../replicas/warm-up.ts';

const PROBE = fileURLToPath(new URL('./programs/warm-probe.ts', import.meta.url));
const PROBE_MS_MAX = 120_000;

test('the warm-up goes through, round after round', () => {
  expect(warmUp()).toBeGreaterThan(80_000);
});

test(
  'after the warm-up a million commands are applied without a deoptimisation',
  async () => {
    const { measured, commands } = await trace();
    expect(commands).toBeGreaterThan(1_000_000);
    expect(measured).toEqual([]);
  },
  PROBE_MS_MAX,
);

test(
  'a deoptimisation would be seen',
  async () => {
    const { measured } = await trace('deoptimize');
    expect(measured.length).toBeGreaterThan(0);
  },
  PROBE_MS_MAX,
);

/** What V8 tells of the matcher's code, also where it is inlined, in the measured part; that a loop goes on in better code is none. */
async function trace(...args: string[]): Promise<{ measured: string[]; commands: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--trace-deopt', PROBE, ...args], {
    maxBuffer: 2 ** 26,
  });
  const [, after = ''] = stdout.split('the measured part begins\n');
  const commands = Number(/(\d+) commands\n/.exec(after)?.[1]);
  return {
    measured: after
      .split('\n')
      .filter((line) => line.includes('bailout') && isMatching(line) && !line.includes('(OSR)')),
    commands,
  };
}

function isMatching(line: string): boolean {
  return /<JSFunction (applyMany|copyIn|passOn|copyOut|apply|play)\b/.test(line);
}
