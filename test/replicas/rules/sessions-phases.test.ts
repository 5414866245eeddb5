import { describe, expect, test } from '@jest/globals';
import { type Command, Phase, type PhaseName } from '../../../journal/commands.ts';
import { RuledVenue } from './ruled-venue.ts';

const PHASES = Object.keys(Phase) as PhaseName[];

/** From docs/rules-sessions.md. */
const FOLLOWING: Readonly<Record<PhaseName, readonly PhaseName[]>> = {
  continuous: ['openingAuction', 'volatilityAuction', 'closingAuction', 'halted', 'closed', 'delisted'],
  preOpen: ['continuous', 'openingAuction', 'halted', 'closed', 'delisted'],
  openingAuction: ['continuous', 'halted', 'closed', 'delisted'],
  volatilityAuction: ['continuous', 'closingAuction', 'halted', 'closed', 'delisted'],
  closingAuction: ['halted', 'closed', 'delisted'],
  halted: ['continuous', 'openingAuction', 'volatilityAuction', 'closingAuction', 'closed', 'delisted'],
  closed: ['continuous', 'preOpen', 'openingAuction', 'delisted'],
  delisted: [],
};
/** How to get to a phase from the first one. */
const WAY: Readonly<Record<PhaseName, readonly PhaseName[]>> = {
  ...{ continuous: [], preOpen: ['closed', 'preOpen'], openingAuction: ['openingAuction'] },
  ...{ volatilityAuction: ['volatilityAuction'], closingAuction: ['closingAuction'], halted: ['halted'] },
  ...{ closed: ['closed'], delisted: ['delisted'] },
};

function venueIn(phase: PhaseName): RuledVenue {
  const it = new RuledVenue({ ordersMax: 64 });
  it.do({ op: 'instrumentCreate', symbol: 0, name: 'ACME' });
  it.do({ op: 'instrumentSet', symbol: 0, setting: 'tick', value: 1 });
  for (const step of WAY[phase]) it.do({ op: 'phase', symbol: 0, phase: step });
  return it;
}

const limit: Command = { op: 'new', account: 1, symbol: 0, id: 1, side: 'buy', price: 100, quantity: 5 };
const market: Command = { op: 'new', account: 1, symbol: 0, id: 1, side: 'buy', type: 'market', quantity: 5 };

test.each(PHASES)('from %s goes only what the table tells', (from) => {
  for (const to of PHASES) {
    const it = venueIn(from);
    const [event] = it.do({ op: 'phase', symbol: 0, phase: to, account: 3 });
    if (FOLLOWING[from].includes(to))
      expect(event).toMatchObject({ type: 'state', slot: Phase[to], generation: Phase[from], account: 3 });
    else expect(event).toMatchObject({ type: 'rejected', reason: 'phaseChange' });
  }
});

test.each<[Command['op'], Partial<Record<PhaseName, PhaseName>>]>([
  [
    'halt',
    {
      continuous: 'halted',
      preOpen: 'halted',
      openingAuction: 'halted',
      volatilityAuction: 'halted',
      closingAuction: 'halted',
    },
  ],
  ['resume', { halted: 'continuous' }],
  [
    'openAuction',
    { continuous: 'openingAuction', preOpen: 'openingAuction', halted: 'openingAuction', closed: 'openingAuction' },
  ],
  ['uncross', { openingAuction: 'continuous', volatilityAuction: 'continuous', closingAuction: 'closed' }],
])('%s goes from where it may', (op, table) => {
  for (const from of PHASES) {
    const to = table[from];
    const [event] = venueIn(from).do({ op, symbol: 0 });
    if (to === undefined) expect(event).toMatchObject({ type: 'rejected', reason: 'phaseChange' });
    else expect(event).toMatchObject({ type: 'state', slot: Phase[to] });
  }
});

