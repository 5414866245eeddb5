import { readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect } from '@jest/globals';
import { writeReplayJournal } from '../../bench/replay-journal.ts';
import { COMMAND_BYTES } from '../../journal/commands.ts';
import { WriterLock } from '../../journal/lock.ts';
import { JournalReader } from '../../journal/reader.ts';
import { SpareSegment } from '../../journal/spare.ts';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { closingOf, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { isAnswered, RawClient, whyUnavailable } from './raw-client.ts';
import { resizeDisk, smallDisk, testOnDisk, unmountDisks } from './small-disk.ts';

const MIB = 2 ** 20;
const DISK_BYTES = 8 * MIB;
const ROOM_BYTES = 200 * MIB;
const FULL = /^veritape serve: (appending block \d+|making a segment in \S+): .*(no space left|ENOSPC)/i;

let nats: OwnNatsServer;
const clients: (LoadedClient | RawClient)[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await endAllProcesses();
  await nats.stop();
});
afterAll(() => {
  unmountDisks();
  removeTemporaryFolders();
});

testOnDisk.each([
  // Preallocated segments fill the disk at a roll, one long segment within.
  ['at a roll', '2097152'],
  ['in a segment', String(DISK_BYTES - 3 * MIB)],
])(
  'a disk that fills up %s: no more acknowledgements, a clear end, and all of it there when there is room',
  async (_, size) => {
    const dir = smallDisk(DISK_BYTES) ?? '';
    const first = VeritapeProcess.serve(dir, nats.url, '--segment-bytes', size, '--snapshot-every', '0');
    await first.ready();
    const raw = await RawClient.open(nats.url, 3);
    const loaded = [await LoadedClient.open(nats.url, 1), await LoadedClient.open(nats.url, 2)];
    clients.push(raw, ...loaded);
    for (const client of loaded) client.start();
    const replies = await raw.sendUntilRefused(4);
    const ending = await first.end();
    expect(ending).toMatchObject({ code: 3, signal: null });
    expect(ending.said.trim().split('\n')).toHaveLength(1);
    expect(ending.said).toMatch(FULL);
    const why = ending.said.trim().slice('veritape serve: '.length);
    for (const reply of replies) if (!isAnswered(reply) && reply !== 'unheard') expect(whyUnavailable(reply)).toBe(why);
    // Of all that had a window full of commands in flight, some were told.
    const refused = loaded.map((client) => client.retried.get(`unavailable: ${why}`) ?? 0);
    expect(Math.max(...refused)).toBeGreaterThan(0);

    const all = [raw, ...loaded].map((client) => client.told);
    const told = Math.max(...all.map((one) => one.sequenceMax));
    expect(JournalReader.open(dir).last.sequence).toBeGreaterThanOrEqual(told);

    resizeDisk(dir, ROOM_BYTES);
    const second = VeritapeProcess.serve(dir, nats.url, '--segment-bytes', size, '--snapshot-every', '0');
    await second.ready();
    await Promise.all(loaded.map((client) => client.acknowledgedMore(500)));
    await Promise.all(loaded.map((client) => client.stop()));
    const closing = closingOf(await second.end('SIGTERM'));
    const { check, sequence, stateHash } = checkJournal(dir, all);
    expect(check).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, contradicted: 0 });
    expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
  },
);

testOnDisk('a server that finds its disk full is refused with the reason, and starts when there is room', async () => {
  const dir = smallDisk(DISK_BYTES) ?? '';
  const journal = join(dir, 'venue');
  const filler = join(dir, 'filler');
  const first = VeritapeProcess.serve(journal, nats.url, '--segment-bytes', '2097152');
  await first.ready();
  closingOf(await first.end('SIGTERM'));
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(filler, Buffer.alloc(bavail * bsize));

  const second = await VeritapeProcess.serve(journal, nats.url, '--segment-bytes', '2097152').end();
  expect(second).toMatchObject({ code: 3, signal: null });
  expect(second.said.trim().split('\n')).toHaveLength(1);
  expect(second.said).toMatch(/no space left|ENOSPC/i);

  rmSync(filler);
  const third = VeritapeProcess.serve(journal, nats.url, '--segment-bytes', '2097152');
  await third.ready();
  closingOf(await third.end('SIGTERM'));
});

testOnDisk('where a few pages are left, a segment that can not be begun says so, and leaves nothing', () => {
  const root = smallDisk(2 ** 20) ?? '';
  const filler = join(root, 'filler');
  for (let pages = 0; pages < 8; pages++) {
    rmSync(filler, { force: true });
    const { bavail, bsize } = statfsSync(root);
    writeFileSync(filler, Buffer.alloc((bavail - pages) * bsize));
    expect(() => new SpareSegment(root, 2 ** 20)).toThrow(/^making a segment in .*: ENOSPC/);
    expect(readdirSync(root)).toEqual(['filler']);
  }
  rmSync(filler);
  const { bavail, bsize } = statfsSync(root);
  writeFileSync(filler, Buffer.alloc(bavail * bsize));
  expect(() => WriterLock.take(root)).toThrow(/^writing .*writer\.lock: .*ENOSPC/);
  expect(readdirSync(root)).toEqual(['filler']);
});

testOnDisk('a snapshot that does not fit is told, and the venue goes on', async () => {
  const dir = smallDisk(DISK_BYTES) ?? '';
  const filler = join(dir, 'filler');
  const server = VeritapeProcess.serve(dir, nats.url, '--segment-bytes', '2097152', '--snapshot-every', '1000');
  await server.ready();
  const client = await LoadedClient.open(nats.url, 1, { commandsPerSecond: 2_000 });
  clients.push(client);
  // Room for both segments is taken already; a snapshot needs more.
  await server.logged('ready');
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(filler, Buffer.alloc(bavail * bsize));
  client.start();
  await server.logged('snapshot was not written');
  await client.acknowledgedMore(500);
  rmSync(filler);
  await server.logged('snapshot written');
  await client.stop();
  const closing = closingOf(await server.end('SIGTERM'));
  const { check, sequence, stateHash } = checkJournal(dir, [client.told]);
  expect(check).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, contradicted: 0 });
  expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
});

testOnDisk(
  'a follower whose disk fills up while it flushes many blocks together ends clearly, and goes on when there is room',
  async () => {
    const venue = temporaryFolder();
    await writeReplayJournal(venue, DISK_BYTES / COMMAND_BYTES, false);
    const server = VeritapeProcess.serve(venue, nats.url, '--snapshot-every', '0');
    await server.ready();
    const dir = smallDisk(DISK_BYTES) ?? '';
    const options = ['--segment-bytes', '2097152', '--snapshot-every', '0', '--exit-when-caught-up', '--json'];
    const follow = (): VeritapeProcess => VeritapeProcess.run('follow', '--dir', dir, '--nats', nats.url, ...options);
    const first = await follow().end();
    expect(first).toMatchObject({ code: 3, signal: null });
    expect(first.said).toMatch(
      /^veritape follow: (appending block \d+|making a segment in \S+): .*(no space left|ENOSPC).*\n$/i,
    );
    const { last } = JournalReader.open(dir);
    expect(last.block).toBeGreaterThan(10);

    resizeDisk(dir, ROOM_BYTES);
    expect(await follow().end()).toMatchObject({ code: 0, result: { why: 'caughtUp' } });
    closingOf(await server.end('SIGTERM'));
    expect(JournalReader.open(dir).last).toEqual(JournalReader.open(venue).last);
  },
);
