import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { JournalReader } from '../../journal/reader.ts';
import { TIMELINE_EPOCHS, timelineOf } from '../../journal/timelines.ts';
import { checkJournal } from '../../ops/drill/journal-check.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { closingOf, type Ending, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';

const RESTORED = 'the venue was restored from a backup';
const NOTHING_WRONG = { lost: 0, duplicated: 0, reordered: 0, contradicted: 0 };
const PACE = { commandsPerSecond: 1_000 };

let nats: OwnNatsServer;
const clients: LoadedClient[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await endAllProcesses();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

interface Made {
  readonly sequence: number;
  readonly block: number;
  readonly chainHash: string;
  readonly stateHash: string;
  readonly epoch: number;
  readonly [field: string]: unknown;
}

async function made(...args: string[]): Promise<Made> {
  const ending = await VeritapeProcess.run(...args, '--json').end();
  expect(ending).toMatchObject({ code: 0 });
  return ending.result as Made;
}

/** Follows the venue in a folder of its own, up to what the venue has then. */
function follow(name: string): () => Promise<Ending> {
  const dir = join(temporaryFolder(), name);
  const args = ['follow', '--dir', dir, '--nats', nats.url, '--segment-bytes', '4194304', '--exit-when-caught-up'];
  return () => VeritapeProcess.run(...args, '--json').end();
}

async function client(account: number): Promise<LoadedClient> {
  const opened = await LoadedClient.open(nats.url, account, PACE);
  clients.push(opened);
  opened.start();
  await opened.acknowledgedMore(200);
  return opened;
}

test('backed up under load, killed, restored and served: all that was acknowledged up to the backup is there, and what was left is whole', async () => {
  const [venue, backup, again] = ['venue', 'backup', 'again'].map((name) => join(temporaryFolder(), name)) as [
    string,
    string,
    string,
  ];
  const serve = (dir: string): VeritapeProcess => VeritapeProcess.serve(dir, nats.url, '--snapshot-every', '500');
  const server = serve(venue);
  await server.ready();
  const [one, two] = [await client(1), await client(2)];

  const before = Math.max(one.told.sequenceMax, two.told.sequenceMax);
  const first = await made('backup', venue, backup);
  expect(first.sequence).toBeGreaterThanOrEqual(before);
  const file = join(backup, 'blocks', readdirSync(join(backup, 'blocks'))[0] ?? '');
  const { ino, mtimeMs, size } = statSync(file);
  await one.acknowledgedMore(200);
  const near = follow('near');
  expect(await near()).toMatchObject({ code: 0 });
  const second = await made('backup', venue, backup);
  expect(second).toMatchObject({ blocksKept: first.block, blocksChecked: first.block });
  expect(second.sequence).toBeGreaterThan(first.sequence);
  expect(statSync(file)).toMatchObject({ ino, mtimeMs, size });

  // What was acknowledged after the backup is lost with the venue's disk.
  await one.acknowledgedMore(200);
  const further = follow('further');
  expect(await further()).toMatchObject({ code: 0 });
  await server.end('SIGKILL');
  // Of what the killed venue left, a backup has all of it.
  const told = [one, two].map((loaded) => loaded.told);
  const toldLast = Math.max(...told.map(({ sequenceMax }) => sequenceMax));
  const [late, whole] = ['late', 'whole'].map((name) => join(temporaryFolder(), name)) as [string, string];
  await made('backup', venue, late);
  expect((await made('restore', late, whole, '--replay-all')).sequence).toBeGreaterThanOrEqual(toldLast);
  expect(checkJournal(whole, told).check).toMatchObject(NOTHING_WRONG);

  const restored = await made('restore', backup, again);
  expect(restored).toMatchObject({ sequence: second.sequence, chainHash: second['chainHash'], good: true });
  expect(restored.epoch).toBe(TIMELINE_EPOCHS);
  expect(toldLast).toBeGreaterThan(restored.sequence);

  // Clients that were there before are told, and new ones find a venue.
  const heir = serve(again);
  await heir.ready();
  await Promise.all([one, two].map((loaded) => expect(loaded.acknowledgedMore(1_000_000)).rejects.toThrow(RESTORED)));
  const three = await client(3);
  await three.stop();
  expect(await near()).toMatchObject({ code: 0 });
  expect(await further()).toMatchObject({ code: 1 });
  const closing = closingOf(await heir.end('SIGTERM'));
  expect(timelineOf(JournalReader.open(again).last.epoch)).toBe(1);
  const { check, sequence, stateHash } = checkJournal(again, [three.told]);
  expect(check).toMatchObject(NOTHING_WRONG);
  expect(closing).toMatchObject({ sequence, stateHashes: [stateHash, stateHash] });
  expect(await made('audit', again)).toMatchObject({ good: true, stateHash });
  // The restored venue goes on in the same backup.
  expect(await made('backup', again, backup)).toMatchObject({ blocksKept: restored.block, sequence });
});
