import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { type IProcessOrder, type LimitOrderOptions, OrderBook, Side } from 'nodejs-order-book';
import { Stopwatch } from './benchmark.ts';
import { MessageType, type Workload } from './challenge-workload.ts';
import { NaiveBook, type NaiveEvent } from './naive-book.ts';

/**
 * Order books to compare with, behind one interface. None has accounts, bounds of prices and sizes, a durable journal or
 * a state whose bytes are the same everywhere. All come to the challenge's reports: checked wherever they are timed.
 *
 * - `naive`: {@link NaiveBook}.
 * - `nodejs-order-book` (MIT): takes every message of the challenge by itself.
 * - `limit-order-book` (MIT): has neither immediate-or-cancel nor modify. Here the first is an order whose remainder is
 *   taken off, the second a removal and a new order under the same id: two calls each. It computes with decimals of any
 *   length.
 */
export const PEER_NAMES = ['naive', 'nodejs-order-book', 'limit-order-book'] as const;
export type PeerName = (typeof PEER_NAMES)[number];
/** Those that are packages. */
export const NPM_PEER_NAMES = PEER_NAMES.filter((name) => name !== 'naive');

export interface PeerBook {
  /** Plays message `k`; `lines` takes its reports in the challenge's form, which costs time. */
  play(k: number, lines: string[] | undefined): void;
}

export function createPeerBook(name: PeerName, workload: Workload): PeerBook {
  return CREATE[name](workload);
}

/** Plays all messages twice: once to be timed, and once more for the reports. */
export function playPeer(name: PeerName, workload: Workload): { elapsedMs: number; coreMs: number; sha256: string } {
  const timed = createPeerBook(name, workload);
  const stopwatch = new Stopwatch();
  for (let k = 0; k < workload.count; k++) timed.play(k, undefined);
  const times = stopwatch.read();
  return { ...times, sha256: peerReports(name, workload) };
}

