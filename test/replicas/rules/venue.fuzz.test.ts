import { expect, test } from '@jest/globals';
import { PRICE_MAX } from '../../../journal/amounts.ts';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../../journal/events.ts';
import { encodeState, restoreState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { listOrders } from '../../../replicas/order-table.ts';
import { putTime, writeRaw } from '../raw-commands.ts';
import { bookOf, crossedIn, ordersOf } from './model/model-audit.ts';
import { VenueModel } from './model/venue-model.ts';
import { type Funds, fundsOf } from './ruled-market.ts';
import { limitsFor, WholeFlow } from './venue-flow-all.ts';

/** More by VERITAPE_RULES_COMMANDS, with other seeds by VERITAPE_RULES_SEED. */
const COMMANDS = Number(process.env['VERITAPE_RULES_COMMANDS'] ?? 60_000);
const SEED = Number(process.env['VERITAPE_RULES_SEED'] ?? 1);
const COMMANDS_PER_FLOW = 3_000;
const AUDIT_EVERY = 50;
const RESTORE_EVERY = 700;
const WANTED = [
  ...['auction none', 'indicative none', 'settled none', 'refreshed none', 'triggered none', 'kill none'],
  ...['canceled auctionOver', 'canceled cancelAllAfter', 'canceled expired', 'canceled killSwitch', 'canceled linked'],
  ...['canceled orphaned', 'canceled selfTrade', 'rejected insufficientFunds', 'rejected rateMax', 'rejected phase'],
];

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
    const wrong = crossedIn(model.exchange);
    if (wrong !== undefined) return `${where}: ${wrong}`;
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
  // What the flow is made for must have happened.
  expect(COMMANDS < 60_000 ? WANTED : [...reached.keys()]).toEqual(expect.arrayContaining([...WANTED]));
}, 600_000);
