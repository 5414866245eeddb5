import { PRICE_MAX, readWide } from '../../journal/amounts.ts';
import { OrderType, Setting, TimeInForce } from '../../journal/commands.ts';
import { INSTRUMENT, listInstruments, PHASE_WORD, SETTING_WORDS } from '../../replicas/instrument-table.ts';
import type { MarketState } from '../../replicas/matcher.ts';
import { DETAIL, DETAIL_SHIFT } from '../../replicas/order-details.ts';
import { listOrders, ORDER, ORDER_FLAG, ORDER_SHIFT } from '../../replicas/order-table.ts';
import type { BookOrder, OrderName, WaitingStop } from './linked-books.ts';

/** What a replica's state says that a span begins with: the books that the circuit knows, and what it knows nothing of. */
export interface MarketView {
  /** Orders that rest, and stops that wait, in the order of their places in time. */
  readonly books: readonly BookOrder[];
  readonly unproven: readonly UnprovenOrder[];
  readonly instruments: Instruments;
  /** Of an instrument as it is when asked, the price of the last trade since it is ruled; 0 for none. */
  readonly lastPrice: (symbol: number) => number;
}

/** A live order that follows a rule which the circuit does not know. It is in no book of a proof. */
export interface UnprovenOrder extends OrderName {
  readonly symbol: number;
  /** What it is, in words. */
  readonly what: string;
  /** It is in no book before it is triggered. */
  readonly waits: boolean;
}

/** What the tape has to know of an instrument. Limits of 0 are none. */
export interface TapeInstrument {
  readonly closed: boolean;
  readonly priceMax: number;
  readonly quantityMax: number;
  /** The shard on which it trades, if not here. */
  readonly elsewhere: number | undefined;
  /** `Phase` of journal/commands.ts. */
  readonly phase: number;
  /** What is set of it, by `Setting`. */
  readonly settings: ReadonlyMap<number, number>;
  /** Rules beyond the plain ones hold, as far as the events say. */
  readonly ruled: boolean;
}

/** By symbol. */
export type Instruments = Map<number, TapeInstrument>;

export function settingOf({ settings }: TapeInstrument, setting: (typeof Setting)[keyof typeof Setting]): number {
  return settings.get(setting) ?? 0;
}

export function viewMarket(state: MarketState): MarketView {
  const books: (BookOrder & Place)[] = [];
  const unproven: UnprovenOrder[] = [];
  for (const { slot, id, account, symbol, side, postOnly, price, open, sequence } of listOrders(state.orders)) {
    const wide = BigInt(id);
    const name = { account, idLow: Number(wide & 0xffff_ffffn), idHigh: Number(wide >> 32n) };
    const what = whatUnproven(state, slot, price);
    if (what !== undefined) unproven.push({ ...name, symbol, what, waits: isWaiting(state, slot) });
    else {
      const detail = (place: number): number =>
        isRuled(state, slot) ? (state.details[(slot << DETAIL_SHIFT) + place] as number) : 0;
      const prevention = (detail(DETAIL.terms) >>> 16) & 255;
      const turn = detail(DETAIL.turn);
      const order = { ...name, symbol, side: side === 'buy' ? 0 : 1, postOnly, prevention, price, open };
      books.push({
        ...order,
        ...(isWaiting(state, slot) ? { stop: stopOf(state, slot, symbol) } : {}),
        sequence,
        turn,
      });
    }
  }
  books.sort((a, b) => a.sequence - b.sequence || a.turn - b.turn);
  return {
    books: books.map(({ sequence: _, turn: __, ...order }) => order),
    unproven,
    instruments: viewInstruments(state),
    lastPrice: (symbol) => lastPriceOf(state, symbol),
  };
}

interface Place {
  readonly sequence: number;
  /** Among those that came to rest by one command. */
  readonly turn: number;
}

function viewInstruments({ instruments }: MarketState): Instruments {
  const view: Instruments = new Map();
  for (const { symbol, closed, priceMax, quantityMax, elsewhere, ruled = false } of listInstruments(instruments)) {
    const first = symbol * SETTING_WORDS;
    const settings = new Map<number, number>();
    for (const setting of Object.values(Setting)) {
      const value = readWide(instruments.settings, first + 2 * setting);
      if (value !== 0) settings.set(setting, value);
    }
    const phase = instruments.settings[first + PHASE_WORD] as number;
    view.set(symbol, { closed, priceMax, quantityMax, elsewhere, phase, settings, ruled });
  }
  return view;
}

/** Of the fourth byte of a detail's terms: {@link DETAIL}. */
const BY_GROUP = 1;

const isRuled = (state: MarketState, slot: number): boolean => (flagsOf(state, slot) & ORDER_FLAG.ruled) !== 0;
const isWaiting = (state: MarketState, slot: number): boolean => (flagsOf(state, slot) & ORDER_FLAG.stop) !== 0;

function flagsOf({ orders }: MarketState, slot: number): number {
  return orders.words[(slot << ORDER_SHIFT) + ORDER.terms] as number;
}

/** What a waiting stop will be when it is triggered, and when that is. */
function stopOf(state: MarketState, slot: number, symbol: number): WaitingStop {
  const { details } = state;
  const detail = slot << DETAIL_SHIFT;
  const terms = details[detail + DETAIL.terms] as number;
  const stopPrice = readWide(details, detail + DETAIL.stopPrice);
  return { stopPrice, lastPrice: lastPriceOf(state, symbol), ...becomingOf(terms & 255, (terms >>> 8) & 255) };
}

function lastPriceOf({ instruments }: MarketState, symbol: number): number {
  return readWide(instruments.words, instruments.at(symbol) + INSTRUMENT.last);
}

/** How an order of this type and time in force trades, of a stop once it is triggered. */
export function becomingOf(type: number, tif: number): Omit<WaitingStop, 'stopPrice' | 'lastPrice'> {
  const market = type === OrderType.market || type === OrderType.stop;
  const isImmediate = tif === TimeInForce.ioc || tif === TimeInForce.fok;
  return { market, rests: !market && !isImmediate, fillOrKill: tif === TimeInForce.fok };
}

function whatUnproven(state: MarketState, slot: number, price: number): string | undefined {
  if (!isRuled(state, slot)) return undefined;
  const flags = flagsOf(state, slot);
  const detail = slot << DETAIL_SHIFT;
  const word = (place: number): number => state.details[detail + place] as number;
  if (word(DETAIL.parent) !== 0) return 'an order that waits for another';
  if (readWide(state.details, detail + DETAIL.trail) !== 0) return 'a trailing stop';
  if ((flags & ORDER_FLAG.hidden) !== 0) return 'a hidden order';
  if ((flags & ORDER_FLAG.allOrNone) !== 0) return 'an all-or-none order';
  if ((flags & (ORDER_FLAG.call | ORDER_FLAG.closing)) !== 0 || price > PRICE_MAX) return 'an order for an auction';
  if (readWide(state.details, detail + DETAIL.display) !== 0) return 'an iceberg';
  if (readWide(state.details, detail + DETAIL.minQty) !== 0) return 'a stop with minQty';
  if ((word(DETAIL.partner) | word(DETAIL.firstFollower)) !== 0) return 'an order with links';
  const isByGroup = ((word(DETAIL.terms) >>> 24) & BY_GROUP) !== 0;
  return isByGroup ? 'an order with self-trade prevention by group' : undefined;
}
