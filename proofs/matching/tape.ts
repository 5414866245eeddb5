import { PRICE_MAX, TWO_32 } from '../../journal/amounts.ts';
import {
  COMMAND_WORD,
  Flag,
  nameOf,
  Op,
  OrderType,
  SIDE_ANY,
  STP_SHIFT,
  TERM_SHIFT,
  Term,
  TimeInForce,
} from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType } from '../../journal/events.ts';
import { Reason, reasonName } from '../../journal/reasons.ts';
import type { InstrumentInfo } from '../../replicas/instrument-table.ts';
import type { OrderName } from './linked-books.ts';
import type { Kind } from './market-columns.ts';

/** A command as the tape tells it: what of the record concerns the books, and what the record alone decides. */
export interface TapeCommand {
  readonly kind: Kind;
  readonly market: boolean;
  readonly rests: boolean;
  readonly fillOrKill: boolean;
  readonly postOnly: boolean;
  readonly hasPrice: boolean;
  readonly hasQuantity: boolean;
  /** Refused with `reason` if its order is live. */
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
  /** Why a mass cancel takes orders off, as its events tell. Not on the tape. */
  readonly removal: number;
}

/** A command that the circuit cannot follow. A span can only be proven up to it, and another from behind it. */
export class UnprovableCommandError extends Error {
  override readonly name = 'UnprovableCommandError';
  readonly sequence: number;

  constructor(sequence: number, why: string) {
    super(`the command with sequence ${sequence} cannot be proven: ${why}`);
    this.sequence = sequence;
  }
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
  removal: Reason.massCancel,
};

const aside = (reason: number): TapeCommand => ({ ...ASIDE, reason });

type Instrument = Pick<InstrumentInfo, 'closed' | 'priceMax' | 'quantityMax' | 'elsewhere' | 'ruled'>;
/** What the rules of the market say of instruments, followed from command to command. */
export type Instruments = Map<number, Instrument>;

/**
 * Tells command records as the tape does. Whether a session admitted a command is taken from its events, as is what only
 * the venue's capacity decides; everything else follows from the record and the instruments.
 */
export class TapeReader {
  readonly #instruments: Instruments;
  /** An instrument that follows rules beyond the plain ones, if there is any. */
  readonly #ruled: number | undefined;

  constructor(instruments: Instruments) {
    this.#instruments = instruments;
    this.#ruled = [...instruments].find(([, { ruled }]) => ruled === true)?.[0];
  }

