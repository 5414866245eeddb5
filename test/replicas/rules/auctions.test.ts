import { expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { EventFlag } from '../../../journal/events.ts';
import { expectSame } from '../../expect-same.ts';
import { type AuctionOrder, priceOf, trade } from './naive-auction.ts';
import { RuledVenue } from './ruled-venue.ts';

type Row = readonly [side: 'buy' | 'sell', price: number | undefined, quantity: number];

const BOOKS = 4000;

function venue(limits = {}): RuledVenue {
  const it = new RuledVenue(limits);
  it.do({ op: 'instrumentCreate', symbol: 0, name: 'ACME' });
  return it;
}

const order = (id: number, [side, price, quantity]: Row): Command => ({
  ...{ op: 'new', account: 1, symbol: 0, id, side, quantity },
  ...(price === undefined ? { type: 'market' } : { price }),
});

/** What an auction of these orders comes to. */
function auctionOf(rows: readonly Row[], reference = 0): string | undefined {
  const it = venue();
  it.do({ op: 'instrumentSet', symbol: 0, setting: 'referencePrice', value: reference });
  it.do({ op: 'openAuction', symbol: 0 });
  for (const [index, row] of rows.entries()) it.do(order(index + 1, row));
  return it.tell({ op: 'uncross', symbol: 0 }).find((line) => line.startsWith('auction'));
}

// The examples have the shape of those in the market model, and numbers of their own.
test.each<[string, readonly Row[], number, string | undefined]>([
  [
    'the largest volume decides',
    [
      ['buy', 202, 200],
      ['buy', 201, 200],
      ['buy', 198, 300],
      ['sell', 200, 100],
      ['sell', 198, 200],
      ['sell', 197, 400],
    ],
    0,
    'auction 600@198 buy+100',
  ],
  [
    'demand exceeds supply at all prices: the highest',
    [
      ['buy', 202, 400],
      ['buy', 201, 200],
      ['sell', 199, 300],
      ['sell', 198, 200],
    ],
    0,
    'auction 500@201 buy+100',
  ],
  [
    'supply exceeds demand at all prices: the lowest',
    [
      ['buy', 202, 300],
      ['buy', 201, 200],
      ['sell', 199, 300],
      ['sell', 198, 300],
    ],
    0,
    'auction 500@199 sell+100',
  ],
  [
    'either at some: the reference price if it lies above them',
    [
      ['buy', 201, 500],
      ['sell', 199, 500],
    ],
    300,
    'auction 500@201 buy+0',
  ],
  [
    'or below',
    [
      ['buy', 201, 500],
      ['sell', 199, 500],
    ],
    100,
    'auction 500@199 buy+0',
  ],
  [
    'or between',
    [
      ['buy', 210, 500],
      ['sell', 199, 500],
    ],
    203,
    'auction 500@203 buy+0',
  ],
  [
    'without one, the middle',
    [
      ['buy', 210, 500],
      ['sell', 199, 500],
    ],
    0,
    'auction 500@204 buy+0',
  ],
  [
    'market orders alone: the reference price',
    [
      ['buy', undefined, 900],
      ['sell', undefined, 800],
    ],
    200,
    'auction 800@200 buy+100',
  ],
  [
    'market orders alone and no reference price: nothing',
    [
      ['buy', undefined, 900],
      ['sell', undefined, 800],
    ],
    0,
    undefined,
  ],
  [
    'no prices that cross: nothing',
    [
      ['buy', 199, 1],
      ['sell', 200, 1],
    ],
    200,
    undefined,
  ],
])('Xetra market model, price determination in auctions: %s', (_, rows, reference, outcome) => {
  expect(auctionOf(rows, reference)).toBe(outcome);
});

test('trades are told with the buyer first, by price and then by time, flagged as of an auction; what is left goes on', () => {
  const it = venue();
  it.do({ op: 'openAuction', symbol: 0 });
  for (const [id, row] of (
    [
      ['buy', 101, 3],
      ['buy', 102, 2],
      ['buy', 101, 4],
      ['sell', 100, 4],
      ['sell', 99, 2],
    ] as const
  ).entries())
    it.do(order(id + 1, row));
  const events = it.do({ op: 'uncross', symbol: 0, account: 7 });
  expect(
    events
      .filter(({ type }) => type.startsWith('trade'))
      .map(({ type, id, quantity, price, open, flags, request }) => [type, id, quantity, price, open, flags, request]),
  ).toEqual([
    ['tradeMaker', 2, 2, 101, 0, EventFlag.auction | EventFlag.done, 0],
    ['tradeTaker', 5, 2, 101, 0, EventFlag.auction | EventFlag.done, 0],
    ['tradeMaker', 1, 3, 101, 0, EventFlag.auction | EventFlag.done, 0],
    ['tradeTaker', 4, 3, 101, 1, EventFlag.auction, 0],
    ['tradeMaker', 3, 1, 101, 3, EventFlag.auction, 0],
    ['tradeTaker', 4, 1, 101, 0, EventFlag.auction | EventFlag.done, 0],
  ]);
  expect(events.slice(-2)).toEqual([
    expect.objectContaining({ type: 'auction', price: 101, quantity: 6, open: 3, side: 'buy', account: 0 }),
    expect.objectContaining({ type: 'state', slot: 0, generation: 2, account: 7 }),
  ]);
  // What is left trades on, at once.
  expect(it.tell({ op: 'new', account: 2, symbol: 0, id: 9, side: 'sell', price: 101, quantity: 1 })).toContain(
    'tradeMaker 3 1@101 left 2',
  );
});

test('what icebergs hold back and hidden orders take part; all-or-none orders do not', () => {
  const it = venue();
  it.do({ ...order(1, ['sell', 100, 9]), allOrNone: true });
  it.do({ op: 'openAuction', symbol: 0 });
  it.do({ ...order(2, ['buy', 100, 50]), display: 5 });
  it.do({ ...order(3, ['sell', 100, 20]), hidden: true });
  it.do(order(4, ['sell', 100, 10]));
  expect(it.tell({ op: 'uncross', symbol: 0 })).toEqual([
    'tradeMaker 2 10@100 left 40',
    'tradeTaker 4 10@100 left 0',
    'tradeMaker 2 20@100 left 20',
    'tradeTaker 3 20@100 left 0',
    'auction 30@100 buy+20',
    'state 2>0',
  ]);
  expect(it.matcher.book(0, 9)).toEqual({ bids: [[100, 5, 1]], asks: [] });
});

test('lots that pass 64 bits are compared exactly, and told as the largest amount', () => {
  const it = venue({ ordersMax: 140_000 });
  const most = 2 ** 48 - 1;
  it.do({ op: 'openAuction', symbol: 0 });
  for (let id = 1; id <= 65_540; id++) it.do(order(id, ['buy', 100, most]));
  it.do(order(70_000, ['sell', 90, 5]));
  expect(it.tell({ op: 'tick', symbol: 0 })).toEqual([]);
  for (let id = 70_001; id <= 135_541; id++) it.do(order(id, ['sell', 100, most]));
  // 65,541 sells and five lots against 65,540 buys: more sells, so the lowest price of the largest volume.
  expect(
    it.tell({ op: 'new', account: 1, symbol: 0, id: 140_000, side: 'buy', price: 1, quantity: 1 }).slice(1),
  ).toEqual([]);
  expect(it.tell({ op: 'cancel', account: 1, symbol: 0, id: 70_001 }).slice(1)).toEqual([
    'indicative 281474976710655@100 sell+5',
  ]);
  // Below 2^64 lots on one side, and above on the other.
  for (let id = 70_002; id <= 70_011; id++) it.do({ op: 'cancel', account: 1, symbol: 0, id });
  expect(it.tell({ ...order(70_002, ['sell', 101, 1]) }).slice(1)).toEqual([]);
  expect(it.tell({ op: 'uncross', symbol: 0 }).at(-2)).toBe('auction 281474976710655@100 buy+281474976710655');
});

test(`${BOOKS} random books come to what a naive model says, before the auction's end and at it`, () => {
  let seed = 20_261_127;
  const dice = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const it = venue();
  let traded = 0;
  for (let book = 0; book < BOOKS; book++) {
    const closing = dice(4) === 0;
    const reference = dice(3) === 0 ? 0 : 95 + dice(12);
    const tick = dice(3) === 0 ? 2 : 0;
    const orders: AuctionOrder[] = [];
    it.do({ op: 'instrumentSet', symbol: 0, setting: 'tick', value: tick });
    it.do({ op: 'instrumentSet', symbol: 0, setting: 'referencePrice', value: reference });
    it.do({ op: 'phase', symbol: 0, phase: 'continuous' });
    it.do({ op: 'phase', symbol: 0, phase: closing ? 'closingAuction' : 'openingAuction' });
    const width = 2 + dice(14);
    let told = { price: 0, volume: 0n, imbalance: 0n, side: 'buy' };
    for (let id = 1, count = 1 + dice(14); id <= count; id++) {
      const old = orders.find((one) => one.id === 1 + dice(count));
      let events: ReturnType<RuledVenue['do']>;
      if (old !== undefined && dice(4) === 0) {
        orders.splice(orders.indexOf(old), 1);
        events = it.do({ op: 'cancel', account: 1, symbol: 0, id: old.id });
      } else {
        const side = dice(2) === 0 ? 'buy' : 'sell';
        const price = dice(6) === 0 ? undefined : Math.max(2, 100 + (dice(width) - (width >> 1)) * (tick || 1));
        const quantity = 1 + dice(dice(2) === 0 ? 4 : 40);
        const hidden = price !== undefined && dice(6) === 0;
        const waits = !hidden && dice(5) === 0;
        events = it.do({
          ...order(id, [side, price, quantity]),
          ...(hidden ? { hidden } : {}),
          ...(waits ? { tif: closing ? 'atTheClose' : 'atTheOpen' } : {}),
          ...(price !== undefined && !hidden && !waits && dice(4) === 0 ? { display: 1 + dice(quantity) } : {}),
        });
        orders.push({ id, side, price, open: BigInt(quantity), hidden, time: id });
      }
      const found = priceOf(orders, reference, tick);
      const changed =
        found.price !== told.price ||
        found.volume !== told.volume ||
        found.imbalance !== told.imbalance ||
        found.side !== told.side;
      expectSame(
        events
          .filter(({ type }) => type === 'indicative')
          .map((event) => ({
            price: event.price,
            volume: BigInt(event.quantity),
            imbalance: BigInt(event.open),
            side: event.side,
          })),
        changed ? [found] : [],
      );
      told = found;
    }
    const found = priceOf(orders, reference, tick);
    const trades = found.price === 0 ? [] : trade(orders, found.price);
    traded += trades.length;
    const events = it.do({ op: 'uncross', symbol: 0 });
    const makers = events.filter(({ type }) => type === 'tradeMaker');
    const takers = events.filter(({ type }) => type === 'tradeTaker');
    expectSame(
      makers.map(({ id, quantity }, index) => ({ buy: id, sell: takers[index]?.id, quantity: BigInt(quantity) })),
      trades,
    );
    expectSame(
      events.filter(({ type }) => type === 'auction').map(({ price, quantity }) => [price, BigInt(quantity)]),
      found.price === 0 ? [] : [[found.price, found.volume]],
    );
    // Of market orders, and those for this auction alone, nothing stays.
    for (const { id } of events.filter(({ reason }) => reason === 'auctionOver'))
      orders.splice(
        orders.findIndex((one) => one.id === id),
        1,
      );
    const { bids, asks } = it.matcher.book(0, 100);
    if (bids[0] !== undefined && asks[0] !== undefined) expect(bids[0][0]).toBeLessThan(asks[0][0]);
    const left = it.do({ op: 'massCancel', symbol: 0 });
    expectSame(
      left.map(({ id, quantity }) => [id, BigInt(quantity)]).sort(),
      orders
        .filter(({ open }) => open > 0n)
        .map(({ id, open }) => [id, open])
        .sort(),
    );
  }
  expect(traded).toBeGreaterThan(BOOKS);
});
