import { readWide } from '../../journal/amounts.ts';
import {
  COMMAND_WORD,
  Flag,
  nameOf,
  Op,
  OrderType,
  Phase,
  SelfTradePrevention,
  Setting,
  STP_SHIFT,
  TERM_SHIFT,
  Term,
  TimeInForce,
} from '../../journal/commands.ts';
import { EventFlag, EventType } from '../../journal/events.ts';
import { Reason, reasonName } from '../../journal/reasons.ts';
import type { OrderName } from './linked-books.ts';
import {
  type Instruments,
  type MarketView,
  settingOf,
  type TapeInstrument,
  type UnprovenOrder,
} from './replica-market.ts';
import type { ToldEvents } from './told-events.ts';

/**
 * Rules of the market that the circuit does not know, by name. A command that follows one of them is in no proof. One that
 * is refused by its record, the settings and phase of its instrument, or the limits of its account changes no book: it is on
 * the tape with the reason, which is taken from its events.
 */

/** A command that the circuit cannot follow. A span can only be proven up to it, and another from behind it. */
export class UnprovableCommandError extends Error {
  override readonly name = 'UnprovableCommandError';
  readonly sequence: number;

  constructor(sequence: number, why: string) {
    super(`the command with sequence ${sequence} cannot be proven: ${why}`);
    this.sequence = sequence;
  }
}

/** What is known of the market when a command comes. */
export interface RuledMarket {
  readonly instruments: Instruments;
  readonly unproven: MarketView['unproven'];
}

// --- Refusals --------------------------------------------------------------------------------------------------------

/** Of ruled instruments and of accounts: decided without a look at the books, but for the last price and what is open of the order. */
const SET_ASIDE: readonly number[] = [
  ...[Reason.terms, Reason.termsMissing, Reason.tick, Reason.lot, Reason.stp, Reason.display, Reason.expires],
  ...[Reason.phase, Reason.accountKilled, Reason.rateMax, Reason.minQuantity, Reason.maxNotional, Reason.priceBand],
  ...[Reason.accountQuantityMax, Reason.accountNotionalMax, Reason.idNotIncreasing, Reason.stopWouldTrigger],
  Reason.openChanged,
];

/** Of these the circuit would have to know more than it does. */
const UNPROVEN_REFUSALS = new Map<number, string>([
  [Reason.ordersFull, 'capacity is not proven'],
  [Reason.levelsFull, 'capacity is not proven'],
  [Reason.allOrNoneFull, 'capacity is not proven'],
  [Reason.stopsFull, 'capacity is not proven'],
  [Reason.listFull, 'capacity is not proven'],
  [Reason.balancesFull, 'capacity is not proven'],
  [Reason.openOrdersMax, 'how many orders an account has is not proven'],
  [Reason.insufficientFunds, 'funds are not proven'],
]);

/** Whether a new order or a replace was refused by what the record and the settings of instrument and account say. */
export function isSetAside(words: Uint32Array, at: number, told: ToldEvents): boolean {
  if (!told.isRefusal) return false;
  if (SET_ASIDE.includes(told.reason)) return true;
  if (((words[at] as number) & 255) === Op.replace) return isOfOrder(words, at, told.reason);
  if (!isRuledOrder(words, at)) return false;
  return told.reason !== Reason.duplicateOrder && told.reason !== Reason.postOnlyWouldTrade;
}

/** Whether a new stop, or a new stop price, was refused because the last trade made it due, which is proven. */
export function isRefusedAsDue(words: Uint32Array, at: number, told: ToldEvents): boolean {
  if (!told.isRefusal || told.reason !== Reason.stopWouldTrigger) return false;
  return ((words[at] as number) & 255) === Op.replace || whyNotTold(words, at) === undefined;
}

/**
 * Whether a replace, whose record is good, is refused because of what the order that waits is, or of its new stop price, or of the
 * quantity that it came to.
 */
function isOfOrder(words: Uint32Array, at: number, reason: number): boolean {
  const flags = words[at + COMMAND_WORD.flags] as number;
  if (reason === Reason.quantityMax) return isOpenTerm(flags);
  return reason === Reason.price || (reason === Reason.priceMax && isStopTerm(flags));
}

