import type { VenueEvent } from '../../../../journal/events.ts';
import type { ReasonName } from '../../../../journal/reasons.ts';
import { type MarketCommand, readMarketCommand } from '../../reference-command.ts';
import type { ModelAccounts } from './model-accounts.ts';
import { ModelEvents } from './model-events.ts';
import { limitOf, ModelExchange, type ModelLimits, mayRest, nameOf, SETTING } from './model-exchange.ts';
import type { ModelFunds } from './model-funds.ts';
import { createInstrument, setInstrument, updateInstrument } from './model-instruments.ts';
import { type Changes, slide, whyNotHere } from './model-limits.ts';
import { bestToTrade } from './model-matching.ts';
import { type ModelInstrument, type ModelOrder, type ModelTerms, opposite, queueOf, type Side } from './model-order.ts';
import { isContinuous, isPhaseOp, whyNotInPhase } from './model-phases.ts';
import { isDue, isStop } from './model-stops.ts';
import {
  FLAG,
  gather,
  hasHandle,
  isAmount,
  isPrice,
  isTerm,
  join,
  type Links,
  NO_ORDER,
  orderOf,
  stays,
  TERM,
  ticksOf,
  willWait,
} from './model-terms.ts';

import { bringTime, type Due } from './model-time.ts';

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
  accountSet: 26,
  tick: 27,
  deposit: 32,
  withdraw: 33,
  kill: 34,
  reinstate: 35,
} as const;
const NEW_FLAGS = FLAG.postOnly | FLAG.hasTerms | FLAG.hidden | FLAG.allOrNone | FLAG.byGroup;
const ALL_OR_NONE_MAX = 1024;
const LIST_MAX = 8;
const STOPS_MAX = 16_384;

/**
 * The rules of docs/market-rules.md for ruled instruments, of docs/rules-orders.md, rules-stops.md, rules-accounts.md and rules-sessions.md, once more and as plainly as they can be
 * written: whatever is asked is found by looking at all orders. The matcher is compared with this; the two share the names of
 * records and reasons. Commands come without sessions, instruments are ruled from the start, and nothing is short of price pages.
 */
export class VenueModel {
  readonly #exchange: ModelExchange;
  readonly #terms = new Map<string, ModelTerms>();
  #sequence = 0;

  constructor(limits: ModelLimits) {
    this.#exchange = new ModelExchange(limits);
  }

  /** Handles the command record at word `at`; the events that it causes, in order. */
  apply(words: Uint32Array, at: number): readonly VenueEvent[] {
    const command = readMarketCommand(words, at);
    this.#sequence++;
    this.#exchange.events = new ModelEvents(this.#sequence);
    this.#exchange.phases.now = command.time;
    bringTime(command.time, () => this.#due());
    const refusal = this.#handle(command);
    if (refusal !== undefined) this.#events.rejected(command, refusal);
    const named = this.#instruments.get(command.symbol);
    if (named !== undefined) this.#exchange.phases.afterCommand(named);
    return this.#events.list;
  }

  /** Live orders, by slot. */
  get orders(): ModelOrder[] {
    return [...this.#exchange.live.values()].sort((a, b) => a.slot - b.slot);
  }

  get #events(): ModelEvents {
    return this.#exchange.events;
  }

  get #accounts(): ModelAccounts {
    return this.#exchange.accounts;
  }

  get funds(): ModelFunds {
    return this.#exchange.funds;
  }

