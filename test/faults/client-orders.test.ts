import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Order } from '../../ops/client/order.ts';
import { TradingClient, type TradingClientOptions } from '../../ops/client/trading-client.ts';
import { waitUntil } from '../../ops/drill/drill-cluster.ts';
import { closingOf, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { asInJournal, ordersOfJournal } from '../ops/client/journal-orders.ts';

/** More rounds by VERITAPE_CLIENT_ROUNDS. */
const ROUNDS = Number(process.env['VERITAPE_CLIENT_ROUNDS'] ?? 2);
const ROUND_MS_MAX = 20_000;
const LOADED_MS_MAX = 500;
const ANSWER_MS_MAX = 1_000;
/** Nobody takes over from one that lives, however long its journal thread waits for the machine or the disk. */
const LEASE = ['--lease-ms', '30000'];
const WAIT_MS_MAX = 30_000;
/** Between two things that happen to a venue. */
const ORDERS_MORE = 60;
const PRICES = 20;
/** Between what a trader sends at a time. */
const THINKING_MS = 5;

let nats: OwnNatsServer;
const traders: Trader[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
});
afterEach(async () => {
  await Promise.all(traders.splice(0).map((trader) => trader.close()));
  await endAllProcesses();
  await nats.stop();
});
afterAll(removeTemporaryFolders);

/** Enters, changes and cancels orders that trade with those of the others, and remembers them all. */
class Trader {
  readonly client: TradingClient;
  readonly orders: Order[] = [];
  readonly notices: string[] = [];
  #isTrading = true;
  #trading: Promise<void> = Promise.resolve();
  #random: number;

  static async open(account: number, options: Partial<TradingClientOptions> = {}): Promise<Trader> {
    const notices: string[] = [];
    const onNotice = (text: string): void => void notices.push(text);
    const patience = { answerMsMax: ANSWER_MS_MAX, heartbeatMs: 500 };
    const client = await TradingClient.open({ nats: nats.url, account, onNotice, ...patience, ...options });
    const trader = new Trader(client, notices);
    traders.push(trader);
    return trader;
  }

  private constructor(client: TradingClient, notices: string[]) {
    this.client = client;
    this.notices = notices;
    this.#random = client.account;
  }

  begin(): void {
    this.#trading = this.#trade();
  }

  /** Resolves when it has entered so many orders more. */
  async entered(count: number): Promise<void> {
    const wanted = this.orders.length + count;
    await this.#until(() => this.orders.length >= wanted);
  }

  /** Resolves when every command is answered and every report was told. */
  async end(): Promise<void> {
    this.#isTrading = false;
    await this.#trading;
    await Promise.all(this.orders.map((order) => order.acknowledged()));
    await this.#until(() => this.orders.every(({ underWay }) => underWay === 0));
    await this.client.settled();
  }

  /** Leaves everything as it is, as a test that failed does. */
  async close(): Promise<void> {
    this.#isTrading = false;
    await this.client.close();
    await this.#trading.catch(() => undefined);
  }

  async #until(isSo: () => boolean): Promise<void> {
    const { client, notices, orders } = this;
    const seen = (): object => ({
      account: client.account,
      orders: orders.length,
      underWay: orders.filter(({ underWay }) => underWay > 0).map(({ id, status }) => ({ id, status })),
      notices: notices.slice(-20),
    });
    await waitUntil(isSo, WAIT_MS_MAX, () => JSON.stringify(seen()));
  }

  async #trade(): Promise<void> {
    while (this.#isTrading) {
      for (let more = this.#roll(20); more >= 0; more--) this.#act();
      await this.client.room();
      await pause(THINKING_MS);
    }
  }

  #act(): void {
    const side = this.#roll(2) === 0 ? 'buy' : 'sell';
    const [price, qty] = [100 + this.#roll(PRICES), 1 + this.#roll(9)];
    const own = this.orders[this.orders.length - 1 - this.#roll(50)];
    const kind = this.#roll(10);
    if (kind === 0 && own !== undefined) void own.cancel();
    else if (kind === 1 && own !== undefined) void own.replace({ price, qty });
    else if (kind === 2 && own !== undefined) void own.reduce(qty);
    else if (kind === 3) this.orders.push(this.client.submit({ symbol: 'ACME', side, type: 'market', qty }));
    else if (kind === 4) this.orders.push(this.client.submit({ symbol: 'ACME', side, price, qty, tif: 'fok' }));
    else if (kind === 5)
      this.orders.push(this.client.submit({ symbol: 'ACME', side, price, qty: 9, display: 2, minQty: 1 }));
    else if (kind === 6)
      this.orders.push(this.client.submit({ symbol: 'ACME', side, type: 'stop', stopPrice: price, qty }));
    else this.orders.push(this.client.submit({ symbol: 'ACME', side, price, qty, postOnly: kind === 7 }));
  }

  #roll(sides: number): number {
    this.#random = (Math.imul(this.#random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (this.#random >>> 8) % sides;
  }
}

