import { expect, test } from '@jest/globals';
import { Reason } from '../../../journal/reasons.ts';
import type { OrderName } from '../../../proofs/matching/linked-books.ts';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import { KINDS, PREVENTIONS, STEPS } from '../../../proofs/matching/market-columns.ts';
import type { TapeCommand } from '../../../proofs/matching/tape.ts';
import { MarketWitness } from '../../../proofs/matching/witness.ts';
import { SpanFullError, type StepReport } from '../../../proofs/matching/witness-rows.ts';
import { Dice } from '../../replicas/raw-commands.ts';
import { NOTHING, violatedBy } from './forgery.ts';
import { nameOf, StopModel } from './stop-model.ts';

/** Stops with all that the circuit of stops knows besides: the witness does what a simple model does, and satisfies the circuit. */
const COMMANDS = Number(process.env['VERITAPE_STOPS_COMMANDS'] ?? 5_000);
const SEED = Number(process.env['VERITAPE_FUZZ_SEED'] ?? 20_261_127);
const ROWS = 256;
const INSTRUMENTS = 2;
/** Only the first trade of a market can trigger stops of both sides: there are some markets. */
const COMMANDS_PER_MARKET = 250;
/** The circuit looks at one span of so many: it takes most of the time. */
const CHECKED_SHARE = 3;
/** Alike in one half or the other; and with an id of zeros, whose key is nothing but zeros. */
const ACCOUNTS = [0, 1, 65_537, 65_538];
const MIDDLE = 100;
/** A span ends when so many commands were too long for it. They are left out: what comes behind them finds no trace. */
const MISSES = 4;

const { columns } = marketCircuit('stops');

interface Step {
  readonly command: TapeCommand;
  readonly targets: readonly OrderName[];
}

class Flow {
  readonly #dice: Dice;
  readonly #model: StopModel;
  #usual = 0;

  constructor(seed: number, model: StopModel) {
    this.#dice = new Dice(seed);
    this.#model = model;
  }

