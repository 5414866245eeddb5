import { EventFlag, type EventTypeName, type VenueEvent } from '../../journal/events.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import type { ReasonName } from '../../journal/reasons.ts';
import {
  type BookSide,
  type Instrument,
  type ModelLevel,
  type ModelOrder,
  opposite,
  ReferenceBooks,
  reaches,
} from './reference-books.ts';
import { FLAG, type MarketCommand, OP, readMarketCommand } from './reference-command.ts';

interface Session {
  readonly number: number;
  readonly account: number;
  readonly id: bigint;
  last: number;
  usedAt: bigint;
  readonly answers: Map<number, VenueEvent>;
}

/** What an answer tells of the command that it ends. */
interface Outcome {
  readonly reason: ReasonName;
  readonly open: number;
  readonly traded: number;
}

const PRICE_LIMIT_MAX = 2n ** 48n - 3n;
const AMOUNT_LIMIT_MAX = 2n ** 48n - 1n;
const IDLE_NS = 60_000_000_000n;
const ADMINISTRATOR = 0;
const STATUS_ORDERS_MAX = 1024n;
/** Kind of the term of a replace that tells what its order was taken to have open. */
const TERM_OPEN = 10;
/** Kinds of command that only the administrator may send. */
const FOR_ADMINISTRATOR: readonly number[] = [
  OP.instrumentCreate,
  OP.instrumentUpdate,
  OP.instrumentAssign,
  OP.massStatus,
  OP.moveIn,
  OP.moveOut,
];
const DONE: Outcome = { reason: 'none', open: 0, traded: 0 };

const isPrice = (value: bigint) => value >= 1n && value <= PRICE_LIMIT_MAX;
const isQuantity = (value: bigint) => value >= 1n && value <= AMOUNT_LIMIT_MAX;
const shownId = (id: bigint) => (id < 2n ** 53n ? Number(id) : id);

/**
 * The rules of the market (docs/market-rules.md) once more, as plainly as they can be written: sorted arrays, maps and
 * linear scans. The matcher is compared with this model, so the two share nothing but the names of records and reasons.
 */
export class ReferenceMarket {
  readonly #limits: VenueLimits;
  readonly #books: ReferenceBooks;
  readonly #sessions = new Map<number, Session>();
  #lastSession = 0;
  #sequence: number;
  #events: VenueEvent[] = [];

  /** The generations of every slot, and the commands, are counted on from those given, as in a venue of great age. */
  constructor(limits: VenueLimits, firstGeneration = 0, lastSequence = 0) {
    this.#limits = limits;
    this.#sequence = lastSequence;
    this.#books = new ReferenceBooks(limits.ordersMax, limits.levelPagesMax, firstGeneration);
  }

  /** Handles the command record at word `at`; the events that it causes, in order. */
  apply(words: Uint32Array, at: number): VenueEvent[] {
    const command = readMarketCommand(words, at);
    this.#events = [];
    this.#sequence += 1;
    if (command.session !== 0) this.#applyInSession(command);
    else if (command.request !== 0) this.#reject(command, 'flags');
    else this.#handle(command);
    return this.#events;
  }

