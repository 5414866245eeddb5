import type { VenueEvent } from '../../../../journal/events.ts';
import type { ReasonName } from '../../../../journal/reasons.ts';
import { type MarketCommand, readMarketCommand } from '../../reference-command.ts';
import type { ModelAccounts } from './model-accounts.ts';
import { ModelEvents } from './model-events.ts';
import { limitOf, ModelExchange, type ModelLimits, mayRest, nameOf, SETTING } from './model-exchange.ts';
import { assignInstrument, createInstrument, setInstrument, updateInstrument } from './model-instruments.ts';
import { type Changes, limitedToBand, slide, whyNotHere } from './model-limits.ts';
import { dueOf, killSwitch, massCancel, removeTerms, shardOfFirst } from './model-mass.ts';
import { bestToTrade } from './model-matching.ts';
import { massStatus, moveIn, moveOut } from './model-moves.ts';
import type { ModelInstrument, ModelOrder, ModelTerms } from './model-order.ts';
import { bookFor, isPhaseOp, whyNotInPhase } from './model-phases.ts';
import { permissionOf } from './model-roles.ts';
import { ModelSessions, type Outcome } from './model-sessions.ts';
import { isDue, isStop } from './model-stops.ts';
import {
  FLAG,
  gather,
  hasHandle,
  isAmount,
  isPlainNew,
  isPrice,
  isTerm,
  join,
  type Links,
  orderOf,
  stays,
  TERM,
  ticksOf,
  willWait,
} from './model-terms.ts';

import { bringTime } from './model-time.ts';

const OP = {
  new: 1,
  cancel: 2,
  reduce: 3,
  replace: 4,
  massCancel: 5,
  terms: 6,
  massStatus: 7,
  moveIn: 8,
  moveOut: 9,
  create: 16,
  update: 17,
  assign: 22,
  set: 23,
  sessionOpen: 24,
  sessionClose: 25,
  accountSet: 26,
  tick: 27,
  deposit: 32,
  withdraw: 33,
  kill: 34,
  reinstate: 35,
} as const;
const NEW_FLAGS = FLAG.postOnly | FLAG.hasTerms | FLAG.hidden | FLAG.allOrNone | FLAG.byGroup;
const LIST_MAX = 8;
const STOPS_MAX = 16_384;

/**
 * The rules of docs/market-rules.md, rules-orders.md, rules-stops.md, rules-accounts.md and rules-sessions.md once more, as plainly
 * as they can be written: whatever is asked is found by looking at all orders. The matcher is compared with this; the two share
 * the names of records and reasons. Only how ruled instruments move between shards is not in it.
 */
export class VenueModel {
  readonly #exchange: ModelExchange;
  readonly #sessions: ModelSessions;
  /** The order that the command at work enters or changes; what an answer tells of it. */
  #own: ModelOrder | undefined;
  #sequence = 0;

  constructor(limits: ModelLimits) {
    this.#exchange = new ModelExchange(limits);
    this.#sessions = new ModelSessions(limits.sessionsMax, limits.answersPerSessionMax);
  }

  /** Handles the command record at word `at`; the events that it causes, in order. */
  apply(words: Uint32Array, at: number): readonly VenueEvent[] {
    const command = readMarketCommand(words, at);
    this.#sequence++;
    this.#exchange.begin(new ModelEvents(this.#sequence));
    this.#exchange.phases.now = command.time;
    bringTime(
      command.time,
      () => dueOf(this.#exchange),
      () => this.#exchange.mayLeave,
    );
    this.#exchange.phases.afterAll();
    if (command.session !== 0) this.#applyInSession(command);
    else if (command.request !== 0) this.#refuse(command, 'flags');
    else if (command.op === OP.sessionOpen) this.#tellRefusal(command, this.#sessions.open(command, this.#events));
    else if (command.op === OP.sessionClose) this.#refuse(command, 'sessionUnknown');
    else this.#carryOut(command);
    return this.#events.list;
  }

  #applyInSession(command: MarketCommand): void {
    const session = this.#sessions.find(command.session);
    if (session === undefined) return this.#refuse(command, 'sessionUnknown');
    const permission = permissionOf(session.account, this.#accounts.rolesOf(session.account), command);
    const why = permission === 'none' ? 'sessionAccount' : this.#sessions.whyNotNext(session, command.request);
    if (why === 'repeat') return this.#sessions.repeat(session, command, this.#events);
    if (why !== undefined) return this.#refuse(command, why);
    let outcome: Outcome = { reason: 'none', open: 0, traded: 0 };
    const isRefused = permission === 'refused' && command.op !== OP.sessionOpen && command.op !== OP.sessionClose;
    if (command.op === OP.sessionClose) this.#sessions.close(session, command, this.#events);
    else if (command.op === OP.sessionOpen) outcome = { ...outcome, reason: 'flags' };
    else if (isRefused) outcome = { ...outcome, reason: 'sessionAccount' };
    else outcome = this.#carryOut(command);
    if (isRefused || command.op === OP.sessionOpen) this.#refuse(command, outcome.reason);
    this.#sessions.answer(session, command, outcome, this.#events);
  }

  #refuse(command: MarketCommand, reason: ReasonName): void {
    this.#events.rejected(command, reason, 0);
  }

