import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS } from '../../journal/block.ts';
import { COMMAND_WORDS, type Command } from '../../journal/commands.ts';
import { EVENT_WORDS } from '../../journal/events.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { recordsOf as recordsOfOrder } from '../../journal/order-terms.ts';
import { JournalReader } from '../../journal/reader.ts';
import { Reason } from '../../journal/reasons.ts';
import { firstDifference, type InstrumentImage, imageOf } from '../../ops/instrument-image.ts';
import { moveInstrument } from '../../ops/move-instrument.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { recordsOf, send, TwoShards } from './two-shards.ts';

const ACME = 0;
const FAR = BigInt(Date.now() + 86_400_000) * 1_000_000n;
let shards: TwoShards | undefined;
afterEach(async () => {
  await shards?.close();
  shards = undefined;
});

const order = (account: number, id: number, side: 'buy' | 'sell', rest: Partial<Command>): Command => ({
  ...{ op: 'new', symbol: ACME, account, id, side, quantity: 10 },
  ...rest,
});

/** An instrument with something of everything, and orders that do not trade. */
const MARKET: readonly Command[] = [
  { op: 'instrumentSet', symbol: ACME, setting: 'tick', value: 1 },
  { op: 'instrumentSet', symbol: ACME, setting: 'stopsMax', value: 50 },
  { op: 'schedule', symbol: ACME, phase: 'closed', value: FAR },
  order(1, 1, 'buy', { price: 100, quantity: 3 }),
  order(2, 1, 'sell', { price: 100, quantity: 3 }),
  order(1, 2, 'buy', { price: 98, display: 4, quantity: 20 }),
  order(2, 2, 'buy', { price: 98 }),
  // The iceberg has shown its first lots, and stands behind.
  order(3, 1, 'sell', { price: 98, quantity: 4 }),
  order(2, 3, 'sell', { price: 103, hidden: true, stp: 'cancelOldest' }),
  order(3, 2, 'sell', { price: 103, tif: 'gtd', expires: FAR }),
  order(1, 3, 'sell', { price: 104, allOrNone: true }),
  order(1, 4, 'sell', { type: 'stop', stopPrice: 95 }),
  order(2, 4, 'sell', { type: 'stopLimit', price: 90, trail: 3 }),
  order(3, 3, 'sell', { type: 'stop', stopPrice: 94, cancels: 2 }),
  order(3, 4, 'buy', { price: 97, after: 2 }),
  order(3, 5, 'sell', { price: 110, tif: 'day', postOnly: true }),
];
/** What meets all of it. */
const AFTER: readonly Command[] = [
  order(9, 1, 'sell', { price: 97, quantity: 12 }),
  order(9, 2, 'sell', { type: 'market', quantity: 30 }),
  order(9, 3, 'buy', { price: 104, quantity: 25 }),
  order(9, 4, 'sell', { price: 90, quantity: 9, tif: 'ioc' }),
];

/** The instrument on a market of these limits on which commands were carried out. */
function imageAfter(limits: VenueLimits, commands: Iterable<Uint32Array>): InstrumentImage {
  const events = new EventBuffer(1 << 10);
  const matcher = createMatcher(limits, events);
  const told: number[] = [];
  const apply = (words: Uint32Array): void => {
    told.length = 0;
    matcher.apply(words, 0);
    events.drain((eventWords, at) => told.push(...eventWords.subarray(at, at + EVENT_WORDS)));
  };
  for (const words of commands) apply(words);
  apply(recordsOf([{ op: 'moveStatus', symbol: ACME, quantity: 1024 }]));
  return imageOf(ACME, Uint32Array.from(told));
}

function* recordsOfAll(commands: readonly Command[]): Generator<Uint32Array> {
  for (const command of commands)
    yield* recordsOfOrder({ account: 0, ...command }).map((record) => recordsOf([record]));
}

