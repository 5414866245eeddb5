import { expect, test } from '@jest/globals';
import { writeWide } from '../../journal/amounts.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';
import { type FixReport, FixReports } from '../../ops/reports/fix-report.ts';
import { OrderStates } from '../../ops/reports/order-states.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { LIMITS, order } from '../sequencer/venue-on-nats.ts';

/** A market whose every event is reported. */
class Reported {
  readonly #events = new EventBuffer(64);
  readonly #matcher = createMatcher(LIMITS, this.#events);
  readonly #words = new Uint32Array(COMMAND_WORDS);
  readonly #fix = new FixReports(new OrderStates(), (symbol) => `I${symbol}`);

  constructor() {
    this.send({ op: 'instrumentCreate', account: 0, symbol: 0, name: 'I0', quantity: 1_000, priceMax: 1_000 });
  }

  /** What one command makes of reports. */
  send(command: Command): FixReport[] {
    encodeCommand(this.#words, 0, command);
    this.#matcher.apply(this.#words, 0);
    const reports: FixReport[] = [];
    for (let index = 0; index < this.#events.next; index++) {
      const report = this.#fix.report(this.#events.words, index * EVENT_WORDS);
      if (report !== undefined) reports.push(report);
    }
    this.#events.clear();
    return reports;
  }

  /** MsgType or ExecType, OrdStatus, OrderQty, CumQty, LeavesQty of each. */
  short(command: Command): (string | number | null | undefined)[][] {
    return this.send(command).map((report) => {
      const { MsgType, ExecType, OrdStatus, OrderQty, CumQty, LeavesQty } = report;
      return [MsgType === '9' ? 'reject' : ExecType, OrdStatus, OrderQty, CumQty, LeavesQty];
    });
  }
}

test('an order is new, partially filled and filled, on both sides of a trade', () => {
  const market = new Reported();
  expect(market.send(order(7, 1, 'buy', 100, 5))).toEqual([
    {
      ...{ MsgType: '8', ExecType: '0', OrdStatus: '0', ExecID: '2.1', OrderID: '1.1', ClOrdID: '1', Account: 7 },
      ...{ Symbol: 'I0', Side: '1', Price: 100, OrderQty: 5, CumQty: 0, LeavesQty: 5, sequence: 2, request: 0 },
    },
  ]);
  expect(market.send(order(8, 1, 'sell', 99, 2))).toMatchObject([
    { Account: 8, ExecType: '0', OrdStatus: '0', LeavesQty: 2 },
    {
      Account: 7,
      ExecType: 'F',
      OrdStatus: '1',
      LastQty: 2,
      LastPx: 100,
      CumQty: 2,
      LeavesQty: 3,
      LastLiquidityInd: 1,
    },
    {
      Account: 8,
      ExecType: 'F',
      OrdStatus: '2',
      LastQty: 2,
      LastPx: 100,
      CumQty: 2,
      LeavesQty: 0,
      LastLiquidityInd: 2,
    },
  ]);
  expect(market.short(order(8, 2, 'sell', 99, 3)).slice(1)).toEqual([
    ['F', '2', 5, 5, 0],
    ['F', '2', 3, 3, 0],
  ]);
});

test('what is taken off or changed keeps what was traded', () => {
  const market = new Reported();
  market.send(order(7, 1, 'buy', 100, 10));
  market.send(order(8, 1, 'sell', 100, 4));
  expect(market.short({ op: 'reduce', account: 7, symbol: 0, id: 1, quantity: 1 })).toEqual([['5', '1', 9, 4, 5]]);
  expect(market.short({ op: 'replace', account: 7, symbol: 0, id: 1, quantity: 3 })).toEqual([['5', '1', 7, 4, 3]]);
  expect(market.send({ op: 'replace', account: 7, symbol: 0, id: 1, price: 90 })).toMatchObject([
    { ExecType: '5', OrdStatus: '1', Price: 90, OrderQty: 7, CumQty: 4, LeavesQty: 3, OrderID: '1.2' },
  ]);
  expect(market.send({ op: 'cancel', account: 7, symbol: 0, id: 1 })).toMatchObject([
    { ExecType: '4', OrdStatus: '4', OrderQty: 7, CumQty: 4, LeavesQty: 0, Text: 'canceled by its owner' },
  ]);
  market.send(order(7, 2, 'buy', 100, 2));
  expect(market.short({ op: 'reduce', account: 7, symbol: 0, id: 2, quantity: 9 })).toEqual([['4', '4', 0, 0, 0]]);
  // A replace that trades is replaced first.
  market.send(order(8, 3, 'sell', 120, 1));
  market.send(order(7, 3, 'buy', 100, 2));
  expect(market.short({ op: 'replace', account: 7, symbol: 0, id: 3, price: 120 })).toEqual([
    ['5', '0', 2, 0, 2],
    ['F', '2', 1, 1, 0],
    ['F', '1', 2, 1, 1],
  ]);
});

test('what does not rest is canceled, and so is what a mass cancel or a move takes', () => {
  const market = new Reported();
  market.send(order(8, 1, 'sell', 100, 1));
  const new7: Command = { op: 'new', account: 7, symbol: 0, id: 1, side: 'buy', price: 100, quantity: 3 };
  expect(market.short({ ...new7, tif: 'fok' }).at(-1)).toEqual(['4', '4', 3, 0, 0]);
  expect(market.short({ ...new7, tif: 'ioc' }).at(-1)).toEqual(['4', '4', 3, 1, 0]);
  const atMarket = market.send({ ...new7, type: 'market', tif: 'ioc', price: 0 });
  expect(atMarket.map(({ ExecType }) => ExecType)).toEqual(['0', '4']);
  expect(atMarket[0]).not.toHaveProperty('Price');
  market.send(order(7, 2, 'buy', 10, 1));
  expect(market.short({ op: 'massCancel', account: 7 })).toEqual([['4', '4', 1, 0, 0]]);
  market.send(order(7, 3, 'buy', 10, 1));
  market.send({ op: 'instrumentAssign', account: 0, symbol: 0, shard: 1 });
  expect(market.short({ op: 'moveOut', account: 0, symbol: 0 })).toEqual([['D', '4', 1, 0, 0]]);
});

test('a rejected order is told apart from a rejected change of one', () => {
  const market = new Reported();
  market.send(order(7, 1, 'buy', 100, 5));
  expect(market.send(order(7, 1, 'buy', 100, 5))).toMatchObject([
    { MsgType: '8', ExecType: '8', OrdStatus: '8', OrdRejReason: 6, OrderQty: 5, CumQty: 0, LeavesQty: 0 },
  ]);
  expect(market.send(order(7, 2, 'buy', 2_000, 5))).toMatchObject([{ MsgType: '8', OrdStatus: '8', OrdRejReason: 3 }]);
  expect(market.send({ ...order(7, 2, 'buy', 2_000, 5), symbol: 9 })).toMatchObject([
    { Symbol: 'I9', OrdRejReason: 1 },
  ]);
  expect(market.send({ op: 'cancel', account: 7, symbol: 0, id: 9 })).toMatchObject([
    { MsgType: '9', ClOrdID: '9', OrdStatus: '8', CxlRejReason: 1, Text: 'the account has no live order with this id' },
  ]);
  const [rejected] = market.send({ op: 'replace', account: 7, symbol: 0, id: 1, price: 2_000 });
  expect(rejected).toMatchObject({
    MsgType: '9',
    OrdStatus: '0',
    Price: 100,
    OrderQty: 5,
    LeavesQty: 5,
    CxlRejReason: 99,
  });
  expect(rejected).not.toHaveProperty('ExecType');
});

test('reports of one account have ids of their own within a command', () => {
  const market = new Reported();
  for (const id of [1, 2, 3]) market.send(order(7, id, 'sell', 100, 1));
  const reports = market.send(order(7, 4, 'buy', 100, 3));
  expect(reports.map(({ ExecID }) => ExecID)).toEqual(['5.1', '5.2', '5.3', '5.4', '5.5', '5.6', '5.7']);
});

/** An event of account 7's order 1, of which two lots are open unless told otherwise. */
function eventOf(
  type: number,
  fields: { reason?: number; flags?: number; open?: number; quantity?: number },
): Uint32Array {
  const { reason = 0, flags = 0, open = 2, quantity = 2 } = fields;
  const words = new Uint32Array(EVENT_WORDS);
  words[EVENT_WORD.head] = type | (reason << 16) | (flags << 24);
  words[EVENT_WORD.account] = 7;
  for (const [word, value] of Object.entries({ sequence: 9, price: 100, quantity, id: 1, open }))
    writeWide(words, EVENT_WORD[word as keyof typeof EVENT_WORD], value);
  return words;
}

test.each<[string, Uint32Array, Partial<FixReport>]>([
  ['a stop that is triggered', eventOf(EventType.triggered, {}), { ExecType: 'L', OrdStatus: '0', LeavesQty: 2 }],
  [
    'an order that expires',
    eventOf(EventType.canceled, { reason: Reason.expired, flags: EventFlag.done, open: 0 }),
    { ExecType: 'C', OrdStatus: 'C', OrderQty: 2, LeavesQty: 0 },
  ],
  [
    'an order of which self-trade prevention takes a part',
    eventOf(EventType.canceled, { reason: Reason.selfTrade, open: 1, quantity: 1 }),
    { ExecType: '5', OrdStatus: '0', OrderQty: 1, LeavesQty: 1 },
  ],
  [
    'a trade in an auction',
    eventOf(EventType.tradeMaker, { flags: EventFlag.auction | EventFlag.done, open: 0 }),
    { ExecType: 'F', OrdStatus: '2', LastLiquidityInd: 4 },
  ],
])('%s', (_, event, report) => {
  const reports = new FixReports(new OrderStates(), (symbol) => `I${symbol}`);
  reports.report(eventOf(EventType.accepted, {}), 0);
  expect(reports.report(event, 0)).toMatchObject({ MsgType: '8', ...report });
});

test('a tranche of an iceberg and a setting are no reports, and take no id', () => {
  const reports = new FixReports(new OrderStates(), (symbol) => `I${symbol}`);
  const accepted = reports.report(eventOf(EventType.accepted, {}), 0);
  for (const type of [EventType.refreshed, EventType.setting])
    expect(reports.report(eventOf(type, {}), 0)).toBeUndefined();
  expect([accepted?.ExecID, reports.report(eventOf(EventType.triggered, {}), 0)?.ExecID]).toEqual(['9.1', '9.2']);
});
