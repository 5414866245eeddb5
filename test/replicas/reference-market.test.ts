import { expect, test } from '@jest/globals';
import type { VenueEvent } from '../../journal/events.ts';
import { putTime, type RawCommand, writeRaw } from './raw-commands.ts';
import { ReferenceMarket } from './reference-market.ts';

/** Examples worked out by hand from docs/market-rules.md. */
const KEPT = 1;
const REPEAT = 2;
const CLOSED = 4;
const DONE = 8;
const POST_ONLY = 16;
const ELSEWHERE = 32;
const LIMITS = { ordersMax: 8, levelPagesMax: 8, instrumentsMax: 2, sessionsMax: 2, answersPerSessionMax: 2 };

/** Fields that are not named are zero. */
function event(type: VenueEvent['type'], fields: Partial<VenueEvent>): VenueEvent {
  return {
    type,
    side: 'buy',
    reason: 'none',
    flags: 0,
    symbol: 0,
    sequence: 0,
    price: 0,
    quantity: 0,
    id: 0,
    account: 0,
    slot: 0,
    generation: 0,
    request: 0,
    open: 0,
    ...fields,
  };
}

const handle = (slot: number, generation = 1) => ({ slot, generation });

interface Venue {
  /** Applies the command that has this sequence, `time` nanoseconds after the start. */
  give(sequence: number, command: RawCommand, time?: bigint): VenueEvent[];
  readonly market: ReferenceMarket;
}

/** A venue whose command 1 has created instrument 0, named A. */
function createVenue(limits: Partial<typeof LIMITS> = {}): Venue {
  const market = new ReferenceMarket({ ...LIMITS, ...limits });
  const words = new Uint32Array(16);
  let applied = 0;
  const give: Venue['give'] = (sequence, command, time = 0n) => {
    applied += 1;
    expect(sequence).toBe(applied);
    writeRaw(words, 0, command);
    putTime(words, 0, time);
    return market.apply(words, 0);
  };
  expect(give(1, { op: 16, symbol: 0, name: 'A' })).toEqual([event('instrument', { sequence: 1, name: 'A' })]);
  return { give, market };
}

const BUY = { op: 1, side: 0 };
const SELL = { op: 1, side: 1 };
const IOC = 1;
const FOK = 2;
const MARKET = 1;

test('an order rests with its handle', () => {
  const { give, market } = createVenue();
  expect(give(2, { ...BUY, account: 7, id: 2n ** 53n, price: 100, quantity: 5 })).toEqual([
    event('accepted', { sequence: 2, price: 100, quantity: 5, id: 2n ** 53n, account: 7, ...handle(1), open: 5 }),
  ]);
  expect(market.book(0, 10)).toEqual({ bids: [[100, 5, 1]], asks: [] });
});

test('a taker trades at the price of the makers, best price first, then first come', () => {
  const { give, market } = createVenue();
  give(2, { ...SELL, account: 1, id: 1n, price: 102, quantity: 4 });
  give(3, { ...SELL, account: 1, id: 2n, price: 101, quantity: 3 });
  give(4, { ...SELL, account: 2, id: 1n, price: 101, quantity: 3 });
  const maker = { side: 'sell', sequence: 5, price: 101 } as const;
  const taker = { sequence: 5, price: 101, id: 9, account: 3, ...handle(4) } as const;
  expect(give(5, { ...BUY, account: 3, id: 9n, price: 101, quantity: 8 })).toEqual([
    event('accepted', { ...taker, quantity: 8, open: 8 }),
    event('tradeMaker', { ...maker, quantity: 3, id: 2, account: 1, ...handle(2), flags: DONE }),
    event('tradeTaker', { ...taker, quantity: 3, open: 5 }),
    event('tradeMaker', { ...maker, quantity: 3, id: 1, account: 2, ...handle(3), flags: DONE }),
    event('tradeTaker', { ...taker, quantity: 3, open: 2 }),
  ]);
  expect(market.book(0, 10)).toEqual({ bids: [[101, 2, 1]], asks: [[102, 4, 1]] });
});

