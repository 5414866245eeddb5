import { expect, test } from '@jest/globals';
import type { VenueEvent } from '../../../journal/events.ts';
import type { RawCommand } from '../raw-commands.ts';
import { inWords, VenuePair } from './venue-pair.ts';

/** The bounds that take thousands of orders, with the model of all rules beside the matcher. */

const LIMITS = {
  ...{ ordersMax: 4_400, levelPagesMax: 8_192, instrumentsMax: 2, sessionsMax: 1, answersPerSessionMax: 1 },
  ...{ accountsMax: 4, balancesMax: 4 },
};
const EXPIRED_PER_COMMAND_MAX = 4_096;
const ORDERS = 4_150;
const GTD = 4;
const DAY = 3;
const PHASE = { preOpen: 1, closed: 6, delisted: 7 };
const BEGIN = 1_000_000n;

class Crowd {
  readonly #pair = new VenuePair(LIMITS, 1);
  time = BEGIN;

  do(command: RawCommand): readonly VenueEvent[] {
    const wrong = this.#pair.apply(command, this.time);
    if (wrong !== undefined) throw new Error(`${inWords(command)}: ${wrong}`);
    return this.#pair.told;
  }

  canceled(command: RawCommand): number {
    return this.do(command).filter(({ type }) => type === 'canceled').length;
  }

  order(id: number, more: Partial<RawCommand>): void {
    const [event] = this.do({ op: 1, account: 1, id: BigInt(id), side: 0, price: 100, quantity: 5, ...more });
    if (event?.type !== 'accepted') throw new Error(`order ${id}: ${event?.type} ${event?.reason}`);
  }

  audit(): void {
    expect(this.#pair.restore() ?? this.#pair.audit()).toBeUndefined();
  }
}

/** An instrument in which orders rest without looking at each other. */
function crowd(): Crowd {
  const it = new Crowd();
  it.do({ op: 16, symbol: 0, name: 'CROWD' });
  it.do({ op: 30, symbol: 0, quantity: PHASE.closed });
  it.do({ op: 30, symbol: 0, quantity: PHASE.preOpen });
  return it;
}

test('orders that expire together leave 4,096 with a command, before what is due later', () => {
  const it = crowd();
  const until = BEGIN + 1_000n;
  for (let id = 1; id <= ORDERS; id++) it.order(id, { tif: GTD, flags: 3 << 24, extra: until, price: 90 + (id % 20) });
  it.do({ op: 28, symbol: 0, quantity: PHASE.closed, extra: until + 1n });
  it.time = until + 5n;
  expect(it.canceled({ op: 27 })).toBe(EXPIRED_PER_COMMAND_MAX);
  it.audit();
  expect(it.canceled({ op: 2, account: 1, symbol: 0, id: BigInt(ORDERS) })).toBe(ORDERS - EXPIRED_PER_COMMAND_MAX);
});

test('a scheduled cancel of more than 4,096 orders goes on with the next command, terms included', () => {
  const it = crowd();
  for (let id = 1; id <= ORDERS; id++) it.order(id, { price: 90 + (id % 20) });
  it.do({ op: 6, account: 1, symbol: 0, id: 9_999n, flags: 4 << 24, extra: 3 });
  it.do({ op: 26, account: 1, flags: 8 << 24, extra: 500 });
  it.time += 500n;
  expect(it.canceled({ op: 27 })).toBe(EXPIRED_PER_COMMAND_MAX);
  it.audit();
  const rest = it.do({ op: 27 });
  expect(rest.map(({ type }) => type)).toEqual([
    ...Array.from({ length: ORDERS + 1 - EXPIRED_PER_COMMAND_MAX }, () => 'canceled'),
    'account',
  ]);
});

test.each([
  ['day', PHASE.closed],
  ['all', PHASE.delisted],
])('orders that leave with a phase (%s) do so 4,096 a command', (kind, phase) => {
  const it = crowd();
  for (let id = 1; id <= ORDERS; id++) it.order(id, { tif: kind === 'day' ? DAY : 0, side: id % 2 });
  it.order(9_999, {});
  expect(it.canceled({ op: 30, symbol: 0, quantity: phase })).toBe(EXPIRED_PER_COMMAND_MAX);
  it.audit();
  const left = ORDERS + (kind === 'day' ? 0 : 1) - EXPIRED_PER_COMMAND_MAX;
  expect(it.canceled({ op: 30, symbol: 0, quantity: PHASE.preOpen })).toBe(left);
  it.audit();
});

test('a side holds 1,024 all-or-none orders, also against one that is triggered', () => {
  const it = new Crowd();
  it.do({ op: 16, symbol: 0, name: 'CROWD' });
  const whole = { flags: 512, quantity: 50 };
  it.order(1, { account: 2, side: 1, price: 110, quantity: 1 });
  it.order(9_000, { type: 3, price: 80, quantity: 50, flags: (512 | (1 << 24)) >>> 0, extra: 110 });
  for (let id = 2; id <= 1_025; id++) it.order(id, { ...whole, price: 90 });
  const [refused] = it.do({ op: 1, account: 1, id: 5_000n, price: 90, ...whole });
  expect(refused).toMatchObject({ type: 'rejected', reason: 'allOrNoneFull' });
  const events = it.do({ op: 1, account: 3, id: 1n, price: 110, quantity: 1 });
  expect(events.at(-1)).toMatchObject({ type: 'canceled', reason: 'allOrNoneFull', id: 9_000 });
  it.audit();
});
