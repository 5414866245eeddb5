import { createHash } from 'node:crypto';
import { type IProcessOrder, type LimitOrderOptions, OrderBook, Side } from 'nodejs-order-book';
import { Stopwatch } from './benchmark.ts';
import { MessageType, type Workload } from './challenge-workload.ts';

/**
 * The challenge on nodejs-order-book (MIT). It takes every message of the challenge and comes to the same reports. What it
 * leaves out: accounts (but to prevent self-trades), bounds of prices and sizes, sequence numbers of a durable journal,
 * and a state whose bytes are the same everywhere: it stamps orders with the time of day.
 */
export function playPeer(workload: Workload): { elapsedMs: number; coreMs: number; sha256: string } {
  const times = play(workload, undefined);
  const lines: string[] = [];
  play(workload, lines);
  return { ...times, sha256: createHash('sha256').update(lines.join('\n')).digest('hex') };
}

/** The package does not export its names. */
type TimeInForce = NonNullable<LimitOrderOptions['timeInForce']>;

/** Plays all messages; `lines` takes the reports, and costs time. Ids are numerals, with which it is fastest. */
function play(workload: Workload, lines: string[] | undefined): { elapsedMs: number; coreMs: number } {
  const { type, side, ioc, quantity, price } = workload;
  const ids = Array.from(workload.id, String);
  const book = new OrderBook();
  const stopwatch = new Stopwatch();
  for (let k = 0; k < workload.count; k++) {
    const id = ids[k] as string;
    const named = { id, size: quantity[k] as number, price: price[k] as number };
    if (type[k] === MessageType.new) {
      const timeInForce = (ioc[k] === 1 ? 'IOC' : 'GTC') as TimeInForce;
      const result = book.limit({ ...named, side: side[k] === 0 ? Side.BUY : Side.SELL, timeInForce });
      if (lines === undefined) continue;
      if (result.err !== null) throw result.err;
      lines.push(`0,${k},${side[k]},${id},${named.price},${named.size}`);
      const left = named.size - reportTrades(lines, k, id, result);
      if (ioc[k] === 1 && left > 0) lines.push(`2,${k},${side[k]},${id},${named.price}`);
    } else if (type[k] === MessageType.cancel) {
      const order = book.cancel(id)?.order;
      if (lines === undefined) continue;
      lines.push(
        order === undefined ? `4,${k},${id}` : `2,${k},${side[k]},${id},${'price' in order ? order.price : 0}`,
      );
    } else {
      const result = book.modify(id, { size: named.size, price: named.price });
      if (lines === undefined) continue;
      if (result.err !== null) lines.push(`5,${k},${id}`);
      else {
        reportTrades(lines, k, id, result);
        lines.push(`3,${k},${side[k]},${id},${named.price},${named.size}`);
      }
    }
  }
  return stopwatch.read();
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