test('the slot freed last is used first, and a taker that traded in full gives its own back last', () => {
  const { give } = createVenue();
  give(2, { ...SELL, account: 1, id: 1n, price: 10, quantity: 1 });
  give(3, { ...SELL, account: 1, id: 2n, price: 11, quantity: 1 });
  const taker = { sequence: 4, id: 3, account: 2, ...handle(3) };
  expect(give(4, { ...BUY, account: 2, id: 3n, price: 11, quantity: 2 })).toEqual([
    event('accepted', { ...taker, price: 11, quantity: 2, open: 2 }),
    event('tradeMaker', {
      side: 'sell',
      sequence: 4,
      price: 10,
      quantity: 1,
      id: 1,
      account: 1,
      ...handle(1),
      flags: DONE,
    }),
    event('tradeTaker', { ...taker, price: 10, quantity: 1, open: 1 }),
    event('tradeMaker', {
      side: 'sell',
      sequence: 4,
      price: 11,
      quantity: 1,
      id: 2,
      account: 1,
      ...handle(2),
      flags: DONE,
    }),
    event('tradeTaker', { ...taker, price: 11, quantity: 1, flags: DONE }),
  ]);
  const rests = { price: 5, quantity: 1, account: 1, open: 1, generation: 2 };
  const slots = [3, 2, 1, 4];
  for (const [place, slot] of slots.entries()) {
    const sequence = 5 + place;
    const id = 10 + place;
    const generation = slot === 4 ? 1 : 2;
    expect(give(sequence, { ...BUY, account: 1, id: BigInt(id), price: 5, quantity: 1 })).toEqual([
      event('accepted', { ...rests, sequence, id, slot, generation }),
    ]);
  }
});

test('fill-or-kill trades all or nothing, immediate-or-cancel what it can', () => {
  const { give } = createVenue();
  give(2, { ...SELL, account: 1, id: 1n, price: 10, quantity: 5 });
  const fok = { sequence: 3, price: 10, quantity: 6, id: 1, account: 2 };
  expect(give(3, { ...BUY, tif: FOK, account: 2, id: 1n, price: 10, quantity: 6 })).toEqual([
    event('accepted', { ...fok, open: 6 }),
    event('canceled', { ...fok, reason: 'fok', flags: DONE }),
  ]);
  const ioc = { sequence: 4, id: 1, account: 2 };
  expect(give(4, { ...BUY, tif: IOC, account: 2, id: 1n, price: 11, quantity: 6 })).toEqual([
    event('accepted', { ...ioc, price: 11, quantity: 6, open: 6 }),
    event('tradeMaker', {
      side: 'sell',
      sequence: 4,
      price: 10,
      quantity: 5,
      id: 1,
      account: 1,
      ...handle(1),
      flags: DONE,
    }),
    event('tradeTaker', { ...ioc, price: 10, quantity: 5, open: 1 }),
    event('canceled', { ...ioc, price: 11, quantity: 1, reason: 'ioc', flags: DONE }),
  ]);
});

test('a market order has no limit and does not rest', () => {
  const { give } = createVenue();
  give(2, { ...BUY, account: 1, id: 1n, price: 2 ** 48 - 3, quantity: 2 ** 48 - 1 });
  const market = { side: 'sell', sequence: 3, id: 1, account: 2 } as const;
  expect(give(3, { ...SELL, type: MARKET, account: 2, id: 1n, quantity: 7 })).toEqual([
    event('accepted', { ...market, quantity: 7, open: 7 }),
    event('tradeMaker', {
      sequence: 3,
      price: 2 ** 48 - 3,
      quantity: 7,
      id: 1,
      account: 1,
      ...handle(1),
      open: 2 ** 48 - 8,
    }),
    event('tradeTaker', { ...market, price: 2 ** 48 - 3, quantity: 7, flags: DONE }),
  ]);
});

