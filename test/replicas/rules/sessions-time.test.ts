import { expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import { RuledVenue } from './ruled-venue.ts';

const buy = { op: 'new', account: 1, symbol: 0, side: 'buy', price: 100, quantity: 5 } as const satisfies Command;
const gtd = (id: number, expires: bigint): Command => ({ ...buy, id, tif: 'gtd', expires });

function venue(): RuledVenue {
  const it = new RuledVenue();
  it.do({ op: 'instrumentCreate', symbol: 0, name: 'ACME' });
  it.do({ op: 'instrumentCreate', symbol: 1, name: 'OTHER' });
  return it;
}

test('a good-till-date order (FIX 59 = 6, 126) goes with the first command at or after its time, before that command', () => {
  const it = venue();
  it.do(gtd(1, 2_000_000n));
  expect(it.at(1_999_999n).tell({ op: 'tick' })).toEqual([]);
  expect(
    it.at(2_000_000n).do({ op: 'new', account: 2, symbol: 0, id: 9, side: 'sell', price: 100, quantity: 5 }),
  ).toEqual([
    expect.objectContaining({
      ...{
        type: 'canceled',
        reason: 'expired',
        account: 1,
        id: 1,
        price: 100,
        quantity: 5,
        open: 0,
        flags: 8,
        request: 0,
      },
      sequence: 5,
    }),
    expect.objectContaining({ type: 'accepted', id: 9, sequence: 5 }),
  ]);
  expect(it.matcher.book(0, 9)).toEqual({ bids: [], asks: [[100, 5, 1]] });
});

test('time passes before a command is checked against its session', () => {
  const it = venue();
  it.do(gtd(1, 2_000_000n));
  expect(it.at(3_000_000n).tell({ op: 'cancel', account: 1, symbol: 0, id: 1, session: 7, request: 1 })).toEqual([
    'canceled 1 5@100 left 0 expired',
    'rejected 1 0@0 left 0 sessionUnknown',
  ]);
});

test('what is due goes by time, then by the sequence that entered it', () => {
  const it = venue();
  it.do(gtd(1, 4_000_000n));
  it.do(gtd(2, 3_000_000n));
  it.do(gtd(3, 4_000_000n));
  it.do(gtd(4, 5_000_000n));
  it.do(gtd(5, 4_000_000n));
  // A new place in time, and so among those that go at one time, but the same expiry.
  it.do({ op: 'replace', account: 1, symbol: 0, id: 1, price: 101 });
  it.do({ op: 'replace', account: 1, symbol: 0, id: 3, quantity: 2 });
  it.do({ op: 'cancel', account: 1, symbol: 0, id: 4 });
  const other = it.restored();
  for (const one of [it, other])
    expect(one.at(9_000_000n).tell({ op: 'tick' })).toEqual([
      'canceled 2 5@100 left 0 expired',
      'canceled 3 2@100 left 0 expired',
      'canceled 5 5@100 left 0 expired',
      'canceled 1 5@101 left 0 expired',
    ]);
  expect(other.state().equals(it.state())).toBe(true);
});

test.each<[string, Command, string]>([
  ['a gtd order without a time', { ...buy, id: 1, tif: 'gtd' }, 'terms'],
  ['a time without gtd', { ...buy, id: 1, expires: 2_000_000n }, 'terms'],
  ['a time that is over', gtd(1, 1_000_000n), 'expires'],
  ['a hidden order for the open', { ...buy, id: 1, tif: 'atTheOpen', hidden: true }, 'flags'],
  ['an iceberg for the close', { ...buy, id: 1, tif: 'atTheClose', display: 1 }, 'terms'],
  ['an order for the open in continuous trading', { ...buy, id: 1, tif: 'atTheOpen' }, 'phase'],
])('%s is refused', (_, command, reason) => {
  const it = venue();
  it.do({ op: 'instrumentSet', symbol: 0, setting: 'tick', value: 1 });
  expect(it.do(command)).toEqual([expect.objectContaining({ type: 'rejected', reason })]);
});

test('a traded, a canceled and a fully replaced order has no timer left', () => {
  const it = venue();
  it.do(gtd(1, 2_000_000n));
  it.do({ op: 'new', account: 2, symbol: 0, id: 9, side: 'sell', price: 100, quantity: 5 });
  it.do(gtd(2, 2_000_000n));
  it.do({ op: 'massCancel', account: 1 });
  it.do(gtd(3, 2_000_000n));
  it.do({ op: 'new', account: 2, symbol: 0, id: 10, side: 'sell', price: 105, quantity: 50 });
  it.do({ op: 'replace', account: 1, symbol: 0, id: 3, price: 105 });
  // Slots are used again by orders that last longer.
  for (let id = 20; id < 30; id++) it.do(gtd(id, 8_000_000n));
  expect(it.at(5_000_000n).tell({ op: 'tick' })).toEqual([]);
  expect(it.at(8_000_000n).do({ op: 'tick' })).toHaveLength(10);
});

test('no more than 4,096 orders leave because of time with one command, and the others with the next', () => {
  const it = venue();
  for (let id = 1; id <= 5000; id++) it.do(gtd(id, 2_000_000n));
  it.at(2_000_000n);
  const first = it.do({ op: 'tick' });
  expect(first).toHaveLength(4096);
  const other = it.restored();
  for (const one of [it, other]) {
    expect(one.tell({ op: 'cancel', account: 1, symbol: 0, id: 5000 })).toHaveLength(5000 - 4096 + 1);
    expect(one.matcher.book(0, 1).bids).toEqual([]);
  }
});

test('timers of many orders come back in order, whatever was entered, replaced and canceled before', () => {
  let seed = 7;
  const dice = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  let it = venue();
  const due = new Map<number, { at: number; entered: number }>();
  for (let step = 1; step <= 1500; step++) {
    const id = 1 + dice(200);
    if (!due.has(id)) {
      const at = 1_000_001 + step * 10 + dice(3000);
      it.do(gtd(id, BigInt(at)));
      due.set(id, { at, entered: step });
      continue;
    }
    const choice = dice(9);
    if (choice < 3) {
      it.do({ op: 'replace', account: 1, symbol: 0, id, price: 90 + dice(20), quantity: 50 + step });
      due.set(id, { at: (due.get(id) as { at: number }).at, entered: step });
    } else if (choice < 5) {
      it.do({ op: 'cancel', account: 1, symbol: 0, id });
      due.delete(id);
    }
    if (dice(50) === 0) it = it.restored();
    const now = 1_000_000 + step * 10;
    const gone = [...due]
      .filter(([, { at }]) => at <= now)
      .sort(([, a], [, b]) => a.at - b.at || a.entered - b.entered)
      .map(([id]) => id);
    expect(
      it
        .at(BigInt(now))
        .do({ op: 'tick' })
        .map(({ id }) => id),
    ).toEqual(gone);
    for (const id of gone) due.delete(id);
  }
});