/** SHA-256 of the reports in the challenge's form. */
export function peerReports(name: PeerName, workload: Workload): string {
  const book = createPeerBook(name, workload);
  const lines: string[] = [];
  for (let k = 0; k < workload.count; k++) book.play(k, lines);
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

const CREATE: Readonly<Record<PeerName, (workload: Workload) => PeerBook>> = {
  naive: createNaive,
  'nodejs-order-book': createNodejsOrderBook,
  'limit-order-book': createLimitOrderBook,
};

function createNaive(workload: Workload): PeerBook {
  const { type, side, ioc, quantity, price, id } = workload;
  const book = new NaiveBook();
  return {
    play(k, lines) {
      const named = id[k] as number;
      if (type[k] === MessageType.new) {
        const way = side[k] === 0 ? 'buy' : 'sell';
        const events = book.limit(named, way, price[k] as number, quantity[k] as number, ioc[k] === 1);
        if (lines !== undefined) reportNaive(lines, k, 0, 4, events);
      } else if (type[k] === MessageType.cancel) {
        const events = book.cancel(named);
        if (lines !== undefined) reportNaive(lines, k, 0, 4, events);
      } else {
        const events = book.modify(named, price[k] as number, quantity[k] as number);
        if (lines !== undefined) reportNaive(lines, k, 3, 5, events);
      }
    },
  };
}

/** `accepted` and `rejected` are the kinds of report that these events mean for this kind of message. */
function reportNaive(lines: string[], k: number, accepted: number, rejected: number, events: NaiveEvent[]): void {
  for (const event of events) {
    if (event.type === 'rejected') lines.push(`${rejected},${k},${event.id}`);
    else if (event.type === 'trade') {
      const { maker, taker, quantity } = event;
      lines.push(`1,${k},${maker.price},${quantity},${maker.id},${taker.id}`);
    } else {
      const { id, side, price, quantity } = event.order;
      const begin = `${k},${side === 'buy' ? 0 : 1},${id},${price}`;
      lines.push(event.type === 'accepted' ? `${accepted},${begin},${quantity}` : `2,${begin}`);
    }
  }
}

/** The package does not export its names. */
type TimeInForce = NonNullable<LimitOrderOptions['timeInForce']>;

/** Ids are numerals, with which it is fastest. */
function createNodejsOrderBook(workload: Workload): PeerBook {
  const { type, side, ioc, quantity, price } = workload;
  const ids = Array.from(workload.id, String);
  const book = new OrderBook();
  return {
    play(k, lines) {
      const id = ids[k] as string;
      const named = { id, size: quantity[k] as number, price: price[k] as number };
      if (type[k] === MessageType.new) {
        const timeInForce = (ioc[k] === 1 ? 'IOC' : 'GTC') as TimeInForce;
        const result = book.limit({ ...named, side: side[k] === 0 ? Side.BUY : Side.SELL, timeInForce });
        if (lines === undefined) return;
        if (result.err !== null) throw result.err;
        lines.push(`0,${k},${side[k]},${id},${named.price},${named.size}`);
        const left = named.size - reportTrades(lines, k, id, result);
        if (ioc[k] === 1 && left > 0) lines.push(`2,${k},${side[k]},${id},${named.price}`);
      } else if (type[k] === MessageType.cancel) {
        const order = book.cancel(id)?.order;
        if (lines === undefined) return;
        lines.push(
          order === undefined ? `4,${k},${id}` : `2,${k},${side[k]},${id},${'price' in order ? order.price : 0}`,
        );
      } else {
        const result = book.modify(id, { size: named.size, price: named.price });
        if (lines === undefined) return;
        if (result.err !== null) lines.push(`5,${k},${id}`);
        else {
          reportTrades(lines, k, id, result);
          lines.push(`3,${k},${side[k]},${id},${named.price},${named.size}`);
        }
      }
    },
  };
}

/** The makers are those of `done` and `partial` that are not the order itself. Returns what was traded. */
function reportTrades(lines: string[], k: number, id: string, result: IProcessOrder): number {
  let traded = 0;
  const report = (maker: { id: string; price: number }, size: number): void => {
    traded += size;
    lines.push(`1,${k},${maker.price},${size},${maker.id},${id}`);
  };
  for (const maker of result.done) if (maker.id !== id && 'price' in maker) report(maker, maker.size);
  if (result.partial !== null && result.partial.id !== id) report(result.partial, result.partialQuantityProcessed);
  return traded;
}

/** The package has no types. Amounts are decimal numerals. */
interface LimitOrderBookPackage {
  readonly LimitOrderBook: new () => {
    add(order: DecimalOrder): { makers: DecimalOrder[]; taker: DecimalOrder };
    remove(orderId: string): DecimalOrder | null;
  };
  readonly LimitOrder: new (orderId: string, side: 'ask' | 'bid', price: string, size: string) => DecimalOrder;
}

interface DecimalOrder {
  readonly orderId: string;
  readonly side: 'ask' | 'bid';
  readonly price: string;
  readonly sizeRemaining: string;
  readonly filled: string;
}

function createLimitOrderBook(workload: Workload): PeerBook {
  const { LimitOrderBook, LimitOrder } = createRequire(import.meta.url)('limit-order-book') as LimitOrderBookPackage;
  const { type, side, ioc, count } = workload;
  const numerals = (values: ArrayLike<number>): string[] => Array.from({ length: count }, (_, k) => `${values[k]}`);
  const ids = numerals(workload.id);
  const prices = numerals(workload.price);
  const sizes = numerals(workload.quantity);
  const book = new LimitOrderBook();
  const add = (k: number, way: 'ask' | 'bid', lines: string[] | undefined): DecimalOrder => {
    const id = ids[k] as string;
    const { makers, taker } = book.add(new LimitOrder(id, way, prices[k] as string, sizes[k] as string));
    if (lines === undefined) return taker;
    for (const maker of makers) lines.push(`1,${k},${maker.price},${maker.filled},${maker.orderId},${id}`);
    return taker;
  };
  return {
    play(k, lines) {
      const id = ids[k] as string;
      const about = `${k},${side[k]},${id},`;
      if (type[k] === MessageType.new) {
        lines?.push(`0,${about}${prices[k]},${sizes[k]}`);
        const taker = add(k, side[k] === 0 ? 'bid' : 'ask', lines);
        if (ioc[k] === 0 || taker.sizeRemaining === '0') return;
        book.remove(id);
        lines?.push(`2,${about}${prices[k]}`);
        return;
      }
      const removed = book.remove(id);
      if (type[k] === MessageType.cancel) {
        lines?.push(removed === null ? `4,${k},${id}` : `2,${about}${removed.price}`);
      } else if (removed === null) lines?.push(`5,${k},${id}`);
      else {
        add(k, removed.side, lines);
        lines?.push(`3,${about}${prices[k]},${sizes[k]}`);
      }
    },
  };
}
