import { PRICE_MAX, PRICE_MIN, QUANTITY_MAX, writeWide } from '../journal/amounts.ts';
import {
  COMMAND_WORD,
  COMMAND_WORDS,
  encodeCommand,
  Flag,
  Op,
  OrderType,
  Side,
  TimeInForce,
} from '../journal/commands.ts';
import { MersenneTwister } from './mersenne-twister.ts';

export interface MarketFlowOptions {
  readonly seed?: number;
  readonly accounts?: number;
  /** Number of the first account. */
  readonly firstAccount?: number;
  /** Order id that the first account begins with. */
  readonly firstId?: number;
  /** Orders that the flow keeps in the book; until then it adds more than it takes off. */
  readonly resting: number;
  /** Price about which the market begins, in ticks. */
  readonly price?: number;
  /** Lots of the smallest order; quantities are 1 to 100 times this. */
  readonly lot?: number;
}

const SYMBOL = 0;
const ACCOUNTS_DEFAULT = 64;
const ID_STEP = 1_000_003;
const PRICE_DEFAULT = 33_504;
/** Levels on each side that orders are spread over, most of them near the middle. */
const DEPTH_LEVELS = 800;
const QUANTITY_LOTS_MAX = 100;
const MIDDLE_MOVES_SHARE = 0.02;
/** Of the commands: taking off, changing in place, changing the price. The rest are new orders. */
const CANCEL_SHARE_GROWING = 0.3;
const CANCEL_SHARE_FULL = 0.44;
const CANCEL_SHARE_SHRINKING = 0.7;
const REDUCE_SHARE = 0.03;
const REPLACE_SHARE = 0.06;
/** Of the new orders: those that trade what they can at once. */
const IOC_SHARE = 0.12;
/** Of the others: those priced to trade at once, whose remainder rests. */
const CROSSING_SHARE = 0.04;

/**
 * Endless order flow of one market, decided by its options: many accounts, each with order ids of its own; a middle price
 * that wanders; orders most of which are taken off again, so that slots of the book are used over and over. The flow does
 * not hear what trades: as in a real market, some cancels come too late.
 */
export class MarketFlow {
  readonly #random: MersenneTwister;
  #resting: number;
  readonly #lot: number;
  readonly #firstAccount: number;
  /** Next order id of each account; they began at different times, so they are far apart. */
  readonly #nextId: Float64Array;
  /** Orders that may be live: account, id, side and price. */
  readonly #account: Uint32Array;
  readonly #id: Float64Array;
  readonly #side: Uint8Array;
  readonly #price: Float64Array;
  #known = 0;
  #middle: number;

  constructor(options: MarketFlowOptions) {
    this.#random = new MersenneTwister(options.seed ?? 23);
    this.#resting = options.resting;
    this.#lot = options.lot ?? 1;
    this.#middle = options.price ?? PRICE_DEFAULT;
    const room = PRICE_MAX - this.#middle;
    if (Math.min(this.#middle - PRICE_MIN, room) <= 2 * DEPTH_LEVELS || this.#lot * QUANTITY_LOTS_MAX > QUANTITY_MAX) {
      throw new RangeError(`price: ${this.#middle} and lot: ${this.#lot} must leave room for the market to move`);
    }
    this.#firstAccount = options.firstAccount ?? 1;
    const firstId = options.firstId ?? 1;
    this.#nextId = Float64Array.from(
      { length: options.accounts ?? ACCOUNTS_DEFAULT },
      (_, index) => firstId + index * ID_STEP,
    );
    this.#account = new Uint32Array(options.resting);
    this.#id = new Float64Array(options.resting);
    this.#side = new Uint8Array(options.resting);
    this.#price = new Float64Array(options.resting);
  }

  /** The command that must come before all others. */
  static create(words: Uint32Array, at: number): void {
    encodeCommand(words, at, { op: 'instrumentCreate', symbol: SYMBOL, name: 'BENCH' });
  }

  /** Lets the book become as small as this. */
  shrinkTo(resting: number): void {
    this.#resting = Math.min(this.#resting, resting);
  }

