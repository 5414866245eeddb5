import { spawn } from 'node:child_process';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { percentileOf, type Readings } from '../../ops/telemetry/figures.ts';
import type { HistogramPoint } from '../../ops/telemetry/points.ts';
import { screenOf } from '../../ops/top/screen.ts';
import { VenueClient } from '../../ops/venue-client.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { ENTRY } from './run-veritape.ts';

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
    // The disk of whoever runs this is his own affair.
    expect(alerts.filter((alert) => !alert.includes('disk'))).toEqual([]);
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
});

test('one that is not ready is said so, and ends with 1', async () => {
  const standby = VeritapeProcess.serve(temporaryFolder(), nats.url, '--standby', '--telemetry', '0');
  const { port } = await standby.logged('telemetry');
  const { code, result } = await top(String(port), '--json', '--interval', '0.1').ended;
  expect(code).toBe(1);
  expect(result).toMatchObject({ alerts: [expect.stringContaining('not ready')] });
});

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
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).toBe(0);
  return text;
}