test('a rejected order repeats the command, and the first broken rule counts', () => {
  const { give } = createVenue();
  const sent = { sequence: 2, price: 2 ** 48 - 2, id: 4, account: 3, side: 'sell' } as const;
  expect(give(2, { ...SELL, account: 3, id: 4n, price: 2 ** 48 - 2, quantity: 0 })).toEqual([
    event('rejected', { ...sent, reason: 'price' }),
  ]);
  const reasons = [
    [{ symbol: 1, side: 9 }, 'unknownSymbol'],
    [{ side: 2, type: 4 }, 'side'],
    [{ type: 5, tif: 9 }, 'orderType'],
    [{ type: 4 }, 'orderType'],
    [{ tif: 7, flags: 2 }, 'timeInForce'],
    [{ tif: 1, flags: 1, extra: 1 }, 'flags'],
    [{ flags: 1 | 8 }, 'flags'],
    [{ extra: 1, price: 0 }, 'reservedField'],
    [{ type: 1, price: 1 }, 'price'],
    [{ price: 2n ** 63n }, 'price'],
    [{ quantity: 2 ** 48 }, 'quantity'],
    [{ op: 18 }, 'notSupported'],
    [{ request: 1 }, 'flags'],
  ] as const;
  for (const [place, [fields, reason]] of reasons.entries()) {
    const command = { ...BUY, account: 1, id: 1n, price: 5, quantity: 5, ...fields };
    const side = ('side' in fields ? fields.side : 0) % 2 === 0 ? 'buy' : 'sell';
    const { price, quantity } = command;
    expect(give(3 + place, command)).toEqual([
      event('rejected', {
        sequence: 3 + place,
        reason,
        side,
        symbol: 'symbol' in fields ? fields.symbol : 0,
        price: Number(price),
        quantity,
        id: 1,
        account: 1,
        request: 'request' in fields ? fields.request : 0,
      }),
    ]);
  }
});

test('cancel, reduce and unknown orders', () => {
  const { give } = createVenue();
  give(2, { ...BUY, account: 1, id: 1n, price: 50, quantity: 10 });
  const order = { price: 50, id: 1, account: 1, ...handle(1) };
  expect(give(3, { op: 3, account: 1, id: 1n, quantity: 4 })).toEqual([
    event('canceled', { ...order, sequence: 3, reason: 'reduced', quantity: 4, open: 6 }),
  ]);
  expect(give(4, { op: 2, account: 2, id: 1n })).toEqual([
    event('rejected', { sequence: 4, reason: 'unknownOrder', id: 1, account: 2 }),
  ]);
  expect(give(5, { op: 2, account: 1, id: 1n, symbol: 1 })).toEqual([
    event('rejected', { sequence: 5, reason: 'unknownOrder', id: 1, account: 1, symbol: 1 }),
  ]);
  expect(give(6, { op: 3, account: 1, id: 1n, quantity: 99 })).toEqual([
    event('canceled', { ...order, sequence: 6, reason: 'reduced', quantity: 6, flags: DONE }),
  ]);
  give(7, { ...BUY, account: 1, id: 1n, price: 50, quantity: 2 });
  expect(give(8, { op: 2, account: 1, id: 1n })).toEqual([
    event('canceled', { ...order, generation: 2, sequence: 8, reason: 'requested', quantity: 2, flags: DONE }),
  ]);
});

test('replace keeps priority only for less at the same price', () => {
  const { give } = createVenue();
  give(2, { ...BUY, account: 1, id: 1n, price: 50, quantity: 10 });
  give(3, { ...BUY, account: 1, id: 2n, price: 50, quantity: 10 });
  expect(give(4, { op: 4, flags: 4, account: 1, id: 1n, quantity: 9 })).toEqual([
    event('replaced', { sequence: 4, flags: KEPT, price: 50, quantity: 9, id: 1, account: 1, ...handle(1), open: 9 }),
  ]);
  expect(give(5, { op: 4, flags: 6, account: 1, id: 1n, price: 50, quantity: 9 })).toEqual([
    event('replaced', { sequence: 5, price: 50, quantity: 9, id: 1, account: 1, ...handle(1, 2), open: 9 }),
  ]);
  give(6, { ...SELL, account: 2, id: 1n, price: 60, quantity: 1 });
  const taker = { side: 'sell', sequence: 7, price: 50, id: 1, account: 2, ...handle(3, 2) } as const;
  expect(give(7, { op: 4, flags: 6, account: 2, id: 1n, price: 50, quantity: 4 })).toEqual([
    event('replaced', { ...taker, quantity: 4, open: 4 }),
    event('tradeMaker', { sequence: 7, price: 50, quantity: 4, id: 2, account: 1, ...handle(2), open: 6 }),
    event('tradeTaker', { ...taker, quantity: 4, flags: DONE }),
  ]);
  expect(give(8, { op: 4, account: 1, id: 1n })).toEqual([
    event('rejected', { sequence: 8, reason: 'nothingToReplace', id: 1, account: 1 }),
  ]);
});

