import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import { EventType, type VenueEvent } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';
import { createPair, Difference, firstDifference, type Pair, reportShrunk } from './comparison.ts';
import { EventLedger } from './event-ledger.ts';
import { Flow, type FlowKind } from './flows.ts';
import { keepPlain } from './plain-words.ts';
import { putTime, type RawCommand, writeRaw } from './raw-commands.ts';
import { flowArbitrary } from './small-flows.ts';

const SEED = Number(process.env['VERITAPE_FUZZ_SEED'] ?? 20_260_301);
const COMMANDS = Number(process.env['VERITAPE_FUZZ_COMMANDS'] ?? 400_000);
/** Flows start over this often: an empty venue, another seed, another start of the clock. */
const COMMANDS_PER_FLOW = 20_000;
const AUDIT_EVERY = 500;
const SHARES: Readonly<Record<FlowKind, number>> = {
  deep: 0.2,
  tight: 0.16,
  bounds: 0.16,
  whales: 0.06,
  sessions: 0.16,
  garbage: 0.12,
  mixed: 0.14,
};
/** Of rules beyond the plain ones, or made by no command. */
const KEPT_TYPES = [
  'triggered',
  'refreshed',
  'top',
  'setting',
  'account',
  'balance',
  'settled',
  'kill',
  'part',
  'state',
  'indicative',
  'auction',
];
/** Of the plain rules. */
const isPlainReason = (code: number) =>
  code <= Reason.shard || (code >= 32 && code <= 36) || code === Reason.openChanged || (code >= 64 && code <= 69);

const YOUNG = { firstGeneration: 0, lastSequence: 0 };
const OLD = { firstGeneration: 2 ** 30 - 10, lastSequence: 2 ** 32 - 500 };

const counts = new Map<string, number>();
let compared = 0;

