import { expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { whyNotConserved } from '../../../replicas/conservation.ts';
import { CREATE, deposit, marketOf, order, set } from './account-commands.ts';
import { RuledMarket } from './ruled-market.ts';

/** Rebates: what the resting order's account gets of the taker's fee. */

/** Lots of 10 units of asset 1, paid with 2 units of asset 2 for a tick times a lot. Takers pay 2 percent, makers get 1.5. */
const UNITS: readonly Command[] = [set('baseAsset', 1), set('quoteAsset', 2), set('lotValue', 10), set('tickValue', 2)];
const REBATED: readonly Command[] = [
  ...UNITS,
  ...[set('takerFee', 20_000), set('makerRebate', 15_000), set('feeAccount', 9)],
];
const FUNDED: readonly Command[] = [deposit(1, 2, 10_000), deposit(2, 1, 1_000)];

/** What each `settled` event of a command tells. */
function settledBy(market: RuledMarket, command: Command): (readonly [account: number, ...amounts: bigint[]])[] {
  const events = market.apply(command).filter(({ type }) => type === 'settled');
  expect(whyNotConserved(market.matcher.state)).toBeUndefined();
  return events.map(({ account, amounts = [] }) => [account, ...amounts.map(BigInt)]);
}

/** What accounts have available and held of an asset. */
function fundsOf(market: RuledMarket, asset: number, ...accounts: readonly number[]): bigint[][] {
  return accounts.map((account) => Object.values(market.funds(account, asset)) as bigint[]);
}

test('Vega, Nasdaq: the resting order is paid out of the fee of the incoming one, rounded down, and the rest is the venue’s', () => {
  const market = marketOf(...REBATED, ...FUNDED, order(2, 1, 'sell', 101, 5));
  // 3 · 101 · 2 = 606; 2 % are 12.12 and 1.5 % are 9.09.
  expect(settledBy(market, order(1, 1, 'buy', 101, 3))).toEqual([
    [2, 606n, 30n, -9n],
    [1, 606n, 30n, 12n],
  ]);
  expect(fundsOf(market, 2, 1, 2, 9)).toEqual([
    [10_000n - 606n - 12n, 0n],
    [606n + 9n, 0n],
    [3n, 0n],
  ]);
  expect(fundsOf(market, 1, 1, 2)).toEqual([
    [30n, 0n],
    [950n, 20n],
  ]);
});

test('a buy that rests holds the taker’s fee as if there were no rebate, and gets it back with the rebate', () => {
  const market = marketOf(...REBATED, deposit(1, 2, 2_060), deposit(2, 1, 1_000));
  // 10 · 101 · 2 = 2,020 and 2 % are 40.4.
  expect(market.reasons(order(1, 1, 'buy', 102, 10), order(1, 1, 'buy', 101, 10))).toEqual(['insufficientFunds', '']);
  expect(fundsOf(market, 2, 1)).toEqual([[0n, 2_060n]]);
  expect(settledBy(market, order(2, 1, 'sell', 101, 3))).toEqual([
    [1, 606n, 30n, -9n],
    [2, 606n, 30n, 12n],
  ]);
  // 7 · 101 · 2 = 1,414 and 28 stay held.
  expect(fundsOf(market, 2, 1, 2, 9)).toEqual([
    [2_060n - 606n + 9n - 1_442n, 1_442n],
    [606n - 12n, 0n],
    [3n, 0n],
  ]);
  expect(settledBy(market, order(2, 2, 'sell', 100, 7))).toEqual([
    [1, 1_414n, 70n, -21n],
    [2, 1_414n, 70n, 28n],
  ]);
  expect(fundsOf(market, 2, 1, 9)).toEqual([
    [2_060n - 606n + 9n - 1_414n + 21n, 0n],
    [3n + 7n, 0n],
  ]);
});

test('a rebate as high as the fee leaves the venue nothing, and never less, whatever is rounded', () => {
  for (const rate of [1, 333_333, 999_999, 1_000_000]) {
    const market = marketOf(
      ...[...UNITS, set('tickValue', 1), set('takerFee', rate), set('makerRebate', rate), set('feeAccount', 9)],
      ...[deposit(1, 2, 1_000_000), deposit(2, 1, 10_000)],
    );
    for (let price = 1, id = 1; price < 12; price++, id++) {
      market.apply(order(2, id, 'sell', price, 3));
      const [maker, taker] = settledBy(market, order(1, id, 'buy', price, 3));
      expect((maker?.[3] ?? 0n) + (taker?.[3] ?? 1n)).toBe(0n);
      expect(taker?.[3]).toBe((BigInt(price) * 3n * BigInt(rate)) / 1_000_000n);
    }
    expect(fundsOf(market, 2, 9)).toEqual([[0n, 0n]]);
  }
});

test('makerRebate is at most takerFee and not beside makerFee, whichever of the three is changed', () => {
  const market = marketOf(...UNITS);
  const refused = (...commands: readonly Command[]): void =>
    expect(market.reasons(...commands)).toEqual(commands.map(() => 'setting'));
  const taken = (...commands: readonly Command[]): void =>
    expect(market.reasons(...commands)).toEqual(commands.map(() => ''));
  refused(set('makerRebate', 1), set('makerRebate', 1_000_001));
  taken(set('takerFee', 100));
  refused(set('makerRebate', 101));
  taken(set('makerRebate', 100), set('makerRebate', 99), set('takerFee', 99), set('takerFee', 1_000_000));
  refused(set('takerFee', 98), set('takerFee', 0), set('makerFee', 1));
  taken(set('makerFee', 0), set('makerRebate', 0), set('makerFee', 7), set('takerFee', 0), set('takerFee', 100));
  refused(set('makerRebate', 1));
  taken(set('makerRebate', 0), set('makerFee', 0), set('makerRebate', 100), set('feeAccount', 3), set('lotValue', 4));
});

test('it changes only while no order of the instrument is live, and rules about rates are looked at before', () => {
  const market = marketOf(...REBATED, ...FUNDED, order(1, 1, 'buy', 10, 1));
  expect(market.reasons(set('makerRebate', 1), set('makerRebate', 20_001), set('makerFee', 1))).toEqual([
    ...['instrumentInUse', 'setting', 'setting'],
  ]);
  expect(market.reasons(set('takerFee', 14_999), set('takerFee', 15_000))).toEqual(['setting', 'instrumentInUse']);
});

test('in an auction nobody is the taker: nobody pays, and nobody gets a rebate', () => {
  const market = marketOf(...REBATED, ...FUNDED, { op: 'openAuction', account: 0, symbol: 0 });
  expect(market.reasons(order(1, 1, 'buy', 101, 5), order(2, 1, 'sell', 99, 5))).toEqual(['', '']);
  expect(
    settledBy(market, { op: 'uncross', account: 0, symbol: 0 }).map(([account, , , fee]) => [account, fee]),
  ).toEqual([
    [1, 0n],
    [2, 0n],
  ]);
  expect(fundsOf(market, 2, 9)).toEqual([[0n, 0n]]);
});

test('the fee account may be that of either side, or of both', () => {
  for (const feeAccount of [1, 2]) {
    const market = marketOf(...REBATED, set('feeAccount', feeAccount), ...FUNDED, order(2, 1, 'sell', 100, 5));
    settledBy(market, order(1, 1, 'buy', 100, 5));
    const [buyer, seller] = [10_000n - 1_000n - 20n, 1_000n + 15n];
    expect(fundsOf(market, 2, 1, 2)).toEqual(
      feeAccount === 1
        ? [
            [buyer + 5n, 0n],
            [seller, 0n],
          ]
        : [
            [buyer, 0n],
            [seller + 5n, 0n],
          ],
    );
  }
  const alone = marketOf(...REBATED, set('feeAccount', 1), ...FUNDED, deposit(1, 1, 50), order(1, 1, 'buy', 100, 5));
  expect(settledBy(alone, order(1, 2, 'sell', 100, 5)).map(([, , , fee]) => fee)).toEqual([-15n, 20n]);
  expect(fundsOf(alone, 2, 1)).toEqual([[10_000n, 0n]]);
});

test('amounts at the end of their range: exact to the unit', () => {
  const tickValue = 2 ** 53 - 1;
  const market = marketOf(
    ...[set('baseAsset', 1), set('quoteAsset', 2), set('tickValue', tickValue), set('feeAccount', 9)],
    ...[set('takerFee', 1_000_000), set('makerRebate', 999_999), deposit(1, 2, 2n ** 63n - 1n), deposit(2, 1, 511)],
    order(2, 1, 'sell', 1, 511),
  );
  const cost = 511n * BigInt(tickValue);
  const rebate = (cost * 999_999n) / 1_000_000n;
  const [maker, taker] = market.apply(order(1, 1, 'buy', 1, 511)).filter(({ type }) => type === 'settled');
  expect(maker).toMatchObject({ account: 2, amounts: [cost, 511, -rebate], open: Number(-rebate) });
  expect(taker).toMatchObject({ account: 1, amounts: [cost, 511, cost] });
  expect(fundsOf(market, 2, 2, 9)).toEqual([
    [cost + rebate, 0n],
    [cost - rebate, 0n],
  ]);
  expect(whyNotConserved(market.matcher.state)).toBeUndefined();
});

test('a state with the setting is restored, and without it has the bytes that it always had', () => {
  const market = marketOf(...REBATED, ...FUNDED, order(2, 1, 'sell', 101, 5));
  const restored = market.restored();
  const buy = order(1, 1, 'buy', 101, 3);
  expect(restored.apply(buy)).toEqual(market.apply(buy));
  expect(restored.state().equals(market.state())).toBe(true);

  const without = marketOf(...UNITS, set('takerFee', 5), set('takerFee', 5), set('takerFee', 5));
  const takenAway = marketOf(...UNITS, set('takerFee', 5), set('makerRebate', 5), set('makerRebate', 0));
  expect(takenAway.state().equals(without.state())).toBe(true);
});

test('an instrument that comes from another shard has rates that go together, too', () => {
  const market = new RuledMarket();
  const move = (setting: 'makerFee' | 'takerFee' | 'makerRebate', value: number): Command => ({
    ...{ op: 'moveSet', account: 0, symbol: 0, setting, value },
  });
  market.apply({ ...CREATE, shard: 3 });
  expect(market.reasons(move('makerRebate', 5), move('takerFee', 9), move('makerRebate', 10))).toEqual([
    ...['setting', '', 'setting'],
  ]);
  expect(market.reasons(move('makerRebate', 9), move('makerFee', 1), move('takerFee', 8), move('takerFee', 9))).toEqual(
    [...['', 'setting', 'setting', '']],
  );
});
