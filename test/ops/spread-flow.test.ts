import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { COMMAND_WORD, COMMAND_WORDS, type Command, encodeCommand, Op } from '../../journal/commands.ts';
import { recordsOf } from '../../journal/order-terms.ts';
import { JournalReader } from '../../journal/reader.ts';
import { SpreadFlow } from '../../ops/flows/spread-flow.ts';
import { natsConnectionOptions } from '../../ops/nats-server.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import { Market, SHARD } from '../sequencer/venue-on-nats.ts';

const ACCOUNTS = 40;
const SESSIONS = 4;
const MESSAGE_COMMANDS = 16;

let market: Market;
beforeAll(async () => {
  market = await Market.open();
  const session = await market.venue.openSession(0, 1);
  await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ZERO' }]);
});
afterAll(() => market.close());

function openClients(key: number, sessions = SESSIONS): Promise<VenueClient[]> {
  const connection = natsConnectionOptions(market.nats.url);
  return VenueClient.openSeveral({ connection, shard: SHARD, account: 0, key }, sessions);
}

/** Sends commands as `submit` does, over sessions of this key. */
async function play(key: number, commands: readonly Command[], sessions = SESSIONS): Promise<SpreadFlow> {
  const clients = await openClients(key, sessions);
  try {
    const spread = new SpreadFlow(clients, MESSAGE_COMMANDS, () => {});
    const words = new Uint32Array(COMMAND_WORDS);
    for (const command of commands) {
      encodeCommand(words, 0, command);
      await spread.add(words, 0);
    }
    await spread.flush();
    await spread.settled();
    if (spread.failure !== undefined) throw spread.failure;
    return spread;
  } finally {
    for (const client of clients) await client.close();
  }
}

/** What the journal holds from a sequence on: session, request and account of each command, in its order. */
function journalled(from: number): { session: number; request: number; account: number; op: number }[] {
  const found: { session: number; request: number; account: number; op: number }[] = [];
  for (const view of JournalReader.open(market.directory).blocksFromSequence(from)) {
    for (let index = 0; index < view.count; index++) {
      if (view.firstSequence + index < from) continue;
      const at = view.wordOf(index);
      found.push({
        session: view.words[at + COMMAND_WORD.session] as number,
        request: view.words[at + COMMAND_WORD.request] as number,
        account: view.words[at + COMMAND_WORD.account] as number,
        op: (view.words[at] as number) & 255,
      });
    }
  }
  return found;
}

/** Places an order of each account and takes it off again, over and over. */
function toAndFro(rounds: number): Command[] {
  const commands: Command[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const op of ['new', 'cancel'] as const)
      for (let account = 1; account <= ACCOUNTS; account++)
        commands.push({ op, account, symbol: 0, id: 1 + round, side: 'buy', price: 5, quantity: 1 });
  }
  return commands;
}

test("an account's commands keep their order over one session, and accounts are spread over all", async () => {
  const commands = toAndFro(20);
  const spread = await play(1, commands);
  // A cancel that came before its order would have been rejected.
  expect(spread.rejected).toEqual({});
  expect(spread.acknowledged).toBe(commands.length);
  expect(spread.newOrders).toBe(commands.length / 2);
  expect(spread.latencies.count).toBe(commands.length);
  const sent = journalled(spread.firstSequence);
  expect(sent).toHaveLength(commands.length);
  expect(new Set(sent.map(({ session }) => session)).size).toBe(SESSIONS);
  for (let account = 1; account <= ACCOUNTS; account++)
    expect(new Set(sent.filter((each) => each.account === account).map(({ session }) => session)).size).toBe(1);
  for (const session of new Set(sent.map((each) => each.session))) {
    const requests = sent.filter((each) => each.session === session).map(({ request }) => request);
    expect(requests).toEqual(requests.map((_, index) => index + 1));
  }
});

test('terms go to the session of their order', async () => {
  const orders = Array.from({ length: ACCOUNTS }, (_, index): Command[] =>
    recordsOf({
      ...{ op: 'new', account: 1 + index, symbol: 0, id: 800 + index },
      ...{ side: 'buy', type: 'stopLimit', price: 5, quantity: 4, stopPrice: 900, display: 2, minQty: 1 },
    }),
  ).flat();
  const spread = await play(5, orders);
  expect([spread.acknowledged, spread.newOrders, spread.rejected]).toEqual([3 * ACCOUNTS, ACCOUNTS, {}]);
  const sent = journalled(spread.firstSequence);
  for (let account = 1; account <= ACCOUNTS; account++) {
    const own = sent.filter((each) => each.account === account);
    expect(own.map(({ op }) => op)).toEqual([Op.terms, Op.terms, Op.new]);
    expect(new Set(own.map(({ session }) => session)).size).toBe(1);
  }
  expect(new Set(sent.map(({ session }) => session)).size).toBe(SESSIONS);
});

test('a command that concerns everybody comes after all before it and before all after it', async () => {
  const orders = (id: number): Command[] =>
    Array.from({ length: ACCOUNTS }, (_, index) => ({
      ...{ op: 'new', account: 1 + index, symbol: 0, id },
      ...{ side: 'buy', price: 7, quantity: 1 },
    }));
  const spread = await play(2, [...orders(900), { op: 'massCancel' }, ...orders(900), { op: 'massCancel' }]);
  // An order of the second round that came before the first mass cancel would have had its id taken.
  expect(spread.rejected).toEqual({});
  const massCancels = journalled(spread.firstSequence).flatMap(({ op }, index) => (op === 5 ? [index] : []));
  expect(massCancels).toEqual([ACCOUNTS, 2 * ACCOUNTS + 1]);
});

test('the same key and number of sessions go on where they ended, and nothing is handled twice', async () => {
  const commands = toAndFro(6);
  const part = await play(3, commands.slice(0, 200));
  expect(part.acknowledged).toBe(200);
  const rest = await play(3, commands);
  expect(rest.acknowledged).toBe(commands.length - 200);
  expect(rest.rejected).toEqual({});
  const again = await play(3, commands);
  expect([again.acknowledged, again.firstSequence, again.lastSequence]).toEqual([0, 0, 0]);
});

test('one session keeps the order of the whole flow', async () => {
  const commands = toAndFro(3);
  const spread = await play(4, commands, 1);
  const accounts = journalled(spread.firstSequence).map(({ account }) => account);
  expect(accounts).toEqual(commands.map(({ account }) => account));
});

test('a number of sessions out of range is refused, and a closed client takes nothing', async () => {
  await expect(openClients(6, 0)).rejects.toThrow('sessions: 0 must be a whole number from 1 to 32');
  await expect(openClients(6, 33)).rejects.toThrow('sessions: 33');
  const clients = await openClients(6, 2);
  await clients[0]?.close();
  const words = new Uint32Array(COMMAND_WORDS);
  encodeCommand(words, 0, { op: 'cancel', account: 1, symbol: 0, id: 1 });
  await expect(clients[0]?.send(words, 1)).rejects.toThrow('the client was closed');
  // The other one still has its connection.
  const [answer] = (await clients[1]?.send(words, 1)) ?? [];
  expect(answer?.sequence).toBeGreaterThan(0);
  await clients[1]?.close();
});
