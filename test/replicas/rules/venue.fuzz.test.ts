import { expect, test } from '@jest/globals';
import { PRICE_MAX } from '../../../journal/amounts.ts';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { decodeEvent, EventType, type VenueEvent } from '../../../journal/events.ts';
import { Reason } from '../../../journal/reasons.ts';
import { encodeState, restoreState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { listOrders } from '../../../replicas/order-table.ts';
import { putTime, writeRaw } from '../raw-commands.ts';
import { bookOf, crossedIn, ordersOf } from './model/model-audit.ts';
import { VenueModel } from './model/venue-model.ts';
import { type Funds, fundsOf } from './ruled-market.ts';
import { limitsFor, WholeFlow } from './venue-flow-all.ts';
import { VenueInvariants } from './venue-invariants.ts';

/** More by VERITAPE_RULES_COMMANDS, with other seeds by VERITAPE_RULES_SEED. */
const COMMANDS = Number(process.env['VERITAPE_RULES_COMMANDS'] ?? 60_000);
const SEED = Number(process.env['VERITAPE_RULES_SEED'] ?? 1);
const COMMANDS_PER_FLOW = 3_000;
const AUDIT_EVERY = 50;
const RESTORE_EVERY = 700;
/** Reasons that no flow of this size comes to, and why. */
const UNREACHED: Readonly<Record<string, string>> = {
  'rejected allOrNoneFull': 'wants 1,024 all-or-none orders: venue-crowd.test.ts',
  'canceled allOrNoneFull': 'the same',
  'canceled ordersFull': 'what is triggered has its slot',
  'canceled balancesFull': 'what is triggered got its balances when it was entered',
};
/** Reasons of the first table of docs/reject-reasons.md with which an order that was triggered may be canceled. */
const CANCELED_LATE = ['levelsFull', 'postOnlyWouldTrade', 'stopWouldTrigger', 'phase', 'insufficientFunds'];
const LAST_OF_REJECTIONS = 63;

/** Every kind of event and every reason that there is. */
function wanted(): string[] {
  const types = Object.keys(EventType).filter((type) => type !== 'top' && type !== 'rejected' && type !== 'canceled');
  const reasons = Object.entries(Reason).filter(([, code]) => code > 0);
  return [
    ...types.map((type) => `${type} none`),
    ...reasons.map(([reason, code]) => `${code <= LAST_OF_REJECTIONS ? 'rejected' : 'canceled'} ${reason}`),
    ...[...CANCELED_LATE, 'allOrNoneFull', 'balancesFull', 'ordersFull'].map((reason) => `canceled ${reason}`),
  ];
}

const reached = new Map<string, number>();

function listed(matcher: Matcher): string[] {
  return listOrders(matcher.state.orders).map(
    ({ slot, generation, account, id, symbol, side, price, open }) =>
      `${slot}/${generation} ${account}/${id} ${symbol} ${side} ${price > PRICE_MAX ? 0 : price} ${open}`,
  );
}

function listedIn(model: VenueModel): string[] {
  return ordersOf(model.exchange).map(
    ({ slot, generation, account, id, symbol, side, price, open }) =>
      `${slot}/${generation} ${account}/${id} ${symbol} ${side} ${price} ${open}`,
  );
}

function listedFunds(all: ReadonlyMap<string, Funds>): string {
  const lines = [...all].map(([key, { available, held }]) => `${key} ${available} ${held}`);
  return lines.sort().join('\n');
}

/** Runs a flow through the matcher and the model; what differs first. */
function compare(seed: number, commands: number): string | undefined {
  const events = new EventBuffer(1 << 12);
  const limits = limitsFor(seed);
  const flow = new WholeFlow(seed, commands);
  const model = new VenueModel(limits);
  const words = new Uint32Array(COMMAND_WORDS);
  const invariants = new VenueInvariants();
  let matcher = createMatcher(limits, events, seed);
  for (let place = 0; place < commands; place++) {
    const command = flow.next();
    writeRaw(words, 0, command);
    putTime(words, 0, flow.time);
    const where = `seed ${seed}, command ${place}: ${JSON.stringify(command, (_, value) => (typeof value === 'bigint' ? `${value}` : value))}`;
    const expected = model.apply(words, 0);
    const given: VenueEvent[] = [];
    matcher.apply(words, 0);
    events.drain((eventWords, at) => given.push(decodeEvent(eventWords, at)));
    const lines = (list: readonly VenueEvent[]): string =>
      list
        .map((event) => `\n  ${JSON.stringify(event, (_, value) => (typeof value === 'bigint' ? `${value}` : value))}`)
        .join('');
    if (!same(given, expected)) return `${where}\nmodel${lines(expected)}\nmatcher${lines(given)}`;
    const broken = invariants.take(given) ?? whyNotWhole(matcher, model, invariants);
    if (broken !== undefined) return `${where}: ${broken}`;
    for (const event of given) {
      flow.observe(event);
      const key = `${event.type} ${event.reason}`;
      reached.set(key, (reached.get(key) ?? 0) + 1);
    }
    if (place % RESTORE_EVERY === RESTORE_EVERY - 1) {
      const state = Buffer.from(encodeState(matcher.state));
      const restored = createMatcher(limits, events, seed + place);
      restoreState(restored.state, state);
      if (!Buffer.from(encodeState(restored.state)).equals(state)) return `${where}: restored to another state`;
      matcher = restored;
    }
    if (place % AUDIT_EVERY !== 0) continue;
    if (invariants.list().join() !== openIn(matcher).join()) return `${where}: orders are not what their events say`;
    for (const symbol of [0, 1, 2, 3]) {
      const books = [matcher.book(symbol, 1000), bookOf(model.exchange, symbol)].map((book) => JSON.stringify(book));
      if (books[0] !== books[1]) return `${where}: books\nmodel   ${books[1]}\nmatcher ${books[0]}`;
    }
    const funds = [listedFunds(model.exchange.funds.all()), listedFunds(fundsOf(matcher.state))];
    if (funds[0] !== funds[1]) return `${where}: funds\nmodel\n${funds[0]}\nmatcher\n${funds[1]}`;
    const orders = [listedIn(model), listed(matcher)].map((list) => list.join('\n'));
    if (orders[0] !== orders[1]) return `${where}: orders\nmodel\n${orders[0]}\nmatcher\n${orders[1]}`;
  }
  return undefined;
}

/** What must hold after every command. */
function whyNotWhole(matcher: Matcher, { exchange }: VenueModel, invariants: VenueInvariants): string | undefined {
  const { live, terms } = exchange;
  if (live.size !== invariants.live) return `${live.size} orders where events tell of ${invariants.live}`;
  if (matcher.state.orders.live() !== live.size + terms.size)
    return `${matcher.state.orders.live()} slots where there are ${live.size} orders and ${terms.size} terms`;
  return crossedIn(exchange) ?? invariants.whyNotConserved(fundsOf(matcher.state));
}

function openIn(matcher: Matcher): string[] {
  return listOrders(matcher.state.orders)
    .map(({ account, id, open }) => `${account}/${id} ${open}`)
    .sort();
}

function same(given: readonly VenueEvent[], expected: readonly VenueEvent[]): boolean {
  return (
    given.length === expected.length &&
    given.every((event, place) => {
      const other = expected[place] as VenueEvent;
      return (Object.keys(event) as (keyof VenueEvent)[]).every((field) => `${event[field]}` === `${other[field]}`);
    })
  );
}

test(`matcher and the model of all rules agree on ${COMMANDS} commands`, () => {
  for (let done = 0, seed = SEED; done < COMMANDS; done += COMMANDS_PER_FLOW, seed++) {
    const difference = compare(seed, Math.min(COMMANDS_PER_FLOW, COMMANDS - done));
    if (difference !== undefined) throw new Error(difference);
  }
  if (process.env['VERITAPE_RULES_COUNTS'] !== undefined)
    process.stderr.write(`${JSON.stringify(Object.fromEntries([...reached].sort()), null, 1)}\n`);
  const missing = COMMANDS < 60_000 ? [] : wanted().filter((key) => !reached.has(key) && !(key in UNREACHED));
  expect(missing).toEqual([]);
}, 600_000);
