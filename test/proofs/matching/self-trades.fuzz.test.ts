import { expect, test } from '@jest/globals';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import { OWN_STEPS, PREVENTIONS } from '../../../proofs/matching/market-columns.ts';
import { Dice, type RawCommand, writeRaw } from '../../replicas/raw-commands.ts';
import { violatedBy } from './forgery.ts';
import { ProvenMarket } from './proven-market.ts';

/** Orders with self-trade prevention of their own and of their instrument: all of it is proven. */
const COMMANDS = Number(process.env['VERITAPE_STP_COMMANDS'] ?? 6_000);
const SEED = Number(process.env['VERITAPE_FUZZ_SEED'] ?? 20_261_127);
const ROWS = 512;
/** The circuit looks at one span of so many: it takes most of the time. */
const CHECKED_SHARE = 3;
const LIMITS = { ordersMax: 3_000, levelPagesMax: 64, instrumentsMax: 2, sessionsMax: 1, answersPerSessionMax: 1 };
/** Alike in one half or the other. */
const ACCOUNTS = [1, 2, 65_537, 65_538];
const MAX_ID = 2n ** 64n - 1n;
const STP_SHIFT = 16;
const SETTING_STP = 3;

const { columns } = marketCircuit('ruled');

class Flow {
  readonly #dice = new Dice(SEED);
  readonly #named: { account: number; id: bigint; symbol: number }[] = [];

  next(place: number): RawCommand {
    const dice = this.#dice;
    if (place < LIMITS.instrumentsMax) return { op: 16, symbol: place, name: `I${place}` };
    if (dice.chance(0.01)) return this.#setting();
    const kind = dice.weighted([70, 6, 4, 20]);
    if (kind === 0 || this.#named.length === 0) return this.#new();
    const named = dice.pick(this.#named.slice(-60));
    if (kind === 1) return { op: 2, ...named };
    if (kind === 2) return { op: 3, ...named, quantity: dice.from(1, 4) };
    return { op: 4, ...named, flags: 6, price: 100 + dice.from(-4, 4), quantity: dice.from(1, 12) };
  }

  #setting(): RawCommand {
    const value = this.#dice.below(5);
    return { op: 23, symbol: this.#dice.below(2), flags: (SETTING_STP << 24) >>> 0, extra: value };
  }

  #new(): RawCommand {
    const dice = this.#dice;
    const id = dice.chance(0.5) ? BigInt(dice.from(1, 300)) : MAX_ID - BigInt(dice.below(300));
    const named = { account: dice.pick(ACCOUNTS), id, symbol: dice.chance(0.8) ? 0 : 1 };
    const side = dice.below(2);
    const isMarket = dice.chance(0.1);
    const tif = dice.weighted([60, 15, 25]);
    const price = isMarket ? 0 : 100 + (side === 0 ? dice.from(-4, 3) : dice.from(-3, 4));
    const isPostOnly = !isMarket && tif === 0 && dice.chance(0.1);
    const prevention = dice.chance(0.7) ? dice.from(1, 4) : 0;
    this.#named.push(named);
    const flags = (isPostOnly ? 1 : 0) | (prevention << STP_SHIFT);
    return { op: 1, ...named, side, type: isMarket ? 1 : 0, tif, flags, price, quantity: dice.from(1, 25) };
  }
}

test('self-trade prevention is proven as the replica does it', () => {
  const seen = new Set<string>();
  let spans = 0;
  let proven = 0;
  const market = new ProvenMarket(LIMITS, ROWS, (witness) => {
    proven += witness.commands;
    if (spans++ % CHECKED_SHARE !== 0) return;
    expect(witness.rules).toBe('ruled');
    witness.finish();
    expect(violatedBy(witness.trace, witness.commands)).toEqual([]);
    for (const name of [...OWN_STEPS, ...PREVENTIONS])
      if (witness.trace[columns.indexOf(name)]?.some((bit) => bit === 1) === true) seen.add(name);
  });
  const flow = new Flow();
  const words = new Uint32Array(COMMAND_WORDS);
  for (let place = 0; place < COMMANDS; place++) {
    writeRaw(words, 0, flow.next(place));
    market.apply(words, 0);
  }
  market.end();
  expect([...market.unprovable.keys()]).toEqual([]);
  expect(proven).toBe(COMMANDS);
  expect([...OWN_STEPS, ...PREVENTIONS].filter((name) => !seen.has(name))).toEqual([]);
});
