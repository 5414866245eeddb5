import { parseArgs } from 'node:util';
import { decimalOf, TradingClient } from '../client.ts';

/*
 * Prints the best levels of a book whenever it has changed, of a venue that is served with --market-data. Until it is
 * interrupted:
 *
 *     node examples/book-printer.ts --nats nats://127.0.0.1:4222 --symbol ACME --depth 5 --tick 0.01
 *
 * With --json a line for each change: the venue's sequence, bids and asks, in ticks and lots.
 */
const { values } = parseArgs({
  options: {
    nats: { type: 'string', default: 'nats://127.0.0.1:4222' },
    symbol: { type: 'string', default: 'ACME' },
    account: { type: 'string', default: '3' },
    depth: { type: 'string', default: '5' },
    tick: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const { nats, symbol, tick } = values;
const depth = Number(values.depth);

await using client = await TradingClient.open({ nats, account: Number(values.account) });
const market = client.book(symbol);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => market.close());

// What is in between does not matter here: who is late sees the book as it is then.
const changes = market.messages({ buffer: 1, whenFull: 'dropOldest' });
const book = await market.live();
print();
for await (const _ of changes) if (book.state === 'live') print();

function print(): void {
  const [bids, asks] = [book.bids(depth), book.asks(depth)];
  if (values.json) return void process.stdout.write(`${JSON.stringify({ sequence: book.sequence, bids, asks })}\n`);
  const lines = Array.from({ length: Math.max(bids.length, asks.length) }, (_, index) => {
    const [bid, ask] = [bids[index], asks[index]];
    return `${shown(bid).padStart(24)} | ${shown(ask)}`;
  });
  process.stdout.write(`${symbol} after command ${book.sequence}\n${lines.join('\n')}\n\n`);
}

function shown(level: { price: number; quantity: number } | undefined): string {
  return level === undefined ? '' : `${level.quantity} at ${decimalOf(level.price, tick)}`;
}
