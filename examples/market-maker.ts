import { parseArgs } from 'node:util';
import { type Order, TradingClient } from '../client.ts';

/*
 * Keeps a bid and an ask in the book, and moves both away from the side on which it was hit. Until it is interrupted:
 *
 *     node examples/market-maker.ts --nats nats://127.0.0.1:4222 --symbol ACME
 *
 * Prints a line of JSON for each of its orders when that is done.
 */
const { values } = parseArgs({
  options: {
    nats: { type: 'string', default: 'nats://127.0.0.1:4222' },
    symbol: { type: 'string', default: 'ACME' },
    account: { type: 'string', default: '1' },
    mid: { type: 'string', default: '1000' },
    qty: { type: 'string', default: '10' },
  },
});
const [HALF_SPREAD, AGAIN_MS] = [2, 1_000];
const { nats, symbol } = values;
const qty = Number(values.qty);

await using client = await TradingClient.open({ nats, account: Number(values.account) });
const reports = client.reports({ symbol, buffer: 10_000 });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void reports.return());

const quotes: { buy?: Order; sell?: Order } = {};
let [position, isOver] = [0, false];
quote();
for await (const { type, side, qty: lots } of reports) {
  if (type !== 'tradeMaker' && type !== 'tradeTaker') continue;
  position += side === 'buy' ? lots : -lots;
  quote();
}
isOver = true;
await client.cancelAll({ symbol });
await Promise.all(Object.values(quotes).map((order: Order) => order.done()));

/** A tick away from the middle for every two quotes that it holds too much or too little. */
function quote(): void {
  if (isOver) return;
  const middle = Number(values.mid) - Math.trunc(position / (2 * qty));
  for (const side of ['buy', 'sell'] as const) {
    const price = Math.max(1, side === 'buy' ? middle - HALF_SPREAD : middle + HALF_SPREAD);
    const before = quotes[side];
    if (before !== undefined && !before.isDone) {
      if (before.price !== price) void before.replace({ price, qty });
      continue;
    }
    const order = client.submit({ symbol, side, price, qty });
    quotes[side] = order;
    void order.done().then(() => {
      process.stdout.write(`${JSON.stringify(order)}\n`);
      // A trade is told by a report; otherwise the instrument may be halted, or somebody has canceled it: after a while, again.
      if (order.status !== 'filled') setTimeout(quote, AGAIN_MS).unref();
    });
  }
}
