import { AMOUNT_MAX, PRICE_MAX, TWO_32 } from '../journal/amounts.ts';
import { COMMAND_WORD, Flag, Op, OrderType, SIDE_ANY, TimeInForce } from '../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType } from '../journal/events.ts';
import type { VenueLimits } from '../journal/genesis.ts';
import { Reason } from '../journal/reasons.ts';
import { claimEvent, type EventSink } from './event-buffer.ts';
import {
  createInstrumentTable,
  INSTRUMENT_FLAG,
  type InstrumentTable,
  isAmount,
  isName,
  NAME_WORDS,
} from './instrument-table.ts';
import { createLadders, type Ladders, LEVEL, VOLUME_SPILL } from './ladder.ts';
import { createOrderTable, GENERATION_MAX, ORDER, ORDER_AMOUNT, ORDER_FLAG, type OrderTable } from './order-table.ts';
import { Admission, createSessionTable, type SessionTable } from './session-table.ts';

/** [price, quantity, orders], best first. */
export type BookLevel = [price: number, quantity: number, orders: number];

/**
 * The state transition of the venue: one command in, its events out, and nothing else seen: no clock, no randomness, no
 * I/O, no floating point beyond exact integers. docs/market-rules.md tells the same rules in words, in the same order.
 */
export interface Matcher {
  /** Applies the command record at word `at`. Its sequence is the one after the last. */
  apply(words: Uint32Array, at: number): void;
  /** Sequence of the last command applied. */
  sequence(): number;
  book(symbol: number, depth: number): { bids: BookLevel[]; asks: BookLevel[] };
  readonly state: MarketState;
}

/** What the transition remembers; canonical-state.ts turns it into bytes and back. */
export interface MarketState {
  readonly limits: VenueLimits;
  readonly orders: OrderTable;
  readonly ladders: Ladders;
  readonly instruments: InstrumentTable;
  readonly sessions: SessionTable;
  /** Sequence of the last command: low and high word. */
  readonly sequence: Uint32Array;
  /** Puts the order in `slot`, whose fields are set, at the end of its price's queue. */
  rest(slot: number): void;
}