  get #instruments(): Map<number, ModelInstrument> {
    return this.#exchange.instruments;
  }

  get waitingTerms(): readonly ModelTerms[] {
    return [...this.#terms.values()];
  }

  #handle(command: MarketCommand): ReasonName | undefined {
    switch (command.op) {
      case OP.create:
        return createInstrument(this.#exchange, command);
      case OP.update:
        return updateInstrument(this.#exchange, command);
      case OP.set:
        return setInstrument(this.#exchange, command);
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
      case OP.accountSet:
        return this.#accounts.set(command, this.#events);
      case OP.deposit:
        return this.#exchange.funds.deposit(command, this.#events);
      case OP.withdraw:
        return this.#exchange.funds.withdraw(command, this.#events);
      case OP.kill:
      case OP.reinstate:
        return this.#killSwitch(command);
      case OP.tick:
        return undefined;
      default:
        return isPhaseOp(command.op) ? this.#exchange.phases.perform(command) : 'notSupported';
    }
  }

  // Terms.

  #keepTerms(command: MarketCommand): ReasonName | undefined {
    const kind = command.flags >>> 24;
    if (!this.#instruments.has(command.symbol)) return 'unknownSymbol';
    const { sideCode, type, tif, price, quantity } = command;
    if (sideCode !== 0 || type !== 0 || tif !== 0 || price !== 0n || quantity !== 0n) return 'reservedField';
    if ((command.flags & 0xff_ffff) !== 0) return 'flags';
    if (!isTerm(kind, command.extra)) return 'terms';
    const name = nameOf(command.account, command.id);
    if (this.#exchange.live.has(name)) return 'duplicateOrder';
    const waiting = this.#terms.get(name);
    if (waiting !== undefined) {
      if (waiting.symbol !== command.symbol || waiting.values.has(kind)) return 'terms';
      waiting.values.set(kind, command.extra);
      return undefined;
    }
    if (!this.#exchange.slots.hasRoom) return 'ordersFull';
    const { account, id, symbol } = command;
    this.#terms.set(name, {
      account,
      id,
      symbol,
      ...this.#exchange.slots.take(),
      values: new Map([[kind, command.extra]]),
    });
    return undefined;
  }

  #dropTerms(name: string): ModelTerms | undefined {
    const terms = this.#terms.get(name);
    if (terms === undefined) return undefined;
    this.#terms.delete(name);
    this.#exchange.slots.release(terms.slot);
    return terms;
  }

  // New.

  #new(command: MarketCommand): ReasonName | undefined {
    const instrument = this.#instruments.get(command.symbol);
    if (instrument === undefined) return 'unknownSymbol';
    const name = nameOf(command.account, command.id);
    const waiting = this.#terms.get(name);
    const refusal = this.#whyNotNew(command, instrument, waiting);
    const terms = refusal === undefined ? gather(command, waiting) : undefined;
    this.#dropTerms(name);
    if (refusal !== undefined || terms === undefined || typeof terms === 'string') return refusal;
    const order = orderOf(command, terms);
    const links = this.#linksOf(command, terms);
    const why = this.#whyNotLinked(order, links) ?? this.#whyNoRoom(instrument, order, links);
    if (why !== undefined) return why;
    const unfit = this.#whyNotOneMore(instrument, order, links);
    if (unfit !== undefined) return unfit;
    this.#accounts.noteAccepted(order.account, order.id);
    if (hasHandle(instrument, order, links, willWait(instrument, order, links)))
      Object.assign(order, this.#exchange.slots.take());
    order.waitsFor = links.after;
    const { open, request } = order;
    this.#events.about('accepted', order, { price: order.price, quantity: open, open }, { request });
    if (links.cancels !== undefined) join(order, links.cancels);
    this.#exchange.enter(order);
    return undefined;
  }

  #whyNotOneMore(instrument: ModelInstrument, order: ModelOrder, links: Links): ReasonName | undefined {
    const { account, id } = order;
    const openOrders = [...this.#exchange.live.values()].filter((other) => other.account === account).length;
    const waits = willWait(instrument, order, links);
    const isOpen = stays(instrument, order) || waits;
    const why = this.#accounts.whyNotOneMore(account, id, isOpen, openOrders);
    return why ?? this.#exchange.whyNotHeld(order, waits);
  }

  #linksOf({ account, symbol }: MarketCommand, terms: ReadonlyMap<number, bigint>): Links {
    const named = (id: bigint | undefined): ModelOrder | undefined => {
      const order = id === undefined ? undefined : this.#exchange.live.get(nameOf(account, id));
      return order?.symbol === symbol ? order : undefined;
    };
    const cancels = terms.get(TERM.cancels);
    const after = terms.get(TERM.after);
    const isMissing =
      (cancels !== undefined && named(cancels) === undefined) || (after !== undefined && named(after) === undefined);
    return {
      cancels: named(cancels),
      after: named(after),
      isMissing,
      firstMissing: cancels !== undefined && named(cancels) === undefined,
    };
  }

  #whyNotLinked(_order: ModelOrder, { cancels, after, isMissing, firstMissing }: Links): ReasonName | undefined {
    if (firstMissing) return 'unknownOrder';
    if (cancels !== undefined && (cancels.group?.length ?? 1) >= LIST_MAX) return 'listFull';
    if (isMissing) return 'unknownOrder';
    if (after === undefined) return undefined;
    if (after.waitsFor !== undefined) return 'terms';
    const { waiting } = this.#exchange.instrumentOf(after);
    return waiting.filter(({ waitsFor }) => waitsFor === after).length >= LIST_MAX ? 'listFull' : undefined;
  }

  /** Slides the price of an order that enters the book, and says why there is no room for it. */
  #whyNoRoom(instrument: ModelInstrument, order: ModelOrder, links: Links): ReasonName | undefined {
    const { settings, waiting, last } = instrument;
    const isStopDue = isStop(order) && order.trail === 0 && isDue(order, last);
    const waits = willWait(instrument, order, links);
    if (!waits) {
      const { price } = slide(instrument, order);
      if (price === undefined) return 'postOnlyWouldTrade';
      order.price = price;
    }
    if (hasHandle(instrument, order, links, waits) && !this.#exchange.slots.hasRoom) return 'ordersFull';
    if (links.after === undefined && isStopDue && settings.get(SETTING.stopEntry) === 1) return 'stopWouldTrigger';
    if (waits) return waiting.length >= (settings.get(SETTING.stopsMax) || STOPS_MAX) ? 'stopsFull' : undefined;
    if (!stays(instrument, order)) return undefined;
    if (order.allOrNone && this.#allOrNones(instrument, order.side) >= ALL_OR_NONE_MAX) return 'allOrNoneFull';
    return order.postOnly && bestToTrade(instrument, order, limitOf(order)) !== undefined
      ? 'postOnlyWouldTrade'
      : undefined;
  }

  /** Everything up to what depends on the book. */
  #whyNotNew(
    command: MarketCommand,
    instrument: ModelInstrument,
    waiting: ModelTerms | undefined,
  ): ReasonName | undefined {
    const { flags, tif, type } = command;
    const low = flags & 0xffff;
    const stopped = this.#accounts.whyStopped(command);
    if (stopped !== undefined) return stopped;
    const stp = (flags >>> 16) & 255;
    if (command.sideCode > 1) return 'side';
    if (type > 3) return 'orderType';
    if (tif > 6) return 'timeInForce';
    if (tif >= 5 && type >= 2) return 'timeInForce';
    if ((low & ~NEW_FLAGS) !== 0) return 'flags';
    if (tif >= 5 && (low & ~FLAG.hasTerms) !== 0) return 'flags';
    const rests = mayRest(command);
    if ((low & FLAG.postOnly) !== 0 && (!rests || type !== 0)) return 'flags';
    if ((low & FLAG.hidden) !== 0 && !rests) return 'flags';
    if ((low & FLAG.byGroup) !== 0 && stp === 0) return 'flags';
    if (stp > 4) return 'stp';
    if (flags >>> 24 === 0 && command.extra !== 0n) return 'reservedField';
    const isLimit = type === 0 || type === 3;
    if (isLimit ? !isPrice(command.price) : command.price !== 0n) return 'price';
    if (!isAmount(command.quantity)) return 'quantity';
    const terms = gather(command, waiting);
    if (typeof terms === 'string') return terms;
    const expires = terms.get(TERM.expires);
    if ((tif === 4) !== (expires !== undefined)) return 'terms';
    const display = terms.get(TERM.display);
    const minQty = terms.get(TERM.minQty);
    const isWhole = (low & FLAG.allOrNone) !== 0;
    if (display !== undefined && (!rests || (low & FLAG.hidden) !== 0 || isWhole)) return 'terms';
    if (minQty !== undefined && (minQty > command.quantity || (low & FLAG.postOnly) !== 0 || isWhole)) return 'terms';
    if (
      type >= 2
        ? terms.has(TERM.stopPrice) === terms.has(TERM.trail)
        : terms.has(TERM.stopPrice) || terms.has(TERM.trail)
    )
      return 'terms';
    const after = terms.get(TERM.after);
    const cancels = terms.get(TERM.cancels);
    if (cancels !== undefined && ((!rests && type < 2 && after === undefined) || cancels === after)) return 'terms';
    if (tif >= 5 && (display !== undefined || minQty !== undefined)) return 'terms';
    if (expires !== undefined && expires <= command.time) return 'expires';
    if (instrument.closed) return 'instrumentClosed';
    const phase = whyNotInPhase(instrument, orderOf(command, terms));
    if (phase !== undefined) return phase;
    const stop = { stopPrice: ticksOf(terms.get(TERM.stopPrice)), trail: ticksOf(terms.get(TERM.trail)) };
    const limits = whyNotHere(this.#accounts, instrument, {
      price: isLimit ? Number(command.price) : undefined,
      quantity: Number(command.quantity),
      ...stop,
      display: Number(display ?? 0n),
      isNew: true,
      account: command.account,
      notionalPrice: isLimit ? Number(command.price) : undefined,
      notionalQuantity: Number(command.quantity),
    });
    if (limits !== undefined) return limits;
    if (this.#exchange.live.has(nameOf(command.account, command.id))) return 'duplicateOrder';
    return waiting !== undefined && (low & FLAG.hasTerms) === 0 ? 'terms' : undefined;
  }

  #allOrNones({ resting }: ModelInstrument, side: Side): number {
    return resting.filter((order) => order.side === side && order.allOrNone).length;
  }

  // Reduce, replace, cancel.

  #named(command: MarketCommand): ModelOrder | undefined {
    const order = this.#exchange.live.get(nameOf(command.account, command.id));
    return order?.symbol === command.symbol ? order : undefined;
  }

  #cancel(command: MarketCommand): ReasonName | undefined {
    if (command.flags !== 0) return 'flags';
    if (command.extra !== 0n) return 'reservedField';
    const order = this.#named(command);
    if (order !== undefined) this.#exchange.remove(order, 'requested', command.request);
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

  #reduce(command: MarketCommand): ReasonName | undefined {
    if (command.flags !== 0) return 'flags';
    if (command.extra !== 0n) return 'reservedField';
    if (!isAmount(command.quantity)) return 'quantity';
    const order = this.#named(command);
    if (order === undefined) return 'unknownOrder';
    const quantity = Number(command.quantity);
    if (quantity >= order.open) {
      this.#exchange.remove(order, 'reduced', command.request);
      return undefined;
    }
    this.#exchange.shrink(order, order.open - quantity);
    this.#events.takenOff(order, quantity, 'reduced', command.request);
    return undefined;
  }

  #replace(command: MarketCommand): ReasonName | undefined {
    const { flags, extra } = command;
    const kind = flags >>> 24;
    const hasTerm = kind === TERM.stopPrice || kind === TERM.trail;
    const changes: Changes = {
      price: (flags & FLAG.hasPrice) === 0 ? undefined : Number(command.price),
      quantity: (flags & FLAG.hasQuantity) === 0 ? undefined : Number(command.quantity),
      stopPrice: kind === TERM.stopPrice ? Number(extra) : undefined,
      trail: kind === TERM.trail ? Number(extra) : undefined,
      display: 0,
      isNew: false,
    };
    if ((flags & 0xff_ffff & ~(FLAG.hasPrice | FLAG.hasQuantity)) !== 0 || (kind !== 0 && !hasTerm)) return 'flags';
    if (flags === 0) return 'nothingToReplace';
    if (!hasTerm && extra !== 0n) return 'reservedField';
    if (changes.price !== undefined && !isPrice(command.price)) return 'price';
    if (changes.quantity !== undefined && !isAmount(command.quantity)) return 'quantity';
    if (hasTerm && !isPrice(extra)) return 'terms';
    const order = this.#named(command);
    if (order === undefined) return 'unknownOrder';
    const instrument = this.#exchange.instrumentOf(order);
    const waits = order.waits !== undefined;
    if (instrument.closed) return 'instrumentClosed';
    const { priceMax, quantityMax } = instrument;
    if (priceMax !== 0 && (changes.price ?? 0) > priceMax) return 'priceMax';
    if (quantityMax !== 0 && (changes.quantity ?? 0) > quantityMax) return 'quantityMax';
    const stopped = this.#accounts.whyStopped(command);
    if (stopped !== undefined) return stopped;
    if (limitOf(order) === undefined && changes.price !== undefined) return 'price';
    const phase = whyNotInPhase(instrument, order);
    if (phase !== undefined) return phase;
    if (hasTerm && !(waits && isStop(order) && (kind === TERM.trail) === order.trail > 0)) return 'terms';
    const limits = whyNotHere(this.#accounts, instrument, {
      ...changes,
      display: order.display,
      account: order.account,
      notionalPrice: limitOf(order) === undefined ? undefined : (changes.price ?? order.price),
      notionalQuantity: changes.quantity ?? order.open,
    });
    if (limits !== undefined) return limits;
    if (waits) return this.#replaceWaiting(instrument, order, changes, command.request);
    return this.#replaceWith(instrument, order, changes, command.request);
  }

  #replaceWaiting(
    instrument: ModelInstrument,
    order: ModelOrder,
    changes: Changes,
    request: number,
  ): ReasonName | undefined {
    const wanted = {
      price: changes.price ?? order.price,
      open: changes.quantity ?? order.open,
      stopPrice: changes.stopPrice ?? order.stopPrice,
      trail: changes.trail ?? order.trail,
    };
    const amounts = { price: wanted.price, quantity: wanted.open, open: wanted.open };
    const isMoved = changes.stopPrice !== undefined || changes.trail !== undefined;
    if (!isMoved || order.waits === 'order') {
      const unpaid = this.#exchange.whyNotHeld({ ...order, ...wanted }, true, order);
      if (unpaid !== undefined) return unpaid;
      Object.assign(order, wanted);
      this.#events.about('replaced', order, amounts, { flags: 1, request });
      return undefined;
    }
    const due = order.trail === 0 && isDue({ ...order, ...wanted }, instrument.last);
    if (due && instrument.settings.get(SETTING.stopEntry) === 1) return 'stopWouldTrigger';
    const next = { ...order, ...wanted };
    const unpaid = this.#exchange.whyNotHeld(next, !due, order);
    if (unpaid !== undefined) return unpaid;
    Object.assign(order, wanted, {
      request,
      hold: next.hold,
      traded: 0,
      generation: this.#exchange.slots.raise(order.slot),
    });
    this.#events.about('replaced', order, amounts, { request });
    if (due) this.#exchange.triggeredOnEntry(order);
    else this.#exchange.waitAnew(order);
    return undefined;
  }

  #replaceWith(
    instrument: ModelInstrument,
    order: ModelOrder,
    changes: Changes,
    request: number,
  ): ReasonName | undefined {
    const wanted = { ...order, price: changes.price ?? order.price, open: changes.quantity ?? order.open };
    const { price } = slide(instrument, wanted);
    if (price === undefined) return 'postOnlyWouldTrade';
    const { open } = wanted;
    if (price === order.price && open < order.open) {
      this.#exchange.shrink(order, open);
      this.#events.about('replaced', order, { price, quantity: open, open }, { flags: 1, request });
      return undefined;
    }
    if (order.postOnly && bestToTrade(instrument, { ...wanted, price }, price) !== undefined)
      return 'postOnlyWouldTrade';
    const unpaid = this.#exchange.whyNotHeld({ ...wanted, price }, false, order);
    if (unpaid !== undefined) return unpaid;
    this.#exchange.withdraw(order);
    const generation = this.#exchange.slots.raise(order.slot);
    Object.assign(order, { price, open, request, traded: 0, generation, minQty: 0 });
    this.#events.about('replaced', order, { price, quantity: open, open }, { request });
    this.#exchange.execute(order);
    return undefined;
  }

  #massCancel(command: MarketCommand): ReasonName | undefined {
    const byAccount = (command.flags & FLAG.byAccount) !== 0;
    const bySymbol = (command.flags & FLAG.bySymbol) !== 0;
    if ((command.flags & ~(FLAG.byAccount | FLAG.bySymbol)) !== 0) return 'flags';
    if (command.sideCode > 2) return 'side';
    if (command.extra !== 0n) return 'reservedField';
    if (bySymbol && !this.#instruments.has(command.symbol)) return 'unknownSymbol';
    const isMeant = (one: ModelOrder | ModelTerms): boolean =>
      (!byAccount || one.account === command.account) &&
      (!bySymbol || one.symbol === command.symbol) &&
      (command.sideCode === 2 || ('side' in one ? one.side : 'buy') === command.side);
    this.#takeOffAll(isMeant, 'massCancel', command.request);
    return undefined;
  }

  /** What time will bring. */
  #due(): Due[] {
    const orders = [...this.#exchange.live.values()].filter(({ tif }) => tif === 4);
    return [
      ...orders.map(
        (order): Due => ({
          when: order.expires,
          keys: [0, order.entered, order.slot],
          happen: () => this.#exchange.remove(order, 'expired', 0),
        }),
      ),
      ...[...this.#accounts.cancelAt].map(
        ([account, when]): Due => ({
          when,
          keys: [1, account],
          happen: () => {
            this.#takeOffAll((one) => one.account === account, 'cancelAllAfter', 0);
            this.#accounts.tellCanceled(account, this.#events);
          },
        }),
      ),
      ...[...this.#instruments.values()].map(
        (instrument): Due => ({
          when: this.#exchange.phases.dueOf(instrument),
          keys: [2, instrument.symbol],
          happen: () => this.#exchange.phases.advance(instrument),
        }),
      ),
    ];
  }

  #killSwitch(command: MarketCommand): ReasonName | undefined {
    const isKill = command.op === OP.kill;
    const refusal = this.#accounts.switch(command, isKill, this.#events);
    if (refusal === undefined && isKill)
      this.#takeOffAll(({ account }) => this.#accounts.isMeant(command, account), 'killSwitch', command.request);
    return refusal;
  }

  /** Takes orders, and terms that wait for one, off in the order of their slots, and then what hangs on them. */
  #takeOffAll(isMeant: (one: ModelOrder | ModelTerms) => boolean, reason: ReasonName, request: number): void {
    const meant = [...this.#exchange.live.values(), ...this.#terms.values()]
      .filter(isMeant)
      .sort((a, b) => a.slot - b.slot);
    for (const one of meant) {
      if ('side' in one) this.#exchange.leave(one, reason, request);
      else this.#removeTerms(nameOf(one.account, one.id), reason, request);
    }
    this.#exchange.takeWithAll(meant.filter((one) => 'side' in one));
  }

  // For comparing.

  /** [price, lots shown, orders] of the shown book. */
  book(symbol: number): { bids: [number, number, number][]; asks: [number, number, number][] } {
    return { bids: this.#levels(symbol, 'buy'), asks: this.#levels(symbol, 'sell') };
  }

  #levels(symbol: number, side: Side): [number, number, number][] {
    const levels: [number, number, number][] = [];
    const resting = this.#instruments.get(symbol)?.resting ?? [];
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
    for (const instrument of this.#instruments.values()) {
      const { symbol, resting } = instrument;
      if (!isContinuous(instrument)) continue;
      const firm = resting.filter((order) => !order.allOrNone);
      const bid = queueOf(firm, 'buy')[0];
      const ask = queueOf(firm, opposite('buy'))[0];
      if (bid !== undefined && ask !== undefined && bid.price >= ask.price)
        return `symbol ${symbol}: bid ${bid.price} at or above ask ${ask.price}`;
    }
    return undefined;
  }
}
