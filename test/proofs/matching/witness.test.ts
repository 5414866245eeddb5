import { afterAll, expect, test } from '@jest/globals';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import type { BookOrder } from '../../../proofs/matching/linked-books.ts';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import { PLAIN_KINDS, PLAIN_STEPS } from '../../../proofs/matching/market-columns.ts';
import { viewMarket } from '../../../proofs/matching/replica-market.ts';
import type { MarketWitness } from '../../../proofs/matching/witness.ts';
import { Flow, type FlowKind } from '../../replicas/flows.ts';
import { violatedBy } from './forgery.ts';
import { ProvenMarket } from './proven-market.ts';

/**
 * The replica and the prover's witness are two programs: fed the same random commands, all their reports and books must
 * agree, and the witness must satisfy the circuit.
 */
const COMMANDS = Number(process.env['VERITAPE_WITNESS_COMMANDS'] ?? 70_000);
/** Of each flow, the circuit looks at so many spans: it takes most of the time. */
const SPANS_CHECKED = 2;
const ROWS = 2_048;
const FLOWS: readonly FlowKind[] = ['deep', 'tight', 'bounds', 'whales', 'sessions', 'garbage', 'mixed'];
const SEED = Number(process.env['VERITAPE_FUZZ_SEED'] ?? 20_261_122);

const columns = marketCircuit().columns;
const taken = new Map<string, number>();
let compared = 0;

test.each(FLOWS)('replica and witness agree on the flow "%s", and its rows satisfy the circuit', (kind) => {
  const flow = new Flow(kind, SEED);
  let checked = 0;
  const market = new ProvenMarket(flow.limits, ROWS, (witness) => {
    if (checked++ >= SPANS_CHECKED) return;
    witness.finish();
    expect(violatedBy(witness.trace, witness.commands)).toEqual([]);
    count(witness);
  });
  const words = new Uint32Array(COMMAND_WORDS);
  const commands = Math.ceil(COMMANDS / FLOWS.length);
  for (let i = 0; i < commands; i++) {
    flow.next(words, 0);
    for (const event of market.apply(words, 0)) flow.observe(event);
  }
  expect([...market.witness.orders()]).toEqual(byLadder(viewMarket(market.matcher.state).books));
  market.end();
  compared += commands - [...market.unprovable.values()].reduce((sum, count) => sum + count, 0);
});

afterAll(() => {
  // Every kind of command and every step has been seen by the circuit.
  expect([...PLAIN_KINDS, ...PLAIN_STEPS].filter((name) => !taken.has(name))).toEqual([]);
  expect(compared).toBeGreaterThan(COMMANDS * 0.7);
});

/** Orders ladder by ladder; within one, by price and then by time. */
function byLadder(orders: readonly BookOrder[]): BookOrder[] {
  const worse = (order: BookOrder): number => (order.side === 0 ? -order.price : order.price);
  return orders.toSorted((a, b) => a.symbol - b.symbol || a.side - b.side || worse(a) - worse(b));
}

function count(witness: MarketWitness): void {
  for (const name of [...PLAIN_KINDS, ...PLAIN_STEPS]) {
    const times = (witness.trace[columns.indexOf(name)] as Uint32Array).reduce((sum, bit) => sum + bit, 0);
    if (times > 0) taken.set(name, (taken.get(name) ?? 0) + times);
  }
}
