import type { VenueLimits } from '../../../../journal/genesis.ts';
import type { ReasonName } from '../../../../journal/reasons.ts';
import { ModelAccounts } from './model-accounts.ts';
import { ModelEvents } from './model-events.ts';
import { ModelFunds } from './model-funds.ts';
import { bestToTrade, couldTrade, type Matching, match } from './model-matching.ts';
import { type ModelInstrument, type ModelOrder, type ModelTerms, reaches } from './model-order.ts';
import { hasPage } from './model-pages.ts';
import { bookFor, isForAuction, isImmediate, ModelPhases, whyNotTriggered, withinRange } from './model-phases.ts';
import { ModelSlots } from './model-slots.ts';
import { dueStops, isDue, isStop } from './model-stops.ts';

export const SETTING = {
  tick: 1,
  lot: 2,
  stp: 3,
  postOnlySlide: 4,
  band: 5,
  stopsMax: 7,
  stopEntry: 8,
  bandRests: 9,
  referencePrice: 10,
  volatilityTicks: 11,
  volatilityNs: 12,
  batchNs: 13,
} as const;
const KEPT = 1;
/** More than anybody has. */
const TOO_MUCH = 2n ** 64n;

export const nameOf = (account: number, id: bigint): string => `${account}/${id}`;

/** What it may trade at, as a limit or market order. */
export const limitOf = (order: ModelOrder): number | undefined =>
  order.type === 1 || order.type === 2 ? undefined : order.price;

/** Whether it stays in the book once it is there. */
export const mayRest = ({ type, tif }: Pick<ModelOrder, 'type' | 'tif'>): boolean =>
  (type === 0 || type === 3) && !isImmediate({ tif });

export type ModelLimits = { readonly [Limit in keyof VenueLimits]-?: number };

/** Orders that leave because of time with one command. */
const EXPIRED_PER_COMMAND_MAX = 4096;
const ALL_OR_NONE_MAX = 1024;

/** Orders, and what happens to them once they are in: trading, resting, waiting, leaving. */
export class ModelExchange {
  readonly instruments = new Map<number, ModelInstrument>();
  readonly live = new Map<string, ModelOrder>();
  /** Terms that wait for an order, by its name. */
  readonly terms = new Map<string, ModelTerms>();
  readonly limits: ModelLimits;
  readonly slots: ModelSlots;
  readonly accounts: ModelAccounts;
  readonly funds: ModelFunds;
  readonly phases: ModelPhases = new ModelPhases(this);
  events = new ModelEvents(0);
  #mayStillLeave = 0;
  #arrivals = 0;
  /** Orders that were triggered, to be entered one after another. */
  #line: ModelOrder[] = [];
  #atWork: ModelOrder | undefined;

  constructor(limits: ModelLimits) {
    const { ordersMax, accountsMax, balancesMax } = limits;
    this.limits = limits;
    this.slots = new ModelSlots(ordersMax);
    this.accounts = new ModelAccounts(accountsMax);
    this.funds = new ModelFunds(balancesMax, this.accounts, {
      live: this.live,
      instrumentOf: this.instrumentOf.bind(this),
    });
  }

  instrumentOf(order: ModelOrder): ModelInstrument {
    return this.instruments.get(order.symbol) as ModelInstrument;
  }

  begin(events: ModelEvents): void {
    this.events = events;
    this.#mayStillLeave = EXPIRED_PER_COMMAND_MAX;
  }

  /** Whether one more order may leave because of time. */
  get mayLeave(): boolean {
    return this.#mayStillLeave > 0;
  }

  /** Takes an order off because of time; with it go those that hang on it when the caller says so. */
  leaveByTime(order: ModelOrder, reason: ReasonName): void {
    this.#mayStillLeave--;
    this.leave(order, reason, 0);
  }

  /** Terms leave because of time, too. */
  countTerms(): void {
    this.#mayStillLeave--;
  }

  hasPage(order: ModelOrder, as: 'resting' | 'waiting', without?: ModelOrder): boolean {
    return hasPage(this.instruments, this.limits.levelPagesMax, order, as, without);
  }

