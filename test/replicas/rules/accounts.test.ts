import { expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { CREATE, deposit, marketOf, ofAccount, order, set } from './account-commands.ts';
import { RuledMarket, SMALL_LIMITS } from './ruled-market.ts';

const SECOND_NS = 1_000_000_000n;
/** Lots of 10 units of asset 1, paid with 2 units of asset 2 for a tick times a lot; fees of 1 and 2 percent to account 9. */
const SETTLED: readonly Command[] = [
  ...[set('baseAsset', 1), set('quoteAsset', 2), set('lotValue', 10), set('tickValue', 2)],
  ...[set('makerFee', 10_000), set('takerFee', 20_000), set('feeAccount', 9)],
];

// --- Limits ----------------------------------------------------------------------------------------------------------

test('minQty of lot sizes (FIX 562, MinTradeVol) and a largest notional are looked at for new orders and replaces', () => {
  const market = marketOf(set('minQuantity', 5), set('maxNotional', 1_000));
  expect(
    market.reasons(
      order(1, 1, 'buy', 10, 4),
      order(1, 1, 'buy', 10, 5),
      order(1, 2, 'buy', 100, 11),
      order(1, 2, 'buy', 100, 10),
      { op: 'replace', account: 1, symbol: 0, id: 1, quantity: 4 },
      { op: 'replace', account: 1, symbol: 0, id: 1, price: 201 },
      { op: 'replace', account: 1, symbol: 0, id: 1, price: 200 },
      // A market order has no price, and a reduce takes risk off.
      { op: 'new', account: 2, symbol: 0, id: 1, side: 'sell', type: 'market', quantity: 500_000, tif: 'ioc' },
    ),
  ).toEqual(['minQuantity', '', 'maxNotional', '', 'minQuantity', 'maxNotional', '', '']);
  const again = marketOf(set('minQuantity', 5));
  expect(again.reasons(order(1, 1, 'buy', 10, 5), { op: 'reduce', account: 1, symbol: 0, id: 1, quantity: 3 })).toEqual(
    ['', ''],
  );
});

test('price times quantity never wraps: 96 bits against a bound of 53', () => {
  const market = marketOf(set('maxNotional', 2 ** 53 - 1));
  const [price, quantity] = [2 ** 32, 2 ** 32];
  expect(market.reasons(order(1, 1, 'buy', price, quantity), order(1, 1, 'buy', 2 ** 48 - 3, 2 ** 48 - 1))).toEqual([
    'maxNotional',
    'maxNotional',
  ]);
  expect(market.reasons(order(1, 1, 'buy', 2 ** 26, 2 ** 26), order(1, 2, 'buy', 2 ** 26, 2 ** 27))).toEqual([
    '',
    'maxNotional',
  ]);
});

test('Binance PERCENT_PRICE: an order may be so far from the last trade price, and the reference moves with every trade', () => {
  const market = marketOf(set('priceBand', 5));
  // No trade and no reference: no band.
  expect(market.reasons(order(1, 1, 'sell', 100, 5), order(2, 1, 'buy', 100, 1))).toEqual(['', '']);
  expect(market.reasons(order(2, 2, 'buy', 94, 1), order(2, 2, 'buy', 95, 1), order(2, 3, 'sell', 106, 1))).toEqual([
    'priceBand',
    '',
    'priceBand',
  ]);
  expect(market.reasons(order(3, 1, 'sell', 95, 1))).toEqual(['']);
  // The last trade was at 95.
  expect(market.reasons(order(2, 4, 'buy', 90, 1), order(2, 5, 'sell', 101, 1))).toEqual(['', 'priceBand']);
  expect(market.reasons({ op: 'replace', account: 2, symbol: 0, id: 4, price: 89 })).toEqual(['priceBand']);
});

test('CME price banding: with bandOneSided it keeps out buys above it and sells below it, and no other', () => {
  const market = marketOf(set('priceBand', 5), set('bandReference', 100), set('bandOneSided', 1));
  expect(market.reasons(order(1, 1, 'buy', 106, 1), order(1, 1, 'buy', 105, 1))).toEqual(['priceBand', '']);
  expect(market.reasons(order(2, 1, 'sell', 94, 1), order(2, 1, 'sell', 106, 1))).toEqual(['priceBand', '']);
  expect(market.reasons(order(1, 2, 'buy', 1, 1), order(2, 2, 'sell', 900, 1))).toEqual(['', '']);
  const replace = (account: number, price: number) => ({ op: 'replace', account, symbol: 0, id: 2, price }) as const;
  expect(market.reasons(replace(1, 106), replace(1, 2), replace(2, 94), replace(2, 901))).toEqual([
    ...['priceBand', '', 'priceBand', ''],
  ]);
  expect(market.reasons(set('bandOneSided', 2), set('bandOneSided', 0), order(1, 3, 'buy', 94, 1))).toEqual([
    ...['setting', '', 'priceBand'],
  ]);
});

test('Shanghai Stock Exchange, daily price limits: a reference that is set stays until it is set again', () => {
  const market = marketOf(set('priceBand', 5), set('bandReference', 200));
  expect(market.reasons(order(1, 1, 'sell', 194, 1), order(1, 1, 'sell', 195, 2), order(2, 1, 'buy', 205, 1))).toEqual([
    'priceBand',
    '',
    '',
  ]);
  expect(market.reasons(order(1, 2, 'buy', 190, 1), set('bandReference', 190), order(1, 2, 'buy', 190, 1))).toEqual([
    'priceBand',
    '',
    '',
  ]);
});

test('limits of an account hold on all its orders, of whatever instrument, and of that account alone', () => {
  const market = marketOf(
    { ...CREATE, symbol: 1, name: 'OTHER' },
    ofAccount(1, 'quantityMax', 10),
    ofAccount(1, 'notionalMax', 500),
  );
  expect(
    market.reasons(
      order(1, 1, 'buy', 10, 11),
      { ...order(1, 1, 'buy', 10, 11), symbol: 1 },
      order(1, 1, 'buy', 51, 10),
      order(1, 1, 'buy', 50, 10),
      order(2, 1, 'buy', 51, 1_000),
      { op: 'replace', account: 1, symbol: 0, id: 1, price: 51 },
      { op: 'replace', account: 1, symbol: 0, id: 1, quantity: 11, price: 10 },
    ),
  ).toEqual([
    ...['accountQuantityMax', 'accountQuantityMax', 'accountNotionalMax', '', ''],
    ...['accountNotionalMax', 'accountQuantityMax'],
  ]);
  // Of a total it is the quantity that it comes to: 3 of 10 have traded.
  const total = (quantity: number): Command => ({
    ...{ op: 'replace', account: 1, symbol: 0, id: 1, quantity, term: 'open', value: 10 },
  });
  expect(market.reasons(order(3, 1, 'sell', 50, 1_003), total(14), total(13))).toEqual([
    ...['', 'accountQuantityMax', ''],
  ]);
  // An instrument that comes later is no exception.
  expect(market.reasons({ ...CREATE, symbol: 2, name: 'THIRD' }, { ...order(1, 9, 'buy', 1, 11), symbol: 2 })).toEqual([
    '',
    'accountQuantityMax',
  ]);
});

test('open orders are counted from those that are live already, and whatever takes one off makes room', () => {
  const market = marketOf(order(1, 1, 'buy', 10, 5), order(1, 2, 'buy', 11, 5), order(2, 1, 'buy', 9, 5));
  expect(
    market.reasons(ofAccount(1, 'openOrdersMax', 3), order(1, 3, 'buy', 12, 5), order(1, 4, 'buy', 13, 5)),
  ).toEqual(['', '', 'openOrdersMax']);
  // What can not rest is no open order.
  expect(market.reasons({ ...order(1, 4, 'buy', 13, 5), tif: 'ioc' })).toEqual(['']);
  let filler = 100;
  /** What the commands take off is room for one more order, and no more. */
  const makesRoom = (...commands: readonly Command[]): void => {
    expect(market.reasons(...commands)).toEqual(commands.map(() => ''));
    filler++;
    expect(market.reasons(order(1, filler, 'buy', 8, 5), order(1, 99, 'buy', 13, 5))).toEqual(['', 'openOrdersMax']);
  };
  makesRoom({ op: 'cancel', account: 1, symbol: 0, id: 1 });
  makesRoom({ op: 'reduce', account: 1, symbol: 0, id: 101, quantity: 5 });
  // As a maker, and as the taker of a replace.
  makesRoom({ ...order(3, 1, 'sell', 12, 5), tif: 'ioc' });
  makesRoom(order(3, 2, 'sell', 20, 5), { op: 'replace', account: 1, symbol: 0, id: 2, price: 20 });
  // By self-trade prevention.
  makesRoom({ ...order(1, 98, 'sell', 8, 10), stp: 'cancelBoth', tif: 'ioc' });
  makesRoom({ op: 'cancel', account: 1, symbol: 0, id: filler });
  expect(market.reasons(ofAccount(1, 'openOrdersMax', 0), order(1, 99, 'buy', 13, 5))).toEqual(['', '']);
});

test('ThrottleNoMsgs (FIX 1613): so many new orders and replaces a second of the sequencer, cancels besides', () => {
  const market = marketOf(ofAccount(1, 'rateMax', 3));
  const at = (time: bigint, command: Command): Command => ({ ...command, time });
  expect(
    market.reasons(
      at(SECOND_NS, order(1, 1, 'buy', 10, 5)),
      at(SECOND_NS + 1n, { op: 'replace', account: 1, symbol: 0, id: 1, price: 11 }),
      // Refused, but counted.
      at(SECOND_NS + 2n, order(1, 1, 'buy', 10, 5)),
      at(2n * SECOND_NS - 1n, order(1, 2, 'buy', 10, 5)),
      at(2n * SECOND_NS - 1n, { op: 'replace', account: 1, symbol: 0, id: 1, price: 12 }),
      at(2n * SECOND_NS - 1n, order(2, 2, 'buy', 10, 5)),
      at(2n * SECOND_NS - 1n, { op: 'reduce', account: 1, symbol: 0, id: 1, quantity: 1 }),
      at(2n * SECOND_NS - 1n, { op: 'cancel', account: 1, symbol: 0, id: 1 }),
      at(2n * SECOND_NS, order(1, 2, 'buy', 10, 5)),
    ),
  ).toEqual(['', '', 'duplicateOrder', 'rateMax', 'rateMax', '', '', '', '']);
});

test('OUCH 5.0 UserRefNum: ids that must increase show a duplicate of any age', () => {
  const market = marketOf(order(1, 50, 'buy', 10, 5), ofAccount(1, 'increasingIds', 1));
  expect(
    market.reasons(
      order(1, 7, 'buy', 10, 5),
      { op: 'cancel', account: 1, symbol: 0, id: 7 },
      order(1, 7, 'buy', 10, 5),
      order(1, 6, 'buy', 10, 5),
      // Refused, so it may be used.
      order(1, 8, 'buy', 0, 5),
      { ...order(1, 8, 'buy', 10, 5), tif: 'ioc' },
      order(1, 8, 'buy', 10, 5),
      ofAccount(1, 'increasingIds', 0),
      order(1, 7, 'buy', 10, 5),
    ),
  ).toEqual(['', '', 'idNotIncreasing', 'idNotIncreasing', 'price', '', 'idNotIncreasing', '', '']);
});

test('a venue without accounts stays as it is: its instruments, orders and state are plain', () => {
  const market = marketOf(order(1, 1, 'buy', 10, 5), ofAccount(1, 'roles', 4), ofAccount(1, 'group', 3));
  market.apply(deposit(1, 5, 100));
  expect(market.matcher.state.accounts.isInForce()).toBe(false);
  expect(market.reasons({ op: 'instrumentAssign', account: 0, symbol: 0 })).toEqual(['']);
  expect(market.reasons(ofAccount(1, 'rateMax', 1))).toEqual(['']);
  expect(market.matcher.state.accounts.isInForce()).toBe(true);
});

test('account settings have their fields, ranges and room checked in order', () => {
  const market = marketOf();
  const bad: readonly Command[] = [
    { ...ofAccount(1, 'group', 1), symbol: 1 },
    { ...ofAccount(1, 'group', 1), id: 1 },
    { op: 'accountSet', account: 1, accountSetting: 'none', value: 1 },
    ofAccount(1, 'roles', 16),
    ofAccount(1, 'group', 2 ** 32),
    ofAccount(1, 'quantityMax', 2 ** 48),
    ofAccount(1, 'notionalMax', 2n ** 53n),
    ofAccount(1, 'increasingIds', 2),
    ofAccount(1, 'cancelAllAfter', 86_400_000_000_001),
  ];
  expect(market.reasons(...bad)).toEqual([...Array(2).fill('reservedField'), ...Array(7).fill('setting')]);
  for (let account = 1; account <= 12; account++) expect(market.reasons(ofAccount(account, 'group', 1))).toEqual(['']);
  expect(market.reasons(ofAccount(13, 'group', 1), ofAccount(12, 'group', 2), deposit(13, 1, 1))).toEqual([
    'accountsFull',
    '',
    'accountsFull',
  ]);
  const { accountsMax: _accounts, balancesMax: _balances, ...limits } = SMALL_LIMITS;
  const old = new RuledMarket(limits);
  expect(old.reasons(ofAccount(1, 'group', 1), deposit(1, 1, 1), { op: 'kill', account: 1 }, { op: 'kill' })).toEqual([
    'accountsFull',
    'accountsFull',
    'accountsFull',
    '',
  ]);
});

// --- Kill switch -----------------------------------------------------------------------------------------------------

test('MiFID II RTS 6, article 12: the kill switch takes all orders off and keeps new ones out until reinstated', () => {
  const market = marketOf(
    { ...CREATE, symbol: 1, name: 'OTHER' },
    order(1, 1, 'buy', 10, 5),
    order(2, 1, 'buy', 11, 5),
    { ...order(1, 2, 'sell', 20, 6), symbol: 1 },
  );
  expect(market.apply({ op: 'kill', account: 1 })).toMatchObject([
    { type: 'kill', account: 1, slot: 1, flags: 4, price: 0 },
    { type: 'canceled', account: 1, id: 1, reason: 'killSwitch', quantity: 5, open: 0, flags: 8 },
    { type: 'canceled', account: 1, id: 2, reason: 'killSwitch', quantity: 6, symbol: 1 },
  ]);
  expect(
    market.reasons(
      order(1, 1, 'buy', 10, 5),
      order(2, 2, 'buy', 10, 5),
      { op: 'kill', account: 1 },
      { op: 'reinstate', account: 1 },
      order(1, 1, 'buy', 10, 5),
    ),
  ).toEqual(['accountKilled', '', '', '', '']);
});

test('what hangs on orders that are killed is told behind all of them, as in a mass cancel', () => {
  const market = marketOf(
    order(1, 1, 'buy', 10, 5),
    { ...order(1, 2, 'buy', 9, 5), term: 'cancels', value: 1 },
    { ...order(1, 3, 'sell', 20, 5), term: 'after', value: 1 },
    order(2, 1, 'buy', 8, 5),
  );
  const killed = market.apply({ op: 'kill', account: 1 }).slice(1);
  expect(killed.map(({ id, reason }) => `${id} ${reason}`)).toEqual(['1 killSwitch', '2 killSwitch', '3 killSwitch']);
});

test('a group and all are killed apart from the accounts in them, and whoever joins a killed group is killed', () => {
  const market = marketOf(
    ofAccount(1, 'group', 7),
    ofAccount(2, 'group', 7),
    order(1, 1, 'buy', 10, 5),
    order(2, 1, 'buy', 10, 5),
    order(3, 1, 'buy', 10, 5),
  );
  const killed = market.apply({ op: 'kill', byGroup: true, value: 7 });
  expect(killed).toMatchObject([
    { type: 'kill', slot: 2, price: 7, flags: 4 },
    { type: 'canceled', account: 1 },
    { type: 'canceled', account: 2 },
  ]);
  const tries = (): string[] => market.reasons(...[1, 2, 3, 4].map((account) => order(account, 9, 'buy', 0, 5)));
  const [DEAD, ALIVE] = ['accountKilled', 'price'];
  expect(tries()).toEqual([DEAD, DEAD, ALIVE, ALIVE]);
  market.apply(ofAccount(4, 'group', 7));
  market.apply({ op: 'kill', account: 2 });
  market.apply({ op: 'reinstate', byGroup: true, value: 7 });
  expect(tries()).toEqual([ALIVE, DEAD, ALIVE, ALIVE]);
  expect(market.apply({ op: 'kill' })).toMatchObject([
    { type: 'kill', slot: 0 },
    { type: 'canceled', account: 3 },
  ]);
  expect(tries()).toEqual([DEAD, DEAD, DEAD, DEAD]);
  expect(market.restored().reasons(order(3, 9, 'buy', 0, 5))).toEqual([DEAD]);
  market.apply({ op: 'reinstate' });
  expect(tries()).toEqual([ALIVE, DEAD, ALIVE, ALIVE]);
  expect(market.reasons({ op: 'kill', byGroup: true, value: 0 }, { op: 'kill', account: 1, id: 4 })).toEqual([
    'setting',
    'reservedField',
  ]);
});

// --- Scheduled cancel ------------------------------------------------------------------------------------------------

test('Kraken CancelAllOrdersAfter: orders leave at the time that was asked for, unless it is asked for again', () => {
  const market = marketOf(order(1, 1, 'buy', 10, 5), order(2, 1, 'buy', 10, 5), order(1, 2, 'sell', 12, 3));
  const after = (time: bigint, value: bigint): Command => ({ ...ofAccount(1, 'cancelAllAfter', value), time });
  const cancels = (time: bigint): unknown => market.apply({ op: 'tick', time });
  market.apply(after(SECOND_NS, SECOND_NS));
  market.apply(after(SECOND_NS + 5n, SECOND_NS));
  expect(cancels(2n * SECOND_NS + 4n)).toEqual([]);
  const restored = market.restored();
  const told = [
    { type: 'canceled', account: 1, id: 1, quantity: 5, reason: 'cancelAllAfter', request: 0, flags: 8 },
    { type: 'canceled', account: 1, id: 2, quantity: 3, reason: 'cancelAllAfter', request: 0 },
    { type: 'account', account: 1, slot: 8, price: 0, request: 0 },
  ];
  expect(restored.apply({ op: 'tick', time: 2n * SECOND_NS + 5n })).toMatchObject(told);
  // Whatever command comes first brings the time, and what is due happens before it.
  const next = market.apply({ ...order(1, 1, 'buy', 10, 5), time: 3n * SECOND_NS });
  expect(next).toMatchObject([...told, { type: 'accepted', account: 1, id: 1 }]);
  expect(cancels(9n * SECOND_NS)).toEqual([]);
  market.apply(after(9n * SECOND_NS, 1n));
  market.apply(after(9n * SECOND_NS, 0n));
  expect(cancels(99n * SECOND_NS)).toEqual([]);
});

test('what hangs on orders that leave by a scheduled cancel goes behind all of them', () => {
  const market = marketOf(
    order(1, 1, 'buy', 10, 5),
    { ...order(1, 2, 'buy', 9, 5), term: 'cancels', value: 1 },
    ofAccount(1, 'cancelAllAfter', 5),
  );
  const left = market.apply({ op: 'tick', time: 5n });
  expect(left.map(({ type, id, reason }) => `${type} ${id} ${reason}`)).toEqual([
    'canceled 1 cancelAllAfter',
    'canceled 2 cancelAllAfter',
    'account 0 none',
  ]);
});

test('accounts that are due at the same time go by their numbers, whatever the order in which they came', () => {
  const market = marketOf(...[5, 3, 4].map((account) => ofAccount(account, 'cancelAllAfter', 9)));
  const due = (of: RuledMarket): number[] => of.apply({ op: 'tick', time: 9n }).map(({ account }) => account);
  expect(due(market.restored())).toEqual([3, 4, 5]);
  expect(due(market)).toEqual([3, 4, 5]);
});

// --- Funds -----------------------------------------------------------------------------------------------------------

test('deposits and withdrawals move what is available, and nothing that is held', () => {
  const market = marketOf(...SETTLED);
  expect(market.apply(deposit(1, 2, 1_000))).toMatchObject([
    { type: 'balance', account: 1, symbol: 2, id: 7, flags: 0, amounts: [1_000, 1_000, 0] },
  ]);
  expect(market.reasons(order(1, 1, 'buy', 10, 40))).toEqual(['']);
  expect(market.funds(1, 2)).toEqual({ available: 184n, held: 816n });
  const withdraw: Command = { op: 'withdraw', account: 1, symbol: 2, value: 185 };
  expect(market.reasons(withdraw, { ...withdraw, account: 3, value: 1 })).toEqual([
    'insufficientFunds',
    'insufficientFunds',
  ]);
  expect(market.apply({ ...withdraw, value: 184 })).toMatchObject([
    { type: 'balance', flags: 8, amounts: [184, 0, 816] },
  ]);
  expect(
    market.reasons(
      deposit(1, 0, 5),
      deposit(1, 2, 0),
      deposit(1, 2, 2n ** 63n),
      deposit(5, 2, 2n ** 63n - 816n),
      deposit(5, 2, 2n ** 63n - 817n),
      { ...deposit(5, 3, 1), price: 1 },
    ),
  ).toEqual(['amount', 'amount', 'amount', 'amount', '', 'reservedField']);
  expect(market.funds(5, 2)).toEqual({ available: 2n ** 63n - 817n, held: 0n });
});

test('a buy holds its worst price and the higher fee, and gets back what it did not need', () => {
  const market = marketOf(...SETTLED, deposit(1, 2, 10_000), deposit(2, 1, 1_000));
  expect(market.reasons(order(2, 1, 'sell', 90, 3), order(2, 2, 'sell', 100, 3))).toEqual(['', '']);
  expect(market.funds(2, 1)).toEqual({ available: 940n, held: 60n });
  // 10 · 100 · 2 + 2 %.
  const events = market.apply(order(1, 1, 'buy', 100, 10));
  expect(events.map(({ type }) => type)).toEqual([
    'accepted',
    ...['tradeMaker', 'tradeTaker', 'settled', 'settled'],
    ...['tradeMaker', 'tradeTaker', 'settled', 'settled'],
  ]);
  expect(events[3]).toMatchObject({ account: 2, id: 1, side: 'sell', amounts: [540, 30, 5], request: 0 });
  expect(events[4]).toMatchObject({ account: 1, id: 1, side: 'buy', amounts: [540, 30, 10] });
  expect(events[8]).toMatchObject({ account: 1, amounts: [600, 30, 12] });
  // 4 · 100 · 2 + 16 stay held for what rests.
  expect(market.funds(1, 2)).toEqual({ available: BigInt(10_000 - 550 - 612 - 816), held: 816n });
  expect(market.funds(1, 1)).toEqual({ available: 60n, held: 0n });
  expect(market.funds(2, 2)).toEqual({ available: BigInt(535 + 594), held: 0n });
  expect(market.funds(9, 2)).toEqual({ available: BigInt(5 + 10 + 6 + 12), held: 0n });
  market.apply({ op: 'cancel', account: 1, symbol: 0, id: 1 });
  expect(market.funds(1, 2)).toEqual({ available: BigInt(10_000 - 550 - 612), held: 0n });
});

test('an order is refused when funds do not suffice, to the unit', () => {
  const market = marketOf(...SETTLED, deposit(1, 2, 2_040), deposit(1, 1, 50));
  expect(market.reasons(order(1, 1, 'buy', 101, 10), order(1, 1, 'sell', 100, 6), order(2, 1, 'sell', 1, 1))).toEqual([
    'insufficientFunds',
    'insufficientFunds',
    'insufficientFunds',
  ]);
  expect(market.reasons(order(1, 1, 'buy', 100, 10), order(1, 2, 'sell', 101, 5))).toEqual(['', '']);
  expect([market.funds(1, 1), market.funds(1, 2)]).toEqual([
    { available: 0n, held: 50n },
    { available: 0n, held: 2_040n },
  ]);
  // A replace holds the difference.
  const replace: Command = { op: 'replace', account: 1, symbol: 0, id: 1 };
  expect(market.reasons({ ...replace, price: 102 }, { ...replace, price: 50, quantity: 20 })).toEqual([
    'insufficientFunds',
    '',
  ]);
  expect(market.reasons({ ...replace, quantity: 4 })).toEqual(['']);
  expect(market.funds(1, 2)).toEqual({ available: 1_632n, held: 408n });
  expect(market.reasons({ op: 'reduce', account: 1, symbol: 0, id: 1, quantity: 3 })).toEqual(['']);
  expect(market.funds(1, 2)).toEqual({ available: 1_938n, held: 102n });
});

test('a market buy is refused if what it would trade costs more than is available', () => {
  const market = marketOf(...SETTLED, deposit(1, 2, 2_040), deposit(2, 1, 1_000));
  market.apply(order(2, 1, 'sell', 100, 5));
  market.apply({ ...order(2, 2, 'sell', 101, 9), hidden: true });
  const buy: Command = {
    op: 'new',
    account: 1,
    symbol: 0,
    id: 1,
    side: 'buy',
    type: 'market',
    tif: 'ioc',
    quantity: 10,
  };
  // 5 · 100 · 2 + 5 · 101 · 2 and 2 % are 2,050.
  expect(market.reasons(buy)).toEqual(['insufficientFunds']);
  market.apply(deposit(1, 2, 10));
  expect(market.apply(buy).map(({ type }) => type)).toContain('tradeTaker');
  expect(market.funds(1, 2)).toEqual({ available: 0n, held: 0n });
  // Nothing to trade with: nothing to pay.
  market.apply({ op: 'massCancel', account: 2 });
  expect(market.apply({ ...buy, id: 2 })).toMatchObject([{ type: 'accepted' }, { type: 'canceled', reason: 'ioc' }]);
});

test('a buy stop without a limit holds nothing while it waits, and is paid for, or taken off, when it is triggered', () => {
  const market = marketOf(...SETTLED, deposit(1, 2, 1_020), deposit(2, 1, 1_000), deposit(3, 2, 5_000));
  const stop = (id: number, quantity: number): Command => ({
    ...{ op: 'new', account: 1, symbol: 0, id, side: 'buy', type: 'stop', tif: 'ioc', quantity },
    ...{ term: 'stopPrice', value: 100 },
  });
  expect(market.reasons(stop(1, 5), stop(2, 1), order(2, 1, 'sell', 100, 20))).toEqual(['', '', '']);
  expect(market.funds(1, 2)).toEqual({ available: 1_020n, held: 0n });
  const events = market.apply(order(3, 1, 'buy', 100, 1)).filter(({ account }) => account === 1);
  // The first takes all that there is, and nothing is left for the second.
  expect(events).toMatchObject([
    { type: 'triggered', id: 1 },
    { type: 'triggered', id: 2 },
    { type: 'tradeTaker', id: 1, quantity: 5, open: 0 },
    { type: 'settled', id: 1, amounts: [1_000, 50, 20] },
    { type: 'canceled', id: 2, quantity: 1, reason: 'insufficientFunds', open: 0, flags: 8, request: 0 },
  ]);
  expect(market.funds(1, 2)).toEqual({ available: 0n, held: 0n });
  // A stop with a limit holds from the start, and a replace of one that waits holds the difference.
  market.apply(deposit(1, 2, 300));
  const limited: Command = { ...stop(3, 1), type: 'stopLimit', tif: 'gtc', price: 120, value: 110 };
  expect(market.reasons(limited, { ...limited, id: 4 })).toEqual(['', 'insufficientFunds']);
  expect(market.funds(1, 2)).toEqual({ available: 56n, held: 244n });
  const replace: Command = { op: 'replace', account: 1, symbol: 0, id: 3 };
  expect(market.reasons({ ...replace, price: 148 }, { ...replace, price: 147 })).toEqual(['insufficientFunds', '']);
  expect(market.funds(1, 2)).toEqual({ available: 1n, held: 299n });
});

test('a buy without a limit that waits for another order holds nothing, replaced or not', () => {
  const market = marketOf(...SETTLED, deposit(1, 1, 10), deposit(2, 1, 1_000), deposit(1, 2, 1_020));
  const after: Command = {
    ...{ op: 'new', account: 1, symbol: 0, id: 2, side: 'buy', type: 'market', tif: 'ioc', quantity: 5 },
    ...{ term: 'after', value: 1 },
  };
  expect(market.reasons(order(1, 1, 'sell', 200, 1), order(2, 1, 'sell', 100, 20), after)).toEqual(['', '', '']);
  const replace: Command = { op: 'replace', account: 1, symbol: 0, id: 2 };
  expect(market.reasons({ ...replace, quantity: 4 }, { ...replace, quantity: 20 })).toEqual(['', '']);
  expect(market.funds(1, 2)).toEqual({ available: 1_020n, held: 0n });
});

test('an auction settles at its price: the buyer gets back what it held above, and both pay as makers', () => {
  const market = marketOf(...SETTLED, deposit(1, 2, 10_000), deposit(2, 1, 1_000), {
    ...{ op: 'openAuction', account: 0, symbol: 0 },
  });
  const waiting: Command = { op: 'new', account: 1, symbol: 0, id: 2, side: 'buy', type: 'market', quantity: 1 };
  expect(market.reasons(order(1, 1, 'buy', 100, 10), waiting)).toEqual(['', 'insufficientFunds']);
  expect(market.reasons(order(2, 1, 'sell', 90, 6), { ...waiting, account: 2, id: 2, side: 'sell' })).toEqual(['', '']);
  expect(market.funds(2, 1)).toEqual({ available: 930n, held: 70n });
  const settled = market.apply({ op: 'uncross', account: 0, symbol: 0 }).filter(({ type }) => type === 'settled');
  expect(settled).toMatchObject([
    { account: 1, side: 'buy', amounts: [200, 10, 2] },
    { account: 2, id: 2, side: 'sell', amounts: [200, 10, 2] },
    { account: 1, amounts: [1_200, 60, 12] },
    { account: 2, id: 1, amounts: [1_200, 60, 12] },
  ]);
  // 3 · 100 · 2 and 2 % for what is left.
  expect(market.funds(1, 2)).toEqual({ available: BigInt(10_000 - 1_414 - 612), held: 612n });
  expect([market.funds(1, 1), market.funds(2, 1), market.funds(2, 2), market.funds(9, 2)]).toEqual([
    { available: 70n, held: 0n },
    { available: 930n, held: 0n },
    { available: 1_386n, held: 0n },
    { available: 28n, held: 0n },
  ]);
});

test('a cost that passes 2^63 is more than anybody has, not less', () => {
  const market = marketOf(
    ...[set('baseAsset', 1), set('quoteAsset', 2), set('tickValue', 2 ** 53 - 1), set('lotValue', 2 ** 53 - 1)],
    ...[set('takerFee', 1_000_000), deposit(1, 2, 2n ** 63n - 1n), deposit(1, 1, 2n ** 63n - 1n)],
  );
  expect(
    market.reasons(
      order(1, 1, 'buy', 1, 1_024),
      order(1, 1, 'buy', 2 ** 48 - 3, 2 ** 48 - 1),
      order(1, 1, 'sell', 1, 1_025),
      order(1, 1, 'sell', 1, 2 ** 48 - 1),
      order(1, 1, 'buy', 2, 256),
      order(1, 2, 'sell', 3, 1_024),
    ),
  ).toEqual(['insufficientFunds', 'insufficientFunds', 'insufficientFunds', 'insufficientFunds', '', '']);
  expect(market.funds(1, 2).held).toBe((2n ** 53n - 1n) * 1_024n);
});

test('settings of funds change only while no order of the instrument is live, and assets differ', () => {
  const market = marketOf(order(1, 1, 'buy', 10, 1));
  expect(market.reasons(set('baseAsset', 1), set('makerFee', 1), set('feeAccount', 3))).toEqual([
    'instrumentInUse',
    'instrumentInUse',
    '',
  ]);
  market.apply({ op: 'massCancel' });
  expect(market.reasons(set('baseAsset', 1), set('quoteAsset', 1), set('makerFee', 1_000_001))).toEqual([
    '',
    'setting',
    'setting',
  ]);
  expect(market.reasons(order(1, 1, 'buy', 10, 1), { op: 'massCancel' }, set('quoteAsset', 2))).toEqual(['', '', '']);
  expect(market.reasons(order(1, 1, 'buy', 10, 1))).toEqual(['insufficientFunds']);
});

test('when no balance has room, whatever needs one is refused', () => {
  const market = new RuledMarket({ ...SMALL_LIMITS, balancesMax: 4 });
  // The total and two balances; then that of the fee account.
  expect(market.reasons(CREATE, deposit(1, 2, 5_000), deposit(2, 2, 5_000))).toEqual(['', '', '']);
  expect(market.reasons(set('baseAsset', 1), set('quoteAsset', 2), deposit(3, 2, 1))).toEqual(['', '', 'balancesFull']);
  expect(market.reasons(order(1, 1, 'buy', 1, 1), set('feeAccount', 8), deposit(1, 2, 1))).toEqual([
    'balancesFull',
    'balancesFull',
    '',
  ]);
});

test('a state in which something does not add up is neither encoded nor restored', () => {
  const market = marketOf(...SETTLED, deposit(1, 2, 5_000), order(1, 1, 'buy', 10, 10));
  const good = market.state();
  const { balances } = market.matcher.state.accounts;
  const { details } = market.matcher.state;
  for (let place = 1; place <= market.matcher.state.accounts.balanceCount(); place++) {
    const at = place * 8 + 4;
    balances[at] = (balances[at] as number) + 1;
    expect(() => market.state()).toThrow(/^asset \d: accounts have \d+ available and \d+ held, but the total is \d+$/);
    balances[at] = (balances[at] as number) - 1;
  }
  const held = details.indexOf(204);
  details[held] = 203;
  expect(() => market.state()).toThrow('account 1: 204 of asset 2 are held, but its orders hold 203');
  details[held] = 204;
  expect(market.state().equals(good)).toBe(true);
  let refused = 0;
  for (let place = good.length - 24; place < good.length; place++) {
    const bad = Buffer.from(good);
    bad[place] = (bad[place] as number) ^ 1;
    try {
      new RuledMarket(SMALL_LIMITS, bad);
    } catch {
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(8);
});