test('post-only orders never take, on entry or by replace', () => {
  const { give } = createVenue();
  give(2, { ...SELL, account: 1, id: 1n, price: 100, quantity: 1 });
  const refused = { price: 100, quantity: 1, account: 2, reason: 'postOnlyWouldTrade' };
  expect(give(3, { ...BUY, flags: 1, account: 2, id: 1n, price: 100, quantity: 1 })).toEqual([
    event('rejected', { ...refused, sequence: 3, id: 1 }),
  ]);
  expect(give(4, { ...BUY, flags: 1, account: 2, id: 1n, price: 99, quantity: 1 })).toEqual([
    event('accepted', { sequence: 4, price: 99, quantity: 1, id: 1, account: 2, ...handle(2), open: 1 }),
  ]);
  expect(give(5, { op: 4, flags: 2, account: 2, id: 1n, price: 100, quantity: 1 })).toEqual([
    event('rejected', { ...refused, sequence: 5, id: 1 }),
  ]);
});

test('slots and price pages run out; an order may move when the page it leaves becomes free', () => {
  const { give } = createVenue({ ordersMax: 3, levelPagesMax: 2 });
  give(2, { ...SELL, account: 1, id: 1n, price: 127, quantity: 1 });
  give(3, { ...SELL, account: 1, id: 2n, price: 128, quantity: 1 });
  const rejected = { quantity: 1, account: 1 };
  // Bid keys are 2^48 - 1 - price: one page for all low bids, but not one that is in use.
  expect(give(4, { ...BUY, account: 1, id: 3n, price: 1, quantity: 1 })).toEqual([
    event('rejected', { ...rejected, sequence: 4, reason: 'levelsFull', price: 1, id: 3 }),
  ]);
  expect(give(5, { op: 4, flags: 2, account: 1, id: 2n, price: 256 })).toEqual([
    event('replaced', {
      side: 'sell',
      sequence: 5,
      price: 256,
      quantity: 1,
      id: 2,
      account: 1,
      ...handle(2, 2),
      open: 1,
    }),
  ]);
  give(6, { ...SELL, account: 1, id: 3n, price: 383, quantity: 1 });
  expect(give(7, { op: 4, flags: 2, account: 1, id: 2n, price: 384 })).toEqual([
    event('rejected', { sequence: 7, reason: 'levelsFull', price: 384, id: 2, account: 1 }),
  ]);
  expect(give(8, { ...SELL, account: 1, id: 4n, price: 900, quantity: 1 })).toEqual([
    event('rejected', { ...rejected, side: 'sell', sequence: 8, reason: 'ordersFull', price: 900, id: 4 }),
  ]);
});

test('a worn-out slot is not used again, and keeps its order in place', () => {
  const market = new ReferenceMarket({ ...LIMITS, ordersMax: 1 }, 2 ** 30 - 1);
  const words = new Uint32Array(16);
  const apply = (command: RawCommand) => {
    writeRaw(words, 0, command);
    return market.apply(words, 0);
  };
  apply({ op: 16, name: 'A' });
  const order = { price: 5, quantity: 2, id: 1, account: 1 };
  const worn = handle(1, 2 ** 30);
  expect(apply({ ...BUY, account: 1, id: 1n, price: 5, quantity: 2 })).toEqual([
    event('accepted', { ...order, ...worn, sequence: 2, open: 2 }),
  ]);
  expect(apply({ op: 4, flags: 2, account: 1, id: 1n, price: 6 })).toEqual([
    event('rejected', { sequence: 3, reason: 'ordersFull', price: 6, id: 1, account: 1 }),
  ]);
  expect(apply({ op: 2, account: 1, id: 1n })).toEqual([
    event('canceled', { ...order, ...worn, sequence: 4, reason: 'requested', flags: DONE }),
  ]);
  expect(apply({ ...BUY, account: 1, id: 1n, price: 5, quantity: 2 })).toEqual([
    event('rejected', { ...order, sequence: 5, reason: 'ordersFull' }),
  ]);
});