describe('which orders a phase takes', () => {
  const all = PHASES;
  const some: readonly PhaseName[] = ['continuous', 'preOpen', 'openingAuction', 'volatilityAuction', 'closingAuction'];
  const only: readonly PhaseName[] = ['continuous'];
  test.each<[string, Command, readonly PhaseName[]]>([
    ['limit', limit, some],
    ['day', { ...limit, tif: 'day' }, some],
    ['market', market, some],
    ['hidden', { ...limit, hidden: true }, some],
    ['iceberg', { ...limit, display: 1 }, some],
    ['immediate-or-cancel', { ...limit, tif: 'ioc' }, only],
    ['fill-or-kill', { ...limit, tif: 'fok' }, only],
    ['post-only', { ...limit, postOnly: true }, only],
    ['all-or-none', { ...limit, allOrNone: true }, only],
    ['minimum quantity', { ...limit, minQty: 2 }, only],
    ['at the open', { ...limit, tif: 'atTheOpen' }, ['preOpen', 'openingAuction']],
    ['at the open, market', { ...market, tif: 'atTheOpen' }, ['preOpen', 'openingAuction']],
    ['at the close', { ...limit, tif: 'atTheClose' }, some],
    ['at the close, market', { ...market, tif: 'atTheClose' }, some],
  ])('%s', (_, command, takes) => {
    for (const phase of all) {
      const events = venueIn(phase).do(command);
      if (takes.includes(phase)) expect(events[0]).toMatchObject({ type: 'accepted' });
      else expect(events).toEqual([expect.objectContaining({ type: 'rejected', reason: 'phase' })]);
    }
  });

  test('a halted or closed instrument takes no replace, and every cancel', () => {
    for (const phase of ['halted', 'closed'] as const) {
      const it = venueIn('continuous');
      it.do(limit);
      it.do({ op: 'phase', symbol: 0, phase });
      expect(it.tell({ op: 'replace', account: 1, symbol: 0, id: 1, price: 99 })).toEqual([
        'rejected 1 0@99 left 0 phase',
      ]);
      expect(it.tell({ op: 'reduce', account: 1, symbol: 0, id: 1, quantity: 2 })).toEqual([
        'canceled 1 2@100 left 3 reduced',
      ]);
      expect(it.tell({ op: 'cancel', account: 1, symbol: 0, id: 1 })).toEqual(['canceled 1 3@100 left 0 requested']);
    }
  });

  test('commands with fields that are none of theirs, or of an instrument that is not there', () => {
    const it = venueIn('continuous');
    expect(it.tell({ op: 'halt', symbol: 0, price: 1 })).toEqual(['rejected 0 0@1 left 0 reservedField']);
    expect(it.tell({ op: 'halt', symbol: 0, quantity: 1 })).toEqual(['rejected 0 1@0 left 0 reservedField']);
    expect(it.tell({ op: 'phase', symbol: 0, quantity: 8 })).toEqual(['rejected 0 8@0 left 0 quantity']);
    expect(it.tell({ op: 'uncross', symbol: 5 })).toEqual(['rejected 0 0@0 left 0 unknownSymbol']);
    it.do({ op: 'sessionOpen', account: 1, id: 1 });
    expect(it.tell({ op: 'halt', symbol: 0, account: 1, session: 1, request: 1 })[0]).toBe(
      'rejected 0 0@0 left 0 sessionAccount',
    );
  });
});

test('a market order that waits has no price, is first in line, keeps its place, and leaves with its auction', () => {
  const it = venueIn('openingAuction');
  it.do(market);
  it.do({ ...limit, id: 2, price: 200 });
  expect(it.tell({ op: 'replace', account: 1, symbol: 0, id: 1, price: 5 })).toEqual(['rejected 1 0@5 left 0 price']);
  expect(it.tell({ op: 'replace', account: 1, symbol: 0, id: 1, quantity: 4 })).toEqual(['replaced 1 4@0 left 4']);
  expect(it.tell({ op: 'reduce', account: 1, symbol: 0, id: 1, quantity: 1 })).toEqual([
    'canceled 1 1@0 left 3 reduced',
  ]);
  expect(it.matcher.book(0, 9)).toEqual({ bids: [[200, 5, 1]], asks: [] });
  it.do({ ...limit, id: 3, side: 'sell', price: 150, quantity: 1 });
  expect(it.tell({ op: 'uncross', symbol: 0 })).toEqual([
    'tradeMaker 1 1@200 left 2',
    'tradeTaker 3 1@200 left 0',
    'auction 1@200 buy+7',
    'canceled 1 2@0 left 0 auctionOver',
    'state 2>0',
  ]);
});