function count(key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Runs one seeded flow through the matcher, the model and the ledger. */
function runFlow(kind: FlowKind, seed: number, commands: number, age = YOUNG): void {
  const flow = new Flow(kind, seed);
  const options = { limits: flow.limits, eventSlots: seed % 2 === 0 ? 4 : 1 << 16, ...age, hashSeed: seed };
  const pair = createPair(options);
  const ledger = new EventLedger(age.firstGeneration);
  const records = new Uint32Array(commands * COMMAND_WORDS);
  const failure = (place: number, text: string): Error => {
    const history = records.slice(0, (place + 1) * COMMAND_WORDS);
    const shrunk = firstDifference(options, history) === undefined ? text : reportShrunk(options, history);
    return new Error(`flow ${kind}, seed ${seed}, command ${place}: ${shrunk}`);
  };
  for (let place = 0; place < commands; place++) {
    const at = place * COMMAND_WORDS;
    flow.next(records, at);
    const outcome = pair.apply(records, at);
    if (outcome instanceof Difference) throw failure(place, outcome.text);
    const complaint = ledger.take(outcome);
    if (complaint !== undefined) throw failure(place, complaint);
    for (const event of outcome) {
      flow.observe(event);
      count(event.type);
      if (event.type !== 'answer') count(`reason ${event.reason}`);
    }
    if (place % AUDIT_EVERY === 0 || place === commands - 1) {
      const wrong = ledger.audit() ?? pair.compareBooks() ?? compareOrders(pair, ledger);
      if (wrong !== undefined) throw failure(place, wrong);
    }
  }
  compared += commands;
}

/** The orders that the events left, against the model's: the same in the same order. */
function compareOrders(pair: Pair, ledger: EventLedger): string | undefined {
  const [kept, found] = pair.model.pagesInUse();
  if (kept !== found) return `the model keeps ${kept} pages and has orders in ${found}`;
  for (const symbol of pair.model.symbols) {
    for (const side of ['buy', 'sell'] as const) {
      const orders = pair.model.resting(symbol, side).map((order) => {
        const id = order.id < 2n ** 53n ? Number(order.id) : order.id;
        return [order.account, id, order.price, order.open, order.slot, order.generation].join();
      });
      const told = ledger.resting(symbol, side).map((order) => order.join());
      if (orders.join('\n') !== told.join('\n'))
        return `${side} orders of instrument ${symbol} differ from their events`;
    }
  }
  return undefined;
}

function runFlows(kind: FlowKind): void {
  for (let left = Math.ceil(COMMANDS * SHARES[kind]), seed = SEED; left > 0; left -= COMMANDS_PER_FLOW, seed++) {
    runFlow(kind, seed, Math.min(COMMANDS_PER_FLOW, left));
  }
}

const FLOW_TIMEOUT_MS = 300_000;

test.each(Object.keys(SHARES) as FlowKind[])('matcher and model agree on %s flows', runFlows, FLOW_TIMEOUT_MS);

test('matcher and model agree when slots wear out and the sequence passes 2^32', () => {
  for (let seed = SEED; seed < SEED + 20; seed++) runFlow('tight', seed, 1000, OLD);
});

test('the flows reach every kind of event and every reason', () => {
  const unreached = [
    ...Object.keys(EventType).filter((type) => !KEPT_TYPES.includes(type) && !counts.has(type)),
    ...Object.entries(Reason).flatMap(([reason, code]) =>
      isPlainReason(code) && !counts.has(`reason ${reason}`) ? [reason] : [],
    ),
  ];
  expect(unreached).toEqual([]);
  expect(compared).toBeGreaterThanOrEqual(COMMANDS);
  if (process.env['VERITAPE_FUZZ_COUNTS'] !== undefined) {
    process.stderr.write(`${JSON.stringify({ compared, ...Object.fromEntries([...counts].sort()) }, null, 1)}\n`);
  }
});

test('matcher and model agree on small flows', () => {
  fc.assert(
    fc.property(flowArbitrary, ({ limits, history, waits }) => {
      const records = new Uint32Array(history.length * COMMAND_WORDS);
      let time = 1_790_000_000_000_000_000n;
      for (const [place, command] of history.entries()) {
        time += waits[place] ?? 0n;
        writeRaw(records, place * COMMAND_WORDS, command);
        keepPlain(records, place * COMMAND_WORDS);
        putTime(records, place * COMMAND_WORDS, time);
      }
      const difference = firstDifference({ limits, eventSlots: 4, ...YOUNG, hashSeed: 0 }, records);
      if (difference !== undefined) throw new Error(`command ${difference.at}: ${difference.text}`);
    }),
    { seed: SEED, numRuns: Math.ceil(COMMANDS / 500) },
  );
});

test('sums of one level beyond 2^53 stay exact', () => {
  const limits = { ordersMax: 200, levelPagesMax: 4, instrumentsMax: 1, sessionsMax: 1, answersPerSessionMax: 1 };
  const top = 2 ** 48 - 1;
  const history: RawCommand[] = [{ op: 16, name: 'A' }];
  for (let id = 1; id <= 100; id++) {
    history.push({ op: 1, side: 1, account: 1, id: BigInt(id), price: 1000, quantity: top - (id % 3) });
  }
  for (let id = 101; id <= 199; id++) {
    const at = { side: 0, account: 2, id: BigInt(id), price: 1000 };
    history.push({ op: 1, ...at, tif: id % 2 === 0 ? 2 : 1, quantity: top - (id % 5) });
  }
  history.push({ op: 1, side: 0, account: 2, id: 500n, price: 1000, tif: 2, quantity: 500 });
  history.push({ op: 1, side: 0, account: 2, id: 501n, price: 1000, tif: 2, quantity: 100 });
  const records = new Uint32Array(history.length * COMMAND_WORDS);
  for (const [place, command] of history.entries()) writeRaw(records, place * COMMAND_WORDS, command);
  const pair = createPair({ limits, eventSlots: 4, ...YOUNG, hashSeed: 0 });
  for (let at = 0; at < records.length; at += COMMAND_WORDS) {
    const outcome = pair.apply(records, at);
    expect(outcome instanceof Difference ? outcome.text : pair.compareBooks()).toBeUndefined();
  }
});

test('the ledger notices events that no market makes', () => {
  const event = (fields: Partial<VenueEvent>): VenueEvent => ({
    type: 'accepted',
    side: 'sell',
    reason: 'none',
    flags: 0,
    symbol: 0,
    sequence: 1,
    price: 10,
    quantity: 5,
    id: 1,
    account: 1,
    slot: 1,
    generation: 1,
    request: 0,
    open: 5,
    ...fields,
  });
  const ledgerOfTwo = () => {
    const ledger = new EventLedger();
    expect(ledger.take([event({})])).toBeUndefined();
    expect(ledger.take([event({ id: 2, slot: 2, sequence: 2 })])).toBeUndefined();
    return ledger;
  };
  const taker = event({ side: 'buy', id: 3, slot: 3, sequence: 16 });
  const trade = (maker: Partial<VenueEvent>) => [
    taker,
    event({ type: 'tradeMaker', sequence: 16, flags: 8, open: 0, ...maker }),
    { ...taker, type: 'tradeTaker' as const, flags: 8, open: 0 },
  ];
  expect(ledgerOfTwo().take(trade({}))).toBeUndefined();
  expect(ledgerOfTwo().take(trade({ id: 2, slot: 2 }))).toMatch('not first in line');
  expect(ledgerOfTwo().take(trade({ open: 1 }))).toMatch('does not add up');
  expect(ledgerOfTwo().take(trade({ flags: 0 }))).toMatch('done');
  expect(ledgerOfTwo().take([taker])).toBeUndefined();
  const crossed = ledgerOfTwo();
  crossed.take([taker]);
  expect(crossed.audit()).toMatch('crossed');
});
