import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import { percentileOf, type Readings } from '../../ops/telemetry/figures.ts';
import type { HistogramPoint } from '../../ops/telemetry/points.ts';
import { screenOf } from '../../ops/top/screen.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { ENTRY } from './run-veritape.ts';

const WITHOUT_READINGS = 'answers, but with no readings: it is not the --telemetry of a process';
const WITHOUT_TLS =
  'does not answer: it speaks no TLS, so its address begins with http://. Is it the --telemetry of a process that runs?';
const SCREEN_MS_MAX = 40_000;

let nats: OwnNatsServer;
beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await endAllProcesses();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

const top = (...args: string[]) => VeritapeProcess.run('top', ...args);

test('a screen, JSON, and a terminal tell what a venue under load is doing', async () => {
  const venue = VeritapeProcess.serve(temporaryFolder(), nats.url, '--telemetry', '0');
  const { port } = await venue.logged('telemetry');
  await venue.logged('ready');
  const client = await VenueClient.open({ connection: natsConnectionOptions(nats.url), shard: 0, account: 7, key: 1 });
  const words = new Uint32Array(COMMAND_WORDS);
  let sending = true;
  const load = (async () => {
    for (let id = 1; sending; id++) {
      const side = id % 2 === 0 ? 'buy' : 'sell';
      encodeCommand(words, 0, { op: 'new', account: 7, symbol: 0, id, side, price: 100, quantity: 1 });
      await client.send(words, 1);
    }
  })();
  try {
    const json = await top(String(port), '--json').ended;
    expect(json.code).toBe(0);
    const { alerts, before, after } = json.result as { alerts: string[]; before: Readings; after: Readings };
    expect(ofVenue(alerts)).toEqual([]);
    const text = screenOf(before, after, 'place', false).join('\n');
    expect(text).toMatch(/leading, shard 0, epoch 1, ready/);
    expect(text).toMatch(/commands +[1-9][\d,.]* +trades +[1-9]/);
    expect(text).toMatch(/gateway to answer( +[\d.]+ [mµ]?s){5} +[1-9]/);
    expect(text).toMatch(/1 +[1-9][\d,.]* +\d+ +0/);
    const screen = await seenInTerminal(String(port));
    expect(screen).toContain('gateway to answer');
    // The screen that was there before is there again.
    expect(screen.trimEnd().endsWith('\u001b[?1049l')).toBe(true);
  } finally {
    sending = false;
    await load;
    await client.close();
  }
  expect((await venue.end('SIGTERM')).code).toBe(0);
});

test('a place where nobody answers is a fault of the environment, and named', async () => {
  const { code, said } = await top('127.0.0.1:1', '--once').ended;
  expect(code).toBe(3);
  expect(said).toContain('127.0.0.1:1 does not answer');
  expect((await top('no place').ended).code).toBe(2);
  const bodies = ['{"status":"up"}', '<html>', '{"described":', 'null'];
  const other = createServer((_, response) => void response.end(bodies.shift()));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  try {
    while (bodies.length > 0) {
      const { code, said } = await top(String(port), '--once').ended;
      expect([code, said]).toEqual([3, `veritape top: 127.0.0.1:${port} ${WITHOUT_READINGS}\n`]);
    }
    const { code, said } = await top(`https://127.0.0.1:${port}`, '--once').ended;
    expect([code, said]).toEqual([3, `veritape top: 127.0.0.1:${port} ${WITHOUT_TLS}\n`]);
  } finally {
    other.close();
  }
});

test('one that is not ready is said so, and ends with 1; who has not its token is told that', async () => {
  const token = join(temporaryFolder(), 'token');
  writeFileSync(token, 'x'.repeat(32), { mode: 0o600 });
  const guarded = ['--telemetry', '0', '--telemetry-token', token];
  const standby = VeritapeProcess.serve(temporaryFolder(), nats.url, '--standby', ...guarded);
  const { port } = await standby.logged('telemetry');
  const stranger = await top(String(port), '--once').ended;
  expect(stranger).toMatchObject({ code: 3, said: expect.stringContaining('401: it wants the token') });
  const options = ['--json', '--interval', '0.1', '--telemetry-token', token];
  const { code, result } = await top(String(port), ...options).ended;
  expect(code).toBe(1);
  expect(ofVenue((result as { alerts: string[] }).alerts)).toEqual([expect.stringContaining('not ready')]);
});

/** The disk of whoever runs this is his own affair. */
function ofVenue(alerts: readonly string[]): string[] {
  return alerts.filter((alert) => !alert.includes('disk'));
}

test('percentiles are bounds of the buckets that they lie in', () => {
  const point: HistogramPoint = {
    attributes: {},
    count: 100,
    sum: 0,
    max: 9,
    bounds: [1, 2, 4],
    counts: [50, 40, 9, 1],
  };
  expect([0.5, 0.51, 0.9, 0.99].map((share) => percentileOf(point, share))).toEqual([1, 2, 2, 4]);
  expect(percentileOf(point, 0.999)).toBeUndefined();
  expect(percentileOf({ ...point, count: 0 }, 0.5)).toBeUndefined();
});

/** What `veritape top` writes to a terminal of its own in two seconds, after which q ends it. */
async function seenInTerminal(port: string): Promise<string> {
  const command = `stty rows 50 cols 120; exec '${process.execPath}' '${ENTRY}' top ${port} --interval 0.2`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    if (!text.includes('gateway to answer') && `${text}${chunk}`.includes('gateway to answer')) child.stdin.write('q');
    text += chunk;
  });
  const stuck = setTimeout(() => child.kill('SIGKILL'), SCREEN_MS_MAX);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(stuck);
  expect([code, text]).toEqual([0, expect.anything()]);
  return text;
}
