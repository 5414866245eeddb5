import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { COMMAND_WORD, COMMAND_WORDS, type Command } from '../../journal/commands.ts';
import { Reason, reasonName } from '../../journal/reasons.ts';
import { checkMoves, playJournal, queueOf } from '../../ops/drill/move-check.ts';
import { RoutedTrader, type ToldCommand } from '../../ops/drill/routed-trader.ts';
import { MOVE_STEPS, type MoveOptions, type MoveReport, moveInstrument } from '../../ops/move-instrument.ts';
import type { RoutedAnswer, RoutingClient } from '../../ops/sessions/routing-client.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { until } from '../until.ts';
import { recordsOf, send, TwoShards } from './two-shards.ts';

const ACME = 0;
const TEST_MS_MAX = 120_000;
/** Of the tests that leave their shards as others can have them. */
let common: TwoShards | undefined;
let own: TwoShards | undefined;
afterEach(async () => {
  await own?.close();
  own = undefined;
});
afterAll(() => common?.close());

/** The ones of other tests, with ACME on shard 0 and nothing at rest. */
async function commonShards(): Promise<TwoShards> {
  if (common === undefined) common = await createInstruments(await TwoShards.open());
  else await common.clear([1, 2, 3, 9], 'ACME');
  return common;
}

async function openShards(...args: Parameters<typeof TwoShards.open>): Promise<TwoShards> {
  own = await TwoShards.open(...args);
  return createInstruments(own);
}

async function createInstruments(shards: TwoShards): Promise<TwoShards> {
  await shards.administer(0, [
    { op: 'instrumentCreate', symbol: ACME, name: 'ACME' },
    { op: 'instrumentCreate', symbol: 1, name: 'STAYS' },
  ]);
  await shards.administer(1, [{ op: 'instrumentCreate', symbol: 2, name: 'THERE' }]);
  return shards;
}

function move(of: TwoShards, from: number, to: number, more: Partial<MoveOptions> = {}): Promise<MoveReport> {
  return moveInstrument({ connection: of.connection, symbol: 'ACME', from, to, giveUpMs: 30_000, ...more });
}

const order = (
  account: number,
  id: number,
  side: 'buy' | 'sell',
  price: number,
  rest: Partial<Command> = {},
): Command => ({
  op: 'new',
  symbol: ACME,
  account,
  id,
  side,
  price,
  quantity: 10,
  ...rest,
});

/** Resolves when each of the clients was told of so many more commands. */
async function toldMore(traders: readonly RoutedTrader[], count: number): Promise<void> {
  const counts = (): number[] => traders.map(({ told }) => told.length);
  const wanted = counts().map((told) => told + count);
  const isTold = (): boolean => counts().every((told, index) => told >= (wanted[index] ?? 0));
  await until(`traders are told of ${wanted.join()}`, isTold, { seen: counts });
}

test(
  'under load an instrument goes back and forth, and trades as if it had never been moved',
  async () => {
    const of = await commonShards();
    const traders: RoutedTrader[] = [];
    for (const account of [1, 2, 3])
      traders.push(new RoutedTrader(await of.client(account), account, [ACME, ACME, 1, 2], 1));
    for (const trader of traders) trader.start();
    const reports: MoveReport[] = [];
    for (let round = 0; round < 3; round++) {
      await toldMore(traders, 60);
      reports.push(await move(of, round % 2, 1 - (round % 2)));
    }
    await toldMore(traders, 60);
    for (const trader of traders) await trader.stop();
    expect(reports.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 3 }, () => 'moved'));
    expect(Math.max(...reports.map(({ orders }) => orders))).toBeGreaterThan(3);
    const check = await checkMoves(of.directories, ACME, traders);
    expect(check.findings).toEqual([]);
    expect(check.commands).toBeGreaterThan(300);
    expect(check.trades).toBeGreaterThan(50);
    expect(check.resting).toBeGreaterThan(0);
    expect((await queuesAfter(of))[0]).toEqual([]);

    // A command more, less or at another place, or another answer, is found.
    const [one, ...others] = traders as [RoutedTrader, ...RoutedTrader[]];
    const changed = async (change: (told: ToldCommand[]) => unknown): Promise<readonly string[]> => {
      const told = one.told.map((command) => ({ ...command, answer: { ...command.answer } }));
      change(told);
      return (await checkMoves(of.directories, ACME, [{ account: one.account, told }, ...others])).findings;
    };
    expect(await changed((told) => told.splice(5, 1))).toContainEqual(expect.stringContaining('duplicated'));
    expect(await changed((told) => told.push({ ...(told[5] as ToldCommand), words: new Uint32Array(16) }))).toEqual(
      expect.arrayContaining([expect.stringContaining('lost'), expect.stringContaining('duplicated')]),
    );
    const placed = one.told.findIndex(({ answer, words }) => answer.shard === 1 && words[COMMAND_WORD.symbol] === ACME);
    expect(await changed((told) => Object.assign(told[placed]?.answer ?? {}, { open: 12_345 }))).toMatchObject([
      expect.stringContaining('contradicted'),
    ]);
    expect(await changed((told) => Object.assign(told[placed] ?? {}, { place: -1 }))).toContainEqual(
      expect.stringContaining('reordered'),
    );
  },
  TEST_MS_MAX,
);