  /** Levels of an instrument as [price, quantity, orders], best first. */
  book(symbol: number, depth: number): { bids: ModelLevel[]; asks: ModelLevel[] } {
    return { bids: this.#books.levels(symbol, 'buy', depth), asks: this.#books.levels(symbol, 'sell', depth) };
  }

  /** Resting orders of one side, the next to trade first. */
  resting(symbol: number, side: BookSide): readonly ModelOrder[] {
    return this.#books.instruments.get(symbol)?.[side] ?? [];
  }

  get symbols(): number[] {
    return [...this.#books.instruments.keys()];
  }

  pagesInUse(): [kept: number, found: number] {
    return this.#books.pagesInUse();
  }

  // Sessions.

  #applyInSession(command: MarketCommand): void {
    const session = this.#sessions.get(command.session);
    const refusal = whyNotInSession(session, command);
    if (session === undefined || refusal !== 'none') {
      this.#reject(command, refusal);
      return;
    }
    const { request, account } = command;
    const id = shownId(command.id);
    const kept = session.answers.get(request);
    if (kept !== undefined) {
      this.#events.push({ ...kept, sequence: this.#sequence, flags: EventFlag.repeat, id, account });
      return;
    }
    session.last = request;
    session.usedAt = command.time;
    const outcome =
      isForAdministrator(command) && session.account !== ADMINISTRATOR
        ? this.#refuse(command, 'sessionAccount')
        : this.#handle(command);
    const { reason, open, traded: quantity } = outcome;
    this.#emit('answer', {
      symbol: session.number,
      request,
      price: this.#sequence,
      reason,
      open,
      quantity,
      id,
      account,
    });
    session.answers.set(request, this.#events[this.#events.length - 1] as VenueEvent);
    session.answers.delete(request - this.#limits.answersPerSessionMax);
  }

  #openSession(command: MarketCommand): Outcome {
    if (command.session !== 0) return this.#refuse(command, 'flags');
    for (const session of this.#sessions.values()) {
      if (session.account === command.account && session.id === command.id) {
        session.usedAt = command.time;
        this.#emitSession(session, command, EventFlag.repeat);
        return DONE;
      }
    }
    if (this.#sessions.size >= this.#limits.sessionsMax) {
      // Sessions stand here in the order of their numbers: the first of equals has the lowest.
      const [longest] = [...this.#sessions.values()].sort((a, b) => Number(a.usedAt - b.usedAt));
      if (longest === undefined || command.time - longest.usedAt < IDLE_NS) {
        return this.#refuse(command, 'sessionsFull');
      }
      this.#sessions.delete(longest.number);
    }
    this.#lastSession += 1;
    const session: Session = {
      number: this.#lastSession,
      account: command.account,
      id: command.id,
      last: 0,
      usedAt: command.time,
      answers: new Map(),
    };
    this.#sessions.set(session.number, session);
    this.#emitSession(session, command, 0);
    return DONE;
  }

  #closeSession(command: MarketCommand): Outcome {
    const session = this.#sessions.get(command.session);
    if (session === undefined) return this.#refuse(command, 'sessionUnknown');
    this.#sessions.delete(session.number);
    this.#emitSession(session, command, EventFlag.closed);
    return DONE;
  }