/** Resolves when every trader has entered some orders more. */
async function trading(): Promise<void> {
  await Promise.all(traders.map((trader) => trader.entered(ORDERS_MORE)));
}

/** Compares what each trader knows of each of its orders with a replay of the journal. */
function expectOrdersAsInJournal(dir: string): void {
  const journal = ordersOfJournal(dir);
  let rejected = 0;
  for (const { client, orders } of traders) {
    for (const order of orders) {
      const expected = journal.get(`${client.account}/${order.id}`);
      if (expected === undefined) {
        rejected++;
        expect(order.status).toBe('rejected');
        continue;
      }
      const known = asInJournal(order);
      // There are thousands of them, and `expect` takes its time.
      if (!isDeepStrictEqual(known, expected))
        expect({ id: order.id, ...known }).toEqual({ id: order.id, ...expected });
    }
  }
  const known = traders.reduce((sum, { orders }) => sum + orders.length, 0);
  expect(known - rejected).toBe(journal.size);
  expect(known - rejected).toBeGreaterThan(100);
}

test(
  `a venue is killed ${ROUNDS} times under load: in the end each order is, to its client, what the journal says`,
  async () => {
    const dir = temporaryFolder();
    const serve = (): VeritapeProcess => VeritapeProcess.serve(dir, nats.url, '--snapshot-every', '1000');
    let server = serve();
    await server.ready();
    for (let account = 1; account <= 3; account++) (await Trader.open(account)).begin();
    for (let round = 1; round <= ROUNDS; round++) {
      await pause(100 + Math.random() * LOADED_MS_MAX);
      await server.end('SIGKILL');
      server = serve();
      await server.ready();
    }
    await trading();
    await Promise.all(traders.map((trader) => trader.end()));
    closingOf(await server.end('SIGTERM'));
    expectOrdersAsInJournal(dir);
    for (const { client } of traders) expect(client.counts.repairs).toBeGreaterThan(0);
  },
  60_000 + ROUNDS * ROUND_MS_MAX,
);

test('the same when a standby takes over, when one is handed the venue, and when NATS is away', async () => {
  const dir = temporaryFolder();
  const serve = (...more: string[]): VeritapeProcess =>
    VeritapeProcess.serve(dir, nats.url, ...LEASE, '--snapshot-every', '1000', ...more);
  const primary = serve();
  await primary.ready();
  for (let account = 1; account <= 2; account++) (await Trader.open(account)).begin();
  const second = serve('--standby');
  await second.logged('standing by');
  await primary.end('SIGKILL');
  await second.logged('ready');
  await trading();

  const third = serve('--standby');
  await third.logged('standing by');
  const wait = ['--wait-ms', String(WAIT_MS_MAX)];
  const handed = await VeritapeProcess.run('handover', '--nats', nats.url, ...wait, '--json').end();
  expect(handed).toMatchObject({ code: 0, said: '' });
  await third.logged('ready');
  await trading();

  await nats.stop('SIGKILL');
  await pause(300);
  nats = await startNatsServer(nats.port);
  await trading();
  await Promise.all(traders.map((trader) => trader.end()));
  closingOf(await third.end('SIGTERM'));
  expectOrdersAsInJournal(dir);
  for (const { client } of traders) expect(client.counts.repairs).toBeGreaterThan(1);
});