/** A book of two sides with queues, of which some orders are post-only. */
const BOOK: readonly Command[] = Array.from({ length: 100 }, (_, index) => {
  const side = index % 2 === 0 ? 'buy' : 'sell';
  const price = side === 'buy' ? 99 - (index % 6) : 101 + (index % 6);
  return order(1 + (index % 3), index + 1, side, price, { quantity: 1 + index, postOnly: index % 5 === 0 });
});

async function fillBook(of: TwoShards): Promise<RoutingClient> {
  const client = await of.client(0);
  const answers = await send(client, ...BOOK);
  expect(answers.map(({ reason }) => reasonName(reason))).toEqual(BOOK.map(() => 'none'));
  return client;
}

/** ACME's queues on each shard, read from the journals. */
async function queuesAfter(of: TwoShards): Promise<string[][]> {
  const played = await Promise.all(of.directories.map((directory) => playJournal(directory)));
  return played.map(({ matcher }) => queueOf(matcher, ACME));
}

const WAITING = [order(9, 1, 'buy', 200, { tif: 'ioc', quantity: 3 }), order(9, 2, 'buy', 99, { quantity: 4 })];

/** The queues that {@link BOOK} makes, and orders after it. */
function expectedQueue(...more: readonly Command[]): string[] {
  const matcher = createMatcher(
    { ordersMax: 200, levelPagesMax: 8, instrumentsMax: 1, sessionsMax: 1, answersPerSessionMax: 1 },
    new EventBuffer(8),
  );
  const words = recordsOf([{ op: 'instrumentCreate', symbol: ACME, name: 'ACME' }, ...BOOK, ...more]);
  for (let at = 0; at < words.length; at += COMMAND_WORDS) matcher.apply(words, at);
  return queueOf(matcher, ACME);
}

/** Runs a mover in a process of its own that is killed; resolves when it is gone. */
async function killedAt(of: TwoShards, step: string, after = 0): Promise<void> {
  const program = join(import.meta.dirname, 'programs', 'mover.ts');
  const child = spawn(process.execPath, [program, of.nats.url, 'ACME', '0', '1', step, String(after)], {
    stdio: 'inherit',
  });
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
}

test(
  'a mover that is killed at any step is run again, and the move ends',
  async () => {
    const of = await commonShards();
    const client = await fillBook(of);
    let waiting: Promise<RoutedAnswer[]> | undefined;
    // Each run meets what the one before has left.
    for (const step of MOVE_STEPS.slice(0, -1)) {
      await killedAt(of, step);
      // An order that comes while the instrument does not trade waits, in place.
      if (step === 'enter') waiting = send(client, ...WAITING);
      // Each shard tells in one page, and four messages of 16 orders are entered at once.
      for (const after of { enter: [1, 2, 3], verify: [1] }[step as string] ?? []) await killedAt(of, step, after);
    }
    const report = await move(of, 0, 1);
    expect(report).toMatchObject({ outcome: 'moved', orders: BOOK.length, resumed: true });
    expect(await move(of, 0, 1)).toMatchObject({ outcome: 'already moved', orders: 0 });
    expect((await waiting)?.map(({ shard, traded }) => [shard, traded])).toEqual([
      [1, 3],
      [1, 0],
    ]);
    expect(await queuesAfter(of)).toEqual([[], expectedQueue(...WAITING)]);
  },
  TEST_MS_MAX,
);

test(
  'a move that the target refuses is undone, and one that was killed is undone on demand',
  async () => {
    const of = await openShards({ ordersMax: 90 });
    const client = await fillBook(of);
    expect(await move(of, 0, 1)).toMatchObject({
      outcome: 'moved back',
      refusal: expect.stringContaining('the venue holds as many orders as it was configured for'),
      orders: BOOK.length,
    });
    // Nothing is left on the target: an id that a copy had is free there.
    const [first] = BOOK as [Command];
    expect(await send(client, { ...first, symbol: 2 })).toMatchObject([{ shard: 1, reason: Reason.none }]);
    await send(client, { op: 'cancel', symbol: 2, account: first.account, id: first.id });
    // Killed while it undoes the same, it undoes it when it is run again, also by whoever asks for nothing else.
    await killedAt(of, 'undo');
    expect(await move(of, 0, 1, { back: true })).toMatchObject({ outcome: 'moved back', resumed: true });
    expect(await move(of, 0, 1, { back: true })).toMatchObject({ outcome: 'moved back', orders: 0, pauseMs: 0 });

    // One account has used an id on both shards, for two instruments.
    const shared = order(2, 1002, 'buy', 50);
    const answers = await send(client, { ...shared, symbol: 2 }, shared);
    expect(answers.map(({ shard, reason }) => [shard, reason])).toEqual([
      [1, Reason.none],
      [0, Reason.none],
    ]);
    await send(
      client,
      ...BOOK.slice(0, 80).map(({ account, id }): Command => ({ op: 'cancel', symbol: ACME, account, id })),
    );
    expect(await move(of, 0, 1)).toMatchObject({
      outcome: 'moved back',
      refusal: 'order 1002 of account 2: the account already has a live order with this id',
    });
    await send(client, { op: 'cancel', symbol: 2, account: 2, id: 1002 });
    expect(await move(of, 0, 1)).toMatchObject({ outcome: 'moved', orders: 21, resumed: false });
    await expect(move(of, 0, 1, { back: true })).rejects.toThrow(
      'the move has ended: to move it back, move it from shard 1 to 0',
    );
    const [left, moved] = await queuesAfter(of);
    expect(left).toEqual([]);
    expect(moved).toHaveLength(21);
  },
  TEST_MS_MAX,
);