  #tellRefusal(command: MarketCommand, reason: ReasonName | undefined): void {
    if (reason !== undefined) this.#refuse(command, reason);
  }

  /** With what is told of instruments behind it. */
  #carryOut(command: MarketCommand): Outcome {
    this.#own = undefined;
    const result = this.#handle(command);
    const outcome: Outcome = { reason: 'none', open: 0, traded: 0 };
    if (typeof result === 'string') {
      outcome.reason = result;
      if (result === 'otherShard') outcome.open = this.#shardFor(command);
      this.#events.rejected(command, result, outcome.open);
    } else {
      const own = this.#own as ModelOrder | undefined;
      outcome.open = result ?? own?.open ?? 0;
      outcome.traded = own?.traded ?? 0;
    }
    if (this.#accounts.inForce) for (const instrument of this.#instruments.values()) instrument.ruled = true;
    const named = this.#instruments.get(command.symbol);
    if (named !== undefined) this.#exchange.phases.after(named);
    this.#exchange.phases.afterAll();
    return outcome;
  }

  #isElsewhere({ symbol }: MarketCommand): boolean {
    return this.#instruments.get(symbol)?.elsewhere !== undefined;
  }

  #shardFor(command: MarketCommand): number {
    const isWide = command.op === OP.massCancel && (command.flags & FLAG.bySymbol) === 0;
    return isWide
      ? shardOfFirst(this.#exchange, command)
      : (this.#instruments.get(command.symbol)?.elsewhere as number);
  }

  /** For looking at it: model-audit.ts. */
  get exchange(): ModelExchange {
    return this.#exchange;
  }

  get #events(): ModelEvents {
    return this.#exchange.events;
  }

  get #accounts(): ModelAccounts {
    return this.#exchange.accounts;
  }

  get #instruments(): Map<number, ModelInstrument> {
    return this.#exchange.instruments;
  }

  /** A reason why not, or what an answer tells as open if that is not about an order. */
  #handle(command: MarketCommand): ReasonName | number | undefined {
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
        return massCancel(this.#exchange, command);
      case OP.accountSet:
        return this.#accounts.set(command, this.#events);
      case OP.deposit:
        return this.#exchange.funds.deposit(command, this.#events);
      case OP.withdraw:
        return this.#exchange.funds.withdraw(command, this.#events);
      case OP.kill:
      case OP.reinstate:
        return killSwitch(this.#exchange, command, command.op === OP.kill);
      case OP.massStatus:
        return massStatus(this.#exchange, command);
      case OP.moveIn:
        return moveIn(this.#exchange, command);
      case OP.moveOut:
        return moveOut(this.#exchange, command);
      case OP.assign:
        return assignInstrument(this.#exchange, command);
      case OP.tick:
        return undefined;
      default:
        return isPhaseOp(command.op) ? this.#exchange.phases.perform(command) : 'notSupported';
    }
  }

  // Terms.

  #keepTerms(command: MarketCommand): ReasonName | undefined {
    const kind = command.flags >>> 24;
    const instrument = this.#instruments.get(command.symbol);
    if (instrument === undefined) return 'unknownSymbol';
    if (instrument.elsewhere !== undefined) return 'otherShard';
    const { sideCode, type, tif, price, quantity } = command;
    if (sideCode !== 0 || type !== 0 || tif !== 0 || price !== 0n || quantity !== 0n) return 'reservedField';
    if ((command.flags & 0xff_ffff) !== 0) return 'flags';
    if (!isTerm(kind, command.extra)) return 'terms';
    const name = nameOf(command.account, command.id);
    if (this.#exchange.live.has(name)) return 'duplicateOrder';
    const waiting = this.#exchange.terms.get(name);
    if (waiting !== undefined) {
      if (waiting.symbol !== command.symbol || waiting.values.has(kind)) return 'terms';
      waiting.values.set(kind, command.extra);
      return undefined;
    }
    if (!this.#exchange.slots.hasRoom) return 'ordersFull';
    instrument.ruled = true;
    const { account, id, symbol } = command;
    this.#exchange.terms.set(name, {
      account,
      id,
      symbol,
      ...this.#exchange.slots.take(),
      values: new Map([[kind, command.extra]]),
    });
    return undefined;
  }

  #dropTerms(name: string): ModelTerms | undefined {
    const terms = this.#exchange.terms.get(name);
    if (terms === undefined) return undefined;
    this.#exchange.terms.delete(name);
    this.#exchange.slots.release(terms.slot);
    return terms;
  }

  // New.

  #new(command: MarketCommand): ReasonName | undefined {
    const instrument = this.#instruments.get(command.symbol);
    if (instrument === undefined) return 'unknownSymbol';
    const name = nameOf(command.account, command.id);
    // The plain rules take terms for an order: they are of another instrument.
    const isPlain = !instrument.ruled && isPlainNew(command);
    const waiting = isPlain ? undefined : this.#exchange.terms.get(name);
    const refusal = this.#whyNotNew(command, instrument, waiting);
    const terms = refusal === undefined ? gather(command, waiting) : undefined;
    if (!isPlain && refusal !== 'otherShard') this.#dropTerms(name);
    if (refusal !== undefined || terms === undefined || typeof terms === 'string') return refusal;
    const order = orderOf(command, terms);
    this.#own = order;
    const links = this.#linksOf(command, terms);
    const why = this.#whyNotLinked(order, links) ?? this.#whyNoRoom(instrument, order, links);
    if (why !== undefined) return why;
    const unfit = this.#whyNotOneMore(instrument, order, links);
    if (unfit !== undefined) return unfit;
    this.#accounts.noteAccepted(order.account, order.id);
    if (!isPlainNew(command)) instrument.ruled = true;
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
    let openOrders = 0;
    for (const other of this.#exchange.live.values()) if (other.account === account) openOrders++;
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
      Object.assign(order, limitedToBand(instrument, order));
      const { price } = slide(instrument, order);
      if (price === undefined) return 'postOnlyWouldTrade';
      order.price = price;
    }
    if (hasHandle(instrument, order, links, waits) && !this.#exchange.slots.hasRoom) return 'ordersFull';
    if (links.after === undefined && isStopDue && settings.get(SETTING.stopEntry) === 1) return 'stopWouldTrigger';
    if (waits) {
      if (waiting.length >= (settings.get(SETTING.stopsMax) || STOPS_MAX)) return 'stopsFull';
      const stands = links.after === undefined && order.trail === 0;
      return stands && !this.#exchange.hasPage(order, 'waiting') ? 'levelsFull' : undefined;
    }
    if (!stays(instrument, order)) return undefined;
    const full = this.#exchange.whyNoPlace(order);
    if (full !== undefined) return full;
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
    if (instrument.elsewhere !== undefined) return 'otherShard';
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
      side: command.sideCode === 0 ? 'buy' : 'sell',
      notionalPrice: isLimit ? Number(command.price) : undefined,
      notionalQuantity: Number(command.quantity),
    });
    if (limits !== undefined) return limits;
    const name = nameOf(command.account, command.id);
    if (this.#exchange.live.has(name)) return 'duplicateOrder';
    if (waiting === undefined && this.#exchange.terms.has(name)) return 'duplicateOrder';
    return waiting !== undefined && (low & FLAG.hasTerms) === 0 ? 'terms' : undefined;
  }

  // Reduce, replace, cancel.

  #named(command: MarketCommand): ModelOrder | undefined {
    const order = this.#exchange.live.get(nameOf(command.account, command.id));
    return order?.symbol === command.symbol ? order : undefined;
  }

  #cancel(command: MarketCommand): ReasonName | undefined {
    if (command.flags !== 0) return 'flags';
    if (command.extra !== 0n) return 'reservedField';
    if (this.#isElsewhere(command)) return 'otherShard';
    const order = this.#named(command);
    const terms = this.#exchange.terms.get(nameOf(command.account, command.id));
    if (order !== undefined) this.#exchange.remove(order, 'requested', command.request);
    else if (terms?.symbol !== command.symbol) return 'unknownOrder';
    else removeTerms(this.#exchange, terms, 'requested', command.request);
    return undefined;
  }

  #reduce(command: MarketCommand): ReasonName | undefined {
    if (command.flags !== 0) return 'flags';
    if (command.extra !== 0n) return 'reservedField';
    if (!isAmount(command.quantity)) return 'quantity';
    if (this.#isElsewhere(command)) return 'otherShard';
    const order = this.#named(command);
    if (order === undefined) return 'unknownOrder';
    order.traded = 0;
    this.#own = order;
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
    const hasStop = kind === TERM.stopPrice || kind === TERM.trail;
    const hasOpen = kind === TERM.open && (flags & FLAG.hasQuantity) !== 0;
    const hasTerm = hasStop || hasOpen;
    const given: Changes = {
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
    if (given.price !== undefined && !isPrice(command.price)) return 'price';
    if (given.quantity !== undefined && !isAmount(command.quantity)) return 'quantity';
    if (hasTerm && !(hasOpen ? isAmount(extra) : isPrice(extra))) return 'terms';
    if (this.#isElsewhere(command)) return 'otherShard';
    const order = this.#named(command);
    if (order === undefined) return 'unknownOrder';
    order.traded = 0;
    this.#own = order;
    const instrument = this.#exchange.instrumentOf(order);
    const waits = order.waits !== undefined;
    if (instrument.closed) return 'instrumentClosed';
    const { priceMax, quantityMax } = instrument;
    if (priceMax !== 0 && (given.price ?? 0) > priceMax) return 'priceMax';
    const changes = hasOpen ? { ...given, quantity: (given.quantity ?? 0) - (Number(extra) - order.open) } : given;
    if (hasOpen && Number(extra) < order.open) return 'openChanged';
    if (hasOpen && changes.quantity !== undefined && changes.quantity <= 0) {
      this.#exchange.remove(order, 'reduced', command.request);
      return undefined;
    }
    if (quantityMax !== 0 && (changes.quantity ?? 0) > quantityMax) return 'quantityMax';
    const stopped = this.#accounts.whyStopped(command);
    if (stopped !== undefined) return stopped;
    if (limitOf(order) === undefined && changes.price !== undefined) return 'price';
    const phase = whyNotInPhase(instrument, order);
    if (phase !== undefined) return phase;
    if (hasStop && !(waits && isStop(order) && (kind === TERM.trail) === order.trail > 0)) return 'terms';
    const limits = whyNotHere(this.#accounts, instrument, {
      ...changes,
      display: order.display,
      account: order.account,
      side: order.side,
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
    const full = due ? this.#whyNoPlaceFor(instrument, next) : this.#whyNoStopPage(next, order);
    if (full !== undefined) return full;
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

  /** Of a stop that is due: as on entry. */
  #whyNoPlaceFor(instrument: ModelInstrument, order: ModelOrder): ReasonName | undefined {
    return stays(instrument, order) ? this.#exchange.whyNoPlace(order) : undefined;
  }

  #whyNoStopPage(order: ModelOrder, before: ModelOrder): ReasonName | undefined {
    return order.trail > 0 || this.#exchange.hasPage(order, 'waiting', before) ? undefined : 'levelsFull';
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
    const next = { ...wanted, price, book: bookFor(instrument, order) };
    if (!this.#exchange.hasPage(next, 'resting', order)) return 'levelsFull';
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
}
