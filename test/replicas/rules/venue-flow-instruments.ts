import type { Dice, RawCommand } from '../raw-commands.ts';

const NAMES = ['I0', 'I1', 'I2', 'I3', '', 'A B', '~'];
/** Plain ones, as long as nothing else happens to them. */
const PLAIN = [2, 3];
const TERA = 2 ** 48;

/** Commands about what instruments there are and where they trade, about plain ones, and questions. */
export class InstrumentDraws {
  readonly #dice: Dice;
  #id = 10_000n;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  first(): RawCommand[] {
    return [{ op: 16, symbol: 2, name: 'I2', extra: 104 }];
  }

  next(): RawCommand {
    const dice = this.#dice;
    const symbol = dice.pick(PLAIN);
    switch (dice.weighted([4, 5, 8, 12, 4, 8, 50])) {
      case 0:
        return this.#create();
      case 1:
        return this.#update();
      case 2:
        return this.#assign(symbol);
      case 3:
        return { op: 8, ...this.#order(symbol), flags: dice.pick([0, 0, 1, 1, 2]) };
      case 4:
        return { op: 9, symbol: dice.chance(0.9) ? symbol : dice.below(6), extra: dice.chance(0.05) ? 1 : 0 };
      case 5: {
        const quantity = dice.pick([0, 1, 2, 5, 1024, 1025]);
        return {
          op: 7,
          symbol: dice.below(5),
          side: dice.below(2),
          quantity,
          id: BigInt(dice.pick([0, 0, dice.below(40)])),
        };
      }
      default: {
        const tif = dice.weighted([80, 10, 10]);
        const isMarket = dice.chance(0.1);
        const type = isMarket ? { type: 1, price: 0 } : {};
        return { op: 1, ...this.#order(symbol), tif, flags: tif === 0 && dice.chance(0.1) ? 1 : 0, ...type };
      }
    }
  }

  #order(symbol: number): Omit<RawCommand, 'op'> {
    const dice = this.#dice;
    const side = dice.below(2);
    const price = 100 + (side === 0 ? dice.from(-6, 1) : dice.from(-1, 6));
    // Now and then one that orders or terms of other instruments have.
    const id = dice.chance(0.1) ? BigInt(dice.below(1_500)) : this.#id++;
    return { account: dice.from(1, 4), id, symbol, side, price, quantity: dice.from(1, 12) };
  }

  #create(): RawCommand {
    const dice = this.#dice;
    const isElsewhere = dice.chance(0.3);
    const extra = dice.pick(isElsewhere ? [0, 3, 2 ** 32] : [0, 0, 130, TERA]);
    const quantity = dice.pick([0, 0, 30, TERA]);
    return {
      op: 16,
      symbol: dice.pick([0, 1, 2, 3, 3, 3, 3, 4, 5]),
      name: dice.pick(NAMES),
      flags: isElsewhere ? 64 : 0,
      extra,
      quantity,
    };
  }

  /** A closed one opens again before long. */
  #update(): RawCommand {
    const dice = this.#dice;
    const flags = dice.pick([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 64, 96, 16]);
    const symbol = dice.chance(0.05) ? 5 : dice.below(4);
    return {
      op: 17,
      symbol,
      flags,
      quantity: dice.pick([0, 0, 0, 40, TERA]),
      extra: dice.pick([0, 0, 104, 130, TERA]),
    };
  }

  #assign(symbol: number): RawCommand {
    const dice = this.#dice;
    const where = dice.chance(0.9) ? symbol : dice.below(6);
    if (dice.chance(0.55)) return { op: 22, symbol: where, extra: dice.chance(0.05) ? 1 : 0 };
    return { op: 22, symbol: where, flags: dice.chance(0.03) ? 65 : 64, extra: dice.pick([0, 3, 3, 2 ** 32]) };
  }
}
