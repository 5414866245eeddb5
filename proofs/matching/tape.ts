import { AMOUNT_MAX, PRICE_MAX, readWide } from '../../journal/amounts.ts';
import {
  COMMAND_WORD,
  Flag,
  Op,
  OrderType,
  SelfTradePrevention,
  Setting,
  SIDE_ANY,
  STP_SHIFT,
  TERM_SHIFT,
  Term,
  TimeInForce,
} from '../../journal/commands.ts';
import { EVENT_WORD, EventFlag, EventType } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';
import type { Kind } from './market-columns.ts';
import { becomingOf, type Instruments, type MarketView, settingOf, type TapeInstrument } from './replica-market.ts';
import { ToldEvents } from './told-events.ts';
import {
  dueAt,
  isOpenTerm,
  isRefusedAsDue,
  isRuledOrder,
  isSetAside,
  isStopTerm,
  namedBy,
  type RuledMarket,
  UnprovableCommandError,
  whyEventsUnproven,
  whyRefusalUnproven,
  whyUnproven,
} from './unproven-rules.ts';

/** A command as the tape tells it: what of the record concerns the books, and what the record alone decides. */
export interface TapeCommand {
  readonly kind: Kind;
  readonly market: boolean;
  readonly rests: boolean;
  readonly fillOrKill: boolean;
  readonly postOnly: boolean;
  readonly hasPrice: boolean;
  readonly hasQuantity: boolean;
  /** Refused with `reason` if its order is live; of what has a stop price, because it is due. */
  readonly late: boolean;
  readonly oneSide: boolean;
  readonly byAccount: boolean;
  readonly bySymbol: boolean;
  readonly symbol: number;
  readonly side: number;
  readonly account: number;
  readonly idLow: number;
  readonly idHigh: number;
  readonly price: number;
  readonly quantity: number;
  readonly reason: number;
  /** A new order's own self-trade prevention, and the one that its instrument, or a replace's, gives to orders without. */
  readonly prevention: number;
  readonly usualPrevention: number;
  /**
   * A new order with one waits for a trade at it or beyond it, unless the last one was, and then is what else is told of it. An order
   * that waits has it from a replace on. 0 for none.
   */
  readonly stopPrice: number;
  /** Of a command with a stop price: that of the last trade of its instrument, as it comes; 0 for none. */
  readonly lastPrice: number;
  /** Why a mass cancel takes orders off, as its events tell. Not on the tape. */
  readonly removal: number;
}

const ASIDE: TapeCommand = {
  kind: 'aside',
  market: false,
  rests: false,
  fillOrKill: false,
  postOnly: false,
  hasPrice: false,
  hasQuantity: false,
  late: false,
  oneSide: false,
  byAccount: false,
  bySymbol: false,
  symbol: 0,
  side: 0,
  account: 0,
  idLow: 0,
  idHigh: 0,
  price: 0,
  quantity: 0,
  reason: Reason.none,
  prevention: 0,
  usualPrevention: 0,
  stopPrice: 0,
  lastPrice: 0,
  removal: Reason.massCancel,
};

const aside = (reason: number): TapeCommand => ({ ...ASIDE, reason });

/**
 * Tells command records as the tape does. Whether a session admitted a command is taken from its events, as is what only
 * the venue's capacity, the limits of accounts and the rules of ruled instruments decide (unproven-rules.ts); everything else
 * follows from the record and the instruments.
 */
export class TapeReader {
  readonly #market: RuledMarket;
  readonly #instruments: Instruments;
  readonly #lastPrice: MarketView['lastPrice'];

  constructor({ instruments, unproven, lastPrice }: MarketView) {
    this.#instruments = instruments;
    this.#lastPrice = lastPrice;
    this.#market = { instruments, unproven };
  }

  /** The record at word `at`, the command with this sequence, and its events from word `from` to `to`. */
  read(sequence: number, words: Uint32Array, at: number, events: Uint32Array, from: number, to: number): TapeCommand {
    const told = new ToldEvents(events, from, to);
    const unproven = (why: string | undefined): void => {
      if (why !== undefined) throw new UnprovableCommandError(sequence, why);
    };
    const command = this.#tell(words, at, told, unproven);
    this.#follow(told);
    this.#followRuled(words, at, told);
    return command;
  }

