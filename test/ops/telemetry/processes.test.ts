import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { endAllProcesses, VeritapeProcess } from '../../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../../ops/nats-server.ts';
import { type Readings, valueIn } from '../../../ops/telemetry/figures.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';

const LOOK_MS = 50;

let nats: OwnNatsServer;
beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await endAllProcesses();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

async function placeOf(process: VeritapeProcess): Promise<string> {
  const { port } = await process.logged('telemetry');
  return `http://127.0.0.1:${String(port)}`;
}

async function readingsAt(place: string): Promise<Readings> {
  return (await (await fetch(`${place}/readings`)).json()) as Readings;
}

/** Resolves with what /readyz tells once it is true. */
async function readyAt(place: string, role: string): Promise<Record<string, unknown>> {
  for (;;) {
    const answer = await fetch(`${place}/readyz`);
    const told = (await answer.json()) as Record<string, unknown>;
    if (answer.ok && told['role'] === role) return told;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

test('a server, a standby that takes over, and a follower tell what they are', async () => {
  const dir = temporaryFolder();
  const telemetry = ['--telemetry', '0'];
  const primary = VeritapeProcess.serve(dir, nats.url, ...telemetry);
  const place = await placeOf(primary);
  expect(await readyAt(place, 'leading')).toMatchObject({ epoch: 1, shard: 0 });
  const line = await primary.logged('ready');
  expect(line).toMatchObject({ shard: 0, epoch: 1 });
  expect(typeof line['sequence']).toBe('number');
  const standby = VeritapeProcess.serve(dir, nats.url, '--standby', ...telemetry);
  const copy = ['--dir', temporaryFolder(), '--nats', nats.url, '--id', 'copy'];
  const follower = VeritapeProcess.run('follow', ...copy, ...telemetry);
  const [besides, elsewhere] = await Promise.all([placeOf(standby), placeOf(follower)]);
  const { sequence } = await readyAt(besides, 'standby');
  expect(await readyAt(elsewhere, 'following')).toMatchObject({ node: 'copy', epoch: 1, sequence });
  const before = await readingsAt(besides);
  expect(valueIn(before, 'veritape.role', { role: 'standby' })).toBe(1);
  expect(valueIn(before, 'veritape.epoch')).toBe(1);
  expect(valueIn(before, 'veritape.takeovers')).toBeUndefined();
  expect(valueIn(await readingsAt(elsewhere), 'veritape.follower.lag')).toBe(0);
  await primary.end('SIGKILL');
  expect(await readyAt(besides, 'leading')).toMatchObject({ epoch: 2 });
  const after = await readingsAt(besides);
  expect(valueIn(after, 'veritape.takeovers', { why: 'gone' })).toBe(1);
  expect(valueIn(after, 'veritape.takeover.duration')).toBeGreaterThan(0);
  expect(valueIn(after, 'veritape.nats.connected')).toBe(1);
  for (const process of [standby, follower]) expect((await process.end('SIGTERM')).code).toBe(0);
});
