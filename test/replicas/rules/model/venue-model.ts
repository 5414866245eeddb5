import type { VenueEvent } from '../../../../journal/events.ts';
import type { ReasonName } from '../../../../journal/reasons.ts';
import { type MarketCommand, readMarketCommand } from '../../reference-command.ts';
import { ModelEvents } from './model-events.ts';
import { bestToTrade, couldTrade, type Matching, match } from './model-matching.ts';
import { type ModelInstrument, type ModelOrder, type ModelTerms, opposite, queueOf, type Side } from './model-order.ts';
import { ModelSlots } from './model-slots.ts';

const OP = {
  new: 1,
  cancel: 2,
  reduce: 3,
  replace: 4,
  massCancel: 5,
  terms: 6,
  create: 16,
  update: 17,
  set: 23,
} as const;
const FLAG = {
  postOnly: 1,
  hasPrice: 2,
  hasQuantity: 4,
  byAccount: 8,
  bySymbol: 16,
  closed: 32,
  hasTerms: 128,
  hidden: 256,
  allOrNone: 512,
  byGroup: 1024,
} as const;
const NEW_FLAGS = FLAG.postOnly | FLAG.hasTerms | FLAG.hidden | FLAG.allOrNone | FLAG.byGroup;
const TERM = { stopPrice: 1, trail: 2, expires: 3, display: 4, minQty: 5, cancels: 6, after: 7 } as const;
const SETTING = { tick: 1, lot: 2, stp: 3, postOnlySlide: 4, band: 5 } as const;
const PRICE_MAX = 2n ** 48n - 3n;
const AMOUNT_MAX = 2n ** 48n - 1n;
const ICEBERG_PARTS_MAX = 100;
const ALL_OR_NONE_MAX = 1024;

const isPrice = (value: bigint): boolean => value >= 1n && value <= PRICE_MAX;
const isAmount = (value: bigint): boolean => value >= 1n && value <= AMOUNT_MAX;
const isMultiple = (value: number, unit: number): boolean => unit === 0 || value % unit === 0;
const nameOf = (account: number, id: bigint): string => `${account}/${id}`;

/** The fields of a replace that are given. */
interface Changes {
  readonly price: number | undefined;
  readonly quantity: number | undefined;
}

/**
 * The rules of docs/market-rules.md for ruled instruments, and of docs/rules-orders.md, once more and as plainly as they can be
 * written: whatever is asked is found by looking at all orders. The matcher is compared with this; the two share the names of
 * records and reasons. Commands come without sessions, instruments are ruled from the start, and nothing is short of price pages.
 */
export class VenueModel {
  readonly instruments = new Map<number, ModelInstrument>();
  readonly #live = new Map<string, ModelOrder>();
  readonly #terms = new Map<string, ModelTerms>();
  readonly #slots: ModelSlots;
  #sequence = 0;
  #arrivals = 0;
  #events = new ModelEvents(0);

  constructor(ordersMax: number) {
    this.#slots = new ModelSlots(ordersMax);
  }

  /** Handles the command record at word `at`; the events that it causes, in order. */
  apply(words: Uint32Array, at: number): readonly VenueEvent[] {
    const command = readMarketCommand(words, at);
    this.#sequence++;
    this.#events = new ModelEvents(this.#sequence);
    const refusal = this.#handle(command);
    if (refusal !== undefined) this.#events.rejected(command, refusal);
    return this.#events.list;
  }

  /** Live orders, by slot. */
  get orders(): ModelOrder[] {
    return [...this.#live.values()].sort((a, b) => a.slot - b.slot);
  }

  get waitingTerms(): readonly ModelTerms[] {
    return [...this.#terms.values()];
  }

  #handle(command: MarketCommand): ReasonName | undefined {
    switch (command.op) {
      case OP.create:
        return this.#create(command);
      case OP.update:
        return this.#update(command);
      case OP.set:
        return this.#set(command);
      case OP.terms:
        return this.#keepTerms(command);
      case OP.new:
        return this.#new(command);
      case OP.cancel:
        return this.#cancel(command);
      case OP.reduce:
        return this.#reduce(command);
      case OP.replace:
        return this.#replace(command);
      case OP.massCancel:
        return this.#massCancel(command);
      default:
        return 'notSupported';
    }
  }

  // Instruments.

  #create(command: MarketCommand): ReasonName | undefined {
    this.instruments.set(command.symbol, {
      symbol: command.symbol,
      name: command.name ?? '',
      quantityMax: Number(command.quantity),
      priceMax: Number(command.extra),
      closed: false,
      settings: new Map(),
      last: 0,
      resting: [],
    });
    this.#tellInstrument(command);
    return undefined;
  }

