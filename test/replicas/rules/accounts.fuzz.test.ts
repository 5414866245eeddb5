import { expect, test } from '@jest/globals';
import type { Command } from '../../../journal/commands.ts';
import type { VenueEvent } from '../../../journal/events.ts';
import { whyNotConserved } from '../../../replicas/conservation.ts';
import { AccountFlow } from './account-flow.ts';
import { NaiveLedger } from './naive-ledger.ts';
import { RuledMarket } from './ruled-market.ts';

const FLOWS = 12;
const COMMANDS = 1_500;
const RESTORED_EVERY = 130;

const shown = (value: unknown): string =>
  JSON.stringify(value, (_key, field: unknown) => (typeof field === 'bigint' ? `${field}n` : field));

test('every balance and hold is what a naive ledger says after every command, and every asset adds up', () => {
  const answers = new Map<string, number>();
  const reasons = new Set<string>();
  for (let seed = 1; seed <= FLOWS; seed++) {
    const flow = new AccountFlow(seed);
    const market = new RuledMarket();
    const ledger = new NaiveLedger();
    const history: string[] = [];
    for (let place = 0; place < COMMANDS; place++) {
      const command = flow.next();
      const events = market.apply(command);
      history.push(`${shown(command)}\n${events.map((event) => `    ${shown(event)}`).join('\n')}`);
      for (const event of events) {
        flow.observe(event);
        reasons.add(event.reason);
      }
      const wrong =
        ledger.take(command, events) ?? ledger.compare(market.allFunds()) ?? whyNotConserved(market.matcher.state);
      if (wrong !== undefined)
        throw new Error(`seed ${seed}, command ${place}: ${wrong}\n${history.slice(-5).join('\n')}`);
    }
    for (const [what, count] of ledger.counts) answers.set(what, (answers.get(what) ?? 0) + count);
  }
  for (const what of ['short', 'funded', 'settled', 'rebates']) expect(answers.get(what)).toBeGreaterThan(100);
  // What the flows are made for must have happened.
  expect(
    [
      ...['accountKilled', 'rateMax', 'minQuantity', 'priceBand', 'maxNotional', 'accountQuantityMax'],
      ...['accountNotionalMax', 'idNotIncreasing', 'openOrdersMax', 'insufficientFunds', 'amount', 'instrumentInUse'],
      ...['killSwitch', 'selfTrade', 'massCancel', 'reduced', 'fok', 'ioc', 'cancelAllAfter', 'expired', 'auctionOver'],
      ...['linked', 'orphaned'],
    ].filter((reason) => !reasons.has(reason)),
  ).toEqual([]);
});

test('restored at random points, it goes on with the same events and the same bytes', () => {
  for (let seed = 100; seed < 100 + FLOWS / 2; seed++) {
    const flow = new AccountFlow(seed);
    const market = new RuledMarket();
    const restored: RuledMarket[] = [];
    for (let place = 0; place < COMMANDS; place++) {
      if (place % RESTORED_EVERY === seed % RESTORED_EVERY) {
        const another = market.restored(place);
        expect(another.state().equals(market.state())).toBe(true);
        restored.push(another);
      }
      const command = flow.next();
      const events = market.apply(command);
      for (const event of events) flow.observe(event);
      for (const another of restored) expectSame(command, another.apply(command), events);
    }
    for (const another of restored) expect(another.state().equals(market.state())).toBe(true);
  }
});

function expectSame(command: Command, given: readonly VenueEvent[], expected: readonly VenueEvent[]): void {
  if (shown(given) !== shown(expected)) throw new Error(`${shown(command)}\n${shown(given)}\n${shown(expected)}`);
}
