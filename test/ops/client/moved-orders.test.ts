import { afterEach, expect, test } from '@jest/globals';
import { TradingClient } from '../../../ops/client/trading-client.ts';
import { moveInstrument } from '../../../ops/move-instrument.ts';
import { TwoShards } from '../two-shards.ts';

const [ACME, THERE] = [0, 1];
let shards: TwoShards | undefined;
const clients: TradingClient[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await shards?.close();
});

test('orders of several shards, and one that moves from one shard to another and back, keep their states', async () => {
  shards = await TwoShards.open();
  await shards.administer(0, [{ op: 'instrumentCreate', symbol: ACME, name: 'ACME' }]);
  await shards.administer(1, [{ op: 'instrumentCreate', symbol: THERE, name: 'THERE' }]);
  const { connection } = shards;
  for (const account of [1, 2]) clients.push(await TradingClient.open({ nats: connection, shards: [0, 1], account }));
  const [maker, taker] = clients as [TradingClient, TradingClient];

  const order = maker.submit({ symbol: 'ACME', side: 'sell', price: 10, qty: 10 });
  const other = maker.submit({ symbol: 'THERE', side: 'sell', price: 20, qty: 10 });
  await Promise.all([order.acknowledged(), other.acknowledged()]);
  let traded = 0;
  for (const [from, to] of [
    [0, 1],
    [1, 0],
  ] as const) {
    await taker.submit({ symbol: 'ACME', side: 'buy', price: 10, qty: 2 }).done();
    await moveInstrument({ connection, symbol: 'ACME', from, to });
    // A book is of one shard: the one that the client knows of.
    expect(taker.book('ACME').book.subject).toBe(`veritape.${from}.feed.${ACME}.levels`);
    await taker.refresh();
    expect(taker.book('ACME').book.subject).toBe(`veritape.${to}.feed.${ACME}.levels`);
    await taker.submit({ symbol: 'ACME', side: 'buy', price: 10, qty: 1 }).done();
    traded += 3;
    while (order.traded < traded) await order.changed();
    expect(order).toMatchObject({ status: 'partiallyFilled', quantity: 10, open: 10 - traded, isDone: false });
    await maker.settled();
    await order.replace({ price: 10, qty: order.open });
    expect(order).toMatchObject({ traded, open: 10 - traded, isReported: true });
  }
  const canceled = await maker.cancelAll();
  expect(canceled).toMatchObject({ reason: 'none', open: 2, sequence: 0 });
  await Promise.all([order.done(), other.done()]);
  expect(order).toMatchObject({ status: 'canceled', traded: 6, canceled: 4 });
  expect(order.tradedAmount).toEqual({ notional: 60n, lots: 6 });
  expect(other).toMatchObject({ status: 'canceled', traded: 0, canceled: 10 });
});