test(
  'what was released can not be undone but only ended, and a move from the wrong shard is refused',
  async () => {
    const of = await commonShards();
    await fillBook(of);
    await expect(move(of, 1, 0, { symbol: 'STAYS' })).rejects.toThrow(
      'symbol: "STAYS": shard 1 has no such instrument',
    );
    await expect(move(of, 0, 0)).rejects.toThrow('to: 0: must be another shard than the one moved from');
    await killedAt(of, 'enter');
    await expect(move(of, 1, 0)).rejects.toThrow('from: 1: the instrument is on its way there: end that move first');
    await killedAt(of, 'open');
    await expect(move(of, 0, 1, { back: true })).rejects.toThrow(
      'the orders are on shard 1 already: end the move without --back, then move it from shard 1 to 0',
    );
    expect(await move(of, 0, 1)).toMatchObject({ outcome: 'moved', orders: BOOK.length, resumed: true, frozenAt: 0 });
    await killedAt(of, 'finish');
    await of.administer(1, [{ op: 'instrumentCreate', symbol: 5, name: 'STAYS' }]);
    await expect(move(of, 0, 1, { symbol: 'STAYS' })).rejects.toThrow(
      'is number 1 on shard 0 and 5 on shard 1; numbers are the venue',
    );
    expect(await queuesAfter(of)).toEqual([[], expectedQueue()]);
  },
  TEST_MS_MAX,
);

test(
  'of two movers of one instrument the later one moves it, and the other one ends',
  async () => {
    const of = await commonShards();
    await fillBook(of);
    let second: Promise<MoveReport> | undefined;
    const first = move(of, 0, 1, {
      onStep: async (step) => {
        if (step !== 'verify') return;
        // It leaves its session open, as if it were killed there.
        second = move(of, 0, 1, {
          onStep: (at) => {
            if (at === 'finish') throw new Error('it is gone');
          },
        });
        await second.catch(() => undefined);
      },
    });
    await expect(first).rejects.toThrow(/session \d+: the session was never opened, was closed/);
    await expect(second).rejects.toThrow('it is gone');
    expect(await queuesAfter(of)).toEqual([[], expectedQueue()]);
  },
  TEST_MS_MAX,
);

test(
  'the table of shards outlives a restart, with a snapshot and without',
  async () => {
    const of = await openShards();
    await fillBook(of);
    const limits = { quantityMax: 500, priceMax: 5_000, closed: true };
    await of.administer(0, [{ op: 'instrumentUpdate', symbol: ACME, quantity: 500, priceMax: 5_000, closed: true }]);
    await move(of, 0, 1);
    // Shard 1 has a snapshot with the table in it; shard 0 plays its journal from the begin.
    await of.closeShard(1);
    const snapshotting = await of.openShard(1, { snapshotEvery: 1, replicas: 2 });
    await of.administer(1, [{ op: 'massCancel', account: 7 }]);
    await of.closeShard(1);
    expect(snapshotting.snapshotsTaken.length).toBeGreaterThan(0);
    await of.closeShard(0);
    const venues = [await of.openShard(0), await of.openShard(1)];
    expect(venues.map((venue) => venue.instruments.byName('ACME'))).toEqual([
      { symbol: ACME, name: 'ACME', ...limits, elsewhere: 1, assignments: 1 },
      { symbol: ACME, name: 'ACME', ...limits, elsewhere: undefined, assignments: 2 },
    ]);
    const client = await of.client(0);
    expect(client.table.shardOf(ACME)).toBe(1);
    const [answer] = await send(client, order(9, 1, 'buy', 99));
    expect(answer).toMatchObject({ shard: 1, reason: Reason.instrumentClosed });
    expect(await queuesAfter(of)).toEqual([[], expectedQueue()]);
  },
  TEST_MS_MAX,
);