/** `hashSeed` places ids in the index; it changes no result, and an unguessable one keeps clients from crowding it. */
export function createMatcher(limits: VenueLimits, events: EventSink, hashSeed = 0): Matcher {
  const orders = createOrderTable(limits, hashSeed);
  const { ints, amounts } = orders;
  const ladders = createLadders(limits, hashSeed);
  const { best, levels, volume, key } = ladders;
  const instruments = createInstrumentTable(limits);
  const sessions = createSessionTable(limits);
  const sequence = new Uint32Array(2);

  // Amounts of the command at work live in typed cells, and words above 2^31 go from call to call as int32: as a closure's
  // variable or a parameter, such a number would be a heap object.
  const OPEN = 0;
  const LIMIT_KEY = 1;
  const TRADED = 2;
  const FILL = 3;
  const MAKER_LEFT = 4;
  const CHANGE = 5;
  const work = new Float64Array(6);
  const outcome = new Uint32Array(1);

  function apply(words: Uint32Array, at: number): void {
    const low = ((sequence[0] as number) + 1) >>> 0;
    sequence[0] = low;
    if (low === 0) sequence[1] = (sequence[1] as number) + 1;
    work[OPEN] = 0;
    work[TRADED] = 0;
    outcome[0] = Reason.none;

    const session = words[at + COMMAND_WORD.session] as number;
    const op = (words[at] as number) & 255;
    if (session !== 0) {
      applyInSession(words, at, op, session);
      return;
    }
    if (words[at + COMMAND_WORD.request] !== 0) reject(words, at, Reason.flags);
    else if (op === Op.sessionOpen) openSession(words, at);
    else if (op === Op.sessionClose) reject(words, at, Reason.sessionUnknown);
    else perform(words, at, op);
  }

  function applyInSession(words: Uint32Array, at: number, op: number, session: number): void {
    const place = sessions.find(session);
    if (place < 0) {
      reject(words, at, Reason.sessionUnknown);
      return;
    }
    const request = (words[at + COMMAND_WORD.request] as number) | 0;
    const admission = sessions.admit(place, (words[at + COMMAND_WORD.account] as number) | 0, request);
    if (admission === Admission.handle) {
      if (op === Op.sessionClose) closeSession(words, at, place);
      else if (op === Op.sessionOpen) reject(words, at, Reason.flags);
      else if (sessions.account[place] !== 0 && isAdministration(words, at, op))
        reject(words, at, Reason.sessionAccount);
      else perform(words, at, op);
      if (outcome[0] !== Reason.none) work[OPEN] = 0;
      sessions.handled(
        place,
        request,
        (words[at + COMMAND_WORD.time + 1] as number) | 0,
        (words[at + COMMAND_WORD.time] as number) | 0,
      );
      const row = sessions.answerRow(place, request);
      sessions.answerSequence[row] = (sequence[1] as number) * TWO_32 + (sequence[0] as number);
      sessions.answerOpen[row] = work[OPEN] as number;
      sessions.answerTraded[row] = work[TRADED] as number;
      sessions.answerReason[row] = outcome[0] as number;
      answer(words, at, row, 0);
    } else if (admission === Admission.repeat) answer(words, at, sessions.answerRow(place, request), EventFlag.repeat);
    else if (admission === Admission.account) reject(words, at, Reason.sessionAccount);
    else if (admission === Admission.gap) reject(words, at, Reason.requestGap);
    else reject(words, at, Reason.requestTooOld);
  }

  function isAdministration(words: Uint32Array, at: number, op: number): boolean {
    if (op === Op.massCancel) return ((words[at + COMMAND_WORD.flags] as number) & Flag.byAccount) === 0;
    return op === Op.instrumentCreate || op === Op.instrumentUpdate;
  }

  function perform(words: Uint32Array, at: number, op: number): void {
    if (op === Op.new) newOrder(words, at);
    else if (op === Op.cancel) cancelOrder(words, at);
    else if (op === Op.replace) replaceOrder(words, at);
    else if (op === Op.reduce) reduceOrder(words, at);
    else if (op === Op.massCancel) massCancel(words, at);
    else if (op === Op.instrumentCreate) createInstrument(words, at);
    else if (op === Op.instrumentUpdate) updateInstrument(words, at);
    else reject(words, at, Reason.notSupported);
  }

  // --- New ---------------------------------------------------------------------------------------------------------

  function newOrder(words: Uint32Array, at: number): void {
    const head = words[at] as number;
    const flags = words[at + COMMAND_WORD.flags] as number;
    const symbol = words[at + COMMAND_WORD.symbol] as number;
    const side = (head >>> 8) & 255;
    const type = (head >>> 16) & 255;
    const tif = head >>> 24;
    const limit = type === OrderType.limit;
    const mayRest = limit && tif === TimeInForce.gtc;

    if (!instruments.exists(symbol)) return reject(words, at, Reason.unknownSymbol);
    if (side > 1) return reject(words, at, Reason.side);
    if (type > OrderType.market)
      return reject(words, at, type <= OrderType.stopLimit ? Reason.notSupported : Reason.orderType);
    if (tif > TimeInForce.fok)
      return reject(words, at, tif <= TimeInForce.gtd ? Reason.notSupported : Reason.timeInForce);
    if (flags !== 0 && (flags !== Flag.postOnly || !mayRest)) return reject(words, at, Reason.flags);
    if (!isZero(words, at + COMMAND_WORD.extra)) return reject(words, at, Reason.reservedField);
    if (limit ? !isPrice(words, at + COMMAND_WORD.price) : !isZero(words, at + COMMAND_WORD.price)) {
      return reject(words, at, Reason.price);
    }
    if (!isQuantity(words, at + COMMAND_WORD.quantity)) return reject(words, at, Reason.quantity);
    if (((instruments.flags[symbol] as number) & INSTRUMENT_FLAG.closed) !== 0)
      return reject(words, at, Reason.instrumentClosed);
    if (limit && isAbove(words, at + COMMAND_WORD.price, instruments.priceMax, symbol))
      return reject(words, at, Reason.priceMax);
    if (isAbove(words, at + COMMAND_WORD.quantity, instruments.quantityMax, symbol))
      return reject(words, at, Reason.quantityMax);
    if (findOrder(words, at) !== 0) return reject(words, at, Reason.duplicateOrder);

    const ladder = symbol * 2 + side;
    const priceLow = words[at + COMMAND_WORD.price] as number;
    const priceHigh = words[at + COMMAND_WORD.price + 1] as number;
    setLimitKey(side, limit, priceHigh, priceLow | 0);
    if (mayRest) {
      if (!orders.hasFree()) return reject(words, at, Reason.ordersFull);
      if (!ladders.hasRoom(ladder, keyHighOf(side, priceHigh), keyLowOf(side, priceLow | 0)))
        return reject(words, at, Reason.levelsFull);
      if (flags !== 0 && wouldTrade(ladder ^ 1)) return reject(words, at, Reason.postOnlyWouldTrade);
    }

    const slot = mayRest ? orders.take() : 0;
    const generation = slot === 0 ? 0 : (ints[(slot << 4) + ORDER.generation] as number);
    emitCommand(words, at, EventType.accepted | (side << 8), slot, generation, true);
    work[OPEN] =
      (words[at + COMMAND_WORD.quantity + 1] as number) * TWO_32 + (words[at + COMMAND_WORD.quantity] as number);
    if (tif === TimeInForce.fok && !canFill(ladder ^ 1)) {
      emitRemainder(words, at, side, Reason.fok);
      return;
    }
    trade(words, at, side, ladder ^ 1, slot, generation);
    if (work[OPEN] === 0) {
      if (slot !== 0) orders.release(slot);
    } else if (slot === 0) emitRemainder(words, at, side, Reason.ioc);
    else {
      const order = slot << 4;
      ints[order + ORDER.flags] = side | (flags === 0 ? 0 : ORDER_FLAG.postOnly) | ORDER_FLAG.live;
      ints[order + ORDER.id] = words[at + COMMAND_WORD.id] as number;
      ints[order + ORDER.id + 1] = words[at + COMMAND_WORD.id + 1] as number;
      ints[order + ORDER.account] = words[at + COMMAND_WORD.account] as number;
      ints[order + ORDER.symbol] = symbol;
      amounts[(slot << 3) + ORDER_AMOUNT.price] = priceHigh * TWO_32 + priceLow;
      restWork(slot);
      orders.index(slot);
    }
  }

  /** Trades what is open with the opposite ladder, best price first and first come first served, down to the limit. */
  function trade(
    words: Uint32Array,
    at: number,
    side: number,
    opposite: number,
    takerSlot: number,
    takerGeneration: number,
  ): void {
    while ((work[OPEN] as number) > 0 && wouldTrade(opposite)) {
      const level = best[opposite] as number;
      const node = level << 2;
      let slot = levels[node + LEVEL.head] as number;
      do {
        const amount = slot << 3;
        const makerOpen = amounts[amount + ORDER_AMOUNT.open] as number;
        const takerOpen = work[OPEN] as number;
        const traded = Math.min(makerOpen, takerOpen);
        const makerLeft = makerOpen - traded;
        const takerLeft = takerOpen - traded;
        work[FILL] = traded;
        work[MAKER_LEFT] = makerLeft;
        work[OPEN] = takerLeft;
        work[TRADED] = (work[TRADED] as number) + traded;
        const left = (volume[level] as number) - traded;
        if (left < 0) {
          levels[node + LEVEL.volumeHigh] = (levels[node + LEVEL.volumeHigh] as number) - 1;
          volume[level] = left + VOLUME_SPILL;
        } else volume[level] = left;

        const maker = claimEvent(events);
        emitOrder(maker, slot, EventType.tradeMaker, makerLeft === 0 ? EventFlag.done : 0, 0);
        putAmount(maker + EVENT_WORD.price, amounts, amount + ORDER_AMOUNT.price);
        putAmount(maker + EVENT_WORD.quantity, work, FILL);
        putAmount(maker + EVENT_WORD.open, work, MAKER_LEFT);
        const taker = claimEvent(events);
        const out = events.words;
        out[taker] = EventType.tradeTaker | (side << 8) | (takerLeft === 0 ? EventFlag.done << 24 : 0);
        out[taker + EVENT_WORD.symbol] = words[at + COMMAND_WORD.symbol] as number;
        out[taker + EVENT_WORD.sequence] = sequence[0] as number;
        out[taker + EVENT_WORD.sequence + 1] = sequence[1] as number;
        putAmount(taker + EVENT_WORD.price, amounts, amount + ORDER_AMOUNT.price);
        putAmount(taker + EVENT_WORD.quantity, work, FILL);
        out[taker + EVENT_WORD.id] = words[at + COMMAND_WORD.id] as number;
        out[taker + EVENT_WORD.id + 1] = words[at + COMMAND_WORD.id + 1] as number;
        out[taker + EVENT_WORD.account] = words[at + COMMAND_WORD.account] as number;
        out[taker + EVENT_WORD.slot] = takerSlot;
        out[taker + EVENT_WORD.generation] = takerGeneration;
        out[taker + EVENT_WORD.request] = words[at + COMMAND_WORD.request] as number;
        putAmount(taker + EVENT_WORD.open, work, OPEN);

        if (makerLeft !== 0) {
          amounts[amount + ORDER_AMOUNT.open] = makerLeft;
          break;
        }
        const next = ints[(slot << 4) + ORDER.next] as number;
        levels[node + LEVEL.count] = (levels[node + LEVEL.count] as number) - 1;
        orders.unindex(slot);
        orders.release(slot);
        slot = next;
      } while (slot !== 0 && (work[OPEN] as number) > 0);
      levels[node + LEVEL.head] = slot;
      if (slot !== 0) ints[(slot << 4) + ORDER.prev] = 0;
      else {
        levels[node + LEVEL.tail] = 0;
        ladders.close(opposite, level);
      }
    }
  }

  function wouldTrade(opposite: number): boolean {
    const level = best[opposite] as number;
    return level !== 0 && (key[level] as number) <= (work[LIMIT_KEY] as number);
  }

  /** Whether all that is open could trade at once. */
  function canFill(opposite: number): boolean {
    let missing = work[OPEN] as number;
    for (let level = best[opposite] as number; level !== 0; level = ladders.nextAfter(opposite, level)) {
      if ((key[level] as number) > (work[LIMIT_KEY] as number)) return false;
      if (levels[(level << 2) + LEVEL.volumeHigh] !== 0) return true;
      missing -= volume[level] as number;
      if (missing <= 0) return true;
    }
    return false;
  }

  // --- Cancel, reduce, replace -----------------------------------------------------------------------------------------

  function cancelOrder(words: Uint32Array, at: number): void {
    if (words[at + COMMAND_WORD.flags] !== 0) return reject(words, at, Reason.flags);
    if (!isZero(words, at + COMMAND_WORD.extra)) return reject(words, at, Reason.reservedField);
    const slot = findNamed(words, at);
    if (slot === 0) return reject(words, at, Reason.unknownOrder);
    remove(words, at, slot, Reason.requested);
  }

  function reduceOrder(words: Uint32Array, at: number): void {
    if (words[at + COMMAND_WORD.flags] !== 0) return reject(words, at, Reason.flags);
    if (!isZero(words, at + COMMAND_WORD.extra)) return reject(words, at, Reason.reservedField);
    if (!isQuantity(words, at + COMMAND_WORD.quantity)) return reject(words, at, Reason.quantity);
    const slot = findNamed(words, at);
    if (slot === 0) return reject(words, at, Reason.unknownOrder);
    const wanted =
      (words[at + COMMAND_WORD.quantity + 1] as number) * TWO_32 + (words[at + COMMAND_WORD.quantity] as number);
    const amount = slot << 3;
    const left = (amounts[amount + ORDER_AMOUNT.open] as number) - wanted;
    if (left <= 0) return remove(words, at, slot, Reason.reduced);
    work[CHANGE] = -wanted;
    changeVolume(ints[(slot << 4) + ORDER.level] as number);
    work[FILL] = wanted;
    amounts[amount + ORDER_AMOUNT.open] = left;
    work[OPEN] = left;
    const event = claimEvent(events);
    emitOrder(
      event,
      slot,
      EventType.canceled | (Reason.reduced << 16),
      0,
      (words[at + COMMAND_WORD.request] as number) | 0,
    );
    putAmount(event + EVENT_WORD.price, amounts, amount + ORDER_AMOUNT.price);
    putAmount(event + EVENT_WORD.quantity, work, FILL);
    putAmount(event + EVENT_WORD.open, work, OPEN);
  }

  function replaceOrder(words: Uint32Array, at: number): void {
    const flags = words[at + COMMAND_WORD.flags] as number;
    const hasPrice = (flags & Flag.hasPrice) !== 0;
    const hasQuantity = (flags & Flag.hasQuantity) !== 0;
    if ((flags & ~(Flag.hasPrice | Flag.hasQuantity)) !== 0) return reject(words, at, Reason.flags);
    if (flags === 0) return reject(words, at, Reason.nothingToReplace);
    if (!isZero(words, at + COMMAND_WORD.extra)) return reject(words, at, Reason.reservedField);
    if (hasPrice && !isPrice(words, at + COMMAND_WORD.price)) return reject(words, at, Reason.price);
    if (hasQuantity && !isQuantity(words, at + COMMAND_WORD.quantity)) return reject(words, at, Reason.quantity);
    const slot = findNamed(words, at);
    if (slot === 0) return reject(words, at, Reason.unknownOrder);
    const order = slot << 4;
    const amount = slot << 3;
    const symbol = ints[order + ORDER.symbol] as number;
    if (((instruments.flags[symbol] as number) & INSTRUMENT_FLAG.closed) !== 0)
      return reject(words, at, Reason.instrumentClosed);
    if (hasPrice && isAbove(words, at + COMMAND_WORD.price, instruments.priceMax, symbol))
      return reject(words, at, Reason.priceMax);
    if (hasQuantity && isAbove(words, at + COMMAND_WORD.quantity, instruments.quantityMax, symbol)) {
      return reject(words, at, Reason.quantityMax);
    }

    const oldPrice = amounts[amount + ORDER_AMOUNT.price] as number;
    const oldOpen = amounts[amount + ORDER_AMOUNT.open] as number;
    const oldHigh = Math.floor(oldPrice / TWO_32);
    const priceHigh = hasPrice ? (words[at + COMMAND_WORD.price + 1] as number) : oldHigh;
    const priceLow = hasPrice ? (words[at + COMMAND_WORD.price] as number) : oldPrice - oldHigh * TWO_32;
    const price = priceHigh * TWO_32 + priceLow;
    const open = hasQuantity
      ? (words[at + COMMAND_WORD.quantity + 1] as number) * TWO_32 + (words[at + COMMAND_WORD.quantity] as number)
      : oldOpen;
    const level = ints[order + ORDER.level] as number;
    if (price === oldPrice && open < oldOpen) {
      work[CHANGE] = open - oldOpen;
      changeVolume(level);
      amounts[amount + ORDER_AMOUNT.open] = open;
      work[OPEN] = open;
      emitReplaced(words, at, slot, EventFlag.kept);
      return;
    }

    const side = (ints[order + ORDER.flags] as number) & ORDER_FLAG.sell;
    const ladder = symbol * 2 + side;
    setLimitKey(side, true, priceHigh, priceLow | 0);
    if ((ints[order + ORDER.generation] as number) >= GENERATION_MAX) return reject(words, at, Reason.ordersFull);
    const leavesPage = levels[(level << 2) + LEVEL.count] === 1 && ladders.isLastOfPage(level);
    if (!leavesPage && !ladders.hasRoom(ladder, keyHighOf(side, priceHigh), keyLowOf(side, priceLow | 0))) {
      return reject(words, at, Reason.levelsFull);
    }
    if (((ints[order + ORDER.flags] as number) & ORDER_FLAG.postOnly) !== 0 && wouldTrade(ladder ^ 1)) {
      return reject(words, at, Reason.postOnlyWouldTrade);
    }
    unlink(slot, ladder);
    const generation = (ints[order + ORDER.generation] as number) + 1;
    ints[order + ORDER.generation] = generation;
    amounts[amount + ORDER_AMOUNT.price] = price;
    amounts[amount + ORDER_AMOUNT.open] = open;
    work[OPEN] = open;
    emitReplaced(words, at, slot, 0);
    trade(words, at, side, ladder ^ 1, slot, generation);
    if (work[OPEN] === 0) {
      orders.unindex(slot);
      orders.release(slot);
    } else restWork(slot);
  }

  /** Takes a live order off the book and tells why. */
  function remove(words: Uint32Array, at: number, slot: number, reason: number): void {
    const order = slot << 4;
    const amount = slot << 3;
    const event = claimEvent(events);
    emitOrder(
      event,
      slot,
      EventType.canceled | (reason << 16),
      EventFlag.done,
      (words[at + COMMAND_WORD.request] as number) | 0,
    );
    putAmount(event + EVENT_WORD.price, amounts, amount + ORDER_AMOUNT.price);
    putAmount(event + EVENT_WORD.quantity, amounts, amount + ORDER_AMOUNT.open);
    events.words[event + EVENT_WORD.open] = 0;
    events.words[event + EVENT_WORD.open + 1] = 0;
    unlink(
      slot,
      (ints[order + ORDER.symbol] as number) * 2 + ((ints[order + ORDER.flags] as number) & ORDER_FLAG.sell),
    );
    orders.unindex(slot);
    orders.release(slot);
  }

  function massCancel(words: Uint32Array, at: number): void {
    const flags = words[at + COMMAND_WORD.flags] as number;
    const side = ((words[at] as number) >>> 8) & 255;
    const byAccount = (flags & Flag.byAccount) !== 0;
    const bySymbol = (flags & Flag.bySymbol) !== 0;
    const account = (words[at + COMMAND_WORD.account] as number) | 0;
    const symbol = words[at + COMMAND_WORD.symbol] as number;
    if ((flags & ~(Flag.byAccount | Flag.bySymbol)) !== 0) return reject(words, at, Reason.flags);
    if (side > SIDE_ANY) return reject(words, at, Reason.side);
    if (!isZero(words, at + COMMAND_WORD.extra)) return reject(words, at, Reason.reservedField);
    if (bySymbol && !instruments.exists(symbol)) return reject(words, at, Reason.unknownSymbol);
    let canceled = 0;
    const highWater = orders.highWater();
    for (let slot = 1; slot <= highWater; slot++) {
      const order = slot << 4;
      const state = ints[order + ORDER.flags] as number;
      if ((state & ORDER_FLAG.live) === 0) continue;
      if (byAccount && ints[order + ORDER.account] !== account) continue;
      if (bySymbol && ints[order + ORDER.symbol] !== symbol) continue;
      if (side !== SIDE_ANY && (state & ORDER_FLAG.sell) !== side) continue;
      remove(words, at, slot, Reason.massCancel);
      canceled++;
    }
    work[OPEN] = canceled;
  }

  // --- Instruments -----------------------------------------------------------------------------------------------------

  function createInstrument(words: Uint32Array, at: number): void {
    const symbol = words[at + COMMAND_WORD.symbol] as number;
    if (words[at + COMMAND_WORD.flags] !== 0) return reject(words, at, Reason.flags);
    if (symbol >= limits.instrumentsMax) return reject(words, at, Reason.instrumentsFull);
    if (!isName(words, at + COMMAND_WORD.id)) return reject(words, at, Reason.name);
    if (!areInstrumentLimits(words, at)) return;
    if (instruments.exists(symbol)) return reject(words, at, Reason.symbolExists);
    if (instruments.hasName(words, at + COMMAND_WORD.id)) return reject(words, at, Reason.nameExists);
    for (let word = 0; word < NAME_WORDS; word++) {
      instruments.name[symbol * NAME_WORDS + word] = words[at + COMMAND_WORD.id + word] as number;
    }
    setInstrument(words, at, symbol, INSTRUMENT_FLAG.exists);
  }

  function updateInstrument(words: Uint32Array, at: number): void {
    const symbol = words[at + COMMAND_WORD.symbol] as number;
    const flags = words[at + COMMAND_WORD.flags] as number;
    if ((flags & ~Flag.closed) !== 0) return reject(words, at, Reason.flags);
    if (!instruments.exists(symbol)) return reject(words, at, Reason.unknownSymbol);
    if (!areInstrumentLimits(words, at)) return;
    setInstrument(words, at, symbol, INSTRUMENT_FLAG.exists | (flags === 0 ? 0 : INSTRUMENT_FLAG.closed));
  }

  function areInstrumentLimits(words: Uint32Array, at: number): boolean {
    const quantity = at + COMMAND_WORD.quantity;
    const price = at + COMMAND_WORD.extra;
    const reason = !isAmount(words, quantity)
      ? Reason.quantity
      : isZero(words, price) || isPrice(words, price)
        ? Reason.none
        : Reason.price;
    if (reason !== Reason.none) reject(words, at, reason);
    return reason === Reason.none;
  }

  function setInstrument(words: Uint32Array, at: number, symbol: number, flags: number): void {
    instruments.flags[symbol] = flags;
    const quantityLow = words[at + COMMAND_WORD.quantity] as number;
    const quantityHigh = words[at + COMMAND_WORD.quantity + 1] as number;
    const priceLow = words[at + COMMAND_WORD.extra] as number;
    const priceHigh = words[at + COMMAND_WORD.extra + 1] as number;
    instruments.quantityMax[symbol] = quantityHigh * TWO_32 + quantityLow;
    instruments.priceMax[symbol] = priceHigh * TWO_32 + priceLow;
    const closed = (flags & INSTRUMENT_FLAG.closed) !== 0;
    const event = emitCommand(words, at, EventType.instrument | (closed ? EventFlag.closed << 24 : 0), 0, 0, false);
    const out = events.words;
    for (let word = 0; word < NAME_WORDS; word++) {
      out[event + EVENT_WORD.price + word] = instruments.name[symbol * NAME_WORDS + word] as number;
    }
    out[event + EVENT_WORD.id] = quantityLow;
    out[event + EVENT_WORD.id + 1] = quantityHigh;
    out[event + EVENT_WORD.open] = priceLow;
    out[event + EVENT_WORD.open + 1] = priceHigh;
  }

  // --- Sessions --------------------------------------------------------------------------------------------------------

  function openSession(words: Uint32Array, at: number): void {
    const account = words[at + COMMAND_WORD.account] as number;
    const keyLow = words[at + COMMAND_WORD.id] as number;
    const keyHigh = words[at + COMMAND_WORD.id + 1] as number;
    let place = sessions.findKey(account, keyLow, keyHigh);
    const timeHigh = words[at + COMMAND_WORD.time + 1] as number;
    const timeLow = words[at + COMMAND_WORD.time] as number;
    if (place >= 0) {
      sessions.handled(place, sessions.lastRequest[place] as number, timeHigh, timeLow);
      emitSession(words, at, place, EventFlag.repeat);
      return;
    }
    place = sessions.open(account, keyLow, keyHigh, timeHigh, timeLow);
    if (place < 0) reject(words, at, Reason.sessionsFull);
    else emitSession(words, at, place, 0);
  }

  function closeSession(words: Uint32Array, at: number, place: number): void {
    emitSession(words, at, place, EventFlag.closed);
    sessions.close(place);
  }

  function emitSession(words: Uint32Array, at: number, place: number, flags: number): void {
    const event = claimEvent(events);
    const out = events.words;
    clear(event, EventType.session | (flags << 24));
    out[event + EVENT_WORD.id] = sessions.key[place * 2] as number;
    out[event + EVENT_WORD.id + 1] = sessions.key[place * 2 + 1] as number;
    out[event + EVENT_WORD.account] = words[at + COMMAND_WORD.account] as number;
    out[event + EVENT_WORD.request] = words[at + COMMAND_WORD.request] as number;
    if (flags !== EventFlag.closed) out[event + EVENT_WORD.quantity] = sessions.lastRequest[place] as number;
    out[event + EVENT_WORD.open] = sessions.number[place] as number;
  }

  function answer(words: Uint32Array, at: number, row: number, flags: number): void {
    const event = claimEvent(events);
    const out = events.words;
    clear(event, EventType.answer | ((sessions.answerReason[row] as number) << 16) | (flags << 24));
    out[event + EVENT_WORD.symbol] = words[at + COMMAND_WORD.session] as number;
    putAmount(event + EVENT_WORD.price, sessions.answerSequence, row);
    putAmount(event + EVENT_WORD.quantity, sessions.answerTraded, row);
    out[event + EVENT_WORD.id] = words[at + COMMAND_WORD.id] as number;
    out[event + EVENT_WORD.id + 1] = words[at + COMMAND_WORD.id + 1] as number;
    out[event + EVENT_WORD.account] = words[at + COMMAND_WORD.account] as number;
    out[event + EVENT_WORD.request] = words[at + COMMAND_WORD.request] as number;
    putAmount(event + EVENT_WORD.open, sessions.answerOpen, row);
  }

  // --- The book --------------------------------------------------------------------------------------------------------

  /** The live order that (account, id) of the command names, or 0. */
  function findOrder(words: Uint32Array, at: number): number {
    return orders.find(
      (words[at + COMMAND_WORD.account] as number) | 0,
      (words[at + COMMAND_WORD.id] as number) | 0,
      (words[at + COMMAND_WORD.id + 1] as number) | 0,
    );
  }

  /** The same, but only on the command's instrument. */
  function findNamed(words: Uint32Array, at: number): number {
    const slot = findOrder(words, at);
    return slot !== 0 && ints[(slot << 4) + ORDER.symbol] === ((words[at + COMMAND_WORD.symbol] as number) | 0)
      ? slot
      : 0;
  }

  /** Rests what is open of the command at work, with the command's place in time. */
  function restWork(slot: number): void {
    amounts[(slot << 3) + ORDER_AMOUNT.open] = work[OPEN] as number;
    amounts[(slot << 3) + ORDER_AMOUNT.sequence] = (sequence[1] as number) * TWO_32 + (sequence[0] as number);
    rest(slot);
  }

  function rest(slot: number): void {
    const order = slot << 4;
    const amount = slot << 3;
    const side = (ints[order + ORDER.flags] as number) & ORDER_FLAG.sell;
    const price = amounts[amount + ORDER_AMOUNT.price] as number;
    const priceHigh = Math.floor(price / TWO_32);
    const priceLow = price - priceHigh * TWO_32;
    const ladder = (ints[order + ORDER.symbol] as number) * 2 + side;
    const level = ladders.open(ladder, keyHighOf(side, priceHigh), keyLowOf(side, priceLow | 0));
    const node = level << 2;
    const tail = levels[node + LEVEL.tail] as number;
    if (tail === 0) levels[node + LEVEL.head] = slot;
    else ints[(tail << 4) + ORDER.next] = slot;
    ints[order + ORDER.prev] = tail;
    ints[order + ORDER.next] = 0;
    ints[order + ORDER.level] = level;
    levels[node + LEVEL.tail] = slot;
    levels[node + LEVEL.count] = (levels[node + LEVEL.count] as number) + 1;
    work[CHANGE] = amounts[amount + ORDER_AMOUNT.open] as number;
    changeVolume(level);
  }

  function unlink(slot: number, ladder: number): void {
    const order = slot << 4;
    const level = ints[order + ORDER.level] as number;
    const node = level << 2;
    const next = ints[order + ORDER.next] as number;
    const prev = ints[order + ORDER.prev] as number;
    if (prev === 0) levels[node + LEVEL.head] = next;
    else ints[(prev << 4) + ORDER.next] = next;
    if (next === 0) levels[node + LEVEL.tail] = prev;
    else ints[(next << 4) + ORDER.prev] = prev;
    levels[node + LEVEL.count] = (levels[node + LEVEL.count] as number) - 1;
    work[CHANGE] = -(amounts[(slot << 3) + ORDER_AMOUNT.open] as number);
    changeVolume(level);
    if ((levels[node + LEVEL.head] as number) === 0) ladders.close(ladder, level);
  }

  /** Adds `work[CHANGE]`, which may be negative, to a level's volume. */
  function changeVolume(level: number): void {
    const sum = (volume[level] as number) + (work[CHANGE] as number);
    const node = (level << 2) + LEVEL.volumeHigh;
    if (sum < 0) {
      volume[level] = sum + VOLUME_SPILL;
      levels[node] = (levels[node] as number) - 1;
    } else if (sum >= VOLUME_SPILL) {
      volume[level] = sum - VOLUME_SPILL;
      levels[node] = (levels[node] as number) + 1;
    } else volume[level] = sum;
  }

  /** The worst key of the opposite ladder that may still trade. */
  function setLimitKey(side: number, limit: boolean, priceHigh: number, priceLow: number): void {
    const price = priceHigh * TWO_32 + (priceLow >>> 0);
    work[LIMIT_KEY] = limit ? (side === 0 ? price : AMOUNT_MAX - price) : AMOUNT_MAX - 1;
  }

  function keyHighOf(side: number, priceHigh: number): number {
    return side === 0 ? 65_535 - priceHigh : priceHigh;
  }

  function keyLowOf(side: number, priceLow: number): number {
    return side === 0 ? ~priceLow : priceLow;
  }

  // --- Field rules -----------------------------------------------------------------------------------------------------

  function isZero(words: Uint32Array, at: number): boolean {
    return words[at] === 0 && words[at + 1] === 0;
  }

  function isPrice(words: Uint32Array, at: number): boolean {
    return (
      isAmount(words, at) &&
      !isZero(words, at) &&
      (words[at + 1] as number) * TWO_32 + (words[at] as number) <= PRICE_MAX
    );
  }

  function isQuantity(words: Uint32Array, at: number): boolean {
    return isAmount(words, at) && !isZero(words, at);
  }

  function isAbove(words: Uint32Array, at: number, bounds: Float64Array, symbol: number): boolean {
    const bound = bounds[symbol] as number;
    return bound !== 0 && (words[at + 1] as number) * TWO_32 + (words[at] as number) > bound;
  }

  // --- Events ----------------------------------------------------------------------------------------------------------

  function reject(words: Uint32Array, at: number, reason: number): void {
    outcome[0] = reason;
    const op = (words[at] as number) & 255;
    const amountsMeant = op !== Op.instrumentCreate && op !== Op.instrumentUpdate;
    const event = emitCommand(
      words,
      at,
      EventType.rejected | ((words[at] as number) & 0xff00) | (reason << 16),
      0,
      0,
      amountsMeant,
    );
    events.words[event + EVENT_WORD.open] = 0;
    events.words[event + EVENT_WORD.open + 1] = 0;
  }

  /** What could not trade of an order that may not rest. */
  function emitRemainder(words: Uint32Array, at: number, side: number, reason: number): void {
    const head = EventType.canceled | (side << 8) | (reason << 16) | (EventFlag.done << 24);
    const event = emitCommand(words, at, head, 0, 0, true);
    putAmount(event + EVENT_WORD.quantity, work, OPEN);
    work[OPEN] = 0;
    putAmount(event + EVENT_WORD.open, work, OPEN);
  }

  function emitReplaced(words: Uint32Array, at: number, slot: number, flags: number): void {
    const event = claimEvent(events);
    emitOrder(event, slot, EventType.replaced, flags, (words[at + COMMAND_WORD.request] as number) | 0);
    const amount = slot << 3;
    putAmount(event + EVENT_WORD.price, amounts, amount + ORDER_AMOUNT.price);
    putAmount(event + EVENT_WORD.quantity, amounts, amount + ORDER_AMOUNT.open);
    putAmount(event + EVENT_WORD.open, amounts, amount + ORDER_AMOUNT.open);
  }

  /** An event about the command's own order; open = quantity. Returns its first word. */
  function emitCommand(
    words: Uint32Array,
    at: number,
    head: number,
    slot: number,
    generation: number,
    amountsMeant: boolean,
  ): number {
    const event = claimEvent(events);
    const out = events.words;
    out[event] = head;
    out[event + EVENT_WORD.symbol] = words[at + COMMAND_WORD.symbol] as number;
    out[event + EVENT_WORD.sequence] = sequence[0] as number;
    out[event + EVENT_WORD.sequence + 1] = sequence[1] as number;
    out[event + EVENT_WORD.account] = words[at + COMMAND_WORD.account] as number;
    out[event + EVENT_WORD.slot] = slot;
    out[event + EVENT_WORD.generation] = generation;
    out[event + EVENT_WORD.request] = words[at + COMMAND_WORD.request] as number;
    out[event + EVENT_WORD.price] = amountsMeant ? (words[at + COMMAND_WORD.price] as number) : 0;
    out[event + EVENT_WORD.price + 1] = amountsMeant ? (words[at + COMMAND_WORD.price + 1] as number) : 0;
    out[event + EVENT_WORD.quantity] = amountsMeant ? (words[at + COMMAND_WORD.quantity] as number) : 0;
    out[event + EVENT_WORD.quantity + 1] = amountsMeant ? (words[at + COMMAND_WORD.quantity + 1] as number) : 0;
    out[event + EVENT_WORD.id] = amountsMeant ? (words[at + COMMAND_WORD.id] as number) : 0;
    out[event + EVENT_WORD.id + 1] = amountsMeant ? (words[at + COMMAND_WORD.id + 1] as number) : 0;
    out[event + EVENT_WORD.open] = out[event + EVENT_WORD.quantity] as number;
    out[event + EVENT_WORD.open + 1] = out[event + EVENT_WORD.quantity + 1] as number;
    return event;
  }

  /** Everything of an event about the resting order in `slot` but its amounts. */
  function emitOrder(event: number, slot: number, head: number, flags: number, request: number): void {
    const order = slot << 4;
    const out = events.words;
    out[event] = head | (((ints[order + ORDER.flags] as number) & ORDER_FLAG.sell) << 8) | (flags << 24);
    out[event + EVENT_WORD.symbol] = ints[order + ORDER.symbol] as number;
    out[event + EVENT_WORD.sequence] = sequence[0] as number;
    out[event + EVENT_WORD.sequence + 1] = sequence[1] as number;
    out[event + EVENT_WORD.id] = ints[order + ORDER.id] as number;
    out[event + EVENT_WORD.id + 1] = ints[order + ORDER.id + 1] as number;
    out[event + EVENT_WORD.account] = ints[order + ORDER.account] as number;
    out[event + EVENT_WORD.slot] = slot;
    out[event + EVENT_WORD.generation] = ints[order + ORDER.generation] as number;
    out[event + EVENT_WORD.request] = request;
  }

  /** Every word zero but the head and the sequence. */
  function clear(event: number, head: number): void {
    const out = events.words;
    for (let word = 0; word < EVENT_WORDS; word++) out[event + word] = 0;
    out[event] = head;
    out[event + EVENT_WORD.sequence] = sequence[0] as number;
    out[event + EVENT_WORD.sequence + 1] = sequence[1] as number;
  }

  /** Writes the amount in `cells[cell]` at word `at` of the events. */
  function putAmount(at: number, cells: Float64Array, cell: number): void {
    const value = cells[cell] as number;
    const high = Math.floor(value / TWO_32);
    const out = events.words;
    out[at] = value - high * TWO_32;
    out[at + 1] = high;
  }

  function bookSide(ladder: number, depth: number): BookLevel[] {
    const side: BookLevel[] = [];
    for (
      let level = best[ladder] as number;
      level !== 0 && side.length < depth;
      level = ladders.nextAfter(ladder, level)
    ) {
      const node = level << 2;
      const price = (ladder & 1) === 0 ? AMOUNT_MAX - (key[level] as number) : (key[level] as number);
      const quantity = (levels[node + LEVEL.volumeHigh] as number) * VOLUME_SPILL + (volume[level] as number);
      side.push([price, quantity, levels[node + LEVEL.count] as number]);
    }
    return side;
  }

  return {
    apply,
    sequence: () => (sequence[1] as number) * TWO_32 + (sequence[0] as number),
    book: (symbol, depth) => ({ bids: bookSide(symbol * 2, depth), asks: bookSide(symbol * 2 + 1, depth) }),
    state: { limits, orders, ladders, instruments, sessions, sequence, rest },
  };
}
