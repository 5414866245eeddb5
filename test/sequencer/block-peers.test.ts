import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { JournalReader } from '../../journal/reader.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { answerRepair } from '../../sequencer/block-answers.ts';
import { type PeerInfo, PeerRepair, peersSubject } from '../../sequencer/block-peers.ts';
import { repairSubject } from '../../sequencer/nats-gateway.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { writeJournal } from '../ops/journal-fixture.ts';

const SHARD = 7;
const BLOCKS = 3;
/** Longer than peers are waited for as a rule. */
const BUSY_MS = 1_000;

let nats: OwnNatsServer;
const blocks: Buffer[] = [];
const hashes: Buffer[] = [];
const connections: NatsConnection[] = [];

beforeAll(async () => {
  nats = await startNatsServer();
  const directory = temporaryFolder();
  await writeJournal(directory, { blocks: new Array<number>(BLOCKS).fill(4) });
  const reader = JournalReader.open(directory);
  const cursor = reader.cursor(1);
  for (let block = cursor.next(); block !== undefined; block = cursor.next()) {
    blocks.push(Buffer.from(block.bytes));
    hashes.push(Buffer.from(block.hash));
  }
  cursor.close();
});
afterEach(async () => {
  for (const connection of connections.splice(0)) await connection.close();
});
afterAll(async () => {
  await nats.stop();
  removeTemporaryFolders();
});

async function join(): Promise<NatsConnection> {
  const connection = await connect(natsConnectionOptions(nats.url));
  connections.push(connection);
  return connection;
}

const kept = (from: number) => ({
  firstBlock: () => from,
  readBlock: (block: number) => (block < from ? undefined : blocks[block - 1]),
});

async function answer(subject: string, bytes: (message: Msg) => Uint8Array | string, lateMs = 0): Promise<void> {
  const connection = await join();
  const callback = (_: Error | null, message: Msg): void => {
    setTimeout(() => message.respond(bytes(message)), lateMs);
  };
  connection.subscribe(subject, { callback });
  await connection.flush();
}

/** Answers for a journal that begins with a block. */
function venue(from: number): Promise<void> {
  return answer(repairSubject(SHARD), (message) => answerRepair(kept(from), message.string()));
}

/** Keeps a copy of all, and says so late. */
async function peer(lateMs: number): Promise<void> {
  const info: PeerInfo = {
    id: 'late',
    firstBlock: 1,
    lastBlock: BLOCKS,
    chainHash: (hashes.at(-1) as Buffer).toString('hex'),
    genesis: '',
  };
  await answer(peersSubject(SHARD), () => JSON.stringify(info), lateMs);
  await answer(`${peersSubject(SHARD)}.late.repair`, (message) => answerRepair(kept(1), message.string()));
}

test('what the venue keeps no more is given by a peer that takes its time to answer', async () => {
  await venue(BLOCKS);
  await peer(BUSY_MS);
  const given = await new PeerRepair(await join(), SHARD).ask(1);
  expect(given).toEqual({ kind: 'block', bytes: new Uint8Array(blocks[0] as Buffer), isCertain: false });
});

test('with nobody else it is told to be gone', async () => {
  await venue(BLOCKS);
  expect(await new PeerRepair(await join(), SHARD).ask(1)).toEqual({ kind: 'gone', firstBlock: BLOCKS });
});
