import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../../journal/events.ts';
import { Reason } from '../../../journal/reasons.ts';
import { Order, type OrderChange } from '../../../ops/client/order.ts';
import type { RoutedAnswer } from '../../../ops/sessions/routing-client.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';

const events = new EventBuffer(256);
const words = new Uint32Array(COMMAND_WORDS);
const LIMITS = {
  ordersMax: 256,
  levelPagesMax: 16,
  instrumentsMax: 4,
  sessionsMax: 4,
  answersPerSessionMax: 256,
  accountsMax: 16,
  balancesMax: 16,
};
const NO_DESK = { cancel: fail, reduce: fail, replace: fail };
const [MINE, OTHER, ID] = [1, 2, 77];

function fail(): never {
  throw new Error('nobody asked for this');
}

/** A command of the order's own, or something that others do to it. */
type Step = OrderChange | { readonly kind: 'hit'; readonly price: number; readonly qty: number };

const price = fc.integer({ min: 9, max: 12 });
const qty = fc.integer({ min: 1, max: 12 });
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('hit' as const), price, qty }),
    fc.record({ kind: fc.constant('reduce' as const), qty }),
    fc.record({ kind: fc.constant('replace' as const), price, qty }),
    fc.record({ kind: fc.constant('replace' as const), price }),
    fc.record({ kind: fc.constant('replace' as const), price, qty, open: qty }),
    fc.record({ kind: fc.constant('replace' as const), qty, open: qty }),
    fc.record({ kind: fc.constant('cancel' as const) }),
  ),
  { maxLength: 8 },
);

interface Said {
  readonly events: readonly VenueEvent[];
  readonly answered: { readonly change: OrderChange; readonly answer: RoutedAnswer } | undefined;
}

function play(matcher: Matcher, command: Command): VenueEvent[] {
  encodeCommand(words, 0, command);
  matcher.apply(words, 0);
  const all: VenueEvent[] = [];
  events.drain((from, at) => all.push(decodeEvent(from, at)));
  return all;
}