test('mass cancel goes by slot', () => {
  const { give } = createVenue();
  give(2, { ...BUY, account: 1, id: 1n, price: 9, quantity: 1 });
  give(3, { ...BUY, account: 2, id: 1n, price: 8, quantity: 2 });
  give(4, { ...SELL, account: 1, id: 2n, price: 20, quantity: 3 });
  const canceled = { sequence: 5, reason: 'massCancel', flags: DONE, account: 1, generation: 1 };
  expect(give(5, { op: 5, side: 2, flags: 8, account: 1 })).toEqual([
    event('canceled', { ...canceled, price: 9, quantity: 1, id: 1, slot: 1 }),
    event('canceled', { ...canceled, side: 'sell', price: 20, quantity: 3, id: 2, slot: 3 }),
  ]);
  expect(give(6, { op: 5, side: 1 })).toEqual([]);
  expect(give(7, { op: 5, side: 2, flags: 16, symbol: 1 })).toEqual([
    event('rejected', { sequence: 7, reason: 'unknownSymbol', symbol: 1 }),
  ]);
});

test('instruments: created, limited, closed', () => {
  const { give } = createVenue();
  give(2, { ...BUY, account: 1, id: 1n, price: 70, quantity: 9 });
  expect(give(3, { op: 16, symbol: 1, name: 'A' })).toEqual([
    event('rejected', { sequence: 3, reason: 'nameExists', symbol: 1 }),
  ]);
  expect(give(4, { op: 16, symbol: 0, name: 'B', quantity: 5 })).toEqual([
    event('rejected', { sequence: 4, reason: 'symbolExists' }),
  ]);
  expect(give(5, { op: 16, symbol: 2, name: 'B' })).toEqual([
    event('rejected', { sequence: 5, reason: 'instrumentsFull', symbol: 2 }),
  ]);
  expect(give(6, { op: 16, symbol: 1, name: 'B C' })).toEqual([
    event('rejected', { sequence: 6, reason: 'name', symbol: 1 }),
  ]);
  expect(give(7, { op: 17, quantity: 8, extra: 60 })).toEqual([
    event('instrument', { sequence: 7, name: 'A', open: 60, id: 8 }),
  ]);
  const rejected = { account: 1, sequence: 8 };
  expect(give(8, { ...BUY, account: 1, id: 2n, price: 61, quantity: 1 })).toEqual([
    event('rejected', { ...rejected, reason: 'priceMax', price: 61, quantity: 1, id: 2 }),
  ]);
  expect(give(9, { ...BUY, account: 1, id: 2n, price: 60, quantity: 9 })).toEqual([
    event('rejected', { ...rejected, sequence: 9, reason: 'quantityMax', price: 60, quantity: 9, id: 2 }),
  ]);
  // Neither what is not given nor what rests already is held against the new limits.
  expect(give(10, { op: 4, flags: 4, account: 1, id: 1n, quantity: 7 })).toEqual([
    event('replaced', { sequence: 10, flags: KEPT, price: 70, quantity: 7, id: 1, account: 1, ...handle(1), open: 7 }),
  ]);
  expect(give(11, { op: 17, flags: 32 })).toEqual([event('instrument', { sequence: 11, name: 'A', flags: CLOSED })]);
  expect(give(12, { op: 4, flags: 4, account: 1, id: 1n, quantity: 6 })).toEqual([
    event('rejected', { sequence: 12, reason: 'instrumentClosed', quantity: 6, id: 1, account: 1 }),
  ]);
  expect(give(13, { op: 2, account: 1, id: 1n })).toEqual([
    event('canceled', {
      sequence: 13,
      reason: 'requested',
      flags: DONE,
      price: 70,
      quantity: 7,
      id: 1,
      account: 1,
      ...handle(1),
    }),
  ]);
});

