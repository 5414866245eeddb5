import { expect, test } from '@jest/globals';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import { writeRaw } from '../../replicas/raw-commands.ts';
import { violatedBy } from './forgery.ts';
import { ProvenMarket } from './proven-market.ts';
import { StopFlow } from './stop-flow.ts';

/** Stops of all kinds, and cascades: what the replica does with them is proven, or it is told by name why not. */
const COMMANDS = Number(process.env['VERITAPE_STOP_COMMANDS'] ?? 6_000);
const SEED = Number(process.env['VERITAPE_FUZZ_SEED'] ?? 20_261_127);
const COMMANDS_PER_FLOW = 1_500;
const ROWS = 512;
/** The circuit looks at one span of so many, of those with enough commands: it takes most of the time. */
const CHECKED_SHARE = 4;
const CHECKED_COMMANDS_MIN = 40;
const COMPARED_SHARE = 20;
const LIMITS = {
  ordersMax: 3_000,
  levelPagesMax: 64,
  instrumentsMax: 2,
  sessionsMax: 1,
  answersPerSessionMax: 1,
  accountsMax: 8,
};

const STOP_STEPS = [
  ...['wait', 'withdraw', 'lessen', 'trigger', 'quiet', 'alter', 'undue', 'due', 'replace stop', 'replace stop limit'],
];
const { columns } = marketCircuit('stops');

/** Follows flows of commands of which so many are about a rule that is not proven. */
function follow(rare: number): { share: number; unprovable: string[]; steps: string[]; triggered: number } {
  const unprovable = new Set<string>();
  const steps = new Set<string>();
  let [proven, triggered, spans] = [0, 0, 0];
  const words = new Uint32Array(COMMAND_WORDS);
  for (let seed = SEED; seed < SEED + COMMANDS / COMMANDS_PER_FLOW; seed++) {
    const flow = new StopFlow(seed, rare);
    const market = new ProvenMarket(LIMITS, ROWS, (witness) => {
      proven += witness.commands;
      for (const name of witness.rules === 'stops' ? STOP_STEPS : [])
        if (witness.trace[columns.indexOf(name)]?.some((bit) => bit === 1) === true) steps.add(name);
      if (witness.commands < CHECKED_COMMANDS_MIN || spans++ % CHECKED_SHARE !== 0) return;
      witness.finish();
      expect(violatedBy(witness.trace, witness.commands)).toEqual([]);
    });
    for (let place = 0; place < COMMANDS_PER_FLOW; place++) {
      writeRaw(words, 0, flow.next());
      triggered += market.apply(words, 0).filter(({ type }) => type === 'triggered').length;
      if (place % COMPARED_SHARE !== 0) continue;
      const { witness, replica } = market.books();
      expect(witness).toEqual(replica);
    }
    market.end();
    for (const why of market.unprovable.keys()) unprovable.add(why);
  }
  return { share: proven / COMMANDS, unprovable: [...unprovable], steps: [...steps], triggered };
}

test('stops are proven as the replica does it', () => {
  const { share, unprovable, steps, triggered } = follow(0);
  expect(unprovable).toEqual([]);
  expect(share).toBe(1);
  expect(triggered).toBeGreaterThan(COMMANDS * 0.05);
  expect(STOP_STEPS.filter((name) => !steps.includes(name))).toEqual([]);
});

test('among rules that are not proven, stops are proven or it is told why not', () => {
  const { share, unprovable } = follow(0.02);
  for (const what of ['a trailing stop', 'an order that leaves with reason band'])
    expect(unprovable).toContain(`${what} is not proven`);
  expect(share).toBeGreaterThan(0.5);
});
