import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';

const COMMAND = fileURLToPath(new URL('../../bin/veritape.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'veritape-demo-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('the demonstration runs the whole system, and every hash agrees', () => {
  const dir = join(directory, 'demo');
  const run = spawnSync(process.execPath, [COMMAND, 'demo', '--orders', '5000', '--dir', dir, '--json', '--stay'], {
    encoding: 'utf8',
    timeout: 170_000,
  });
  expect(run.stderr).not.toMatch(/^(warn|error):/m);
  // Its dashboard is there while it runs. Without a terminal it ends by itself, whatever was asked for.
  expect(run.stderr).toMatch(/^dashboard: http:\/\/127\.0\.0\.1:\d+\/, while this runs/m);
  expect(run.status).toBe(0);
  const result = JSON.parse(run.stdout);
  expect(result.submitted.newOrders).toBe(5000);
  expect(result.submitted.rejected.unknownOrder).toBeGreaterThan(0);
  expect(result.trades).toBeGreaterThan(0);
  expect(result.closing.stateHashes).toHaveLength(2);
  for (const hash of result.closing.stateHashes) expect(hash).toBe(result.audit.stateHash);
  expect(result.audit.findings).toEqual([]);
  expect(result.snapshots).toBeGreaterThan(1);
  // The session opened, the instrument created in one more, and every command of the flow.
  expect(result.closing.sequence).toBe(result.submitted.commands + 3);
  expect(existsSync(join(dir, 'journal'))).toBe(true);
  expect(result.verifying.good).toBe(true);
  expect(result.proving.spans.map(({ commands }: { commands: number }) => commands)).toEqual([result.closing.sequence]);
}, 200_000);