/** What a market is like on which the same was done and nothing moved. */
function unmoved(): InstrumentImage {
  const limits = { ordersMax: 4096, levelPagesMax: 256, instrumentsMax: 8, sessionsMax: 1, answersPerSessionMax: 1 };
  return imageAfter(
    limits,
    recordsOfAll([{ op: 'instrumentCreate', symbol: ACME, name: 'ACME' }, ...MARKET, ...AFTER]),
  );
}

/** What a shard's journal comes to. */
function replayed(directory: string): InstrumentImage {
  const reader = JournalReader.open(directory);
  function* commands(): Generator<Uint32Array> {
    for (const block of reader.blocksFromSequence(1))
      for (let index = 0; index < block.count; index++) {
        const at = BLOCK_HEADER_WORDS + index * COMMAND_WORDS;
        yield block.words.slice(at, at + COMMAND_WORDS);
      }
  }
  return imageAfter(reader.genesis.limits, commands());
}

async function openMarket(): Promise<TwoShards> {
  shards = await TwoShards.open();
  await shards.administer(0, [{ op: 'instrumentCreate', symbol: ACME, name: 'ACME' }]);
  await shards.administer(
    0,
    MARKET.flatMap((command) => recordsOfOrder({ account: 0, ...command })),
  );
  return shards;
}

async function killedAt(of: TwoShards, step: string, after: number): Promise<void> {
  const program = join(import.meta.dirname, 'programs', 'mover.ts');
  const child = spawn(process.execPath, [program, of.nats.url, 'ACME', '0', '1', step, String(after)]);
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
}

test('settings, calendar, icebergs, stops and links arrive as they were, though movers are killed', async () => {
  const of = await openMarket();
  const steps = [
    ['freeze', 0],
    ['enter', 3],
    ['verify', 0],
    ['release', 0],
    ['open', 0],
    ['finish', 0],
  ] as const;
  for (const [step, after] of steps) await killedAt(of, step, after);
  const moved = await moveInstrument({ connection: of.connection, symbol: 'ACME', from: 0, to: 1 });
  expect(moved).toMatchObject({ outcome: 'already moved' });
  const client = await of.client(0);
  for (const command of AFTER) expect(await send(client, command)).toMatchObject([{ shard: 1, reason: Reason.none }]);
  await of.end();
  const [left, there] = of.directories.map(replayed) as [InstrumentImage, InstrumentImage];
  expect(firstDifference(unmoved(), there)).toBeUndefined();
  expect(unmoved().orders.length).toBeGreaterThan(3);
  expect(left).toEqual({ isRuled: false, settings: [], orders: [], expiring: [], pending: [] });
}, 120_000);

test('a move is refused up front where balances pay for orders, and undone where an account was stopped', async () => {
  const of = await openMarket();
  const move = (): Promise<unknown> => moveInstrument({ connection: of.connection, symbol: 'ACME', from: 0, to: 1 });
  await of.administer(1, [{ op: 'kill', account: 3 }]);
  expect(await move()).toMatchObject({
    outcome: 'moved back',
    refusal: expect.stringMatching(/^order \d of account 3: the account, its group or the whole venue was stopped/),
  });
  await of.administer(1, [{ op: 'reinstate', account: 3 }]);
  await of.administer(0, [
    { op: 'massCancel', account: undefined, symbol: ACME },
    ...(['baseAsset', 'quoteAsset'] as const).map((setting, index): Command => {
      return { op: 'instrumentSet', symbol: ACME, setting, value: 1 + index };
    }),
  ]);
  await expect(move()).rejects.toThrow(
    'symbol: "ACME": its trades are settled between balances of accounts on shard 0',
  );
  expect(of.venue(1).instruments.byName('ACME')).toMatchObject({ elsewhere: 0 });
  expect(of.venue(0).instruments.byName('ACME')).toMatchObject({ elsewhere: undefined });
  await expect(of.administer(0, [{ op: 'instrumentAssign', symbol: ACME, shard: 1 }])).rejects.toThrow('refused');
}, 60_000);