  #tell(words: Uint32Array, at: number, told: ToldEvents, unproven: Complaint): TapeCommand {
    const op = (words[at] as number) & 255;
    const { type, reason, flags, isRefusal } = told;
    unproven(whyEventsUnproven(told, op, this.#market));
    if (!ORDER_OPS.includes(op) && told.has(EventType.canceled)) return takenOff(words, at, told, op);
    if (type === EventType.session || (type === EventType.answer && (flags & EventFlag.repeat) !== 0)) {
      return aside(Reason.none);
    }
    if (isRefusal && reason >= Reason.sessionUnknown && reason <= Reason.requestTooOld) return aside(reason);
    if (words[at + COMMAND_WORD.session] === 0 && words[at + COMMAND_WORD.request] !== 0) return aside(Reason.flags);
    if (isRefusal) unproven(whyRefusalUnproven(words, at, told, this.#market));
    switch (op) {
      case Op.new:
        return this.#newOrder(words, at, told, unproven);
      case Op.cancel:
      case Op.reduce:
        return this.#named(words, at, op);
      case Op.replace:
        return this.#replace(words, at, told, unproven);
      case Op.massCancel:
        return this.#massCancel(words, at);
      case Op.moveIn:
        if (!isRefusal) unproven(this.#whyNotMoved(words, at));
        return isRefusal && reason === Reason.notSupported ? aside(reason) : this.#moveIn(words, at);
      case Op.moveOut:
        if (!isRefusal) unproven(this.#whyNotMoved(words, at));
        return this.#moveOut(words, at);
      case Op.instrumentCreate:
      case Op.instrumentUpdate:
      case Op.instrumentAssign:
        return aside(type === EventType.instrument ? Reason.none : reason);
      case Op.moveTerms:
      case Op.moveSet:
        unproven(isRefusal ? undefined : MOVING);
        return aside(reason);
      default:
        if (OPS_WITHOUT_BOOKS.includes(op)) return aside(isRefusal ? reason : Reason.none);
        return aside(Reason.notSupported);
    }
  }

  #newOrder(words: Uint32Array, at: number, told: ToldEvents, unproven: Complaint): TapeCommand {
    if (told.isRefusal) {
      if (isSetAside(words, at, told) && !isRefusedAsDue(words, at, told)) return aside(told.reason);
      if (!isRuledOrder(words, at)) {
        const reason = this.#whyNotNew(words, at);
        if (reason !== Reason.none) return aside(reason);
      }
    } else unproven(whyUnproven(words, at, told, this.#market));
    const head = words[at] as number;
    return {
      ...ASIDE,
      ...identity(words, at),
      ...becomingOf((head >>> 16) & 255, head >>> 24),
      kind: 'new',
      ...this.#stopTerms(words, at, told),
      ...(isRefusedAsDue(words, at, told) ? { late: true, reason: told.reason } : {}),
      postOnly: ((words[at + COMMAND_WORD.flags] as number) & Flag.postOnly) !== 0,
      side: (head >>> 8) & 255,
      price: readWide(words, at + COMMAND_WORD.price),
      quantity: readWide(words, at + COMMAND_WORD.quantity),
      prevention: ((words[at + COMMAND_WORD.flags] as number) >>> STP_SHIFT) & 255,
      usualPrevention: usualPrevention(this.#instruments.get(words[at + COMMAND_WORD.symbol] as number)),
    };
  }

  /** One that is due may have traded itself, but tells at which price it was. */
  #stopTerms(words: Uint32Array, at: number, told: ToldEvents): Pick<TapeCommand, 'stopPrice' | 'lastPrice'> {
    const stopPrice = stopPriceOf(words, at);
    if (stopPrice === 0) return { stopPrice, lastPrice: 0 };
    const symbol = words[at + COMMAND_WORD.symbol] as number;
    return { stopPrice, lastPrice: dueAt(words, at, told) || this.#lastPrice(symbol) };
  }

  #whyNotNew(words: Uint32Array, at: number): number {
    const head = words[at] as number;
    const flags = words[at + COMMAND_WORD.flags] as number;
    const side = (head >>> 8) & 255;
    const type = (head >>> 16) & 255;
    const tif = head >>> 24;
    const limit = type === OrderType.limit;
    const price = readWide(words, at + COMMAND_WORD.price);
    const quantity = readWide(words, at + COMMAND_WORD.quantity);
    const instrument = this.#instruments.get(words[at + COMMAND_WORD.symbol] as number);
    if (instrument === undefined) return Reason.unknownSymbol;
    if (side > 1) return Reason.side;
    if (type > OrderType.market) return Reason.orderType;
    if (tif > TimeInForce.fok) return Reason.timeInForce;
    if (flags !== 0 && !(flags === Flag.postOnly && limit && tif === TimeInForce.gtc)) return Reason.flags;
    if (readWide(words, at + COMMAND_WORD.extra) !== 0) return Reason.reservedField;
    if (limit ? price < 1 || price > PRICE_MAX : price !== 0) return Reason.price;
    if (quantity < 1 || quantity >= 2 ** 48) return Reason.quantity;
    if (instrument.elsewhere !== undefined) return Reason.otherShard;
    if (instrument.closed) return Reason.instrumentClosed;
    if (limit && instrument.priceMax !== 0 && price > instrument.priceMax) return Reason.priceMax;
    if (instrument.quantityMax !== 0 && quantity > instrument.quantityMax) return Reason.quantityMax;
    return Reason.none;
  }

  #replace(words: Uint32Array, at: number, told: ToldEvents, unproven: Complaint): TapeCommand {
    const flags = words[at + COMMAND_WORD.flags] as number;
    const hasPrice = (flags & Flag.hasPrice) !== 0;
    const hasQuantity = (flags & Flag.hasQuantity) !== 0;
    const price = readWide(words, at + COMMAND_WORD.price);
    const quantity = readWide(words, at + COMMAND_WORD.quantity);
    const extra = readWide(words, at + COMMAND_WORD.extra);
    const hasOpen = isOpenTerm(flags);
    const hasTerm = hasOpen || isStopTerm(flags);
    if (!hasTerm && (flags & ~(Flag.hasPrice | Flag.hasQuantity)) !== 0) return aside(Reason.flags);
    if (flags === 0) return aside(Reason.nothingToReplace);
    if (!hasTerm && extra !== 0) return aside(Reason.reservedField);
    if (hasPrice && (price < 1 || price > PRICE_MAX)) return aside(Reason.price);
    if (hasQuantity && (quantity < 1 || quantity >= 2 ** 48)) return aside(Reason.quantity);
    if (hasTerm && (extra < 1 || extra > (hasOpen ? AMOUNT_MAX : PRICE_MAX))) return aside(Reason.terms);
    const instrument = this.#instruments.get(words[at + COMMAND_WORD.symbol] as number);
    // No order is live on an instrument that does not exist.
    if (instrument === undefined) return aside(Reason.unknownOrder);
    if (instrument.elsewhere !== undefined) return aside(Reason.otherShard);
    if (hasOpen && told.type === EventType.canceled)
      return { ...ASIDE, ...identity(words, at), kind: 'reduce', quantity: extra - quantity };
    if (!told.isRefusal) unproven(whyUnproven(words, at, told, this.#market));
    const lots = cameTo(hasQuantity ? quantity : 0, hasOpen, told);
    const plain = whyNotLive(instrument, hasPrice ? price : 0, hasOpen && told.isRefusal ? 0 : lots);
    const ruled = isSetAside(words, at, told) ? told.reason : Reason.none;
    const reason = plain === Reason.none ? ruled : plain;
    return {
      ...ASIDE,
      ...identity(words, at),
      kind: 'replace',
      rests: true,
      hasPrice,
      hasQuantity,
      // One that is refused for another reason than its stop price changes none.
      ...(told.isRefusal && !isRefusedAsDue(words, at, told) ? {} : this.#stopTerms(words, at, told)),
      price: hasPrice ? price : 0,
      quantity: lots,
      late: reason !== Reason.none,
      reason,
      usualPrevention: usualPrevention(instrument),
    };
  }

  #named(words: Uint32Array, at: number, op: number): TapeCommand {
    const quantity = readWide(words, at + COMMAND_WORD.quantity);
    if (words[at + COMMAND_WORD.flags] !== 0) return aside(Reason.flags);
    if (readWide(words, at + COMMAND_WORD.extra) !== 0) return aside(Reason.reservedField);
    if (op === Op.reduce && (quantity < 1 || quantity >= 2 ** 48)) return aside(Reason.quantity);
    const instrument = this.#instruments.get(words[at + COMMAND_WORD.symbol] as number);
    if (instrument === undefined) return aside(Reason.unknownOrder);
    if (instrument.elsewhere !== undefined) return aside(Reason.otherShard);
    return op === Op.cancel
      ? { ...ASIDE, ...identity(words, at), kind: 'cancel' }
      : { ...ASIDE, ...identity(words, at), kind: 'reduce', quantity };
  }

  #massCancel(words: Uint32Array, at: number): TapeCommand {
    const flags = words[at + COMMAND_WORD.flags] as number;
    const side = ((words[at] as number) >>> 8) & 255;
    const symbol = words[at + COMMAND_WORD.symbol] as number;
    const byAccount = (flags & Flag.byAccount) !== 0;
    const bySymbol = (flags & Flag.bySymbol) !== 0;
    if ((flags & ~(Flag.byAccount | Flag.bySymbol)) !== 0) return aside(Reason.flags);
    if (side > SIDE_ANY) return aside(Reason.side);
    if (readWide(words, at + COMMAND_WORD.extra) !== 0) return aside(Reason.reservedField);
    if (bySymbol && !this.#instruments.has(symbol)) return aside(Reason.unknownSymbol);
    if (bySymbol && this.#isElsewhere(symbol)) return aside(Reason.otherShard);
    return {
      ...ASIDE,
      kind: 'mass cancel',
      oneSide: side !== SIDE_ANY,
      byAccount,
      bySymbol,
      symbol: bySymbol ? symbol : 0,
      side: side === SIDE_ANY ? 0 : side,
      account: byAccount ? (words[at + COMMAND_WORD.account] as number) : 0,
    };
  }

  /** An order that comes from another shard is a new one that rests. */
  #moveIn(words: Uint32Array, at: number): TapeCommand {
    const reason = this.#whyNotIn(words, at);
    if (reason !== Reason.none) return aside(reason);
    return {
      ...ASIDE,
      ...identity(words, at),
      kind: 'new',
      rests: true,
      postOnly: words[at + COMMAND_WORD.flags] === Flag.postOnly,
      side: ((words[at] as number) >>> 8) & 255,
      price: readWide(words, at + COMMAND_WORD.price),
      quantity: readWide(words, at + COMMAND_WORD.quantity),
    };
  }

  #whyNotIn(words: Uint32Array, at: number): number {
    const head = words[at] as number;
    const flags = words[at + COMMAND_WORD.flags] as number;
    const price = readWide(words, at + COMMAND_WORD.price);
    const quantity = readWide(words, at + COMMAND_WORD.quantity);
    const symbol = words[at + COMMAND_WORD.symbol] as number;
    if (!this.#instruments.has(symbol)) return Reason.unknownSymbol;
    if (((head >>> 8) & 255) > 1) return Reason.side;
    if (((head >>> 16) & 255) !== OrderType.limit) return Reason.orderType;
    if (head >>> 24 !== TimeInForce.gtc) return Reason.timeInForce;
    if (flags !== 0 && flags !== Flag.postOnly) return Reason.flags;
    if (readWide(words, at + COMMAND_WORD.extra) !== 0) return Reason.reservedField;
    if (price < 1 || price > PRICE_MAX) return Reason.price;
    if (quantity < 1 || quantity >= 2 ** 48) return Reason.quantity;
    return this.#isElsewhere(symbol) ? Reason.none : Reason.tradesHere;
  }

  /** To move orders out is a mass cancel of the instrument's. */
  #moveOut(words: Uint32Array, at: number): TapeCommand {
    const symbol = words[at + COMMAND_WORD.symbol] as number;
    if (words[at + COMMAND_WORD.flags] !== 0) return aside(Reason.flags);
    if (readWide(words, at + COMMAND_WORD.extra) !== 0) return aside(Reason.reservedField);
    if (!this.#instruments.has(symbol)) return aside(Reason.unknownSymbol);
    if (!this.#isElsewhere(symbol)) return aside(Reason.tradesHere);
    return { ...ASIDE, kind: 'mass cancel', bySymbol: true, symbol, removal: Reason.moved };
  }

  #whyNotMoved(words: Uint32Array, at: number): string | undefined {
    return this.#instruments.get(words[at + COMMAND_WORD.symbol] as number)?.ruled === true ? MOVING : undefined;
  }

  #isElsewhere(symbol: number): boolean {
    return this.#instruments.get(symbol)?.elsewhere !== undefined;
  }

  /** Takes in what events say of instruments. */
  #follow(told: ToldEvents): void {
    const { words } = told;
    for (const at of told.of(EventType.instrument)) {
      const flags = (words[at] as number) >>> 24;
      const symbol = words[at + EVENT_WORD.symbol] as number;
      this.#instruments.set(symbol, {
        ...(this.#instruments.get(symbol) ?? { phase: 0, settings: new Map(), ruled: false }),
        closed: (flags & EventFlag.closed) !== 0,
        quantityMax: readWide(words, at + EVENT_WORD.id),
        priceMax: readWide(words, at + EVENT_WORD.open),
        elsewhere: (flags & EventFlag.elsewhere) === 0 ? undefined : (words[at + EVENT_WORD.slot] as number),
      });
    }
    for (const at of told.of(EventType.setting)) {
      const symbol = words[at + EVENT_WORD.symbol] as number;
      const instrument = this.#instruments.get(symbol) as TapeInstrument;
      const setting: [number, number] = [words[at + EVENT_WORD.slot] as number, readWide(words, at + EVENT_WORD.price)];
      const settings = new Map([...instrument.settings, setting]);
      this.#instruments.set(symbol, { ...instrument, settings });
    }
    for (const { symbol, phase } of told.phases())
      this.#instruments.set(symbol, { ...(this.#instruments.get(symbol) as TapeInstrument), phase });
  }

  /** Notes which instruments are ruled from here on: rather one too many than one too few. */
  #followRuled(words: Uint32Array, at: number, told: ToldEvents): void {
    const isOrder = ((words[at] as number) & 255) === Op.new && told.has(EventType.accepted) && isRuledOrder(words, at);
    const about = [...told.of(EventType.setting), ...told.of(EventType.state)];
    const symbols = about.map((place) => told.words[place + EVENT_WORD.symbol] as number);
    if (isOrder) symbols.push(words[at + COMMAND_WORD.symbol] as number);
    // The rules of accounts may be in force from here on, for all instruments.
    if (told.has(EventType.account) || told.has(EventType.kill)) symbols.push(...this.#instruments.keys());
    for (const symbol of symbols) {
      const instrument = this.#instruments.get(symbol);
      if (instrument?.ruled === false) this.#instruments.set(symbol, { ...instrument, ruled: true });
    }
  }
}

/** One that regards groups applies to no order that is proven. */
function usualPrevention(instrument: TapeInstrument | undefined): number {
  const set = instrument === undefined ? 0 : settingOf(instrument, Setting.stp);
  return set > SelfTradePrevention.decrement ? 0 : set;
}

const MOVING = 'moving a ruled instrument is not proven';

type Complaint = (why: string | undefined) => void;

const ORDER_OPS: readonly number[] = [
  ...[Op.new, Op.cancel, Op.reduce, Op.replace, Op.massCancel, Op.moveIn, Op.moveOut],
];

const OPS_WITHOUT_BOOKS: readonly number[] = [
  ...[
    Op.terms,
    Op.massStatus,
    Op.moveStatus,
    Op.instrumentSet,
    Op.accountSet,
    Op.sessionOpen,
    Op.sessionClose,
    Op.tick,
  ],
  ...[Op.halt, Op.resume, Op.openAuction, Op.uncross, Op.schedule, Op.unschedule, Op.phase],
  ...[Op.deposit, Op.withdraw, Op.kill, Op.reinstate],
];

/** What takes orders off, and is no command of theirs, is a mass cancel: that the rule behind it left none out is not proven. */
function takenOff(words: Uint32Array, at: number, told: ToldEvents, op: number): TapeCommand {
  const byAccount = op === Op.kill && ((words[at + COMMAND_WORD.flags] as number) & Flag.byAccount) !== 0;
  return {
    ...ASIDE,
    kind: 'mass cancel',
    byAccount,
    account: byAccount ? (words[at + COMMAND_WORD.account] as number) : 0,
    removal: told.canceled()[0]?.reason ?? Reason.none,
  };
}

/** The quantity of a replace: of one that says what was open, what it came to by its events. */
function cameTo(quantity: number, hasOpen: boolean, told: ToldEvents): number {
  return hasOpen && !told.isRefusal ? told.quantity : quantity;
}

/** Why a replace is refused although its order is live. */
function whyNotLive(instrument: TapeInstrument, price: number, quantity: number): number {
  if (instrument.closed) return Reason.instrumentClosed;
  if (instrument.priceMax !== 0 && price > instrument.priceMax) return Reason.priceMax;
  if (instrument.quantityMax !== 0 && quantity > instrument.quantityMax) return Reason.quantityMax;
  return Reason.none;
}

/** Of the record of a new order or a replace; 0 for none. */
function stopPriceOf(words: Uint32Array, at: number): number {
  const term = (words[at + COMMAND_WORD.flags] as number) >>> TERM_SHIFT;
  return term === Term.stopPrice ? readWide(words, at + COMMAND_WORD.extra) : 0;
}

function identity(words: Uint32Array, at: number): Pick<TapeCommand, 'symbol' | 'account' | 'idLow' | 'idHigh'> {
  return { symbol: words[at + COMMAND_WORD.symbol] as number, ...namedBy(words, at) };
}