test('a session handles each request once and repeats its answers', () => {
  const { give } = createVenue();
  const session = { account: 5, id: 77, open: 1 };
  expect(give(2, { op: 24, account: 5, id: 77n })).toEqual([event('session', { ...session, sequence: 2 })]);
  expect(give(3, { op: 24, account: 5, id: 77n })).toEqual([
    event('session', { ...session, sequence: 3, flags: REPEAT }),
  ]);
  const order = { ...BUY, account: 5, id: 1n, price: 10, quantity: 3, session: 1 };
  const answer = { symbol: 1, request: 1, sequence: 4, price: 4, open: 3, id: 1, account: 5 };
  const accepted = { price: 10, quantity: 3, id: 1, account: 5, ...handle(1), open: 3, request: 1 };
  expect(give(4, { ...order, request: 1 })).toEqual([
    event('accepted', { ...accepted, sequence: 4 }),
    event('answer', answer),
  ]);
  expect(give(5, { ...order, request: 1 })).toEqual([event('answer', { ...answer, sequence: 5, flags: REPEAT })]);
  const rejected = { price: 10, quantity: 3, id: 1, account: 5 };
  expect(give(6, { ...order, request: 3 })).toEqual([
    event('rejected', { ...rejected, sequence: 6, reason: 'requestGap', request: 3 }),
  ]);
  expect(give(7, { ...order, account: 6, request: 2 })).toEqual([
    event('rejected', { ...rejected, account: 6, sequence: 7, reason: 'sessionAccount', request: 2 }),
  ]);
  expect(give(8, { ...order, request: 2 })).toEqual([
    event('rejected', { ...rejected, sequence: 8, reason: 'duplicateOrder', request: 2 }),
    event('answer', { ...answer, sequence: 8, price: 8, reason: 'duplicateOrder', open: 0, request: 2 }),
  ]);
  expect(give(9, { op: 17, account: 5, session: 1, request: 3 })).toEqual([
    event('rejected', { account: 5, sequence: 9, reason: 'sessionAccount', request: 3 }),
    event('answer', { symbol: 1, request: 3, sequence: 9, price: 9, reason: 'sessionAccount', account: 5 }),
  ]);
  expect(give(10, { ...order, request: 1 })).toEqual([
    event('rejected', { ...rejected, sequence: 10, reason: 'requestTooOld', request: 1 }),
  ]);
  expect(give(11, { op: 25, account: 5, session: 1, request: 4 })).toEqual([
    event('session', { ...session, sequence: 11, flags: CLOSED, request: 4 }),
    event('answer', { symbol: 1, request: 4, sequence: 11, price: 11, account: 5 }),
  ]);
  expect(give(12, { ...order, request: 5 })).toEqual([
    event('rejected', { ...rejected, sequence: 12, reason: 'sessionUnknown', request: 5 }),
  ]);
});

test('an answer tells what the command did as a taker', () => {
  const { give } = createVenue();
  give(2, { ...SELL, account: 1, id: 1n, price: 10, quantity: 2 });
  give(3, { op: 24, account: 0, id: 1n });
  const taker = { sequence: 4, id: 5, account: 9, ...handle(2), request: 1 };
  expect(give(4, { ...BUY, account: 9, id: 5n, price: 10, quantity: 3, session: 1, request: 1 })).toEqual([
    event('accepted', { ...taker, price: 10, quantity: 3, open: 3 }),
    event('tradeMaker', {
      side: 'sell',
      sequence: 4,
      price: 10,
      quantity: 2,
      id: 1,
      account: 1,
      ...handle(1),
      flags: DONE,
    }),
    event('tradeTaker', { ...taker, price: 10, quantity: 2, open: 1 }),
    event('answer', { symbol: 1, sequence: 4, price: 4, request: 1, open: 1, quantity: 2, id: 5, account: 9 }),
  ]);
  expect(give(5, { op: 5, side: 2, session: 1, request: 2 })).toEqual([
    event('canceled', { ...taker, sequence: 5, request: 2, reason: 'massCancel', price: 10, quantity: 1, flags: DONE }),
    event('answer', { symbol: 1, sequence: 5, price: 5, request: 2, open: 1 }),
  ]);
});

test('the session used longest ago gives way after a minute', () => {
  const { give } = createVenue();
  const minute = 60_000_000_000n;
  give(2, { op: 24, account: 1, id: 1n }, 0n);
  give(3, { op: 24, account: 2, id: 1n }, 1n);
  expect(give(4, { op: 2, account: 1, id: 9n, session: 1, request: 1 }, 5n)).toEqual([
    event('rejected', { sequence: 4, reason: 'unknownOrder', id: 9, account: 1, request: 1 }),
    event('answer', { symbol: 1, sequence: 4, price: 4, reason: 'unknownOrder', id: 9, account: 1, request: 1 }),
  ]);
  expect(give(5, { op: 24, account: 3, id: 1n }, minute)).toEqual([
    event('rejected', { sequence: 5, reason: 'sessionsFull', id: 1, account: 3 }),
  ]);
  expect(give(6, { op: 24, account: 3, id: 1n }, minute + 1n)).toEqual([
    event('session', { sequence: 6, open: 3, id: 1, account: 3 }),
  ]);
  expect(give(7, { op: 2, account: 2, id: 9n, session: 2, request: 1 }, minute + 2n)).toEqual([
    event('rejected', { sequence: 7, reason: 'sessionUnknown', id: 9, account: 2, request: 1 }),
  ]);
});

