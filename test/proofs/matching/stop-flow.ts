import { Flag, Op, OrderType, Setting, STP_SHIFT, TERM_SHIFT, Term, TimeInForce } from '../../../journal/commands.ts';
import { Dice, type RawCommand } from '../../replicas/raw-commands.ts';

const INSTRUMENTS = 2;
/** Alike in one half or the other. */
const ACCOUNTS = [1, 2, 65_537, 65_538];
const MIDDLE = 100;
const TERM = {
  stopPrice: Term.stopPrice << TERM_SHIFT,
  trail: Term.trail << TERM_SHIFT,
  open: Term.open << TERM_SHIFT,
};

/** Stops, and orders whose trades trigger them; with `rare`, also what is not proven of them. */
export class StopFlow {
  readonly #dice: Dice;
  readonly #rare: number;
  readonly #named: Named[] = [];
  /** That were entered last. */
  #stops: Named[] = [];
  #place = 0;
  #isHalted = false;
  #killed: number | undefined;

  /** `rare`: the share of commands that no proof has. */
  constructor(seed: number, rare: number) {
    this.#dice = new Dice(seed);
    this.#rare = rare;
  }

  next(): RawCommand {
    const dice = this.#dice;
    const place = this.#place++;
    if (place < INSTRUMENTS) return { op: Op.instrumentCreate, symbol: place, name: `I${place}` };
    if (this.#isHalted && dice.chance(0.2)) return this.#halt(false);
    if (this.#killed !== undefined && dice.chance(0.1)) return this.#kill(undefined);
    if (dice.chance(this.#rare)) return this.#unproven();
    switch (dice.weighted([52, 26, 6, 6, 12, 1, 1, 0.5])) {
      case 0:
        return this.#order();
      case 1:
        return this.#stop();
      case 2:
        return { op: Op.cancel, ...this.#any() };
      case 3:
        return { op: Op.reduce, ...this.#any(), quantity: dice.from(1, 4) };
      case 4:
        return this.#replace();
      case 5:
        return this.#massCancel();
      case 6:
        return this.#setting();
      default:
        return dice.chance(0.4) ? this.#kill(dice.pick(ACCOUNTS)) : this.#halt(!this.#isHalted);
    }
  }

  #order(): RawCommand {
    const dice = this.#dice;
    const isMarket = dice.chance(0.12);
    const tif = dice.weighted([60, 12, 12, 16]);
    const side = dice.below(2);
    const price = isMarket ? 0 : MIDDLE + (side === 0 ? dice.from(-8, 3) : dice.from(-3, 8));
    const isPostOnly = !isMarket && tif === TimeInForce.gtc && dice.chance(0.1);
    const flags = (isPostOnly ? Flag.postOnly : 0) | this.#prevention();
    const type = isMarket ? OrderType.market : OrderType.limit;
    return { op: Op.new, ...this.#name(), side, type, tif, flags, price, quantity: dice.from(1, 20) };
  }

  #stop(): RawCommand {
    const dice = this.#dice;
    const side = dice.below(2);
    const hasLimit = dice.chance(0.6);
    const stopPrice = this.#stopPrice(side);
    const price = hasLimit ? stopPrice + (side === 0 ? dice.from(-3, 4) : dice.from(-4, 3)) : 0;
    const type = hasLimit ? OrderType.stopLimit : OrderType.stop;
    const tif = dice.weighted([60, 12, 16, 12]);
    const flags = TERM.stopPrice | this.#prevention();
    const quantity = dice.from(1, 15);
    const named = this.#name();
    this.#stops = [...this.#stops, { ...named, side }].slice(-30);
    return { op: Op.new, ...named, side, type, tif, flags, price, quantity, extra: stopPrice };
  }

  #replace(): RawCommand {
    const dice = this.#dice;
    const term = dice.chance(0.4) ? TERM.stopPrice : 0;
    const fields = dice.pick([0, Flag.hasPrice, Flag.hasQuantity, Flag.hasPrice | Flag.hasQuantity]);
    const price = MIDDLE + dice.from(-7, 7);
    const { side = 0, ...named } = this.#any();
    if ((fields & Flag.hasQuantity) !== 0 && term === 0 && dice.chance(0.4)) {
      const total = { flags: fields | TERM.open, price, quantity: dice.from(1, 12), extra: dice.from(1, 20) };
      return { op: Op.replace, ...named, ...total };
    }
    const extra = term === 0 ? 0 : this.#stopPrice(side);
    if ((fields & Flag.hasQuantity) !== 0 && term === 0 && dice.chance(0.4)) {
      const total = { flags: fields | TERM.open, price, quantity: dice.from(1, 12), extra: dice.from(1, 20) };
      return { op: Op.replace, ...named, ...total };
    }
    return { op: Op.replace, ...named, flags: fields | term, price, quantity: dice.from(1, 12), extra };
  }

  #stopPrice(side: number): number {
    return MIDDLE + (side === 0 ? this.#dice.from(-2, 7) : this.#dice.from(-7, 2));
  }

  #massCancel(): RawCommand {
    const dice = this.#dice;
    const flags = dice.pick([Flag.byAccount, Flag.bySymbol, Flag.byAccount | Flag.bySymbol]);
    return { op: Op.massCancel, side: dice.below(3), flags, account: dice.pick(ACCOUNTS), symbol: dice.below(2) };
  }

  #setting(): RawCommand {
    const dice = this.#dice;
    const [setting, value] = dice.chance(0.5)
      ? [Setting.stp, dice.below(5)]
      : [Setting.stopEntry, dice.chance(0.7) ? 0 : 1];
    return { op: Op.instrumentSet, symbol: dice.below(2), flags: (setting << TERM_SHIFT) >>> 0, extra: value };
  }

  /** Reinstates the last one that was killed, if none is given. */
  #kill(account: number | undefined): RawCommand {
    const op = account === undefined ? Op.reinstate : Op.kill;
    const named = account ?? this.#killed ?? 0;
    this.#killed = account;
    return { op, flags: Flag.byAccount, account: named };
  }

  #halt(isHalted: boolean): RawCommand {
    this.#isHalted = isHalted;
    return { op: isHalted ? Op.halt : Op.resume, symbol: 0 };
  }