  next(): Step {
    const dice = this.#dice;
    if (dice.chance(0.01)) this.#usual = dice.below(5);
    const kind = dice.weighted([34, 38, 8, 8, 10, 2, 1]);
    if (kind === 6) return { command: NOTHING, targets: [] };
    if (kind < 2) return { command: this.#new(kind === 1), targets: [] };
    if (kind === 5) return this.#massCancel();
    const live = this.#model.live;
    const named = live.length > 0 && dice.chance(0.9) ? dice.pick(live) : { order: this.#name(), symbol: 0, side: 0 };
    const about = { ...NOTHING, ...named.order, symbol: named.symbol };
    const isWrong = dice.chance(0.1);
    const symbol = isWrong ? 1 - named.symbol : named.symbol;
    if (kind === 2) return { command: { ...about, symbol, kind: 'cancel' }, targets: [] };
    if (kind === 3) return { command: { ...about, symbol, kind: 'reduce', quantity: dice.from(1, 9) }, targets: [] };
    const isNamed = (order: OrderName): boolean => nameOf(order) === nameOf(named.order);
    const waiting = this.#model.live.find(({ order }) => isNamed(order) && this.#model.isWaiting(order));
    const late = dice.chance(0.2);
    const asked = waiting !== undefined && !isWrong && dice.chance(0.6) ? this.#stopPrice(named.side) : 0;
    // Refused as others are, by what the tape does not say, or because it would be due.
    const stopPrice = late && !this.#model.isDue(named.symbol, named.side, asked) ? 0 : asked;
    const hasPrice = waiting?.market !== true && dice.chance(0.6);
    const hasQuantity = (!hasPrice && stopPrice === 0) || dice.chance(0.5);
    const price = hasPrice ? this.#price(named.side, 3) : 0;
    const quantity = hasQuantity ? dice.from(1, 12) : 0;
    const terms = { rests: true, hasPrice, hasQuantity, price, quantity, stopPrice, late, reason: late ? 20 : 0 };
    return { command: { ...about, symbol, ...terms, kind: 'replace', usualPrevention: this.#usual }, targets: [] };
  }

  #name(): OrderName {
    const dice = this.#dice;
    const idHigh = dice.chance(0.2) ? 0xffff_ffff : 0;
    return { account: dice.pick(ACCOUNTS), idLow: dice.below(120), idHigh };
  }

  #price(side: number, over: number): number {
    return MIDDLE + (side === 0 ? this.#dice.from(-7, over) : this.#dice.from(-over, 7));
  }

  #stopPrice(side: number): number {
    return MIDDLE + (side === 0 ? this.#dice.from(-2, 7) : this.#dice.from(-7, 2));
  }

  #new(isStop: boolean): TapeCommand {
    const dice = this.#dice;
    const side = dice.below(2);
    const symbol = dice.chance(0.85) ? 0 : 1;
    const market = isStop ? dice.chance(0.4) : dice.chance(0.1);
    const tif = dice.weighted([55, 15, 30]);
    const rests = !market && tif === 0;
    const stopPrice = isStop ? this.#stopPrice(side) : 0;
    const isRefused = isStop && dice.chance(0.3) && this.#model.isDue(symbol, side, stopPrice);
    return {
      ...{ ...NOTHING, ...this.#name(), kind: 'new', side, symbol, market, rests, fillOrKill: tif === 2 },
      postOnly: rests && !isStop && dice.chance(0.1),
      price: market ? 0 : this.#price(side, isStop ? 7 : 2),
      quantity: dice.chance(0.7) ? dice.from(1, 8) : dice.from(1, 60),
      stopPrice,
      ...(isRefused ? { late: true, reason: Reason.stopWouldTrigger } : {}),
      lastPrice: this.#model.last.get(symbol) ?? 0,
      prevention: dice.chance(0.6) ? dice.from(1, 4) : 0,
      usualPrevention: this.#usual,
    };
  }

  #massCancel(): Step {
    const dice = this.#dice;
    const [byAccount, bySymbol, oneSide] = [dice.chance(0.6), dice.chance(0.5), dice.chance(0.5)];
    const account = byAccount ? dice.pick(ACCOUNTS) : 0;
    const symbol = bySymbol ? dice.below(INSTRUMENTS) : 0;
    const side = oneSide ? dice.below(2) : 0;
    const targets = this.#model.live
      .filter((one) => !byAccount || one.account === account)
      .filter((one) => !bySymbol || one.symbol === symbol)
      .filter((one) => !oneSide || one.side === side)
      .map(({ order }) => order);
    const filter = { byAccount, bySymbol, oneSide, account, symbol, side };
    return { command: { ...NOTHING, ...filter, kind: 'mass cancel', removal: 3 }, targets };
  }
}

/** In the model's words. */
function told(command: TapeCommand, reports: readonly StepReport[]): string[] {
  let name = nameOf(command);
  const words = (report: StepReport): string[] => {
    const { step, order, side, price, quantity, open, left, taken, reason, limitPrice } = report;
    const about = nameOf(order);
    const maker = `${about} loses ${quantity} to itself, left ${step === 'decrement' ? open : 0}`;
    const taker = `${name} loses ${taken} to itself, left ${left}`;
    switch (step) {
      case 'enter':
        name = about;
        return [];
      case 'fill':
        return [`${name} trades with ${about}: ${quantity} at ${price}, left ${left} and ${open}`];
      case 'trigger':
        return [`${about} ${side} is triggered at ${price}: ${quantity}`];
      case 'expire':
        return [`${name} expires with ${quantity}`];
      case 'fail':
      case 'fail at own':
        return [`${name} is killed`];
      case 'newest ends':
        return [taker];
      case 'oldest ends':
        return [maker];
      case 'both end':
      case 'decrement':
        return [maker, taker];
      case 'wait':
        return command.kind === 'replace' ? [`${name} is replaced: ${price} ${quantity}`] : [];
      case 'due':
        if (reason !== 0) return [`${name} is refused with ${reason}`];
        return [
          ...(command.kind === 'replace' ? [`${name} is replaced: ${limitPrice} ${left}`] : []),
          `${name} is due at ${price}: ${left}`,
        ];
      case 'remove':
      case 'withdraw':
        if (command.kind === 'replace') return [];
        return [
          `${about} ${price} leaves with ${quantity}: ${reason === command.removal ? reason : command.kind === 'cancel' ? 1 : 2}`,
        ];
      case 'shrink':
      case 'lessen':
        return [`${name} ${price} is reduced by ${quantity} to ${open}`];
      case 'keep':
      case 'leave':
      case 'alter':
        return [`${name} is replaced: ${price} ${quantity}`];
      case 'would trade':
        return [`${name} would trade`];
      case 'refuse':
        if (reason === command.reason && reason !== 0) return [`${name} is refused with ${reason}`];
        return [command.kind === 'new' ? `${name} is taken` : `${name} is unknown`];
      default:
        return [];
    }
  };
  return reports.flatMap(words);
}

test('stops wait, leave, are triggered and entered as a simple model has them, and the rows satisfy the circuit', () => {
  let model = new StopModel();
  let flow = new Flow(SEED, model);
  const seen = new Set<string>();
  let witness = new MarketWitness(ROWS, INSTRUMENTS, [], 'stops');
  let spans = 0;
  let longest = 0;
  let missed = 0;
  let both = 0;
  const endSpan = (): void => {
    if (spans++ % CHECKED_SHARE === 0) {
      witness.finish();
      expect(violatedBy(witness.trace, witness.commands)).toEqual([]);
      for (const name of [...KINDS, ...STEPS, ...PREVENTIONS])
        if (witness.trace[columns.indexOf(name)]?.some((bit) => bit === 1) === true) seen.add(name);
    }
    witness = new MarketWitness(ROWS, INSTRUMENTS, model.orders(), 'stops');
  };
  for (let place = 0; place < COMMANDS; place++) {
    if (place % COMMANDS_PER_MARKET === COMMANDS_PER_MARKET - 1) {
      model = new StopModel();
      flow = new Flow(SEED + place, model);
      endSpan();
    }
    const { command, targets } = flow.next();
    let reports: readonly StepReport[];
    try {
      reports = witness.apply(command, targets);
    } catch (error) {
      if (!(error instanceof SpanFullError)) throw error;
      expect([...witness.orders()]).toEqual(model.orders());
      if (++missed % MISSES === 0) endSpan();
      continue;
    }
    longest = Math.max(longest, reports.filter(({ step }) => step === 'enter').length);
    const sides = new Set(reports.filter(({ step }) => step === 'trigger').map(({ side }) => side));
    if (sides.size === 2) both++;
    expect({ place, told: told(command, reports) }).toEqual({ place, told: model.apply(command, targets) });
    if (place % 16 === 0) expect([...witness.orders()]).toEqual(model.orders());
  }
  endSpan();
  expect(longest).toBeGreaterThan(3);
  expect(both).toBeGreaterThan(3);
  expect([...KINDS, ...STEPS, ...PREVENTIONS].filter((name) => !seen.has(name))).toEqual([]);
});