/** Why the refusal of an order's command can not be told. */
export function whyRefusalUnproven(
  words: Uint32Array,
  at: number,
  { reason }: ToldEvents,
  market: RuledMarket,
): string | undefined {
  const op = (words[at] as number) & 255;
  const flags = words[at + COMMAND_WORD.flags] as number;
  const rejected = (why: string): string => `it was rejected with ${reasonName(reason)}, and ${why}`;
  if (op === Op.massCancel && reason === Reason.otherShard && (flags & Flag.bySymbol) === 0)
    return rejected('whose orders are being moved is not proven');
  if (op === Op.moveIn && reason === Reason.postOnlyWouldTrade && flags !== Flag.postOnly)
    return rejected('a moved order that would trade is not proven');
  const why = UNPROVEN_REFUSALS.get(reason);
  if (why !== undefined && REFUSED_OPS.includes(op)) return rejected(why);
  if (!REFUSED_OPS.includes(op)) return undefined;
  const symbol = words[at + COMMAND_WORD.symbol] as number;
  const instrument = market.instruments.get(symbol);
  if (reason === Reason.priceBand && instrument !== undefined && settingOf(instrument, Setting.bandReference) === 0)
    return rejected('the last price is not proven');
  if (op === Op.new && reason === Reason.unknownOrder) return rejected('orders that hang on others are not proven');
  const same = market.unproven.find((order) => isNamed(words, at, order));
  if (same !== undefined && (op === Op.replace ? reason !== Reason.unknownOrder : reason === Reason.duplicateOrder))
    return rejected(`${same.what} is not proven`);
  const inside = reason === Reason.postOnlyWouldTrade ? restingIn(market, symbol) : undefined;
  return inside === undefined ? undefined : rejected(`${inside.what} in instrument ${symbol} is not proven`);
}

const REFUSED_OPS: readonly number[] = [Op.new, Op.replace, Op.moveIn];

/** The order that a record is about. */
export function namedBy(words: Uint32Array, at: number): OrderName {
  return {
    account: words[at + COMMAND_WORD.account] as number,
    idLow: words[at + COMMAND_WORD.id] as number,
    idHigh: words[at + COMMAND_WORD.id + 1] as number,
  };
}

function isNamed(words: Uint32Array, at: number, { account, idLow, idHigh }: OrderName): boolean {
  const named = namedBy(words, at);
  return named.account === account && named.idLow === idLow && named.idHigh === idHigh;
}

// --- Orders ----------------------------------------------------------------------------------------------------------

/** Of a new order or a replace that was not refused: the rule that it follows and the circuit does not know. */
export function whyUnproven(words: Uint32Array, at: number, told: ToldEvents, market: RuledMarket): string | undefined {
  const isNew = ((words[at] as number) & 255) === Op.new;
  const feature = isNew ? whyNotTold(words, at) : undefined;
  if (feature !== undefined) return `${feature} is not proven`;
  const flags = words[at + COMMAND_WORD.flags] as number;
  const isDue = dueAt(words, at, told) !== 0;
  // One that waits meets nothing yet.
  if ((isNew ? isStop(typeOf(words, at)) : isStopTerm(flags)) && !isDue) return undefined;
  const symbol = words[at + COMMAND_WORD.symbol] as number;
  const instrument = market.instruments.get(symbol);
  // Of what keeps its place, nothing else is looked at.
  if (instrument === undefined || (!isNew && (told.flags & EventFlag.kept) !== 0)) return undefined;
  const inside = restingIn(market, symbol);
  const isPriced = isNew || (flags & Flag.hasPrice) !== 0;
  const rule =
    whyInstrumentUnproven(instrument, words, at, isNew) ?? whyTriggeredUnproven(instrument, words, at, told, isNew);
  if (rule !== undefined) return `${rule} is not proven`;
  if (inside !== undefined) return `${inside.what} in instrument ${symbol} is not proven`;
  if (told.phases().some((one) => one.symbol === symbol)) return 'a change of phase on the way is not proven';
  if (isPriced && told.price !== readWide(words, at + COMMAND_WORD.price))
    return 'an order that gets another price is not proven';
  return undefined;
}