  #unproven(): RawCommand {
    const dice = this.#dice;
    const trailing = { ...this.#stop(), flags: TERM.trail, extra: dice.from(1, 6) };
    const settings = [
      [Setting.band, 0],
      [Setting.band, 2],
      [Setting.band, 2],
      [Setting.stopsMax, dice.pick([0, 0, 6])],
      [Setting.stp, dice.pick([0, 0, 9])],
    ] as const;
    const [setting, extra] = dice.pick(settings);
    const set = { op: Op.instrumentSet, symbol: dice.below(2), flags: (setting << TERM_SHIFT) >>> 0, extra };
    return dice.pick([trailing, { ...this.#order(), flags: Flag.hidden, tif: 0 }, set, { op: Op.tick }]);
  }

  #prevention(): number {
    return this.#dice.chance(0.3) ? this.#dice.from(1, 4) << STP_SHIFT : 0;
  }

  #name(): Named {
    const dice = this.#dice;
    const id = dice.chance(0.5) ? BigInt(dice.from(1, 400)) : 2n ** 64n - BigInt(dice.from(1, 400));
    const named = { account: dice.pick(ACCOUNTS), id, symbol: dice.chance(0.8) ? 0 : 1 };
    this.#named.push(named);
    return named;
  }

  #any(): Named {
    if (this.#stops.length > 0 && this.#dice.chance(0.5)) return this.#dice.pick(this.#stops);
    return this.#named.length === 0 ? this.#name() : this.#dice.pick(this.#named.slice(-120));
  }
}

interface Named {
  readonly account: number;
  readonly id: bigint;
  readonly symbol: number;
  /** Of a stop. */
  readonly side?: number;
}
