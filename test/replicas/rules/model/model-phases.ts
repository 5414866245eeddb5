import { EventFlag } from '../../../../journal/events.ts';
import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import { type AuctionBook, auctionPriceOf, toldLots, uncross } from './model-auction.ts';
import { type ModelExchange, SETTING } from './model-exchange.ts';
import { bestToTrade } from './model-matching.ts';
import { type ModelInstrument, type ModelOrder, queueOf, type Side } from './model-order.ts';
import { isStop } from './model-stops.ts';

const PHASE = {
  continuous: 0,
  preOpen: 1,
  openingAuction: 2,
  volatilityAuction: 3,
  closingAuction: 4,
  halted: 5,
  closed: 6,
  delisted: 7,
} as const;
const OP = { halt: 18, resume: 19, openAuction: 20, uncross: 21, schedule: 28, unschedule: 29, phase: 30 } as const;
const MAY_FOLLOW: readonly (readonly number[])[] = [
  [2, 3, 4, 5, 6, 7],
  [0, 2, 5, 6, 7],
  [0, 5, 6, 7],
  [0, 4, 5, 6, 7],
  [5, 6, 7],
  [0, 2, 3, 4, 6, 7],
  [0, 1, 2, 7],
  [],
];
const CALENDAR_MAX = 16;
/** Before everything else that is due. */
const AT_ONCE = 1n;
const SIDES: readonly Side[] = ['buy', 'sell'];

export const isPhaseOp = (op: number): boolean => (Object.values(OP) as readonly number[]).includes(op);

/** Whether orders trade as they come. */
export function isContinuous({ phase, settings }: ModelInstrument): boolean {
  return phase === PHASE.continuous && (settings.get(SETTING.batchNs) ?? 0) === 0;
}

export const isImmediate = ({ tif }: Pick<ModelOrder, 'tif'>): boolean => tif === 1 || tif === 2;

/** Whether it waits for an auction, and does not trade now. */
export function isForAuction(instrument: ModelInstrument, { tif }: Pick<ModelOrder, 'tif'>): boolean {
  return tif >= 5 || !isContinuous(instrument);
}

type Taken = Pick<ModelOrder, 'tif' | 'postOnly' | 'allOrNone' | 'minQty'>;

const isMadeForAuctions = (order: Taken): boolean =>
  !isImmediate(order) && !order.postOnly && !order.allOrNone && order.minQty === 0;

export function whyNotInPhase(instrument: ModelInstrument, order: Taken): ReasonName | undefined {
  const { phase } = instrument;
  if (phase >= PHASE.halted) return 'phase';
  if (order.tif === 5 && (phase === PHASE.continuous || phase > PHASE.openingAuction)) return 'phase';
  if (phase === PHASE.continuous && (order.tif === 6 || isContinuous(instrument))) return undefined;
  return isMadeForAuctions(order) ? undefined : 'phase';
}

export function whyNotTriggered(instrument: ModelInstrument, order: Taken): ReasonName | undefined {
  return isContinuous(instrument) || isMadeForAuctions(order) ? undefined : 'phase';
}

/** The worst price at which an order trades in the volatility range, if there is one, by its own limit and the range. */
export function withinRange(
  instrument: ModelInstrument,
  order: ModelOrder,
  limit: number | undefined,
): number | undefined {
  const { settings } = instrument;
  const [ticks = 0, reference = 0, lasts = 0] = [
    settings.get(SETTING.volatilityTicks),
    settings.get(SETTING.referencePrice),
    settings.get(SETTING.volatilityNs),
  ];
  if (ticks === 0 || reference === 0 || lasts === 0) return limit;
  const touch = bestToTrade(instrument, order, undefined);
  if (order.side === 'buy') {
    if (touch !== undefined && touch < reference - ticks) return 0;
    return Math.min(limit ?? Number.POSITIVE_INFINITY, reference + ticks);
  }
  if (touch !== undefined && touch > reference + ticks) return Number.POSITIVE_INFINITY;
  return Math.max(limit ?? 0, reference - ticks);
}