/** One in the books of an instrument that may meet others. What waits meets none before an event tells that it is triggered. */
function restingIn({ unproven }: RuledMarket, symbol: number): UnprovenOrder | undefined {
  return unproven.find((order) => order.symbol === symbol && !order.waits);
}

function whyInstrumentUnproven(
  instrument: TapeInstrument,
  words: Uint32Array,
  at: number,
  isNew: boolean,
): string | undefined {
  const set = (setting: Parameters<typeof settingOf>[1]): boolean => settingOf(instrument, setting) !== 0;
  const isFillOrKill = isNew && (words[at] as number) >>> 24 === TimeInForce.fok;
  if (instrument.phase !== Phase.continuous) return `the phase ${nameOf(Phase, instrument.phase)}`;
  if (set(Setting.batchNs)) return 'trading in batches';
  if (set(Setting.baseAsset) && set(Setting.quoteAsset)) return 'an instrument whose trades are settled';
  const ownPrevention = isNew ? ((words[at + COMMAND_WORD.flags] as number) >>> STP_SHIFT) & 255 : 0;
  if (ownPrevention === 0 && settingOf(instrument, Setting.stp) > SelfTradePrevention.decrement)
    return 'self-trade prevention by group';
  if (isFillOrKill && MARKET_TYPES.includes(typeOf(words, at)) && set(Setting.band)) return FILL_WITHIN_BAND;
  return isFillOrKill && hasRange(instrument) ? FILL_WITHIN_RANGE : undefined;
}

const MARKET_TYPES: readonly number[] = [OrderType.market, OrderType.stop];
const FILL_WITHIN_BAND = 'a fill or kill within a protection band';
const FILL_WITHIN_RANGE = 'a fill or kill within a volatility range';

function hasRange(instrument: TapeInstrument): boolean {
  const settings = [Setting.volatilityTicks, Setting.referencePrice, Setting.volatilityNs];
  return settings.every((setting) => settingOf(instrument, setting) !== 0);
}

/** What orders that were triggered on the way may have met; of a replace, that it named, too. */
function whyTriggeredUnproven(
  instrument: TapeInstrument,
  words: Uint32Array,
  at: number,
  told: ToldEvents,
  isNew: boolean,
): string | undefined {
  if (!told.has(EventType.triggered)) return undefined;
  if (settingOf(instrument, Setting.stp) > SelfTradePrevention.decrement) return 'self-trade prevention by group';
  const isOther = (name: OrderName): boolean => !isNew || !isNamed(words, at, name);
  if (!told.canceled().some(({ name, reason }) => reason === Reason.fok && isOther(name))) return undefined;
  if (settingOf(instrument, Setting.band) !== 0) return FILL_WITHIN_BAND;
  return hasRange(instrument) ? FILL_WITHIN_RANGE : undefined;
}

function typeOf(words: Uint32Array, at: number): number {
  return ((words[at] as number) >>> 16) & 255;
}

function isStop(type: number): boolean {
  return type === OrderType.stop || type === OrderType.stopLimit;
}

/** The last trade price at which a stop was due as it was entered or replaced, by its events; 0 if it was not. */
export function dueAt(words: Uint32Array, at: number, told: ToldEvents): number {
  return told.triggered().find(({ name }) => isNamed(words, at, name))?.price ?? 0;
}

/** Whether a new order has anything beyond the plain rules. */
export function isRuledOrder(words: Uint32Array, at: number): boolean {
  const tif = (words[at] as number) >>> 24;
  const prevention = ((words[at + COMMAND_WORD.flags] as number) >>> STP_SHIFT) & 255;
  if (prevention !== 0 || tif === TimeInForce.day || tif === TimeInForce.gtd) return true;
  return isStop(typeOf(words, at)) || whyNotTold(words, at) !== undefined;
}