/** Flags of commands. */
const TO_OTHER = 64;
const STATUS = { op: 7 };
const MOVE_IN = { op: 8 };
const MOVE_OUT = { op: 9 };
const ASSIGN = { op: 22 };

test('an instrument elsewhere keeps its orders and refuses everything with the shard', () => {
  const { give } = createVenue();
  give(2, { ...BUY, account: 1, id: 1n, price: 10, quantity: 2 });
  expect(give(3, { ...ASSIGN, flags: TO_OTHER, extra: 4_294_967_295 })).toEqual([
    event('instrument', { sequence: 3, name: 'A', flags: ELSEWHERE, slot: 4_294_967_295, generation: 1 }),
  ]);
  const refused = { reason: 'otherShard', open: 4_294_967_295, account: 1, id: 1 } as const;
  expect(give(4, { ...SELL, account: 1, id: 1n, price: 10, quantity: 2 })).toEqual([
    event('rejected', { ...refused, sequence: 4, side: 'sell', price: 10, quantity: 2 }),
  ]);
  expect(give(5, { op: 2, account: 1, id: 1n })).toEqual([event('rejected', { ...refused, sequence: 5 })]);
  expect(give(6, { op: 3, account: 1, id: 1n, quantity: 1 })).toEqual([
    event('rejected', { ...refused, sequence: 6, quantity: 1 }),
  ]);
  expect(give(7, { op: 4, account: 1, id: 1n, quantity: 1, flags: 4 })).toEqual([
    event('rejected', { ...refused, sequence: 7, quantity: 1 }),
  ]);
  // A mass cancel that would take the order is refused; one that would not is none of the instrument's business.
  expect(give(8, { op: 5, side: 2, flags: 8, account: 1 })).toEqual([
    event('rejected', { ...refused, sequence: 8, id: 0 }),
  ]);
  expect(give(9, { op: 5, side: 2, flags: 8, account: 2 })).toEqual([]);
  expect(give(10, { op: 5, side: 1, flags: 8, account: 1 })).toEqual([]);
  expect(give(11, { op: 17, quantity: 5 })).toEqual([
    event('rejected', { reason: 'otherShard', open: 4_294_967_295, sequence: 11 }),
  ]);
  expect(give(12, { op: 17, quantity: 5, flags: TO_OTHER + 32 })).toEqual([
    event('instrument', {
      ...{ sequence: 12, name: 'A', flags: ELSEWHERE + CLOSED, id: 5, slot: 4_294_967_295, generation: 1 },
    }),
  ]);
  expect(give(13, ASSIGN)).toEqual([
    event('instrument', { sequence: 13, name: 'A', flags: CLOSED, id: 5, generation: 2 }),
  ]);
  expect(give(14, { op: 2, account: 1, id: 1n })[0]).toMatchObject({ type: 'canceled', reason: 'requested' });
});