  #emitSession(session: Session, command: MarketCommand, flags: number): void {
    const { account, request } = command;
    const quantity = flags === EventFlag.closed ? 0 : session.last;
    this.#emit('session', { flags, open: session.number, quantity, id: shownId(session.id), account, request });
  }

  // Commands by kind.

  #handle(command: MarketCommand): Outcome {
    switch (command.op) {
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
      case OP.instrumentCreate:
        return this.#createInstrument(command);
      case OP.instrumentUpdate:
        return this.#updateInstrument(command);
      case OP.instrumentAssign:
        return this.#assignInstrument(command);
      case OP.massStatus:
        return this.#massStatus(command);
      case OP.moveIn:
        return this.#moveIn(command);
      case OP.moveOut:
        return this.#moveOut(command);
      case OP.sessionOpen:
        return this.#openSession(command);
      case OP.sessionClose:
        return this.#closeSession(command);
      default:
        return this.#refuse(command, 'notSupported');
    }
  }

  #new(command: MarketCommand): Outcome {
    const instrument = this.#books.instruments.get(command.symbol);
    if (instrument === undefined) return this.#refuse(command, 'unknownSymbol');
    if (command.sideCode > 1) return this.#refuse(command, 'side');
    if (command.type > 1) return this.#refuse(command, 'orderType');
    if (command.tif > 2) return this.#refuse(command, 'timeInForce');
    const market = command.type === 1;
    const rests = !market && command.tif === 0;
    const postOnly = command.flags === FLAG.postOnly;
    if (command.flags !== 0 && !(postOnly && rests)) return this.#refuse(command, 'flags');
    if (command.extra !== 0n) return this.#refuse(command, 'reservedField');
    if (market ? command.price !== 0n : !isPrice(command.price)) return this.#refuse(command, 'price');
    if (!isQuantity(command.quantity)) return this.#refuse(command, 'quantity');
    const price = Number(command.price);
    const quantity = Number(command.quantity);
    const { account, id, side, symbol } = command;
    if (instrument.elsewhere !== undefined) return this.#refuseElsewhere(command, instrument.elsewhere);
    if (instrument.closed) return this.#refuse(command, 'instrumentClosed');
    if (instrument.priceMax !== 0 && price > instrument.priceMax) return this.#refuse(command, 'priceMax');
    if (instrument.quantityMax !== 0 && quantity > instrument.quantityMax) return this.#refuse(command, 'quantityMax');
    if (this.#books.find(account, id) !== undefined) return this.#refuse(command, 'duplicateOrder');
    if (rests && !this.#books.hasSlot) return this.#refuse(command, 'ordersFull');
    if (rests && !this.#books.hasPage(symbol, side, price)) return this.#refuse(command, 'levelsFull');
    if (postOnly && this.#books.tradable(instrument, side, price) > 0n) {
      return this.#refuse(command, 'postOnlyWouldTrade');
    }

    const slot = rests ? this.#books.takeSlot() : 0;
    const generation = rests ? this.#books.nextGeneration(slot) : 0;
    const order: ModelOrder = { account, id, symbol, side, postOnly, slot, price, open: quantity, generation };
    const { request } = command;
    this.#emitOrder('accepted', order, { request, price, quantity });
    const limit = market ? undefined : price;
    if (command.tif === 2 && this.#books.tradable(instrument, side, limit) < command.quantity) {
      this.#takeOff(order, quantity, 'fok', request);
      return DONE;
    }
    const traded = this.#trade(instrument, order, limit, request);
    if (rests) this.#restOrGo(order);
    else if (order.open > 0) this.#takeOff(order, order.open, 'ioc', request);
    return { reason: 'none', open: order.open, traded };
  }

  #cancel(command: MarketCommand): Outcome {
    if (command.flags !== 0) return this.#refuse(command, 'flags');
    if (command.extra !== 0n) return this.#refuse(command, 'reservedField');
    const shard = this.#shardOf(command.symbol);
    if (shard !== undefined) return this.#refuseElsewhere(command, shard);
    const order = this.#named(command);
    if (order === undefined) return this.#refuse(command, 'unknownOrder');
    this.#takeOff(order, order.open, 'requested', command.request);
    this.#gone(order);
    return DONE;
  }

  #reduce(command: MarketCommand): Outcome {
    if (command.flags !== 0) return this.#refuse(command, 'flags');
    if (command.extra !== 0n) return this.#refuse(command, 'reservedField');
    if (!isQuantity(command.quantity)) return this.#refuse(command, 'quantity');
    const shard = this.#shardOf(command.symbol);
    if (shard !== undefined) return this.#refuseElsewhere(command, shard);
    const order = this.#named(command);
    if (order === undefined) return this.#refuse(command, 'unknownOrder');
    this.#takeOff(order, Math.min(order.open, Number(command.quantity)), 'reduced', command.request);
    if (order.open === 0) this.#gone(order);
    return { reason: 'none', open: order.open, traded: 0 };
  }

  #replace(command: MarketCommand): Outcome {
    const { flags, request } = command;
    const hasPrice = (flags & FLAG.hasPrice) !== 0;
    const hasQuantity = (flags & FLAG.hasQuantity) !== 0;
    const hasOpen = flags >>> 24 === TERM_OPEN && hasQuantity;
    const others = hasOpen ? flags & 0xff_ffff : flags;
    if ((others & ~(FLAG.hasPrice | FLAG.hasQuantity)) !== 0) return this.#refuse(command, 'flags');
    if (flags === 0) return this.#refuse(command, 'nothingToReplace');
    if (command.extra !== 0n && !hasOpen) return this.#refuse(command, 'reservedField');
    if (hasPrice && !isPrice(command.price)) return this.#refuse(command, 'price');
    if (hasQuantity && !isQuantity(command.quantity)) return this.#refuse(command, 'quantity');
    if (hasOpen && !isQuantity(command.extra)) return this.#refuse(command, 'terms');
    const shard = this.#shardOf(command.symbol);
    if (shard !== undefined) return this.#refuseElsewhere(command, shard);
    const order = this.#named(command);
    if (order === undefined) return this.#refuse(command, 'unknownOrder');
    const instrument = this.#books.instrumentOf(order);
    const price = hasPrice ? Number(command.price) : order.price;
    const tradedSince = hasOpen ? Number(command.extra) - order.open : 0;
    const quantity = hasQuantity ? Number(command.quantity) - tradedSince : order.open;
    if (instrument.closed) return this.#refuse(command, 'instrumentClosed');
    const { priceMax, quantityMax } = instrument;
    if (hasPrice && priceMax !== 0 && price > priceMax) return this.#refuse(command, 'priceMax');
    if (tradedSince < 0) return this.#refuse(command, 'openChanged');
    if (quantity <= 0) {
      this.#takeOff(order, order.open, 'reduced', request);
      this.#gone(order);
      return { reason: 'none', open: 0, traded: 0 };
    }
    if (hasQuantity && quantityMax !== 0 && quantity > quantityMax) return this.#refuse(command, 'quantityMax');

    if (price === order.price && quantity < order.open) {
      order.open = quantity;
      this.#emitOrder('replaced', order, { request, flags: EventFlag.kept, price, quantity });
      return { reason: 'none', open: order.open, traded: 0 };
    }
    if (!this.#books.hasGeneration(order)) return this.#refuse(command, 'ordersFull');
    const hasPage = this.#books.aloneInPage(order) || this.#books.hasPage(order.symbol, order.side, price);
    if (!hasPage) return this.#refuse(command, 'levelsFull');
    if (order.postOnly && this.#books.tradable(instrument, order.side, price) > 0n) {
      return this.#refuse(command, 'postOnlyWouldTrade');
    }
    this.#books.leave(order);
    order.price = price;
    order.open = quantity;
    order.generation = this.#books.nextGeneration(order.slot);
    this.#emitOrder('replaced', order, { request, price, quantity });
    const traded = this.#trade(instrument, order, price, request);
    this.#restOrGo(order);
    return { reason: 'none', open: order.open, traded };
  }

  #massCancel(command: MarketCommand): Outcome {
    const byAccount = (command.flags & FLAG.byAccount) !== 0;
    const bySymbol = (command.flags & FLAG.bySymbol) !== 0;
    if ((command.flags & ~(FLAG.byAccount | FLAG.bySymbol)) !== 0) return this.#refuse(command, 'flags');
    if (command.sideCode > 2) return this.#refuse(command, 'side');
    if (command.extra !== 0n) return this.#refuse(command, 'reservedField');
    if (bySymbol && !this.#books.instruments.has(command.symbol)) return this.#refuse(command, 'unknownSymbol');
    const fitting = this.#books
      .live()
      .filter(
        (order) =>
          (!byAccount || order.account === command.account) &&
          (!bySymbol || order.symbol === command.symbol) &&
          (command.sideCode === 2 || order.side === command.side),
      );
    const shard = bySymbol ? this.#shardOf(command.symbol) : this.#shardOf(fitting.find(this.#isElsewhere)?.symbol);
    if (shard !== undefined) return this.#refuseElsewhere(command, shard);
    for (const order of fitting) {
      this.#takeOff(order, order.open, 'massCancel', command.request);
      this.#gone(order);
    }
    return { reason: 'none', open: fitting.length, traded: 0 };
  }

  #createInstrument(command: MarketCommand): Outcome {
    const { name, symbol } = command;
    const isElsewhere = command.flags === FLAG.elsewhere;
    if (command.flags !== 0 && !isElsewhere) return this.#refuse(command, 'flags');
    if (symbol >= this.#limits.instrumentsMax) return this.#refuse(command, 'instrumentsFull');
    if (name === undefined) return this.#refuse(command, 'name');
    if (command.quantity !== 0n && !isQuantity(command.quantity)) return this.#refuse(command, 'quantity');
    if (isElsewhere && command.extra >= 2n ** 32n) return this.#refuse(command, 'shard');
    if (!isElsewhere && command.extra !== 0n && !isPrice(command.extra)) return this.#refuse(command, 'price');
    if (this.#books.instruments.has(symbol)) return this.#refuse(command, 'symbolExists');
    for (const other of this.#books.instruments.values()) {
      if (other.name === name) return this.#refuse(command, 'nameExists');
    }
    const limits = { priceMax: isElsewhere ? 0 : Number(command.extra), quantityMax: Number(command.quantity) };
    const place = isElsewhere
      ? { elsewhere: Number(command.extra), assignments: 1 }
      : { elsewhere: undefined, assignments: 0 };
    const instrument: Instrument = { symbol, name, ...limits, ...place, closed: false, buy: [], sell: [] };
    this.#books.instruments.set(symbol, instrument);
    this.#emitInstrument(instrument, command);
    return DONE;
  }

  #updateInstrument(command: MarketCommand): Outcome {
    if ((command.flags & ~(FLAG.closed | FLAG.elsewhere)) !== 0) return this.#refuse(command, 'flags');
    const instrument = this.#books.instruments.get(command.symbol);
    if (instrument === undefined) return this.#refuse(command, 'unknownSymbol');
    const meansElsewhere = (command.flags & FLAG.elsewhere) !== 0;
    const { elsewhere } = instrument;
    if (elsewhere !== undefined && !meansElsewhere) return this.#refuseElsewhere(command, elsewhere);
    if (elsewhere === undefined && meansElsewhere) return this.#refuse(command, 'tradesHere');
    if (command.quantity !== 0n && !isQuantity(command.quantity)) return this.#refuse(command, 'quantity');
    if (command.extra !== 0n && !isPrice(command.extra)) return this.#refuse(command, 'price');
    instrument.priceMax = Number(command.extra);
    instrument.quantityMax = Number(command.quantity);
    instrument.closed = (command.flags & FLAG.closed) !== 0;
    this.#emitInstrument(instrument, command);
    return DONE;
  }

  #assignInstrument(command: MarketCommand): Outcome {
    const isElsewhere = command.flags === FLAG.elsewhere;
    if (command.flags !== 0 && !isElsewhere) return this.#refuse(command, 'flags');
    if (!isElsewhere && command.extra !== 0n) return this.#refuse(command, 'reservedField');
    if (command.extra >= 2n ** 32n) return this.#refuse(command, 'shard');
    const instrument = this.#books.instruments.get(command.symbol);
    if (instrument === undefined) return this.#refuse(command, 'unknownSymbol');
    instrument.elsewhere = isElsewhere ? Number(command.extra) : undefined;
    instrument.assignments += 1;
    this.#emitInstrument(instrument, command);
    return DONE;
  }

  // Moving between shards.

  #moveIn(command: MarketCommand): Outcome {
    const { account, id, side, symbol, request } = command;
    const instrument = this.#books.instruments.get(symbol);
    const postOnly = command.flags === FLAG.postOnly;
    if (instrument === undefined) return this.#refuse(command, 'unknownSymbol');
    if (command.sideCode > 1) return this.#refuse(command, 'side');
    if (command.type !== 0) return this.#refuse(command, 'orderType');
    if (command.tif !== 0) return this.#refuse(command, 'timeInForce');
    if (command.flags !== 0 && !postOnly) return this.#refuse(command, 'flags');
    if (command.extra !== 0n) return this.#refuse(command, 'reservedField');
    if (!isPrice(command.price)) return this.#refuse(command, 'price');
    if (!isQuantity(command.quantity)) return this.#refuse(command, 'quantity');
    const price = Number(command.price);
    const open = Number(command.quantity);
    if (instrument.elsewhere === undefined) return this.#refuse(command, 'tradesHere');
    if (this.#books.find(account, id) !== undefined) return this.#refuse(command, 'duplicateOrder');
    if (!this.#books.hasSlot) return this.#refuse(command, 'ordersFull');
    if (!this.#books.hasPage(symbol, side, price)) return this.#refuse(command, 'levelsFull');
    if (this.#books.tradable(instrument, side, price) > 0n) return this.#refuse(command, 'postOnlyWouldTrade');
    const slot = this.#books.takeSlot();
    const generation = this.#books.nextGeneration(slot);
    const order: ModelOrder = { account, id, symbol, side, postOnly, slot, price, open, generation };
    this.#emitOrder('accepted', order, { request, price, quantity: open });
    this.#books.rest(order);
    return { reason: 'none', open, traded: 0 };
  }

  #moveOut(command: MarketCommand): Outcome {
    const instrument = this.#books.instruments.get(command.symbol);
    if (command.flags !== 0) return this.#refuse(command, 'flags');
    if (command.extra !== 0n) return this.#refuse(command, 'reservedField');
    if (instrument === undefined) return this.#refuse(command, 'unknownSymbol');
    if (instrument.elsewhere === undefined) return this.#refuse(command, 'tradesHere');
    const orders = [...instrument.buy, ...instrument.sell];
    for (const order of orders) {
      this.#takeOff(order, order.open, 'moved', command.request);
      this.#gone(order);
    }
    return { reason: 'none', open: orders.length, traded: 0 };
  }

  #massStatus(command: MarketCommand): Outcome {
    const instrument = this.#books.instruments.get(command.symbol);
    const { id, quantity } = command;
    if (command.flags !== 0) return this.#refuse(command, 'flags');
    if (command.sideCode > 1) return this.#refuse(command, 'side');
    if (command.extra !== 0n) return this.#refuse(command, 'reservedField');
    if (quantity < 1n || quantity > STATUS_ORDERS_MAX) return this.#refuse(command, 'quantity');
    if (instrument === undefined) return this.#refuse(command, 'unknownSymbol');
    const orders = instrument[command.side];
    const behind = orders.findIndex((order) => BigInt(order.slot) === id);
    if (id !== 0n && behind === -1) return this.#refuse(command, 'unknownOrder');
    const told = orders.slice(behind + 1, behind + 1 + Number(quantity));
    for (const order of told) {
      const { price, open, postOnly } = order;
      const flags = postOnly ? EventFlag.postOnly : 0;
      this.#emitOrder('status', order, { request: command.request, price, quantity: open, flags });
    }
    return { reason: 'none', open: told.length, traded: 0 };
  }

  /** The shard that an instrument trades on, if not this one. */
  #shardOf(symbol: number | undefined): number | undefined {
    return symbol === undefined ? undefined : this.#books.instruments.get(symbol)?.elsewhere;
  }

  readonly #isElsewhere = (order: ModelOrder): boolean => this.#shardOf(order.symbol) !== undefined;

  #refuseElsewhere(command: MarketCommand, shard: number): Outcome {
    this.#reject(command, 'otherShard', shard);
    return { reason: 'otherShard', open: shard, traded: 0 };
  }

  // Orders, books and slots.

  #named(command: MarketCommand): ModelOrder | undefined {
    const order = this.#books.find(command.account, command.id);
    return order?.symbol === command.symbol ? order : undefined;
  }

  /** Trades while it can; the lots traded. */
  #trade(instrument: Instrument, taker: ModelOrder, limit: number | undefined, request: number): number {
    let traded = 0;
    while (taker.open > 0) {
      const maker = instrument[opposite(taker.side)][0];
      if (maker === undefined || !reaches(taker.side, limit, maker.price)) break;
      const quantity = Math.min(taker.open, maker.open);
      const price = maker.price;
      maker.open -= quantity;
      taker.open -= quantity;
      traded += quantity;
      const done = (order: ModelOrder) => (order.open === 0 ? EventFlag.done : 0);
      this.#emitOrder('tradeMaker', maker, { price, quantity, flags: done(maker), request: 0 });
      this.#emitOrder('tradeTaker', taker, { price, quantity, flags: done(taker), request });
      if (maker.open === 0) this.#gone(maker);
    }
    return traded;
  }

  /** What an incoming limit order does after it traded. */
  #restOrGo(order: ModelOrder): void {
    if (order.open === 0) this.#books.forget(order);
    else this.#books.rest(order);
  }

  #gone(order: ModelOrder): void {
    this.#books.leave(order);
    this.#books.forget(order);
  }

  #takeOff(order: ModelOrder, quantity: number, reason: ReasonName, request: number): void {
    order.open -= quantity;
    const flags = order.open === 0 ? EventFlag.done : 0;
    this.#emitOrder('canceled', order, { price: order.price, quantity, reason, flags, request });
  }

  // Events.

  #refuse(command: MarketCommand, reason: ReasonName): Outcome {
    this.#reject(command, reason);
    return { reason, open: 0, traded: 0 };
  }

  #reject(command: MarketCommand, reason: ReasonName, open = 0): void {
    const { side, symbol, account, request } = command;
    const ofInstrument = command.op === OP.instrumentCreate || command.op === OP.instrumentUpdate;
    const { price, quantity, id } = ofInstrument ? { price: 0n, quantity: 0n, id: 0n } : command;
    const amounts = { price: Number(price), quantity: Number(quantity), id: shownId(id) };
    this.#emit('rejected', { reason, side, symbol, ...amounts, account, request, open });
  }

  #emitInstrument(instrument: Instrument, command: MarketCommand): void {
    const { symbol, name, priceMax: open, quantityMax: id } = instrument;
    const { account, request } = command;
    const { closed, elsewhere, assignments: generation } = instrument;
    const flags = (closed ? EventFlag.closed : 0) + (elsewhere === undefined ? 0 : EventFlag.elsewhere);
    const place = { slot: elsewhere ?? 0, generation };
    this.#emit('instrument', { symbol, name, open, id, flags, account, request, ...place });
  }

  #emitOrder(type: EventTypeName, order: ModelOrder, rest: Partial<VenueEvent>): void {
    const { side, symbol, account, slot, generation, open } = order;
    this.#emit(type, { side, symbol, id: shownId(order.id), account, slot, generation, open, ...rest });
  }

  #emit(type: EventTypeName, fields: Partial<VenueEvent>): void {
    this.#events.push({
      type,
      side: 'buy',
      reason: 'none',
      flags: 0,
      symbol: 0,
      sequence: this.#sequence,
      price: 0,
      quantity: 0,
      id: 0,
      account: 0,
      slot: 0,
      generation: 0,
      request: 0,
      open: 0,
      ...fields,
    });
  }
}

function whyNotInSession(session: Session | undefined, command: MarketCommand): ReasonName {
  if (session === undefined) return 'sessionUnknown';
  if (session.account !== ADMINISTRATOR && command.account !== session.account) return 'sessionAccount';
  if (command.request > session.last + 1) return 'requestGap';
  if (command.request <= session.last && !session.answers.has(command.request)) return 'requestTooOld';
  return 'none';
}

function isForAdministrator(command: MarketCommand): boolean {
  if (command.op === OP.massCancel) return (command.flags & FLAG.byAccount) === 0;
  return FOR_ADMINISTRATOR.includes(command.op);
}