test('orders for the close wait through the day, trade at the close only, and are gone then; those of the day expire', () => {
  const it = venueIn('openingAuction');
  it.do({ ...market, id: 1, tif: 'atTheClose' });
  it.do({ ...limit, id: 2, tif: 'atTheOpen', price: 90 });
  it.do({ ...limit, id: 3, tif: 'day', price: 80 });
  it.do({ ...limit, id: 4, price: 70 });
  expect(it.tell({ op: 'uncross', symbol: 0 })).toEqual(['canceled 2 5@90 left 0 auctionOver', 'state 2>0']);
  expect(it.tell({ ...limit, id: 5, side: 'sell', price: 60, quantity: 2 })).toEqual([
    'accepted 5 2@60 left 2',
    'tradeMaker 3 2@80 left 3',
    'tradeTaker 5 2@80 left 0',
  ]);
  it.do({ op: 'phase', symbol: 0, phase: 'closingAuction' });
  it.do({ ...limit, id: 6, side: 'sell', price: 75, quantity: 6, tif: 'atTheClose' });
  const other = it.restored();
  for (const one of [it, other])
    expect(one.tell({ op: 'uncross', symbol: 0 })).toEqual([
      'tradeMaker 1 5@80 left 0',
      'tradeTaker 6 5@80 left 1',
      'tradeMaker 3 1@80 left 2',
      'tradeTaker 6 1@80 left 0',
      'auction 6@80 buy+2',
      'state 4>6',
      'canceled 3 2@80 left 0 expired',
    ]);
  expect(it.matcher.book(0, 9)).toEqual({ bids: [[70, 5, 1]], asks: [] });
});

test('a halt in an auction keeps its orders, and trading goes on with them', () => {
  const it = venueIn('openingAuction');
  it.do({ ...limit, id: 1, tif: 'atTheOpen' });
  it.do({ ...limit, id: 2, side: 'sell', price: 99, quantity: 3 });
  it.do({ op: 'halt', symbol: 0 });
  expect(it.tell({ op: 'resume', symbol: 0 })).toEqual([
    'tradeMaker 1 3@100 left 2',
    'tradeTaker 2 3@100 left 0',
    'auction 3@100 buy+2',
    'canceled 1 2@100 left 0 auctionOver',
    'state 5>0',
  ]);
});

describe('volatility auctions', () => {
  function ranged(): RuledVenue {
    const it = venueIn('continuous');
    it.do({ op: 'instrumentSet', symbol: 0, setting: 'referencePrice', value: 100 });
    it.do({ op: 'instrumentSet', symbol: 0, setting: 'volatilityTicks', value: 5 });
    it.do({ op: 'instrumentSet', symbol: 0, setting: 'volatilityNs', value: 10_000 });
    for (const [id, price] of [
      [11, 104],
      [12, 106],
      [13, 107],
    ] as const)
      it.do({ ...limit, id, side: 'sell', price, quantity: 2, account: 2 });
    return it;
  }

  test('an order trades up to the range, starts the auction and rests; what it comes to is traded when it ends by itself', () => {
    const it = ranged();
    expect(it.tell({ ...limit, price: 106, quantity: 5 })).toEqual([
      'accepted 1 5@106 left 5',
      'tradeMaker 11 2@104 left 0',
      'tradeTaker 1 2@104 left 3',
      'state 0>3 until 1010000',
      'indicative 2@106 buy+1',
    ]);
    const other = it.restored();
    for (const one of [it, other])
      expect(one.at(1_010_000n).tell({ op: 'tick' })).toEqual([
        'tradeMaker 1 2@106 left 1',
        'tradeTaker 12 2@106 left 0',
        'auction 2@106 buy+1',
        'state 3>0',
      ]);
    // The range is around the auction's price now.
    expect(it.tell({ ...limit, id: 3, price: 107, quantity: 1 })).toContain('tradeMaker 13 1@107 left 1');
  });

  test('an immediate order is canceled, a fill-or-kill one starts nothing', () => {
    const it = ranged();
    expect(it.tell({ ...limit, price: 106, quantity: 4, tif: 'fok' })).toEqual([
      'accepted 1 4@106 left 4',
      'canceled 1 4@106 left 0 fok',
    ]);
    expect(it.tell({ ...market, quantity: 4 })).toEqual([
      'accepted 1 4@0 left 4',
      'tradeMaker 11 2@104 left 0',
      'tradeTaker 1 2@104 left 2',
      'canceled 1 2@0 left 0 ioc',
      'state 0>3 until 1010000',
    ]);
  });

  test('a sell below the range, and a best price beyond it, start one without a trade', () => {
    const it = ranged();
    it.do({ ...limit, id: 21, price: 94 });
    expect(it.tell({ ...limit, id: 22, side: 'sell', price: 90, quantity: 1 })).toEqual([
      'accepted 22 1@90 left 1',
      'state 0>3 until 1010000',
      'indicative 1@94 buy+4',
    ]);
  });
});