  /** Writes the next command at word `at`. */
  next(words: Uint32Array, at: number): void {
    words.fill(0, at, at + COMMAND_WORDS);
    words[at + COMMAND_WORD.symbol] = SYMBOL;
    if (this.#random.uniform() < MIDDLE_MOVES_SHARE) this.#middle += this.#random.uniformInt(0, 1) * 2 - 1;
    const full = this.#known >= this.#resting;
    const busy = this.#known > this.#resting ? CANCEL_SHARE_SHRINKING : CANCEL_SHARE_FULL;
    const cancelShare = full ? busy : CANCEL_SHARE_GROWING;
    const draw = this.#known === 0 ? 1 : this.#random.uniform();
    if (draw < cancelShare) this.#cancel(words, at);
    else if (draw < cancelShare + REDUCE_SHARE) this.#reduce(words, at);
    else if (draw < cancelShare + REDUCE_SHARE + REPLACE_SHARE) this.#replace(words, at);
    else this.#new(words, at, full);
  }

  /** Writes `count` commands one after another. */
  take(count: number): Uint32Array<ArrayBuffer> {
    const words = new Uint32Array(count * COMMAND_WORDS);
    for (let index = 0; index < count; index++) this.next(words, index * COMMAND_WORDS);
    return words;
  }

  /** Nothing new may rest in a full book: there only orders that trade at once come. */
  #new(words: Uint32Array, at: number, full: boolean): void {
    const random = this.#random;
    const index = random.uniformInt(0, this.#nextId.length - 1);
    const account = this.#firstAccount + index;
    const id = this.#nextId[index] as number;
    this.#nextId[index] = id + 1;
    const side = random.uniformInt(0, 1);
    const ioc = full || random.uniform() < IOC_SHARE;
    const crossing = ioc || random.uniform() < CROSSING_SHARE;
    const price = this.#draw(side, crossing);
    words[at] = Op.new | (side << 8) | (OrderType.limit << 16) | ((ioc ? TimeInForce.ioc : TimeInForce.gtc) << 24);
    words[at + COMMAND_WORD.account] = account;
    writeWide(words, at + COMMAND_WORD.id, id);
    writeWide(words, at + COMMAND_WORD.price, price);
    writeWide(words, at + COMMAND_WORD.quantity, this.#lot * random.uniformInt(1, QUANTITY_LOTS_MAX));
    if (ioc) return;
    const place = this.#known++;
    this.#account[place] = account;
    this.#id[place] = id;
    this.#side[place] = side;
    this.#price[place] = price;
  }

  #cancel(words: Uint32Array, at: number): void {
    const place = this.#name(words, at, Op.cancel);
    const last = --this.#known;
    this.#account[place] = this.#account[last] as number;
    this.#id[place] = this.#id[last] as number;
    this.#side[place] = this.#side[last] as number;
    this.#price[place] = this.#price[last] as number;
  }

  #reduce(words: Uint32Array, at: number): void {
    this.#name(words, at, Op.reduce);
    writeWide(words, at + COMMAND_WORD.quantity, this.#lot);
  }

  #replace(words: Uint32Array, at: number): void {
    const place = this.#name(words, at, Op.replace);
    const price = this.#draw(this.#side[place] as number, false);
    this.#price[place] = price;
    words[at + COMMAND_WORD.flags] = Flag.hasPrice | Flag.hasQuantity;
    writeWide(words, at + COMMAND_WORD.price, price);
    writeWide(words, at + COMMAND_WORD.quantity, this.#lot * this.#random.uniformInt(1, QUANTITY_LOTS_MAX));
  }

  /** Begins a command about a known order; returns its place. */
  #name(words: Uint32Array, at: number, op: number): number {
    const place = this.#random.uniformInt(0, this.#known - 1);
    words[at] = op;
    words[at + COMMAND_WORD.account] = this.#account[place] as number;
    writeWide(words, at + COMMAND_WORD.id, this.#id[place] as number);
    return place;
  }

  #draw(side: number, crossing: boolean): number {
    const away = 1 + Math.floor(DEPTH_LEVELS * this.#random.uniform() ** 3);
    const near = crossing ? -Math.min(away, 4) : away;
    return this.#middle + (side === Side.buy ? -near : near);
  }
}
