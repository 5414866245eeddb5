import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { DEFAULT_LIMITS } from '../../../journal/genesis.ts';
import { recordsOf } from '../../../journal/order-terms.ts';
import { ReplicaMarket } from '../../../ops/feed/replica-market.ts';
import { TradeTape } from '../../../ops/feed/trade-tape.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';

/** A replica with instruments 0 to 5, and two tapes that see its events. */
class Looked {
  readonly tape = new TradeTape(100);
  readonly #events = new EventBuffer(64);
  readonly #matcher = createMatcher({ ...DEFAULT_LIMITS, ordersMax: 256 }, this.#events);
  readonly market = new ReplicaMarket(this.#matcher);
  #sent = 0;

  constructor() {
    for (let symbol = 0; symbol < 6; symbol++)
      this.send({ op: 'instrumentCreate', account: 0, symbol, name: `I${symbol}` });
  }

  send(command: Command): void {
    const words = new Uint32Array(COMMAND_WORDS);
    for (const record of recordsOf(command)) {
      encodeCommand(words, 0, record);
      this.#matcher.apply(words, 0);
    }
    const { words: events, mask, next } = this.#events;
    for (const { take } of [this.tape, this.market.tape]) take(events, mask, 0, next);
    this.#events.clear();
    this.#sent++;
  }

  order(side: 'buy' | 'sell', price: number, quantity: number, more: object = {}): void {
    this.send({ op: 'new', account: 7, symbol: 0, id: this.#sent + 1, side, price, quantity, ...more });
  }
}

test('a look shows what everybody may see: no hidden orders, nothing that icebergs hold back, no accounts', () => {
  const looked = new Looked();
  expect(looked.market.look(77)).toMatchObject({ symbol: 0, book: { sequence: 6, bids: [], asks: [] }, trades: [] });
  looked.order('buy', 100, 9, { display: 2 });
  looked.order('buy', 100, 1);
  looked.order('buy', 101, 5, { hidden: true });
  looked.order('sell', 101, 4);
  looked.order('sell', 103, 6);
  expect(looked.market.look(0)).toEqual({
    instruments: [0, 1, 2, 3, 4, 5].map((symbol) => ({ symbol, name: `I${symbol}` })),
    symbol: 0,
    book: {
      sequence: 11,
      bids: [{ price: 100, quantity: 3, orders: 2 }],
      asks: [{ price: 103, quantity: 6, orders: 1 }],
    },
    whyNoBook: undefined,
    trades: [{ sequence: 10, side: 'sell', price: 101, quantity: 4 }],
  });
  expect(looked.market.look(5)).toMatchObject({ symbol: 5, book: { bids: [], asks: [] }, trades: [] });
});

test('a tape has the last trades of the few instruments that are asked for, and lets go of the others', async () => {
  const looked = new Looked();
  const { tape } = looked;
  const tradeAt = (price: number): void => {
    looked.order('sell', price, 1);
    looked.order('buy', price, 1);
  };
  tradeAt(1);
  expect(tape.of(0)).toEqual([]);
  for (let price = 1; price <= 30; price++) tradeAt(price);
  expect(tape.of(0).map(({ price }) => price)).toEqual(Array.from({ length: 24 }, (_, index) => 30 - index));
  // More of them in one command than are kept.
  for (let price = 41; price <= 70; price++) looked.order('sell', price, 1);
  looked.order('buy', 70, 30);
  expect(tape.of(0).map(({ price }) => price)).toEqual(Array.from({ length: 24 }, (_, index) => 70 - index));
  for (const symbol of [1, 2, 3]) tape.of(symbol);
  expect(tape.of(0)).toHaveLength(24);
  for (const symbol of [4, 1, 2, 3]) tape.of(symbol);
  expect(tape.of(0)).toEqual([]);
  tradeAt(7);
  expect(tape.of(0)).toHaveLength(1);
  await delay(300);
  tradeAt(8);
  expect(tape.of(0)).toEqual([]);
});