describe('frequent batch auctions (Budish, Cramton and Shim 2015)', () => {
  const INTERVAL = 1_000_000;
  function batched(): RuledVenue {
    const it = venueIn('continuous').at(10_300_000n);
    it.do({ op: 'instrumentSet', symbol: 0, setting: 'batchNs', value: INTERVAL });
    return it;
  }

  test('orders wait for the next multiple of the interval, and none is due while none could trade', () => {
    const it = batched();
    expect(it.tell({ ...limit, id: 1 })).toEqual(['accepted 1 5@100 left 5']);
    expect(it.at(12_400_000n).tell({ ...limit, id: 2, side: 'sell', price: 98 })).toEqual(['accepted 2 5@98 left 5']);
    expect(it.at(12_999_999n).tell({ ...limit, id: 3, side: 'sell', price: 97, quantity: 2 })).toEqual([
      'accepted 3 2@97 left 2',
    ]);
    const other = it.restored();
    for (const one of [it, other])
      expect(one.at(13_000_000n).tell({ op: 'tick' })).toEqual([
        'tradeMaker 1 2@98 left 3',
        'tradeTaker 3 2@98 left 0',
        'tradeMaker 1 3@98 left 0',
        'tradeTaker 2 3@98 left 2',
        'auction 5@98 sell+2',
      ]);
  });

  test('a market order leaves after one batch; without the setting, orders trade at once', () => {
    const it = batched();
    it.do(market);
    expect(it.at(11_000_000n).tell({ op: 'tick' })).toEqual(['canceled 1 5@0 left 0 auctionOver']);
    it.do(limit);
    it.do({ ...limit, id: 2, side: 'sell' });
    expect(it.tell({ op: 'instrumentSet', symbol: 0, setting: 'batchNs', value: 0 }).slice(1)).toEqual([
      'tradeMaker 1 5@100 left 0',
      'tradeTaker 2 5@100 left 0',
      'auction 5@100 buy+0',
    ]);
    expect(it.at(20_000_000n).tell({ op: 'tick' })).toEqual([]);
  });
});

describe('the calendar', () => {
  test('a day by calendar: every change at its time, several with one command', () => {
    const it = venueIn('closed').at(1_000n);
    const plan: [bigint, PhaseName][] = [
      [2_000n, 'preOpen'],
      [3_000n, 'openingAuction'],
      [4_000n, 'continuous'],
      [6_000n, 'closingAuction'],
      [7_000n, 'closed'],
    ];
    for (const [at, phase] of plan.toReversed()) it.do({ op: 'schedule', symbol: 0, phase, value: at });
    expect(it.at(2_500n).tell({ ...limit, tif: 'day' })).toEqual(['state 6>1', 'accepted 1 5@100 left 5']);
    expect(it.at(4_500n).tell({ ...limit, id: 2, side: 'sell', quantity: 2 })).toEqual([
      'state 1>2',
      'state 2>0',
      'accepted 2 2@100 left 2',
      'tradeMaker 1 2@100 left 3',
      'tradeTaker 2 2@100 left 0',
    ]);
    const other = it.restored();
    for (const one of [it, other])
      expect(one.at(9_000n).tell({ op: 'tick' })).toEqual([
        'state 0>4',
        'state 4>6',
        'canceled 1 3@100 left 0 expired',
      ]);
    expect(other.state().equals(it.state())).toBe(true);
  });

  test('what may not follow is left out, also what would end a halt', () => {
    const it = venueIn('continuous').at(1_000n);
    it.do({ op: 'schedule', symbol: 0, phase: 'preOpen', value: 2_000n });
    it.do({ op: 'schedule', symbol: 0, phase: 'halted', value: 3_000n });
    it.do({ op: 'schedule', symbol: 0, phase: 'continuous', value: 4_000n });
    expect(it.at(5_000n).tell({ op: 'tick' })).toEqual(['state 0>5']);
    expect(it.tell({ op: 'unschedule', symbol: 0 })).toEqual(['rejected 0 0@0 left 0 schedule']);
  });

  test('an entry for the same time gives way, entries are taken away, sixteen are the most', () => {
    const it = venueIn('continuous').at(1_000n);
    for (let entry = 1n; entry <= 16n; entry++)
      expect(it.tell({ op: 'schedule', symbol: 0, phase: 'halted', value: 1_000n + entry })[0]).toMatch(/^state/);
    expect(it.do({ op: 'schedule', symbol: 0, phase: 'halted', value: 9_000n })).toMatchObject([
      { reason: 'calendarFull' },
    ]);
    expect(it.do({ op: 'schedule', symbol: 0, phase: 'closed', value: 1_016n })).toMatchObject([
      { type: 'state', flags: 128, slot: 6, id: 1_016 },
    ]);
    expect(it.do({ op: 'schedule', symbol: 0, phase: 'closed', value: 1_000n })).toMatchObject([
      { reason: 'schedule' },
    ]);
    expect(it.do({ op: 'unschedule', symbol: 0, value: 2_000n })).toMatchObject([{ reason: 'schedule' }]);
    for (let entry = 1n; entry <= 15n; entry++)
      expect(it.do({ op: 'unschedule', symbol: 0, value: 1_000n + entry })).toMatchObject([
        { type: 'state', flags: 132 },
      ]);
    expect(it.at(2_000n).tell({ op: 'tick' })).toEqual(['state 0>6']);
  });
});

