import { expect, test } from '@jest/globals';
import { COMMAND_WORDS, Op, Setting, TERM_SHIFT } from '../../../journal/commands.ts';
import { putTime, writeRaw } from '../../replicas/raw-commands.ts';
import { VenueFlow } from '../../replicas/rules/venue-flow.ts';
import { violatedBy } from './forgery.ts';
import { ProvenMarket } from './proven-market.ts';

/**
 * Flows with every rule that there is: a command is proven, and then replica and witness agree and its rows satisfy the
 * circuit, or it is told by name why not.
 */
const COMMANDS = Number(process.env['VERITAPE_RULED_COMMANDS'] ?? 16_000);
const SEED = Number(process.env['VERITAPE_RULES_SEED'] ?? 1);
const COMMANDS_PER_FLOW = 2_000;
const ROWS = 256;
/** Spans with fewer commands are not looked at by the circuit, and of the others one in so many: it takes most of the time. */
const CHECKED_COMMANDS_MIN = 8;
const CHECKED_SHARE = 6;
const LIMITS = {
  ordersMax: 120,
  levelPagesMax: 256,
  instrumentsMax: 2,
  sessionsMax: 1,
  answersPerSessionMax: 1,
  accountsMax: 7,
  balancesMax: 16,
};

/** Some of what is not proven, each of another kind. */
const NAMED = [
  ...['the term trail', 'the term display', 'the time in force atTheOpen', 'an order with terms'],
  ...['a hidden order', 'a hidden order in instrument 0', 'a trailing stop', 'an auction'],
  ...['the phase openingAuction', 'an instrument whose trades are settled'],
];

test('every command of a market with all rules is proven, or it is told why not', () => {
  let proven = 0;
  let spans = 0;
  const unprovable = new Map<string, number>();
  for (let seed = SEED; seed < SEED + COMMANDS / COMMANDS_PER_FLOW; seed++) {
    const flow = new VenueFlow(seed, 'all');
    const market = new ProvenMarket(LIMITS, ROWS, (witness) => {
      proven += witness.commands;
      if (witness.commands < CHECKED_COMMANDS_MIN || spans++ % CHECKED_SHARE !== 0) return;
      witness.finish();
      expect(violatedBy(witness.trace, witness.commands)).toEqual([]);
    });
    const words = new Uint32Array(COMMAND_WORDS);
    for (let place = 0; place < COMMANDS_PER_FLOW; place++) {
      const command = flow.next();
      writeRaw(words, 0, command);
      putTime(words, 0, flow.time);
      try {
        for (const event of market.apply(words, 0)) flow.observe(event);
      } catch (error) {
        const text = JSON.stringify(command, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
        throw new Error(`seed ${seed}, command ${place}: ${text}`, { cause: error });
      }
      if (place % 100 !== 99) continue;
      const { witness, replica } = market.books();
      expect(witness).toEqual(replica);
    }
    market.end();
    for (const [why, count] of market.unprovable) unprovable.set(why, (unprovable.get(why) ?? 0) + count);
  }
  for (const what of NAMED) expect([...unprovable.keys()]).toContain(`${what} is not proven`);
  expect(proven).toBeGreaterThan(COMMANDS * 0.3);
});

test('an order that meets others in a batch is told to be unproven, as the random flows seldom have one', () => {
  const market = new ProvenMarket(LIMITS, ROWS, () => {});
  const words = new Uint32Array(COMMAND_WORDS);
  for (const command of [
    { op: Op.instrumentCreate, symbol: 0, name: 'I0' },
    { op: Op.instrumentSet, symbol: 0, flags: (Setting.batchNs << TERM_SHIFT) >>> 0, extra: 1000 },
    { op: Op.new, symbol: 0, account: 1, id: 1n, price: 5, quantity: 5 },
  ]) {
    writeRaw(words, 0, command);
    market.apply(words, 0);
  }
  market.end();
  expect([...market.unprovable]).toEqual([['trading in batches is not proven', 1]]);
});
