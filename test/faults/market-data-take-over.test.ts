import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { JournalReader } from '../../journal/reader.ts';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { FEED_VIEWS } from '../../ops/feed/feed-records.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { booksOf, FeedReader, joined, until } from '../ops/feed/feed-reader.ts';
import { tradesOf } from '../ops/feed/traded.ts';

/** More rounds by VERITAPE_FEED_ROUNDS, which then also prints how long readers had no live book. */
const ROUNDS = Number(process.env['VERITAPE_FEED_ROUNDS'] ?? 1);
const MEASURED = process.env['VERITAPE_FEED_ROUNDS'] !== undefined;
const ROUND_MS_MAX = 30_000;
const CLIENTS = 3;
const COMMANDS_PER_SECOND = 300;
const FOLLOWING = 'market data follows the journal';
/** Nobody takes over from one that lives, however long its journal thread waits for the machine or the disk. */
const LEASE = ['--lease-ms', '30000'];

let nats: OwnNatsServer;
let connection: NatsConnection;
let dir = '';
const clients: LoadedClient[] = [];
const readers: FeedReader[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
  connection = await connect(natsConnectionOptions(nats.url));
  dir = temporaryFolder();
});
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.close();
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await endAllProcesses();
  await connection.close();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

function serve(...more: string[]): VeritapeProcess {
  return VeritapeProcess.serve(dir, nats.url, ...LEASE, '--market-data', '--snapshot-every', '500', ...more);
}

async function acknowledged(count: number): Promise<void> {
  await Promise.all(clients.map((client) => client.acknowledgedMore(count)));
}

test(
  `${ROUNDS} times the primary is killed under load: readers join the standby's market data, and every book is right`,
  async () => {
    let primary = serve();
    await primary.ready();
    for (const view of FEED_VIEWS)
      for (const loses of [false, true])
        readers.push(new FeedReader(connection, { prefix: 'veritape', shard: 0, symbol: 0, view, loses }));
    for (let account = 1; account <= CLIENTS; account++)
      clients.push(await LoadedClient.open(nats.url, account, { commandsPerSecond: COMMANDS_PER_SECOND }));
    for (const client of clients) client.start();
    await acknowledged(300);
    const gaps: number[] = [];
    const gapsWithLoss: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const standby = serve('--standby');
      await standby.logged('standing by');
      const following = await standby.logged(FOLLOWING);
      await acknowledged(200);
      await joined(readers);
      const epochs = readers.map(({ book }) => book.epoch);
      primary.signal('SIGKILL');
      const killedAt = performance.now();
      const haveJoined = (some: readonly FeedReader[]): boolean =>
        some.every(({ book }) => book.state === 'live' && book.epoch > Math.max(...epochs));
      await until(() => haveJoined(readers.filter(({ loses }) => !loses)), 'joining again');
      gaps.push(performance.now() - killedAt);
      await until(() => haveJoined(readers), 'joining again');
      gapsWithLoss.push(performance.now() - killedAt);
      // It was where the journal ended long before, and did not begin with a snapshot.
      const { replayed, sequence } = await standby.logged('market data is published');
      expect(Number(sequence)).toBeGreaterThan(Number(following['sequence']));
      expect(Number(replayed)).toBeGreaterThan(Number(following['replayed']));
      await primary.end();
      await acknowledged(200);
      primary = standby;
    }
    await Promise.all(clients.map((client) => client.stop()));
    const { sequence } = JournalReader.open(dir, { unflushed: true }).last;
    await Promise.all(readers.map((reader) => reader.reaches(sequence)));
    const withStatistics = readers.filter(({ view }) => view === 'top' || view === 'conflated');
    await Promise.all(withStatistics.map((reader) => reader.hasStatistics(dir)));
    await primary.end('SIGTERM');

    const history = booksOf(dir, [0]);
    const trades = tradesOf(dir, 0);
    for (const reader of readers) {
      expect(reader.check(history)).toBeGreaterThan(10);
      checkNumbers(reader);
      if (reader.view === 'levels' || reader.view === 'top') checkTrades(reader, trades);
    }
    if (!MEASURED) return;
    const sorted = (all: number[]): number[] => all.toSorted((a, b) => a - b).map((ms) => Math.round(ms));
    const figures = { killToLiveBooksMs: sorted(gaps), withLossMs: sorted(gapsWithLoss) };
    process.stderr.write(`${JSON.stringify({ rounds: ROUNDS, ...figures })}\n`);
  },
  60_000 + ROUNDS * ROUND_MS_MAX,
);

/** Each epoch has numbers of its own, without a gap; a later one is higher. */
function checkNumbers({ messages, book }: FeedReader): void {
  const epochs = [...new Set(messages.map(({ epoch }) => epoch))];
  expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
  expect(epochs.length).toBe(ROUNDS + 1);
  expect(book.counts.joins).toBe(ROUNDS + 1);
  for (const epoch of epochs) {
    const numbers = messages.filter((message) => message.epoch === epoch).map(({ number }) => number);
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
  }
}

/** Every trade was told once; only those between two epochs are missing, which lie before the second one's snapshot. */
function checkTrades({ messages }: FeedReader, trades: ReturnType<typeof tradesOf>): void {
  const nameOf = (one: { readonly sequence: number; readonly trade: number }): string => `${one.sequence}/${one.trade}`;
  const told = messages.flatMap((message) => (message.kind === 'trade' ? [nameOf(message)] : []));
  expect(new Set(told).size).toBe(told.length);
  // Statistics that have become whole are told at the sequence of a command that may be in the snapshot.
  const ofCommands = messages.filter(({ kind }) => kind !== 'statistics');
  const spans = [...Map.groupBy(ofCommands, ({ epoch }) => epoch).values()].map((span) => ({
    first: span[0]?.sequence ?? 0,
    last: span.at(-1)?.sequence ?? 0,
  }));
  const within = trades.filter(({ sequence }) =>
    spans.some(({ first, last }) => sequence >= first && sequence <= last),
  );
  expect(told).toEqual(within.map(nameOf));
}
