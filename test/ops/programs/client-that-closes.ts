import { setImmediate as nextTurn } from 'node:timers/promises';
import { TradingClient } from '../../../ops/client/trading-client.ts';
import { natsConnectionOptions } from '../../../ops/nats-server.ts';

// Opens a client, closes it in the middle of something, and prints what would still keep the process alive.

const [nats = '', shard = '', how] = process.argv.slice(2);
const open = (options: object = {}): Promise<TradingClient> =>
  TradingClient.open({ nats, shards: [Number(shard)], account: 5, ...options });

if (how === 'unreachable') {
  const signal = AbortSignal.timeout(300);
  await open({ nats: { ...natsConnectionOptions(nats), servers: '127.0.0.1:1' }, signal }).catch(() => undefined);
} else {
  const client = await open();
  const reports = client.reports();
  const order = client.submit({ symbol: 'ACME', side: 'buy', price: 1, qty: 1 });
  if (how === 'idle') await order.acknowledged();
  const waiting = [order.done(), order.cancel()].map((wanted) => wanted.catch(() => undefined));
  if (how === 'idle') await Promise.all(waiting);
  await client.close();
  await Promise.all([...waiting, reports.next(), client.ended]);
}
// Sockets say that they are closed in a turn of their own.
for (let turn = 0; turn < 10; turn++) await nextTurn();
const own = process.getActiveResourcesInfo().filter((resource) => !/^(PipeWrap|TTYWrap|FSReqPromise)$/.test(resource));
process.stdout.write(`${JSON.stringify(own)}\n`);