  /** Why an order can not rest that may. */
  whyNoPlace(order: ModelOrder): ReasonName | undefined {
    const instrument = this.instrumentOf(order);
    const isSame = (other: ModelOrder): boolean => other.allOrNone && other.side === order.side;
    if (order.allOrNone && instrument.resting.filter(isSame).length >= ALL_OR_NONE_MAX) return 'allOrNoneFull';
    return this.hasPage({ ...order, book: bookFor(instrument, order) }, 'resting') ? undefined : 'levelsFull';
  }

  /** The command's own order begins; then all that follows from it. */
  enter(order: ModelOrder): void {
    if (order.waitsFor !== undefined) return this.#wait(order, 'order');
    if (isStop(order)) {
      const { last } = this.instrumentOf(order);
      if (order.trail > 0 || !isDue(order, last)) return this.#waitAsStop(order);
      this.#tellTriggered(order, last, 0);
    }
    this.execute(order);
  }

  /** Makes it the order at work until nothing more follows from it. */
  execute(order: ModelOrder): void {
    this.#trade(order);
    this.enterLine();
  }

  /** Enters what was triggered, and what that triggers. */
  enterLine(): void {
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) this.#enterFromLine(next);
  }

  /** Why its account can not pay for it, `before` being what it was; it holds what it needs from then on. */
  whyNotHeld(order: ModelOrder, waits: boolean, before?: ModelOrder): ReasonName | undefined {
    const instrument = this.instrumentOf(order);
    if (waits) return this.funds.whyNotHeld(instrument, order, 0n, before);
    const ticks = isForAuction(instrument, order) ? TOO_MUCH : couldTrade(this.#matchingOf(order)).ticks;
    return this.funds.whyNotHeld(instrument, order, ticks, before);
  }

  /** Takes lots off, but not all. */
  shrink(order: ModelOrder, open: number): void {
    order.open = open;
    order.shown = Math.min(order.shown, open);
  }

  /** Takes an order off, and with it what hangs on it. */
  remove(order: ModelOrder, reason: ReasonName, request: number): void {
    this.leave(order, reason, request);
    this.takeWith(order);
  }

  /** Takes an order off. */
  leave(order: ModelOrder, reason: ReasonName, request: number): void {
    const quantity = order.open;
    order.open = 0;
    this.events.takenOff(order, quantity, reason, request);
    this.#forget(order);
  }

  /** Out of the book, or of those that wait, with its slot kept. */
  withdraw(order: ModelOrder): void {
    const { resting, waiting } = this.instrumentOf(order);
    for (const list of [resting, waiting, this.#line]) {
      const at = list.indexOf(order);
      if (at >= 0) list.splice(at, 1);
    }
    order.waits = undefined;
  }

  /** Cancels what hangs on an order that has left without trading in full. */
  takeWith(order: ModelOrder): void {
    this.#cancelAll(this.#hangingOn(order));
  }

  /** The same of several that have left together. */
  takeWithAll(orders: readonly ModelOrder[]): void {
    this.#cancelAll(
      orders
        .flatMap((order) => this.#hangingOn(order))
        .filter(([order]) => this.live.has(nameOf(order.account, order.id))),
    );
  }

  /** Waits, entered last. */
  waitAnew(order: ModelOrder): void {
    this.withdraw(order);
    this.#waitAsStop(order);
  }

  triggeredOnEntry(order: ModelOrder): void {
    this.withdraw(order);
    this.#tellTriggered(order, this.instrumentOf(order).last, 0);
    this.execute(order);
  }

  #waitAsStop(order: ModelOrder): void {
    const { last } = this.instrumentOf(order);
    order.extreme = last === 0 ? undefined : last;
    this.#wait(order, 'stop');
  }

  #wait(order: ModelOrder, why: 'stop' | 'order'): void {
    order.waits = why;
    this.#place(order);
    order.entered = this.events.sequence;
    this.instrumentOf(order).waiting.push(order);
    this.live.set(nameOf(order.account, order.id), order);
  }

  #forget(order: ModelOrder): void {
    this.withdraw(order);
    this.live.delete(nameOf(order.account, order.id));
    if (order.slot !== 0) this.slots.release(order.slot);
  }

  // The order at work.

  #enterFromLine(order: ModelOrder): void {
    order.request = 0;
    order.traded = 0;
    const wasForOrder = order.waitsFor !== undefined;
    order.waits = undefined;
    order.waitsFor = undefined;
    const instrument = this.instrumentOf(order);
    if (wasForOrder && isStop(order)) {
      if (order.trail > 0 || !isDue(order, instrument.last)) {
        if (order.trail === 0 && !this.hasPage(order, 'waiting')) return this.remove(order, 'levelsFull', 0);
        return this.#waitAsStop(order);
      }
      const isRefused = instrument.settings.get(SETTING.stopEntry) === 1;
      const why =
        whyNotTriggered(instrument, order) ??
        (isRefused ? 'stopWouldTrigger' : undefined) ??
        this.#whyNoPlaceFor(order) ??
        this.whyNotHeld(order, false, order);
      if (why !== undefined) return this.remove(order, why, 0);
      this.#tellTriggered(order, instrument.last, 0);
    }
    const late = whyNotTriggered(instrument, order);
    if (late !== undefined) return this.remove(order, late, 0);
    if (mayRest(order) && order.postOnly && bestToTrade(instrument, order, limitOf(order)) !== undefined)
      return this.remove(order, 'postOnlyWouldTrade', 0);
    const unfit = this.#whyNoPlaceFor(order) ?? this.whyNotHeld(order, false, order);
    if (unfit !== undefined) return this.remove(order, unfit, 0);
    this.#trade(order);
  }

  /** Why an order that was triggered can not rest, if it may. */
  #whyNoPlaceFor(order: ModelOrder): ReasonName | undefined {
    return mayRest(order) || isForAuction(this.instrumentOf(order), order) ? this.whyNoPlace(order) : undefined;
  }

  #trade(order: ModelOrder): void {
    if (isForAuction(this.instrumentOf(order), order)) {
      this.live.set(nameOf(order.account, order.id), order);
      this.rest(order);
      return;
    }
    this.#atWork = order;
    // While it is at work it is in no book, and its id is taken.
    this.live.set(nameOf(order.account, order.id), order);
    const own = this.#matchingOf(order);
    const { instrument } = own;
    const matching = { ...own, limit: withinRange(instrument, order, own.limit) };
    let isInterrupted = false;
    const why = this.#whyNotAtOnce(matching);
    if (why === 'rest') this.rest(order);
    else if (why !== undefined) this.remove(order, why, order.request);
    else {
      this.#match(matching);
      const touch = order.open > 0 && !order.allOrNone ? bestToTrade(instrument, order, own.limit) : undefined;
      isInterrupted = touch !== undefined && !reaches(order.side, matching.limit, touch);
      if (order.open === 0) this.#done(order);
      else if (mayRest(order)) this.rest(order);
      else {
        const isBanded =
          !isInterrupted &&
          limitOf(order) === undefined &&
          matching.limit !== undefined &&
          bestToTrade(instrument, order, undefined) !== undefined;
        this.remove(order, isBanded ? 'band' : 'ioc', order.request);
      }
    }
    this.#atWork = undefined;
    if (isInterrupted) this.phases.interrupt(instrument);
  }

  #matchingOf(order: ModelOrder): Matching {
    const instrument = this.instrumentOf(order);
    const band = instrument.settings.get(SETTING.band) ?? 0;
    const isMarket = limitOf(order) === undefined;
    const best = isMarket && band > 0 ? bestToTrade(instrument, order, undefined) : undefined;
    const banded = best === undefined ? undefined : order.side === 'buy' ? best + band : best - band;
    return {
      instrument,
      order,
      limit: isMarket ? banded : order.price,
      isSameOwner: (one, other, byGroup) => this.accounts.isSameOwner(one, other, byGroup),
    };
  }

  /** Nothing of it is open, whether it traded or self-trade prevention took it. */
  #done(order: ModelOrder): void {
    if (this.live.get(nameOf(order.account, order.id)) === order) this.#forget(order);
  }

  /** Why nothing of it trades; 'rest': it rests without having traded. */
  #whyNotAtOnce(matching: Matching): ReasonName | 'rest' | undefined {
    const { order } = matching;
    const { lots: traded } = couldTrade(matching);
    if (order.tif === 2 && traded < order.open) return 'fok';
    if (traded < order.minQty) return 'minQty';
    if (!order.allOrNone || traded >= order.open) return undefined;
    return mayRest(order) ? 'rest' : 'allOrNone';
  }

  #match(matching: Matching): void {
    const { order, instrument } = matching;
    match(matching, {
      events: this.events,
      toBack: (maker) => this.#place(maker),
      payable: (price, lots) => this.funds.payableLots(instrument, order, price, lots),
      gone: (maker) => this.#forget(maker),
      settle: (maker, quantity) => this.funds.settle(instrument, maker, order, quantity, this.events),
      traded: (maker, price) => {
        this.#cancelAll([...this.#linked(maker), ...this.#linked(order)]);
        if (maker.open === 0) this.#triggerWaiters(maker, price);
        if (order.open === 0) this.#triggerWaiters(order, price);
        this.triggerStops(instrument, price);
      },
      leftByPrevention: (one) => {
        if (one.open > 0) return;
        if (one === order) this.#forget(one);
        this.takeWith(one);
      },
    });
  }

  /** Stands behind those at its price. */
  rest(order: ModelOrder): void {
    this.#place(order);
    order.entered = this.events.sequence;
    order.minQty = 0;
    order.book = bookFor(this.instrumentOf(order), order);
    order.shown = Math.min(order.display, order.open);
    this.instrumentOf(order).resting.push(order);
    this.live.set(nameOf(order.account, order.id), order);
  }

  #place(order: ModelOrder): void {
    order.arrival = ++this.#arrivals;
    order.placed = this.events.sequence;
  }

  // Auctions.

  /** What follows from a trade in an auction, the buyer's first. */
  afterAuctionTrade(buy: ModelOrder, sell: ModelOrder, price: number): void {
    const linked = [...this.#linked(buy), ...this.#linked(sell)];
    for (const order of [buy, sell]) if (order.open === 0) this.#forget(order);
    this.#cancelAll(linked.filter(([order]) => order.open > 0));
    for (const order of [buy, sell]) if (order.open === 0) this.#triggerWaiters(order, price);
  }

  triggerStops(instrument: ModelInstrument, price: number): void {
    for (const stop of dueStops(instrument, price)) this.#toLine(stop, price, 0);
  }

  // What hangs on orders.

  /** The others of its group, from behind it on; it leaves the group, and so does the order at work. */
  #others(order: ModelOrder): ModelOrder[] {
    const { group } = order;
    if (group === undefined) return [];
    const at = group.indexOf(order);
    const others = [...group.slice(at + 1), ...group.slice(0, at)];
    group.splice(at, 1);
    order.group = undefined;
    const working = others.find((other) => other === this.#atWork);
    if (working === undefined) return others;
    group.splice(group.indexOf(working), 1);
    working.group = undefined;
    return others.filter((other) => other !== working);
  }

  #waitersOf(order: ModelOrder): ModelOrder[] {
    return this.instrumentOf(order).waiting.filter(({ waits, waitsFor }) => waits === 'order' && waitsFor === order);
  }

  #cancelAll(first: readonly [order: ModelOrder, reason: ReasonName][]): void {
    const seen = new Set<ModelOrder>();
    const queue: [order: ModelOrder, reason: ReasonName][] = [];
    const add = (entries: readonly [order: ModelOrder, reason: ReasonName][]): void => {
      for (const entry of entries) {
        if (seen.has(entry[0])) continue;
        seen.add(entry[0]);
        queue.push(entry);
      }
    };
    add(first);
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      const [order, reason] = entry;
      this.leave(order, reason, 0);
      add(this.#hangingOn(order));
    }
  }

  /** First the others of its group, then those that wait for it. */
  #hangingOn(order: ModelOrder): [order: ModelOrder, reason: ReasonName][] {
    const orphans = this.#waitersOf(order).map((one): [ModelOrder, ReasonName] => [one, 'orphaned']);
    return [...this.#linked(order), ...orphans];
  }

  #linked(order: ModelOrder): [order: ModelOrder, reason: ReasonName][] {
    return this.#others(order).map((one) => [one, 'linked']);
  }

  #triggerWaiters(order: ModelOrder, price: number): void {
    for (const waiter of this.#waitersOf(order)) this.#toLine(waiter, price, isStop(waiter) ? KEPT : 0);
  }

  #toLine(order: ModelOrder, price: number, flags: number): void {
    const { waiting } = this.instrumentOf(order);
    waiting.splice(waiting.indexOf(order), 1);
    order.waits = 'line';
    order.request = 0;
    this.#line.push(order);
    this.#tellTriggered(order, price, flags);
  }

  #tellTriggered(order: ModelOrder, price: number, flags: number): void {
    const { open, request } = order;
    this.events.about('triggered', order, { price, quantity: open, open }, { flags, request });
  }
}