  #update(command: MarketCommand): ReasonName | undefined {
    const instrument = this.instruments.get(command.symbol);
    if (instrument === undefined) return 'unknownSymbol';
    instrument.quantityMax = Number(command.quantity);
    instrument.priceMax = Number(command.extra);
    instrument.closed = (command.flags & FLAG.closed) !== 0;
    this.#tellInstrument(command);
    return undefined;
  }

  #tellInstrument(command: MarketCommand): void {
    const instrument = this.instruments.get(command.symbol) as ModelInstrument;
    this.#events.other({
      type: 'instrument',
      flags: instrument.closed ? FLAG_CLOSED_EVENT : 0,
      symbol: command.symbol,
      id: instrument.quantityMax,
      account: command.account,
      open: instrument.priceMax,
      name: instrument.name,
    });
  }

  #set(command: MarketCommand): ReasonName | undefined {
    const kind = command.flags >>> 24;
    if ((command.flags & 0xff_ffff) !== 0) return 'flags';
    const { sideCode, type, tif, id, price, quantity } = command;
    if (sideCode !== 0 || type !== 0 || tif !== 0 || id !== 0n || price !== 0n || quantity !== 0n)
      return 'reservedField';
    const instrument = this.instruments.get(command.symbol);
    if (instrument === undefined) return 'unknownSymbol';
    if (!isSetting(kind, command.extra)) return 'setting';
    instrument.settings.set(kind, Number(command.extra));
    const { symbol, account, request } = command;
    this.#events.other({ type: 'setting', symbol, account, request, slot: kind, price: Number(command.extra) });
    return undefined;
  }

  // Terms.

  #keepTerms(command: MarketCommand): ReasonName | undefined {
    const kind = command.flags >>> 24;
    if (!this.instruments.has(command.symbol)) return 'unknownSymbol';
    const { sideCode, type, tif, price, quantity } = command;
    if (sideCode !== 0 || type !== 0 || tif !== 0 || price !== 0n || quantity !== 0n) return 'reservedField';
    if ((command.flags & 0xff_ffff) !== 0) return 'flags';
    if (!isTerm(kind, command.extra)) return 'terms';
    const name = nameOf(command.account, command.id);
    if (this.#live.has(name)) return 'duplicateOrder';
    const waiting = this.#terms.get(name);
    if (waiting !== undefined) {
      if (waiting.symbol !== command.symbol || waiting.values.has(kind)) return 'terms';
      waiting.values.set(kind, command.extra);
      return undefined;
    }
    if (!this.#slots.hasRoom) return 'ordersFull';
    const { account, id, symbol } = command;
    this.#terms.set(name, { account, id, symbol, ...this.#slots.take(), values: new Map([[kind, command.extra]]) });
    return undefined;
  }

  #dropTerms(name: string): ModelTerms | undefined {
    const terms = this.#terms.get(name);
    if (terms === undefined) return undefined;
    this.#terms.delete(name);
    this.#slots.release(terms.slot);
    return terms;
  }

  // New.

  #new(command: MarketCommand): ReasonName | undefined {
    const instrument = this.instruments.get(command.symbol);
    if (instrument === undefined) return 'unknownSymbol';
    const name = nameOf(command.account, command.id);
    const waiting = this.#terms.get(name);
    const refusal = this.#whyNotNew(command, instrument, waiting);
    const terms = refusal === undefined ? gather(command, waiting) : undefined;
    this.#dropTerms(name);
    if (refusal !== undefined || terms === undefined || typeof terms === 'string') return refusal;
    const order = orderOf(command, terms);
    const { price } = this.#slide(instrument, order);
    if (price === undefined) return 'postOnlyWouldTrade';
    order.price = price;
    const rests = mayRest(command);
    if (rests) {
      if (!this.#slots.hasRoom) return 'ordersFull';
      if (order.allOrNone && this.#allOrNones(instrument, order.side) >= ALL_OR_NONE_MAX) return 'allOrNoneFull';
      if (order.postOnly && bestToTrade(instrument, order, limitOf(order)) !== undefined) return 'postOnlyWouldTrade';
      Object.assign(order, this.#slots.take());
    }
    const { open } = order;
    this.#events.about('accepted', order, { price: order.price, quantity: open, open }, { request: order.request });
    this.#execute(instrument, order, { rests, minQty: Number(terms.get(TERM.minQty) ?? 0n) });
    return undefined;
  }

  /** Everything up to what depends on the book. */
  #whyNotNew(
    command: MarketCommand,
    instrument: ModelInstrument,
    waiting: ModelTerms | undefined,
  ): ReasonName | undefined {
    const { flags, tif, type } = command;
    const low = flags & 0xffff;
    const stp = (flags >>> 16) & 255;
    if (command.sideCode > 1) return 'side';
    if (type > 3) return 'orderType';
    if (type > 1) return 'notSupported';
    if (tif > 6) return 'timeInForce';
    if (tif > 2) return 'notSupported';
    if ((low & ~NEW_FLAGS) !== 0) return 'flags';
    const rests = mayRest(command);
    if ((low & (FLAG.postOnly | FLAG.hidden)) !== 0 && !rests) return 'flags';
    if ((low & FLAG.byGroup) !== 0 && stp === 0) return 'flags';
    if (stp > 4) return 'stp';
    if (flags >>> 24 === 0 && command.extra !== 0n) return 'reservedField';
    if (type === 0 ? !isPrice(command.price) : command.price !== 0n) return 'price';
    if (!isAmount(command.quantity)) return 'quantity';
    const terms = gather(command, waiting);
    if (typeof terms === 'string') return terms;
    if ([...terms.keys()].some((kind) => kind !== TERM.display && kind !== TERM.minQty)) return 'notSupported';
    const display = terms.get(TERM.display);
    const minQty = terms.get(TERM.minQty);
    const isWhole = (low & FLAG.allOrNone) !== 0;
    if (display !== undefined && (!rests || (low & FLAG.hidden) !== 0 || isWhole)) return 'terms';
    if (minQty !== undefined && (minQty > command.quantity || (low & FLAG.postOnly) !== 0 || isWhole)) return 'terms';
    if (instrument.closed) return 'instrumentClosed';
    const price = type === 0 ? Number(command.price) : undefined;
    const limits = this.#whyNotHere(instrument, { price, quantity: Number(command.quantity) }, Number(display ?? 0n));
    if (limits !== undefined) return limits;
    if (this.#live.has(nameOf(command.account, command.id))) return 'duplicateOrder';
    return waiting !== undefined && (low & FLAG.hasTerms) === 0 ? 'terms' : undefined;
  }

  /** By the instrument's limits and settings, for what is given. */
  #whyNotHere(
    { priceMax, quantityMax, settings }: ModelInstrument,
    { price, quantity }: Changes,
    display: number,
    isNew = true,
  ): ReasonName | undefined {
    const lot = settings.get(SETTING.lot) ?? 0;
    if (price !== undefined && priceMax !== 0 && price > priceMax) return 'priceMax';
    if (quantity !== undefined && quantityMax !== 0 && quantity > quantityMax) return 'quantityMax';
    if (price !== undefined && !isMultiple(price, settings.get(SETTING.tick) ?? 0)) return 'tick';
    if (quantity !== undefined && !isMultiple(quantity, lot)) return 'lot';
    if (isNew && !isMultiple(display, lot)) return 'lot';
    return display > 0 && quantity !== undefined && quantity > ICEBERG_PARTS_MAX * display ? 'display' : undefined;
  }

  /** The price that an order gets; undefined if there is none that it may have. */
  #slide(instrument: ModelInstrument, order: ModelOrder): { readonly price: number | undefined } {
    const { settings, priceMax } = instrument;
    if (!order.postOnly || settings.get(SETTING.postOnlySlide) !== 1) return { price: order.price };
    const touch = bestToTrade(instrument, order, limitOf(order));
    if (touch === undefined) return { price: order.price };
    const tick = Math.max(1, settings.get(SETTING.tick) ?? 0);
    const price = order.side === 'buy' ? Math.floor((touch - 1) / tick) * tick : Math.ceil((touch + 1) / tick) * tick;
    const isGood = price >= 1 && price <= Number(PRICE_MAX) && (priceMax === 0 || price <= priceMax);
    return { price: isGood ? price : undefined };
  }

  #allOrNones({ resting }: ModelInstrument, side: Side): number {
    return resting.filter((order) => order.side === side && order.allOrNone).length;
  }

  // The order at work.

  #execute(instrument: ModelInstrument, order: ModelOrder, how: { rests: boolean; minQty: number }): void {
    const band = instrument.settings.get(SETTING.band) ?? 0;
    const isMarket = order.type === 1;
    const best = isMarket && band > 0 ? bestToTrade(instrument, order, undefined) : undefined;
    const banded = best === undefined ? undefined : order.side === 'buy' ? best + band : best - band;
    const matching: Matching = {
      instrument,
      order,
      limit: isMarket ? banded : order.price,
      isSameOwner: (one, other) => one === other,
    };
    const why = this.#whyNotAtOnce(matching, how);
    if (why === 'rest') return this.#rest(instrument, order);
    if (why !== undefined) return this.#takeOff(order, why, how.rests);
    match(matching, {
      events: this.#events,
      nextArrival: () => ++this.#arrivals,
      gone: (maker) => this.#forget(instrument, maker),
      traded: () => undefined,
      leftByPrevention: () => undefined,
    });
    if (order.open === 0) {
      if (how.rests) this.#slots.release(order.slot);
    } else if (how.rests) this.#rest(instrument, order);
    else {
      const isBanded = banded !== undefined && bestToTrade(instrument, order, undefined) !== undefined;
      this.#takeOff(order, isBanded ? 'band' : 'ioc', false);
    }
  }

  /** Why nothing of it trades; 'rest': it rests without having traded. */
  #whyNotAtOnce(matching: Matching, how: { rests: boolean; minQty: number }): ReasonName | 'rest' | undefined {
    const { order } = matching;
    const traded = couldTrade(matching);
    if (order.tif === 2 && traded < order.open) return 'fok';
    if (traded < how.minQty) return 'minQty';
    if (!order.allOrNone || traded >= order.open) return undefined;
    return how.rests ? 'rest' : 'allOrNone';
  }

  #takeOff(order: ModelOrder, reason: ReasonName, hasSlot: boolean): void {
    const quantity = order.open;
    order.open = 0;
    this.#events.takenOff(order, quantity, reason, order.request);
    if (hasSlot) this.#slots.release(order.slot);
  }

  #rest(instrument: ModelInstrument, order: ModelOrder): void {
    order.arrival = ++this.#arrivals;
    order.shown = Math.min(order.display, order.open);
    instrument.resting.push(order);
    this.#live.set(nameOf(order.account, order.id), order);
  }

  #forget(instrument: ModelInstrument, order: ModelOrder): void {
    instrument.resting.splice(instrument.resting.indexOf(order), 1);
    this.#live.delete(nameOf(order.account, order.id));
    this.#slots.release(order.slot);
  }

  // Reduce, replace, cancel.

  #named(command: MarketCommand): ModelOrder | undefined {
    const order = this.#live.get(nameOf(command.account, command.id));
    return order?.symbol === command.symbol ? order : undefined;
  }

  #cancel(command: MarketCommand): ReasonName | undefined {
    if (command.flags !== 0) return 'flags';
    if (command.extra !== 0n) return 'reservedField';
    const order = this.#named(command);
    if (order !== undefined) this.#remove(order, 'requested', command.request);
    else if (!this.#cancelTerms(command, 'requested')) return 'unknownOrder';
    return undefined;
  }

  #cancelTerms(command: MarketCommand, reason: ReasonName): boolean {
    const name = nameOf(command.account, command.id);
    if (this.#terms.get(name)?.symbol !== command.symbol) return false;
    this.#removeTerms(name, reason, command.request);
    return true;
  }

  #removeTerms(name: string, reason: ReasonName, request: number): void {
    const terms = this.#dropTerms(name);
    if (terms === undefined) return;
    const order = { ...NO_ORDER, ...terms, side: 'buy' as const };
    this.#events.takenOff(order, 0, reason, request);
  }

  #remove(order: ModelOrder, reason: ReasonName, request: number): void {
    const quantity = order.open;
    order.open = 0;
    this.#events.takenOff(order, quantity, reason, request);
    this.#forget(this.instruments.get(order.symbol) as ModelInstrument, order);
  }

  #reduce(command: MarketCommand): ReasonName | undefined {
    if (command.flags !== 0) return 'flags';
    if (command.extra !== 0n) return 'reservedField';
    if (!isAmount(command.quantity)) return 'quantity';
    const order = this.#named(command);
    if (order === undefined) return 'unknownOrder';
    const quantity = Number(command.quantity);
    if (quantity >= order.open) {
      this.#remove(order, 'reduced', command.request);
      return undefined;
    }
    this.#shrink(order, order.open - quantity);
    this.#events.takenOff(order, quantity, 'reduced', command.request);
    return undefined;
  }

  #shrink(order: ModelOrder, open: number): void {
    order.open = open;
    order.shown = Math.min(order.shown, open);
  }

  #replace(command: MarketCommand): ReasonName | undefined {
    const { flags } = command;
    const changes: Changes = {
      price: (flags & FLAG.hasPrice) === 0 ? undefined : Number(command.price),
      quantity: (flags & FLAG.hasQuantity) === 0 ? undefined : Number(command.quantity),
    };
    if ((flags & ~(FLAG.hasPrice | FLAG.hasQuantity)) !== 0) return 'flags';
    if (flags === 0) return 'nothingToReplace';
    if (command.extra !== 0n) return 'reservedField';
    if (changes.price !== undefined && !isPrice(command.price)) return 'price';
    if (changes.quantity !== undefined && !isAmount(command.quantity)) return 'quantity';
    const order = this.#named(command);
    if (order === undefined) return 'unknownOrder';
    const instrument = this.instruments.get(order.symbol) as ModelInstrument;
    if (instrument.closed) return 'instrumentClosed';
    const limits = this.#whyNotHere(instrument, changes, order.display, false);
    if (limits !== undefined) return limits;
    return this.#replaceWith(instrument, order, changes, command.request);
  }

  #replaceWith(
    instrument: ModelInstrument,
    order: ModelOrder,
    changes: Changes,
    request: number,
  ): ReasonName | undefined {
    const wanted = { ...order, price: changes.price ?? order.price, open: changes.quantity ?? order.open };
    const { price } = this.#slide(instrument, wanted);
    if (price === undefined) return 'postOnlyWouldTrade';
    const { open } = wanted;
    if (price === order.price && open < order.open) {
      this.#shrink(order, open);
      this.#events.about('replaced', order, { price, quantity: open, open }, { flags: 1, request });
      return undefined;
    }
    if (order.postOnly && bestToTrade(instrument, { ...wanted, price }, price) !== undefined)
      return 'postOnlyWouldTrade';
    instrument.resting.splice(instrument.resting.indexOf(order), 1);
    this.#live.delete(nameOf(order.account, order.id));
    Object.assign(order, { price, open, request, traded: 0, generation: this.#slots.raise(order.slot) });
    this.#events.about('replaced', order, { price, quantity: open, open }, { request });
    this.#execute(instrument, order, { rests: true, minQty: 0 });
    return undefined;
  }

  #massCancel(command: MarketCommand): ReasonName | undefined {
    const byAccount = (command.flags & FLAG.byAccount) !== 0;
    const bySymbol = (command.flags & FLAG.bySymbol) !== 0;
    if ((command.flags & ~(FLAG.byAccount | FLAG.bySymbol)) !== 0) return 'flags';
    if (command.sideCode > 2) return 'side';
    if (command.extra !== 0n) return 'reservedField';
    if (bySymbol && !this.instruments.has(command.symbol)) return 'unknownSymbol';
    const isMeant = (one: ModelOrder | ModelTerms): boolean =>
      (!byAccount || one.account === command.account) &&
      (!bySymbol || one.symbol === command.symbol) &&
      (command.sideCode === 2 || ('side' in one ? one.side : 'buy') === command.side);
    const meant = [...this.#live.values(), ...this.#terms.values()].filter(isMeant).sort((a, b) => a.slot - b.slot);
    for (const one of meant) {
      if ('side' in one) this.#remove(one, 'massCancel', command.request);
      else this.#removeTerms(nameOf(one.account, one.id), 'massCancel', command.request);
    }
    return undefined;
  }

  // For comparing.

  /** [price, lots shown, orders] of the shown book. */
  book(symbol: number): { bids: [number, number, number][]; asks: [number, number, number][] } {
    return { bids: this.#levels(symbol, 'buy'), asks: this.#levels(symbol, 'sell') };
  }

  #levels(symbol: number, side: Side): [number, number, number][] {
    const levels: [number, number, number][] = [];
    const resting = this.instruments.get(symbol)?.resting ?? [];
    for (const order of queueOf(resting, side)) {
      if (order.hidden || order.allOrNone) continue;
      const shown = order.display === 0 ? order.open : order.shown;
      const last = levels.at(-1);
      if (last?.[0] === order.price) {
        last[1] += shown;
        last[2]++;
      } else levels.push([order.price, shown, 1]);
    }
    return levels;
  }

  /** What is wrong with the books, if anything: docs/rules-orders.md, "All-or-none and the crossed book". */
  crossed(): string | undefined {
    for (const { symbol, resting } of this.instruments.values()) {
      const firm = resting.filter((order) => !order.allOrNone);
      const bid = queueOf(firm, 'buy')[0];
      const ask = queueOf(firm, opposite('buy'))[0];
      if (bid !== undefined && ask !== undefined && bid.price >= ask.price)
        return `symbol ${symbol}: bid ${bid.price} at or above ask ${ask.price}`;
    }
    return undefined;
  }
}

const FLAG_CLOSED_EVENT = 4;

const NO_ORDER = {
  type: 0,
  tif: 0,
  postOnly: false,
  hidden: false,
  allOrNone: false,
  byGroup: false,
  stp: 0,
  display: 0,
  price: 0,
  open: 0,
  shown: 0,
  traded: 0,
  request: 0,
  arrival: 0,
};

function isTerm(kind: number, value: bigint): boolean {
  if (kind === TERM.stopPrice || kind === TERM.trail) return isPrice(value);
  if (kind === TERM.display || kind === TERM.minQty) return isAmount(value);
  return kind >= 1 && kind <= 7 && value !== 0n;
}

function isSetting(kind: number, value: bigint): boolean {
  if (kind === SETTING.stp) return value <= 4n || (value >= 9n && value <= 12n);
  if (kind === SETTING.postOnlySlide) return value <= 1n;
  return (kind === SETTING.tick || kind === SETTING.lot || kind === SETTING.band) && value <= AMOUNT_MAX;
}

/** The terms of a new order: those that waited, and the one of its record. */
function gather(command: MarketCommand, waiting: ModelTerms | undefined): Map<number, bigint> | ReasonName {
  const wants = (command.flags & FLAG.hasTerms) !== 0;
  if (wants && waiting?.symbol !== command.symbol) return 'termsMissing';
  const terms = new Map(wants ? waiting?.values : []);
  const kind = command.flags >>> 24;
  if (kind === 0) return terms;
  if (!isTerm(kind, command.extra) || terms.has(kind)) return 'terms';
  return terms.set(kind, command.extra);
}

const mayRest = ({ type, tif }: MarketCommand): boolean => type === 0 && tif === 0;

const limitOf = (order: ModelOrder): number | undefined => (order.type === 1 ? undefined : order.price);

function orderOf(command: MarketCommand, terms: ReadonlyMap<number, bigint>): ModelOrder {
  const { flags } = command;
  return {
    ...NO_ORDER,
    account: command.account,
    id: command.id,
    symbol: command.symbol,
    side: command.side,
    type: command.type,
    tif: command.tif,
    postOnly: (flags & FLAG.postOnly) !== 0,
    hidden: (flags & FLAG.hidden) !== 0,
    allOrNone: (flags & FLAG.allOrNone) !== 0,
    byGroup: (flags & FLAG.byGroup) !== 0,
    stp: (flags >>> 16) & 255,
    display: Number(terms.get(TERM.display) ?? 0n),
    slot: 0,
    generation: 0,
    price: Number(command.price),
    open: Number(command.quantity),
    request: command.request,
  };
}
