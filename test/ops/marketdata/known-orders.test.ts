import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { KnownOrders } from '../../../ops/marketdata/known-orders.ts';

test('the table does what a map of orders does', () => {
  // Few ids, close together and far apart, so that runs of taken slots meet and orders move when one before them goes.
  const id = fc.oneof(
    fc.bigInt(0n, 40n),
    fc.bigInt(2n ** 64n - 20n, 2n ** 64n - 1n),
    fc.bigInt(0n, 20n).map((n) => n << 32n),
  );
  const step = fc.record({
    id,
    symbol: fc.nat(3),
    side: fc.nat(1),
    price: fc.nat(9),
    quantity: fc.nat(9),
    remove: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const orders = new KnownOrders();
      const model = new Map<bigint, object>();
      const seen: unknown[] = [];
      const wanted: unknown[] = [];
      for (const { id, symbol, side, price, quantity, remove } of steps) {
        const high = Number(id >> 32n);
        const low = Number(id & 0xffff_ffffn);
        const at = orders.find(high, low);
        seen.push(
          at < 0
            ? undefined
            : { symbol: orders.symbol(at), side: orders.side(at), price: orders.price[at], open: orders.open[at] },
        );
        wanted.push(model.get(id));
        if (at < 0) {
          orders.add(high, low, symbol, side, price, quantity);
          model.set(id, { symbol, side, price, open: quantity });
        } else if (remove) {
          orders.remove(at);
          model.delete(id);
        }
      }
      expect(seen).toEqual(wanted);
      expect(orders.count).toBe(model.size);
    }),
  );
});

test('the table grows and forgets nothing', () => {
  const orders = new KnownOrders();
  for (let id = 0; id < 20_000; id++) orders.add(id % 7, id, id % 65_536, id % 2, id * 1_000_000, id + 1);
  for (let id = 0; id < 20_000; id += 2) orders.remove(orders.find(id % 7, id));
  expect(orders.count).toBe(10_000);
  const wrong: number[] = [];
  for (let id = 0; id < 20_000; id++) {
    const at = orders.find(id % 7, id);
    const right =
      id % 2 === 0 ? at < 0 : orders.symbol(at) === id && orders.side(at) === 1 && orders.open[at] === id + 1;
    if (!right) wrong.push(id);
  }
  expect(wrong).toEqual([]);
});

test('an instrument is cleared alone', () => {
  const orders = new KnownOrders();
  for (let id = 1; id <= 100; id++) orders.add(0, id, id % 3, 0, 10, id <= 3 ? 0 : 5);
  expect(orders.removeAll(1)).toBe(33);
  expect(orders.count).toBe(66);
  expect(orders.removeAll(1)).toBe(0);
  for (let id = 1; id <= 100; id++) expect(orders.find(0, id) >= 0).toBe(id % 3 !== 1);
});