test('orders are told of page by page, moved out in that order, and moved in behind each other', () => {
  const { give, market } = createVenue();
  give(2, { ...BUY, account: 1, id: 1n, price: 10, quantity: 2 });
  give(3, { ...BUY, account: 2, id: 1n, price: 11, quantity: 3, flags: 1 });
  give(4, { ...BUY, account: 3, id: 1n, price: 11, quantity: 4 });
  give(5, { ...SELL, account: 4, id: 1n, price: 12, quantity: 5 });
  const orders = [
    { price: 11, quantity: 3, open: 3, id: 1, account: 2, ...handle(2) },
    { price: 11, quantity: 4, open: 4, id: 1, account: 3, ...handle(3) },
    { price: 10, quantity: 2, open: 2, id: 1, account: 1, ...handle(1) },
  ];
  const [best, second, last] = orders;
  expect(give(6, { ...STATUS, quantity: 2 })).toEqual([
    event('status', { ...best, sequence: 6, flags: POST_ONLY }),
    event('status', { ...second, sequence: 6 }),
  ]);
  expect(give(7, { ...STATUS, quantity: 1024, id: 3n })).toEqual([event('status', { ...last, sequence: 7 })]);
  expect(give(8, { ...STATUS, quantity: 1025 })).toMatchObject([{ type: 'rejected', reason: 'quantity' }]);
  // Slot 4 is an ask, and slot 5 was never used.
  expect(give(9, { ...STATUS, quantity: 1, id: 4n })).toMatchObject([{ reason: 'unknownOrder' }]);
  expect(give(10, { ...STATUS, quantity: 1, id: 5n })).toMatchObject([{ reason: 'unknownOrder' }]);
  expect(give(11, MOVE_OUT)).toMatchObject([{ type: 'rejected', reason: 'tradesHere' }]);
  expect(give(12, { ...MOVE_IN, account: 9, id: 1n, price: 9, quantity: 1 })).toMatchObject([{ reason: 'tradesHere' }]);
  give(13, { ...ASSIGN, flags: TO_OTHER });
  const gone = { reason: 'moved', flags: DONE, open: 0, sequence: 14 } as const;
  expect(give(14, MOVE_OUT)).toEqual([
    ...orders.map((order) => event('canceled', { ...order, ...gone })),
    event('canceled', { ...gone, side: 'sell', price: 12, quantity: 5, id: 1, account: 4, ...handle(4) }),
  ]);
  // The slot freed last is used first. Neither a limit nor that the instrument is closed matters to orders that come.
  give(15, { op: 17, flags: TO_OTHER + 32, quantity: 1, extra: 1 });
  expect(give(16, { ...MOVE_IN, flags: 1, account: 2, id: 1n, price: 11, quantity: 3 })).toEqual([
    event('accepted', { ...best, sequence: 16, ...handle(4, 2) }),
  ]);
  give(17, { ...MOVE_IN, account: 3, id: 1n, price: 11, quantity: 4 });
  expect(give(18, { ...MOVE_IN, account: 3, id: 1n, price: 10, quantity: 4 })).toMatchObject([
    { reason: 'duplicateOrder' },
  ]);
  expect(give(19, { ...MOVE_IN, side: 1, account: 4, id: 1n, price: 11, quantity: 5 })).toMatchObject([
    { reason: 'postOnlyWouldTrade' },
  ]);
  give(20, ASSIGN);
  give(21, { op: 17 });
  expect(market.resting(0, 'buy').map(({ account, open, postOnly }) => [account, open, postOnly])).toEqual([
    [2, 3, true],
    [3, 4, false],
  ]);
});

test('an instrument may be created elsewhere, and only the administrator says where it trades', () => {
  const { give } = createVenue();
  expect(give(2, { op: 16, symbol: 1, name: 'B', flags: TO_OTHER, quantity: 7, extra: 2 ** 32 })).toMatchObject([
    { reason: 'shard' },
  ]);
  expect(give(3, { op: 16, symbol: 1, name: 'B', flags: TO_OTHER, quantity: 7, extra: 3 })).toEqual([
    event('instrument', { sequence: 3, symbol: 1, name: 'B', flags: ELSEWHERE, id: 7, slot: 3, generation: 1 }),
  ]);
  expect(give(4, { ...ASSIGN, symbol: 1, extra: 3 })).toMatchObject([{ reason: 'reservedField' }]);
  expect(give(5, { ...ASSIGN, symbol: 1, flags: TO_OTHER, extra: 2 ** 32 })).toMatchObject([{ reason: 'shard' }]);
  give(6, { op: 24, account: 5, id: 1n });
  const request = { account: 5, session: 1, symbol: 1 };
  for (const [index, op] of [7, 8, 9, 22].entries())
    expect(give(7 + index, { ...request, op, request: 1 + index })[0]).toMatchObject({ reason: 'sessionAccount' });
  // The shard stands in the answer, too.
  const refused = give(11, { ...BUY, ...request, request: 5, id: 2n, price: 10, quantity: 2 });
  expect(refused.map(({ type, reason, open }) => [type, reason, open])).toEqual([
    ['rejected', 'otherShard', 3],
    ['answer', 'otherShard', 3],
  ]);
  expect(give(12, { ...BUY, ...request, request: 5, id: 2n, price: 10, quantity: 2 })).toMatchObject([
    { type: 'answer', flags: REPEAT, reason: 'otherShard', open: 3 },
  ]);
});