/** What a new order has that the circuit does not know, by name; undefined if nothing. */
function whyNotTold(words: Uint32Array, at: number): string | undefined {
  const flags = words[at + COMMAND_WORD.flags] as number;
  const tif = (words[at] as number) >>> 24;
  const term = flags >>> TERM_SHIFT;
  if (tif > TimeInForce.gtd && tif <= TimeInForce.atTheClose) return `the time in force ${nameOf(TimeInForce, tif)}`;
  const isTold = isStop(typeOf(words, at)) ? term === Term.stopPrice : term === Term.expires && tif === TimeInForce.gtd;
  if (term !== 0 && !isTold) return `the term ${nameOf(Term, term) ?? term}`;
  return Object.entries(UNPROVEN_FLAGS).find(([, flag]) => (flags & flag) !== 0)?.[0];
}

const UNPROVEN_FLAGS = {
  'an order with terms': Flag.hasTerms,
  'a hidden order': Flag.hidden,
  'an all-or-none order': Flag.allOrNone,
  'self-trade prevention by group': Flag.byGroup,
};

/** Whether a replace gives a term that a stop has. */
export function isStopTerm(flags: number): boolean {
  const term = flags >>> TERM_SHIFT;
  const others = flags & ~(Flag.hasPrice | Flag.hasQuantity) & ((1 << TERM_SHIFT) - 1);
  return others === 0 && (term === Term.stopPrice || term === Term.trail);
}

/** Whether a replace says what it takes its order to have open. */
export function isOpenTerm(flags: number): boolean {
  const others = flags & ~Flag.hasPrice & ((1 << TERM_SHIFT) - 1);
  return others === Flag.hasQuantity && flags >>> TERM_SHIFT === Term.open;
}

// --- Events ----------------------------------------------------------------------------------------------------------

/** What the events of a command tell that the circuit can not follow. */
export function whyEventsUnproven(told: ToldEvents, op: number, { unproven }: RuledMarket): string | undefined {
  for (const [type, what] of UNPROVEN_EVENTS) if (told.has(type)) return `${what} is not proven`;
  const canceled = told.canceled();
  if (canceled.some(({ quantity }) => quantity === 0)) return 'terms that wait for an order are not proven';
  const known = unproven.length === 0 ? undefined : namedIn(told, unproven);
  if (known !== undefined) return `${known.what} is not proven`;
  const own = OWN_REASONS.get(op);
  if (own !== undefined) {
    const other = canceled.find(({ reason }) => !own.includes(reason));
    return other === undefined
      ? undefined
      : `an order that leaves with reason ${reasonName(other.reason)} is not proven`;
  }
  if (told.has(EventType.tradeMaker)) return 'an auction is not proven';
  const several = canceled.some(({ reason }) => reason !== canceled[0]?.reason);
  if (several) return 'orders that leave for several reasons are not proven';
  return canceled.length > 0 && told.has(EventType.rejected)
    ? 'orders that leave before a refusal are not proven'
    : undefined;
}

function namedIn(told: ToldEvents, unproven: MarketView['unproven']): MarketView['unproven'][number] | undefined {
  const named = told.orders();
  return unproven.find((one) =>
    named.some(({ account, idLow, idHigh }) => account === one.account && idLow === one.idLow && idHigh === one.idHigh),
  );
}

const UNPROVEN_EVENTS: readonly (readonly [number, string])[] = [
  [EventType.refreshed, 'an iceberg'],
  [EventType.settled, 'an instrument whose trades are settled'],
  [EventType.auction, 'an auction'],
];

/** Why orders leave by commands about orders. */
const OWN_REASONS = new Map<number, readonly number[]>([
  [Op.new, [Reason.ioc, Reason.fok, Reason.selfTrade]],
  [Op.cancel, [Reason.requested]],
  [Op.reduce, [Reason.reduced]],
  [Op.replace, [Reason.ioc, Reason.fok, Reason.selfTrade, Reason.reduced]],
  [Op.massCancel, [Reason.massCancel]],
  [Op.moveIn, []],
  [Op.moveOut, [Reason.moved]],
]);