/** What a venue says to an order's owner, command by command. */
function sayingsOf(todo: readonly Step[], entry: Command): Said[] {
  const matcher = createMatcher(LIMITS, events);
  play(matcher, { op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' });
  for (let id = 1; id <= 3; id++)
    play(matcher, { op: 'new', account: OTHER, symbol: 0, id, side: 'sell', price: 10 + id, quantity: 2 });
  play(matcher, { op: 'sessionOpen', account: MINE, id: 1 });
  let request = 1;
  const own = (command: Command, change: OrderChange): Said => {
    const heard = play(matcher, { ...command, session: 1, request: request++ });
    const answer = heard.find(({ type }) => type === 'answer') as VenueEvent;
    const { price: sequence, open, quantity: traded, reason } = answer;
    const code = Reason[reason as keyof typeof Reason];
    const told = { sequence, open, traded, reason: code, repeat: false, shard: 0 };
    return { events: heard.filter(isMine), answered: { change, answer: told } };
  };
  const said = [own(entry, { kind: 'new' })];
  for (const [index, step] of todo.entries()) {
    const order = { account: MINE, symbol: 0, id: ID };
    if (step.kind === 'hit') {
      const hit: Command = {
        op: 'new',
        account: OTHER,
        symbol: 0,
        id: 100 + index,
        side: 'sell',
        price: step.price,
        quantity: step.qty,
      };
      said.push({ events: play(matcher, hit).filter(isMine), answered: undefined });
    } else if (step.kind === 'replace') {
      const term: Partial<Command> = step.open === undefined ? {} : { term: 'open', value: step.open };
      said.push(own({ op: 'replace', ...order, price: step.price, quantity: step.qty, ...term }, step));
    } else if (step.kind === 'reduce') said.push(own({ op: 'reduce', ...order, quantity: step.qty }, step));
    else said.push(own({ op: 'cancel', ...order }, step));
  }
  return said;
}

function isMine({ account, type }: VenueEvent): boolean {
  return account === MINE && type !== 'answer';
}

function newOrder(): { order: Order; entry: Command } {
  const order = new Order(NO_DESK, { symbol: 'ACME', side: 'buy', price: 12, qty: 10, id: ID }, ID);
  return { order, entry: { op: 'new', account: MINE, symbol: 0, id: ID, side: 'buy', price: 12, quantity: 10 } };
}

function listen(order: Order, { events: heard }: Said): boolean {
  return heard.map((event) => order.reported(event, 0)).includes(true);
}

function stateOf(order: Order): object {
  const { status, open, traded, quantity, price: limit, canceled, isDone } = order;
  return { status, open, traded, quantity, limit, canceled, isDone };
}

/** What the events of the journal's side say, counted by itself. */
function sums(said: readonly Said[]): { traded: number; notional: bigint; open: number | undefined } {
  let [traded, notional, open] = [0, 0n, undefined as number | undefined];
  for (const event of said.flatMap((one) => one.events)) {
    if (event.type === 'rejected') continue;
    open = event.open;
    if (!event.type.startsWith('trade')) continue;
    traded += event.quantity;
    notional += BigInt(event.price) * BigInt(event.quantity);
  }
  return { traded, notional, open };
}

test('answers ahead of reports, or behind them, or lost for a while: the order is the same in the end and in between', () => {
  fc.assert(
    fc.property(steps, fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }), (todo, late) => {
      const { order: prompt, entry } = newOrder();
      const { order: delayed } = newOrder();
      const said = sayingsOf(todo, entry);
      for (const order of [prompt, delayed]) for (const { answered } of said) if (answered !== undefined) order.begin();
      let missing: Said[] = [];
      for (const [index, one] of said.entries()) {
        expect(listen(prompt, one)).toBe(false);
        if (one.answered !== undefined) expect(prompt.answered(one.answered.change, one.answered.answer)).toBe(false);
        // The other one gets this answer before the reports, and everything that was missing when reports come again.
        missing.push(one);
        if (one.answered === undefined) continue;
        delayed.answered(one.answered.change, one.answered.answer);
        const isOwnLast = missing.length === 1;
        if (late[index] === true) {
          for (const lost of missing) listen(delayed, lost);
          missing = [];
        }
        if (missing.length === 0 || isOwnLast) expect(stateOf(delayed)).toEqual(stateOf(prompt));
        if (one.answered.answer.reason === 0) expect(delayed.open).toBe(prompt.open);
      }
      for (const lost of missing) listen(delayed, lost);
      expect(stateOf(delayed)).toEqual(stateOf(prompt));
      const { traded, notional, open } = sums(said);
      for (const order of [prompt, delayed]) {
        expect([order.traded, order.tradedAmount]).toEqual([traded, { notional, lots: traded }]);
        if (open !== undefined) expect(order.open).toBe(open);
        expect(order.quantity).toBe(order.open + order.traded + order.canceled);
        expect([order.isReported, order.underWay]).toEqual([true, 0]);
      }
    }),
    { numRuns: 200 },
  );
});

test('a report that one before it is missing for is noticed', () => {
  const { order, entry } = newOrder();
  const [first, hit] = sayingsOf([{ kind: 'hit', price: 11, qty: 3 }], entry) as [Said, Said];
  order.begin();
  expect(listen(order, hit)).toBe(true);
  const { order: other } = newOrder();
  other.begin();
  listen(other, { ...first, events: first.events.slice(0, 2) });
  if (first.answered !== undefined) expect(other.answered(first.answered.change, first.answered.answer)).toBe(true);
  expect(other).toMatchObject({ status: 'partiallyFilled', traded: 4, open: 6, isReported: false });
  expect(other.tradedAmount.lots).toBe(2);
  expect(listen(other, hit)).toBe(true);
});
