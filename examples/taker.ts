import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { TradingClient } from '../client.ts';

/*
 * Buys and sells in turn, at the market, and tells what it paid. Until it is interrupted:
 *
 *     node examples/taker.ts --nats nats://127.0.0.1:4222 --symbol ACME --every-ms 100
 *
 * Prints a line of JSON for each of its orders.
 */
const { values } = parseArgs({
  options: {
    nats: { type: 'string', default: 'nats://127.0.0.1:4222' },
    symbol: { type: 'string', default: 'ACME' },
    account: { type: 'string', default: '2' },
    'every-ms': { type: 'string', default: '100' },
  },
});
const { nats, symbol } = values;
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

await using client = await TradingClient.open({ nats, account: Number(values.account) });
const tooLate = new Promise((resolve) =>
  stop.signal.addEventListener('abort', () => setTimeout(resolve, 2_000).unref()),
);
for (let turn = 0; !stop.signal.aborted; turn++) {
  const side = turn % 2 === 0 ? 'buy' : 'sell';
  // At once or not: others would wait where orders are collected for an auction.
  const order = client.submit({ symbol, side, type: 'market', tif: 'ioc', qty: 1 + (turn % 7) });
  await Promise.race([order.done(), tooLate]);
  // The venue is away: what became of the order is in its journal.
  if (!order.isDone) break;
  process.stdout.write(`${JSON.stringify(order)}\n`);
  const { notional, lots } = order.tradedAmount;
  const paid = lots === 0 ? 'nothing to trade with' : `${Number(notional) / lots} ticks`;
  process.stderr.write(`${side} ${order.traded} of ${order.quantity}: ${paid}\n`);
  await pause(Number(values['every-ms']), undefined, stop).catch(() => undefined);
}