  /** The record at word `at`, the command with this sequence, and its events from word `from` to `to`. */
  read(sequence: number, words: Uint32Array, at: number, events: Uint32Array, from: number, to: number): TapeCommand {
    const head = from === to ? 0 : (events[from] as number);
    const type = head & 255;
    const reason = (head >>> 16) & 255;
    const flags = head >>> 24;
    if (this.#ruled !== undefined)
      throw new UnprovableCommandError(sequence, `instrument ${this.#ruled} follows rules that are not proven`);
    if (type === EventType.session || (type === EventType.answer && (flags & EventFlag.repeat) !== 0)) {
      return aside(Reason.none);
    }
    if (type === EventType.rejected && reason >= Reason.sessionUnknown && reason <= Reason.requestTooOld) {
      return aside(reason);
    }
    if (type === EventType.rejected && (reason === Reason.ordersFull || reason === Reason.levelsFull)) {
      throw unprovable(events, from, 'and capacity is not proven');
    }
    if (words[at + COMMAND_WORD.session] === 0 && words[at + COMMAND_WORD.request] !== 0) return aside(Reason.flags);
    const op = (words[at] as number) & 255;
    const ruling = rulingFeature(words, at, op);
    if (ruling !== undefined) {
      // One that is refused changes nothing.
      if (type === EventType.rejected) return aside(reason);
      throw new UnprovableCommandError(sequence, `${ruling} is not proven`);
    }
    switch (op) {
      case Op.new:
        return this.#newOrder(words, at);
      case Op.cancel:
      case Op.reduce:
        return this.#named(words, at, op);
      case Op.replace:
        return this.#replace(words, at);
      case Op.massCancel:
        if (reason === Reason.otherShard && ((words[at + COMMAND_WORD.flags] as number) & Flag.bySymbol) === 0)
          throw unprovable(events, from, 'and whose orders are being moved is not proven');
        return this.#massCancel(words, at);
      case Op.moveIn:
        if (reason === Reason.postOnlyWouldTrade && words[at + COMMAND_WORD.flags] !== Flag.postOnly)
          throw unprovable(events, from, 'and a moved order that would trade is not proven');
        return this.#moveIn(words, at);
      case Op.moveOut:
        return this.#moveOut(words, at);
      case Op.instrumentCreate:
      case Op.instrumentUpdate:
      case Op.instrumentAssign:
        if (type === EventType.instrument) this.#change(events, from);
        return aside(type === EventType.instrument ? Reason.none : reason);
      case Op.massStatus:
      case Op.moveStatus:
        return aside(type === EventType.rejected ? reason : Reason.none);
      case Op.sessionOpen:
      case Op.sessionClose:
        return aside(reason);
      case Op.tick:
        return aside(Reason.none);
      default:
        return aside(Reason.notSupported);
    }
  }

  #newOrder(words: Uint32Array, at: number): TapeCommand {
    const reason = this.#whyNotNew(words, at);
    if (reason !== Reason.none) return aside(reason);
    const head = words[at] as number;
    const market = ((head >>> 16) & 255) === OrderType.market;
    const tif = head >>> 24;
    return {
      ...ASIDE,
      ...identity(words, at),
      kind: 'new',
      market,
      rests: !market && tif === TimeInForce.gtc,
      fillOrKill: tif === TimeInForce.fok,
      postOnly: words[at + COMMAND_WORD.flags] === Flag.postOnly,
      side: (head >>> 8) & 255,
      price: readWide(words, at + COMMAND_WORD.price),
      quantity: readWide(words, at + COMMAND_WORD.quantity),
    };
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

  #replace(words: Uint32Array, at: number): TapeCommand {
    const flags = words[at + COMMAND_WORD.flags] as number;
    const hasPrice = (flags & Flag.hasPrice) !== 0;
    const hasQuantity = (flags & Flag.hasQuantity) !== 0;
    const price = readWide(words, at + COMMAND_WORD.price);
    const quantity = readWide(words, at + COMMAND_WORD.quantity);
    if ((flags & ~(Flag.hasPrice | Flag.hasQuantity)) !== 0) return aside(Reason.flags);
    if (flags === 0) return aside(Reason.nothingToReplace);
    if (readWide(words, at + COMMAND_WORD.extra) !== 0) return aside(Reason.reservedField);
    if (hasPrice && (price < 1 || price > PRICE_MAX)) return aside(Reason.price);
    if (hasQuantity && (quantity < 1 || quantity >= 2 ** 48)) return aside(Reason.quantity);
    const instrument = this.#instruments.get(words[at + COMMAND_WORD.symbol] as number);
    // No order is live on an instrument that does not exist.
    if (instrument === undefined) return aside(Reason.unknownOrder);
    if (instrument.elsewhere !== undefined) return aside(Reason.otherShard);
    const reason = whyNotLive(instrument, hasPrice ? price : 0, hasQuantity ? quantity : 0);
    return {
      ...ASIDE,
      ...identity(words, at),
      kind: 'replace',
      rests: true,
      hasPrice,
      hasQuantity,
      price: hasPrice ? price : 0,
      quantity: hasQuantity ? quantity : 0,
      late: reason !== Reason.none,
      reason,
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

  #isElsewhere(symbol: number): boolean {
    return this.#instruments.get(symbol)?.elsewhere !== undefined;
  }

  /** Takes in an `instrument` event. */
  #change(events: Uint32Array, at: number): void {
    const flags = (events[at] as number) >>> 24;
    this.#instruments.set(events[at + EVENT_WORD.symbol] as number, {
      closed: (flags & EventFlag.closed) !== 0,
      quantityMax: readWide(events, at + EVENT_WORD.id),
      priceMax: readWide(events, at + EVENT_WORD.open),
      elsewhere: (flags & EventFlag.elsewhere) === 0 ? undefined : (events[at + EVENT_WORD.slot] as number),
    });
  }
}

