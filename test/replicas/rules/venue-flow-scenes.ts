import type { Dice, RawCommand } from '../raw-commands.ts';

/** Entries of a calendar, orders of a group, and a few more than there may be. */
const CALENDAR_ENTRIES = 18;
const LIST_ORDERS = 10;
const HOUR_NS = 3_600_000_000_000n;
/** An account without funds. */
const POOR = 6;
const SETTING = { stopEntry: 8, batchNs: 13, baseAsset: 32, quoteAsset: 33, lotValue: 34, tickValue: 35 } as const;
const TERM = { stopPrice: 1, display: 4, cancels: 6, after: 7 } as const;
const TIF = { ioc: 1, fok: 2 } as const;
const TYPE = { market: 1, stop: 2, stopLimit: 3 } as const;
const FLAG = { postOnly: 1, bySymbol: 16, hasTerms: 128, allOrNone: 512 } as const;

export const SCENE_IDS = LIST_ORDERS + 6;

/** Commands that only together come to something that hardly ever happens by chance. */
export class SceneDraws {
  readonly #dice: Dice;
  #first = 0n;
  #symbol = 0;
  #account = 1;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** With {@link SCENE_IDS} ids from `first` on. */
  next(
    first: bigint,
    time: bigint,
    { hasAccounts, isTight }: { readonly hasAccounts: boolean; readonly isTight: boolean },
  ): RawCommand[] {
    const dice = this.#dice;
    this.#first = first;
    this.#symbol = dice.below(2);
    this.#account = dice.from(1, 4);
    switch (dice.weighted([2, 2, 2, 12, 5, 3, isTight ? 16 : 0, hasAccounts ? 16 : 0, hasAccounts ? 8 : 0])) {
      case 0:
        return this.#calendar(time + HOUR_NS);
      case 1:
        return this.#list();
      case 2:
        // Shows less than a hundredth.
        return [this.#order(0, 0, 60, 101, TERM.display, 1)];
      case 3:
        return this.#lateForTheAuction();
      case 4:
        return this.#stopBehindAnother();
      case 5:
        return this.#postOnlyBehindAnother();
      case 6:
        return this.#stopWithoutPage();
      case 7:
        return this.#unpaid();
      default:
        return this.#whole();
    }
  }

  #order(
    place: number,
    side: number,
    price: number,
    quantity: number,
    term = 0,
    value: number | bigint = 0,
  ): RawCommand {
    const flags = (term << 24) >>> 0;
    const id = this.#first + BigInt(place);
    return { op: 1, account: this.#account, symbol: this.#symbol, id, side, price, quantity, flags, extra: value };
  }

  /** By somebody else. */
  #other(place: number, side: number, price: number, quantity: number): RawCommand {
    return { ...this.#order(place, side, price, quantity), account: (this.#account % 4) + 1 };
  }

  #set(kind: number, value: number): RawCommand {
    return { op: 23, symbol: this.#symbol, flags: (kind << 24) >>> 0, extra: value };
  }

  #calendar(from: bigint): RawCommand[] {
    const symbol = this.#symbol;
    const entries = Array.from({ length: CALENDAR_ENTRIES }, (_, place) => from + BigInt(place));
    const scheduled = entries.map((extra) => ({ op: 28, symbol, quantity: this.#dice.below(7), extra }));
    return [...scheduled, { op: 29, symbol }];
  }

  #list(): RawCommand[] {
    const kind = this.#dice.pick([TERM.cancels, TERM.after]);
    const others = Array.from({ length: LIST_ORDERS }, (_, place) =>
      this.#order(place + 1, 0, 60, 2, kind, this.#first),
    );
    return [this.#order(0, 0, 60, 2), ...others];
  }

  /** The instrument trades, has an empty book, and nobody is stopped. */
  #open(): RawCommand[] {
    const symbol = this.#symbol;
    return [
      ...[{ op: 35 }, { op: 17, symbol }, this.#set(SETTING.batchNs, 0), { op: 30, symbol, quantity: 0 }],
      { op: 5, symbol, side: 2, flags: FLAG.bySymbol },
    ];
  }

  /** Stops that must trade at once are triggered by a batch. */
  #lateForTheAuction(): RawCommand[] {
    const dice = this.#dice;
    const stop = (place: number): RawCommand => {
      const type = dice.pick([TYPE.stop, TYPE.stopLimit]);
      const price = type === TYPE.stop ? 0 : 100;
      const order = { ...this.#order(place, 0, price, 4, TERM.stopPrice, 106), type };
      const isWhole = type === TYPE.stopLimit && dice.chance(0.3);
      if (isWhole) return { ...order, flags: ((order.flags ?? 0) | FLAG.allOrNone) >>> 0 };
      return { ...order, tif: dice.pick([TIF.ioc, TIF.fok]) };
    };
    return [
      ...[...this.#open(), stop(0), stop(1), stop(2), this.#set(SETTING.batchNs, 1000)],
      ...[this.#other(3, 0, 110, 4), this.#other(4, 1, 110, 4)],
      ...[{ op: 27 }, { op: 27 }, { op: 27 }, this.#set(SETTING.batchNs, 0)],
    ];
  }

  /** A stop waits for an order; when that has traded, it is due at once. */
  #stopBehindAnother(): RawCommand[] {
    const entry = this.#dice.below(2);
    return [
      ...[...this.#open(), this.#set(SETTING.stopEntry, entry), this.#order(0, 1, 98, 2)],
      ...[...this.#stopAfterFirst(102, 1), this.#other(2, 0, 98, 2), this.#set(SETTING.stopEntry, 0)],
    ];
  }

  /** It is not due then, and orders have all pages. */
  #stopWithoutPage(): RawCommand[] {
    const far = Array.from({ length: 5 }, (_, place) => this.#other(4 + place, 1, 228 + 128 * place, 2));
    return [
      { op: 5, symbol: 1 - this.#symbol, side: 2, flags: FLAG.bySymbol },
      ...[...this.#open(), this.#order(0, 1, 98, 2), this.#other(3, 1, 100, 2)],
      ...[...this.#stopAfterFirst(5000, 0), ...far, { ...this.#other(2, 0, 98, 2), tif: TIF.ioc }],
    ];
  }

  #stopAfterFirst(stopPrice: number, side: number): RawCommand[] {
    const named = { account: this.#account, symbol: this.#symbol, id: this.#first + 1n };
    const type = this.#dice.chance(0.5) ? { type: TYPE.stop, price: 0 } : { type: TYPE.stopLimit, price: 98 };
    const stop = { ...this.#order(1, side, 98, 2, TERM.stopPrice, stopPrice), ...type };
    return [
      { op: 6, ...named, flags: (TERM.after << 24) >>> 0, extra: this.#first },
      { ...stop, flags: ((stop.flags ?? 0) | FLAG.hasTerms) >>> 0 },
    ];
  }

  #postOnlyBehindAnother(): RawCommand[] {
    const late = this.#order(2, 0, 104, 2, TERM.after, this.#first);
    return [
      ...[...this.#open(), this.#order(0, 0, 98, 2), this.#other(1, 1, 104, 4)],
      { ...late, flags: ((late.flags ?? 0) | FLAG.postOnly) >>> 0 },
      this.#other(3, 1, 98, 2),
    ];
  }

  /** A stop that holds nothing until it is triggered, of an account that has nothing. */
  #unpaid(): RawCommand[] {
    this.#symbol = 0;
    const owners = [this.#account, (this.#account % 4) + 1];
    const deposits = [1, 2].flatMap((symbol) =>
      owners.map((account) => ({ op: 32, account, symbol, extra: 100_000_000 })),
    );
    const stop = { ...this.#order(0, 0, 0, 40, TERM.stopPrice, 102), type: TYPE.stop, account: POOR };
    return [
      ...[...this.#open(), this.#set(SETTING.baseAsset, 1), this.#set(SETTING.quoteAsset, 2), ...deposits, stop],
      ...[this.#order(1, 1, 104, 30), this.#other(2, 0, 104, 2)],
    ];
  }

  /** Market buys that trade all or nothing, with orders that do, of somebody who can hardly pay for it. */
  #whole(): RawCommand[] {
    const dice = this.#dice;
    this.#symbol = 0;
    const whole = this.#order(1, 1, 102, 4);
    const buy = { ...this.#order(3, 0, 0, dice.pick([2, 4, 6, 8, 10, 12])), type: TYPE.market, account: POOR };
    return [
      ...[...this.#open(), this.#set(SETTING.baseAsset, 1), this.#set(SETTING.quoteAsset, 2)],
      ...[this.#set(SETTING.tickValue, 1), this.#set(SETTING.lotValue, 1)],
      { op: 32, account: this.#account, symbol: 1, extra: 1000 },
      { op: 32, account: POOR, symbol: 2, extra: dice.from(200, 1200) },
      ...[this.#order(0, 1, 100, 2), { ...whole, flags: FLAG.allOrNone }, this.#order(2, 1, 104, 4)],
      dice.chance(0.7) ? { ...buy, tif: TIF.fok } : { ...buy, tif: TIF.ioc, flags: FLAG.allOrNone },
    ];
  }
}
