import type { Dice, RawCommand } from '../raw-commands.ts';

const SYMBOLS = 2;
const ASSETS = 3;

/** Values of settings of accounts, and of those settings of instruments that are about limits and funds. */
const ACCOUNT_VALUES: Readonly<Record<number, readonly number[]>> = {
  1: [0, 15, 16],
  2: [0, 1, 1, 2],
  3: [0, 0, 3, 9],
  4: [0, 4, 4, 20],
  5: [0, 0, 40],
  6: [0, 0, 3000],
  7: [0, 1, 1, 2],
  8: [0, 125_000, 500_000, 2_000_000, 9_000_000],
  9: [1],
};
const INSTRUMENT_VALUES: Readonly<Record<number, readonly number[]>> = {
  19: [0, 1, 1, 2],
  20: [0, 0, 2],
  21: [0, 400, 4000],
  22: [0, 9, 9, 9],
  23: [0, 0, 101],
  32: [0, 1, 2],
  33: [0, 2, 3],
  34: [0, 3, 1000],
  35: [0, 1, 700],
  36: [0, 1500, 333_333, 1_000_001],
  37: [0, 2500, 1_000_000],
  38: [0, 1, 5],
  39: [0, 1, 2500, 700_000],
};

/** Commands about accounts: their settings, their funds, the kill switch. */
export class AccountDraws {
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** What makes the first instrument settled, and gives its accounts something. */
  first(): RawCommand[] {
    const funds = [1, 2, 3, 4].flatMap((account) => [this.#transfer(32, account, 1), this.#transfer(32, account, 2)]);
    const hasRebate = this.#dice.chance(0.5);
    const settings = (hasRebate ? [32, 33, 37, 39, 38] : [32, 33, 36, 37, 38]).map((kind) => {
      const values = INSTRUMENT_VALUES[kind] as readonly number[];
      return this.#instrumentSet(0, kind, kind < 34 ? kind - 31 : this.#dice.pick(values));
    });
    return [...settings, ...funds];
  }

  next(): RawCommand {
    const dice = this.#dice;
    const account = dice.from(1, dice.chance(0.06) ? 7 : 4);
    switch (dice.weighted([40, 10, 12, 6, 1, 12])) {
      case 0:
        return this.#transfer(32, account, dice.from(dice.chance(0.05) ? 0 : 1, ASSETS));
      case 1:
        return this.#transfer(33, account, dice.from(1, ASSETS));
      case 2: {
        const kind = dice.pick([1, 2, 2, 3, 4, 5, 6, 7, 8, 9]);
        const extra = dice.chance(0.5) ? 0 : dice.pick(ACCOUNT_VALUES[kind] as readonly number[]);
        return { op: 26, account, flags: ((kind << 24) | (dice.chance(0.01) ? 1 : 0)) >>> 0, extra };
      }
      case 3: {
        const kind = dice.pick([19, 20, 21, 22, 23, 32, 33, 34, 35, 36, 37, 38, 39]);
        const value = dice.chance(0.3) ? 0 : dice.pick(INSTRUMENT_VALUES[kind] as readonly number[]);
        return this.#instrumentSet(dice.below(SYMBOLS), kind, value);
      }
      case 4:
        return { op: 34, ...this.#scope(account) };
      default:
        return { op: 35, ...(dice.chance(0.6) ? { account: 0 } : this.#scope(account)) };
    }
  }

  #scope(account: number): Omit<RawCommand, 'op'> {
    const dice = this.#dice;
    if (dice.chance(0.4)) return { account: 0, flags: 1024, extra: dice.from(dice.chance(0.05) ? 0 : 1, 2) };
    return dice.chance(0.7) ? { account, flags: 8 } : { account: 0, flags: dice.chance(0.1) ? 24 : 0 };
  }

  #transfer(op: number, account: number, asset: number): RawCommand {
    const dice = this.#dice;
    const most = dice.pick([5000, 100_000, 10_000_000]);
    const amount = dice.chance(0.02) ? 2n ** 62n : BigInt(dice.from(dice.chance(0.02) ? 0 : 1, most));
    return { op, account, symbol: asset, id: BigInt(dice.from(1, 99)), extra: amount };
  }

  #instrumentSet(symbol: number, kind: number, value: number): RawCommand {
    return { op: 23, symbol, flags: (kind << 24) >>> 0, extra: value };
  }
}