/** The book in which it rests. */
export function bookFor({ phase }: ModelInstrument, { tif, type }: ModelOrder): ModelOrder['book'] {
  if (tif === 5) return 'call';
  if (tif === 6) return 'closing';
  if (type === 0 || type === 3) return 'limits';
  return phase === PHASE.closingAuction ? 'closing' : 'call';
}

/** What is known of an instrument's time: the changes to come. */
interface Clock {
  ends: bigint;
  batch: bigint;
  readonly calendar: Map<bigint, number>;
  told: string;
}

/** Phases, auctions and the calendar: docs/rules-sessions.md. */
export class ModelPhases {
  readonly #exchange: ModelExchange;
  readonly #clocks = new Map<number, Clock>();
  #now = 0n;

  constructor(exchange: ModelExchange) {
    this.#exchange = exchange;
  }

  set now(time: bigint) {
    this.#now = time;
  }

  #clockOf({ symbol }: ModelInstrument): Clock {
    const clock = this.#clocks.get(symbol) ?? { ends: 0n, batch: 0n, calendar: new Map(), told: '' };
    this.#clocks.set(symbol, clock);
    return clock;
  }

  // Commands.

  perform(command: MarketCommand): ReasonName | undefined {
    const { op, flags, sideCode, type, tif, id, price, quantity, extra } = command;
    const hasPhase = op === OP.phase || op === OP.schedule;
    const hasTime = op === OP.schedule || op === OP.unschedule;
    if (flags !== 0) return 'flags';
    if (sideCode !== 0 || type !== 0 || tif !== 0 || id !== 0n || price !== 0n) return 'reservedField';
    if ((!hasPhase && quantity !== 0n) || (!hasTime && extra !== 0n)) return 'reservedField';
    if (quantity > 7n) return 'quantity';
    const instrument = this.#exchange.instruments.get(command.symbol);
    if (instrument === undefined) return 'unknownSymbol';
    if (instrument.elsewhere !== undefined) return 'otherShard';
    if (op === OP.schedule) return this.#schedule(instrument, command);
    if (op === OP.unschedule) return this.#unschedule(instrument, command);
    const target = targetOf(instrument, command);
    if (target === undefined || !mayFollow(instrument, target)) return 'phaseChange';
    instrument.ruled = true;
    this.#goTo(instrument, target, command.account, command.request);
    this.#exchange.enterLine();
    return undefined;
  }

  #schedule(instrument: ModelInstrument, command: MarketCommand): ReasonName | undefined {
    const { extra, quantity, account, request } = command;
    const { calendar } = this.#clockOf(instrument);
    if (extra <= this.#now) return 'schedule';
    if (!calendar.has(extra) && calendar.size >= CALENDAR_MAX) return 'calendarFull';
    instrument.ruled = true;
    calendar.set(extra, Number(quantity));
    this.#tell(instrument, EventFlag.scheduled, Number(quantity), 0, extra, account, request);
    return undefined;
  }

  #unschedule(instrument: ModelInstrument, { extra, account, request }: MarketCommand): ReasonName | undefined {
    const { calendar } = this.#clockOf(instrument);
    if (extra === 0n ? calendar.size === 0 : !calendar.has(extra)) return 'schedule';
    if (extra === 0n) calendar.clear();
    else calendar.delete(extra);
    this.#tell(instrument, EventFlag.scheduled | EventFlag.closed, 0, 0, extra, account, request);
    return undefined;
  }

  #tell(
    { symbol }: ModelInstrument,
    flags: number,
    slot: number,
    generation: number,
    time: bigint,
    account: number,
    request: number,
  ): void {
    const id = time < 2n ** 53n ? Number(time) : time;
    this.#exchange.events.other({ type: 'state', symbol, flags, slot, generation, id, account, request });
  }

  // Changes.

  #goTo(instrument: ModelInstrument, phase: number, account: number, request: number): void {
    const before = instrument.phase;
    if (phase === PHASE.continuous) this.#tradeAll(instrument);
    else if (phase === PHASE.closed) {
      if (before === PHASE.closingAuction) uncross(this.#exchange, instrument, 'closing');
      this.#dropBook(instrument, 'call');
      this.#dropBook(instrument, 'closing');
    }
    const clock = this.#clockOf(instrument);
    const lasts = phase === PHASE.volatilityAuction ? (instrument.settings.get(SETTING.volatilityNs) ?? 0) : 0;
    clock.ends = lasts === 0 ? 0n : this.#now + BigInt(lasts);
    clock.batch = 0n;
    clock.told = '';
    instrument.phase = phase;
    this.#tell(instrument, 0, phase, before, clock.ends, account, request);
    if (phase !== PHASE.closed && phase !== PHASE.delisted) return;
    this.#exchange.enterLine();
    instrument.leaving = phase === PHASE.delisted ? 'all' : 'day';
    this.#takeOffLeaving(instrument);
  }

  /** As many as may leave with this command. */
  #takeOffLeaving(instrument: ModelInstrument): void {
    const isAll = instrument.leaving === 'all';
    const leaving = this.#inOrderOfLeaving(instrument).filter(({ tif }) => isAll || tif === 3);
    const left: ModelOrder[] = [];
    for (const order of leaving) {
      if (!this.#exchange.mayLeave) break;
      this.#exchange.leaveByTime(order, isAll ? 'delisted' : 'expired');
      left.push(order);
    }
    this.#exchange.takeWithAll(left);
    if (left.length === leaving.length) instrument.leaving = undefined;
  }

  #tradeAll(instrument: ModelInstrument): void {
    uncross(this.#exchange, instrument, 'call');
    this.#dropBook(instrument, 'call');
  }

  #dropBook(instrument: ModelInstrument, book: AuctionBook): void {
    for (const side of SIDES) {
      const inBook = (): ModelOrder | undefined => queueOf(instrument.resting, side, book)[0];
      for (let order = inBook(); order !== undefined; order = inBook()) this.#exchange.remove(order, 'auctionOver', 0);
    }
  }

  /** Books, stops and trailing stops, each order behind those that wait for it. */
  #inOrderOfLeaving({ resting, waiting }: ModelInstrument): ModelOrder[] {
    const books = (['limits', 'call', 'closing'] as const).flatMap((book) => {
      const shown = SIDES.flatMap((side) => queueOf(resting, side, book));
      if (book !== 'limits') return shown;
      const isHidden = ({ hidden, allOrNone }: ModelOrder): boolean => hidden || allOrNone;
      return [...shown.filter((order) => !isHidden(order)), ...shown.filter(isHidden)];
    });
    const stops = waiting.filter((order) => order.waits === 'stop' && isStop(order));
    const fixed = SIDES.flatMap((side) =>
      stops
        .filter((order) => order.side === side && order.trail === 0)
        .sort((a, b) => (side === 'buy' ? 1 : -1) * (a.stopPrice - b.stopPrice) || a.arrival - b.arrival),
    );
    const trailing = SIDES.flatMap((side) => stops.filter((order) => order.side === side && order.trail > 0));
    return [...books, ...fixed, ...trailing].flatMap((order) => [
      ...waiting.filter(({ waits, waitsFor }) => waits === 'order' && waitsFor === order),
      order,
    ]);
  }

  /** An order would trade out of the volatility range. */
  interrupt(instrument: ModelInstrument): void {
    this.#goTo(instrument, PHASE.volatilityAuction, 0, 0);
  }

  // Time.

  /** When the instrument does something next because of time; 0 for never. */
  dueOf(instrument: ModelInstrument): bigint {
    if (instrument.leaving !== undefined) return AT_ONCE;
    const { ends, batch, calendar } = this.#clockOf(instrument);
    const times = [ends, batch, ...calendar.keys()].filter((time) => time !== 0n);
    return times.reduce((first, time) => (first === 0n || time < first ? time : first), 0n);
  }

  advance(instrument: ModelInstrument): void {
    if (instrument.leaving !== undefined) {
      this.#takeOffLeaving(instrument);
      this.#exchange.enterLine();
      return;
    }
    const due = this.dueOf(instrument);
    const clock = this.#clockOf(instrument);
    const scheduled = clock.calendar.get(due);
    if (scheduled !== undefined) {
      clock.calendar.delete(due);
      const isFree = instrument.phase !== PHASE.halted || scheduled >= PHASE.closed;
      if (isFree && mayFollow(instrument, scheduled)) this.#goTo(instrument, scheduled, 0, 0);
    } else if (clock.ends === due) this.#goTo(instrument, PHASE.continuous, 0, 0);
    else this.#tradeBatch(instrument);
    this.#exchange.enterLine();
  }

  #tradeBatch(instrument: ModelInstrument): void {
    this.#clockOf(instrument).batch = 0n;
    this.#tradeAll(instrument);
  }

  /** The time between batches was set. */
  afterBatchSetting(instrument: ModelInstrument): void {
    if (this.#clockOf(instrument).batch === 0n) return;
    this.#tradeBatch(instrument);
    this.#exchange.enterLine();
  }

  /** When time has done what was due, and at the end of every command. */
  afterAll(): void {
    const all = [...this.#exchange.instruments.values()].sort((a, b) => a.symbol - b.symbol);
    for (const instrument of all) this.after(instrument);
  }

  /** At the end of every command with the instrument's symbol, before others. */
  after(instrument: ModelInstrument): void {
    if (instrument.phase >= PHASE.openingAuction && instrument.phase <= PHASE.closingAuction)
      this.#tellIndicative(instrument);
    else if (instrument.phase === PHASE.continuous && !isContinuous(instrument)) this.#planBatch(instrument);
  }

  #tellIndicative(instrument: ModelInstrument): void {
    const clock = this.#clockOf(instrument);
    const book = instrument.phase === PHASE.closingAuction ? 'closing' : 'call';
    const { price, volume, imbalance, side } = auctionPriceOf(instrument, book);
    const amounts = { price, quantity: toldLots(volume), open: toldLots(imbalance) };
    const told = price === 0 ? '' : `${Object.values(amounts)} ${imbalance === 0n ? 'buy' : side}`;
    if (told === clock.told) return;
    clock.told = told;
    this.#exchange.events.other({ type: 'indicative', symbol: instrument.symbol, side, ...amounts });
  }

  #planBatch(instrument: ModelInstrument): void {
    const clock = this.#clockOf(instrument);
    const { price } = auctionPriceOf({ ...instrument, resting: instrument.resting }, 'call');
    const isWaiting = instrument.resting.some(({ book }) => book === 'call');
    if (clock.batch !== 0n || (price === 0 && !isWaiting)) return;
    const interval = BigInt(instrument.settings.get(SETTING.batchNs) ?? 0);
    clock.batch = this.#now - (this.#now % interval) + interval;
  }
}

function mayFollow({ phase, leaving }: ModelInstrument, next: number): boolean {
  return leaving === undefined && (MAY_FOLLOW[phase] as readonly number[]).includes(next);
}

function targetOf({ phase }: ModelInstrument, { op, quantity }: MarketCommand): number | undefined {
  if (op === OP.phase) return Number(quantity);
  if (op === OP.halt) return PHASE.halted;
  if (op === OP.openAuction) return PHASE.openingAuction;
  if (op === OP.resume) return phase === PHASE.halted ? PHASE.continuous : undefined;
  if (phase === PHASE.closingAuction) return PHASE.closed;
  return phase === PHASE.openingAuction || phase === PHASE.volatilityAuction ? PHASE.continuous : undefined;
}
