import { expect, test } from '@jest/globals';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../../journal/events.ts';
import { encodeState, restoreState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { listOrders } from '../../../replicas/order-table.ts';
import { Dice, putTime, writeRaw } from '../raw-commands.ts';
import { VenueFlow } from './venue-flow.ts';
import { VenueInvariants } from './venue-invariants.ts';

const COMMANDS = 8_000;
const AUDIT_EVERY = 25;
const RESTORE_SHARE = 0.004;
const LIMITS = { ordersMax: 150, levelPagesMax: 256, instrumentsMax: 2, sessionsMax: 1, answersPerSessionMax: 1 };

const events = new EventBuffer(1 << 12);

function apply(matcher: Matcher, words: Uint32Array): VenueEvent[] {
  const told: VenueEvent[] = [];
  matcher.apply(words, 0);
  events.drain((eventWords, at) => told.push(decodeEvent(eventWords, at)));
  return told;
}

/** What the books should say by the orders that rest, best price first. */
function booksByOrders(matcher: Matcher, symbol: number): { bids: number[][]; asks: number[][] } {
  const { orders, details } = matcher.state;
  const sideOf = (side: string, up: number): number[][] => {
    const levels = new Map<number, number[]>();
    for (const order of listOrders(orders, details)) {
      if (order.symbol !== symbol || order.side !== side || order.shown === 0) continue;
      const [price, volume, count] = levels.get(order.price) ?? [order.price, 0, 0];
      levels.set(order.price, [
        price as number,
        (volume as number) + (order.shown ?? order.open),
        (count as number) + 1,
      ]);
    }
    return [...levels.values()].sort((a, b) => up * ((a[0] as number) - (b[0] as number)));
  };
  return { bids: sideOf('buy', -1), asks: sideOf('sell', 1) };
}

test.each([1, 2, 3])(
  'quantity is conserved, books are what orders show, restored replicas behave alike: flow %i',
  (seed) => {
    const flow = new VenueFlow(7000 + seed);
    const dice = new Dice(seed);
    const words = new Uint32Array(COMMAND_WORDS);
    const invariants = new VenueInvariants();
    const lasting = createMatcher(LIMITS, events, 1);
    let restored = createMatcher(LIMITS, events, 2);
    let restores = 0;
    for (let place = 0; place < COMMANDS; place++) {
      writeRaw(words, 0, flow.next());
      putTime(words, 0, flow.time);
      const told = apply(lasting, words);
      const again = apply(restored, words);
      // Jest's comparison takes longer than the commands.
      if (JSON.stringify(again) !== JSON.stringify(told)) expect(again).toEqual(told);
      for (const event of told) flow.observe(event);
      const wrong = invariants.take(told);
      if (wrong !== undefined) throw new Error(`command ${place}: ${wrong}`);
      if (dice.chance(RESTORE_SHARE)) {
        const state = Buffer.from(encodeState(restored.state));
        expect(Buffer.from(encodeState(lasting.state))).toEqual(state);
        restored = createMatcher(LIMITS, events, 3 + restores++);
        restoreState(restored.state, state);
      }
      if (place % AUDIT_EVERY !== 0) continue;
      for (const symbol of [0, 1]) expect(lasting.book(symbol, 1000)).toEqual(booksByOrders(lasting, symbol));
      const listed = listOrders(lasting.state.orders).map(({ account, id, open }) => `${account}/${id} ${open}`);
      expect(invariants.list()).toEqual(listed.sort());
    }
    expect(restores).toBeGreaterThan(15);
    expect(Buffer.from(encodeState(restored.state))).toEqual(Buffer.from(encodeState(lasting.state)));
  },
);