test('a delisted instrument has no orders, and never takes one again', () => {
  const it = venueIn('openingAuction');
  it.do(limit);
  it.do({ ...limit, id: 2, hidden: true });
  it.do({ ...market, id: 3 });
  it.do({ ...market, id: 4, tif: 'atTheClose', side: 'sell' });
  expect(it.tell({ op: 'phase', symbol: 0, phase: 'delisted' })).toEqual([
    'state 2>7',
    ...[1, 2].map((id) => `canceled ${id} 5@100 left 0 delisted`),
    ...[3, 4].map((id) => `canceled ${id} 5@0 left 0 delisted`),
  ]);
  expect(it.tell({ ...limit, id: 5 })).toEqual(['rejected 5 5@100 left 0 phase']);
  expect(it.tell({ op: 'phase', symbol: 0, phase: 'closed' })).toEqual(['rejected 0 6@0 left 0 phaseChange']);
});

test('more than 4,096 orders of a day leave with several commands, and the day has not ended before', () => {
  const it = new RuledVenue();
  it.do({ op: 'instrumentCreate', symbol: 0, name: 'ACME' });
  for (let id = 1; id <= 5000; id++) it.do({ ...limit, id, tif: 'day', price: 100 + (id % 7) });
  for (let id = 5001; id <= 5100; id++) it.do({ ...limit, id, price: 100 + (id % 7) });
  expect(it.do({ op: 'phase', symbol: 0, phase: 'closed' })).toHaveLength(4097);
  const other = it.restored();
  for (const one of [it, other]) {
    const events = one.do({ op: 'phase', symbol: 0, phase: 'preOpen' });
    expect(events).toHaveLength(5000 - 4096 + 1);
    expect(events.at(-1)).toMatchObject({ type: 'state', slot: 1 });
    expect(one.do({ op: 'massCancel', symbol: 0 })).toHaveLength(100);
  }
});

test('a market order that goes from the call book to the closing book needs a page there', () => {
  const it = new RuledVenue({ levelPagesMax: 2 });
  it.do({ op: 'instrumentCreate', symbol: 0, name: 'ACME' });
  it.do({ op: 'phase', symbol: 0, phase: 'volatilityAuction' });
  it.do({ ...market, id: 1 });
  it.do({ ...market, id: 2 });
  it.do({ ...limit, id: 3 });
  it.do({ op: 'phase', symbol: 0, phase: 'closingAuction' });
  const larger: Command = { op: 'replace', account: 1, symbol: 0, id: 1, quantity: 9 };
  expect(it.do(larger)).toMatchObject([{ type: 'rejected', reason: 'levelsFull' }]);
  it.do({ op: 'cancel', account: 1, symbol: 0, id: 3 });
  expect(it.do(larger)).toMatchObject([{ type: 'replaced', open: 9 }]);
  it.restored();
});

test('a mass status tells of nothing behind orders that are not shown to anybody', () => {
  const it = venueIn('openingAuction');
  const [accepted] = it.do({ ...market, id: 1 });
  it.do({ ...market, id: 2 });
  it.do({ ...limit, id: 3 });
  const status: Command = { op: 'massStatus', account: 0, symbol: 0, side: 'buy', quantity: 9 };
  expect(it.tell(status)).toEqual(['status 3 5@100 left 5']);
  expect(it.do({ ...status, id: accepted?.slot as number })).toMatchObject([{ reason: 'unknownOrder' }]);
});