const RULED_OPS: readonly number[] = [
  ...[Op.terms, Op.instrumentSet, Op.accountSet, Op.moveTerms, Op.moveSet],
  ...[Op.halt, Op.resume, Op.openAuction, Op.uncross, Op.schedule, Op.unschedule, Op.phase],
  ...[Op.deposit, Op.withdraw, Op.kill, Op.reinstate],
];

/** What a command has beyond the plain rules, by name; undefined if nothing. */
function rulingFeature(words: Uint32Array, at: number, op: number): string | undefined {
  if (RULED_OPS.includes(op)) return `the command ${nameOf(Op, op)}`;
  const flags = words[at + COMMAND_WORD.flags] as number;
  if (op === Op.replace && (flags >>> TERM_SHIFT === Term.stopPrice || flags >>> TERM_SHIFT === Term.trail))
    return `the term ${nameOf(Term, flags >>> TERM_SHIFT)}`;
  if (op !== Op.new) return undefined;
  const head = words[at] as number;
  const type = (head >>> 16) & 255;
  const tif = head >>> 24;
  if (type === OrderType.stop || type === OrderType.stopLimit) return `the order type ${nameOf(OrderType, type)}`;
  if (tif > TimeInForce.fok && tif <= TimeInForce.atTheClose) return `the time in force ${nameOf(TimeInForce, tif)}`;
  if (flags >>> TERM_SHIFT !== 0) return `the term ${nameOf(Term, flags >>> TERM_SHIFT) ?? flags >>> TERM_SHIFT}`;
  if (((flags >>> STP_SHIFT) & 255) !== 0) return 'self-trade prevention';
  return Object.entries(RULING_FLAGS).find(([, flag]) => (flags & flag) !== 0)?.[0];
}

const RULING_FLAGS = {
  'an order with terms': Flag.hasTerms,
  'a hidden order': Flag.hidden,
  'an all-or-none order': Flag.allOrNone,
  'self-trade prevention by group': Flag.byGroup,
};

/** The command whose rejection stands at word `at`. */
function unprovable(events: Uint32Array, at: number, why: string): UnprovableCommandError {
  const reason = reasonName(((events[at] as number) >>> 16) & 255);
  return new UnprovableCommandError(
    readWide(events, at + EVENT_WORD.sequence),
    `it was rejected with ${reason}, ${why}`,
  );
}

/** Why a replace is refused although its order is live. */
function whyNotLive(instrument: Instrument, price: number, quantity: number): number {
  if (instrument.closed) return Reason.instrumentClosed;
  if (instrument.priceMax !== 0 && price > instrument.priceMax) return Reason.priceMax;
  if (instrument.quantityMax !== 0 && quantity > instrument.quantityMax) return Reason.quantityMax;
  return Reason.none;
}

function identity(words: Uint32Array, at: number): Pick<TapeCommand, 'symbol' | 'account' | 'idLow' | 'idHigh'> {
  return {
    symbol: words[at + COMMAND_WORD.symbol] as number,
    account: words[at + COMMAND_WORD.account] as number,
    idLow: words[at + COMMAND_WORD.id] as number,
    idHigh: words[at + COMMAND_WORD.id + 1] as number,
  };
}

/** More than 2^53 may be off by a little, but not below 2^48 or to zero. */
export function readWide(words: Uint32Array, at: number): number {
  return (words[at + 1] as number) * TWO_32 + (words[at] as number);
}

/** The orders that a mass cancel took off, in the order in which its events tell them. */
export function canceledOrders(events: Uint32Array, from: number, to: number): OrderName[] {
  const found: OrderName[] = [];
  for (let at = from; at < to; at += EVENT_WORDS) {
    if (((events[at] as number) & 255) !== EventType.canceled) continue;
    found.push({
      account: events[at + EVENT_WORD.account] as number,
      idLow: events[at + EVENT_WORD.id] as number,
      idHigh: events[at + EVENT_WORD.id + 1] as number,
    });
  }
  return found;
}
