import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command } from '../../journal/commands.ts';
import { Reason, reasonName } from '../../journal/reasons.ts';
import { playJournal, queueOf } from '../../ops/drill/move-check.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type MoveStep, moveInstrument } from '../../ops/move-instrument.ts';
import { RoutingClient } from '../../ops/sessions/routing-client.ts';
import { ShardTable } from '../../ops/sessions/shard-table.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import type { Matcher } from '../../replicas/matcher.ts';
import { removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';
import { recordsOf, send, TwoShards } from './two-shards.ts';

const ACME = 0;
const THERE = 1;
const TEST_MS_MAX = 120_000;
/** One pair for all tests, each of which finds it as the first one did. */
let of: TwoShards;
beforeAll(async () => {
  of = await TwoShards.open();
  await of.administer(0, [{ op: 'instrumentCreate', symbol: ACME, name: 'ACME' }]);
  await of.administer(1, [{ op: 'instrumentCreate', symbol: THERE, name: 'THERE' }]);
});
/** ACME trades on shard 0, THERE on shard 1. */
beforeEach(() => of.clear([1, 2, 3], 'ACME'));
afterEach(endAllProcesses);
afterAll(async () => {
  await of.close();
  removeTemporaryFolders();
});

/** What the journal of a shard comes to by now. */
async function played(shard: number): Promise<Matcher> {
  return (await playJournal(of.directories[shard] as string)).matcher;
}

const order = (account: number, id: number, symbol: number, price = 50): Command => ({
  op: 'new',
  symbol,
  account,
  id,
  side: 'buy',
  price,
  quantity: 5,
});

/** A move of ACME to shard 1 that stands still before a step until it is let go. */
function heldMove(step: MoveStep): { held: Promise<void>; letGo: () => Promise<unknown> } {
  let go = (): void => {};
  let reached = (): void => {};
  const held = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const gone = new Promise<void>((resolve) => {
    go = resolve;
  });
  const moved = moveInstrument({
    connection: of.connection,
    symbol: 'ACME',
    from: 0,
    to: 1,
    onStep: (at) => {
      if (at !== step) return undefined;
      reached();
      return gone;
    },
  });
  return {
    held,
    letGo: () => {
      go();
      return moved;
    },
  };
}

test(
  'a mass cancel of all of an account meets the orders that are on their way, and nothing overtakes it',
  async () => {
    const client = await of.client(0);
    await send(client, order(1, 1, ACME), order(2, 1, ACME), order(1, 2, THERE), order(2, 2, THERE));
    for (const step of ['release', 'open'] as const) {
      const { held, letGo } = heldMove(step);
      await held;
      const before = client.pending;
      const canceled = send(client, { op: 'massCancel', account: 1 }, order(1, 3, THERE, 40));
      // Whoever asks one shard alone is told as well that orders are on their way; or has none there any more.
      const alone = await VenueClient.open({ connection: of.connection, shard: 1, account: 0, key: 77 });
      const [refused] = await alone.send(recordsOf([{ op: 'massCancel', account: 1 }]), 1);
      expect(refused).toMatchObject({ reason: Reason.otherShard, open: 1 });
      await alone.close();
      expect(client.pending - before).toBe(2);
      await letGo();
      const [answer, behind] = await canceled;
      expect(answer).toMatchObject({ shard: undefined, reason: Reason.none, sequence: 0, open: 2 });
      expect(behind).toMatchObject({ shard: 1, reason: Reason.none });
      if (step === 'open') break;
      await moveInstrument({ connection: of.connection, symbol: 'ACME', from: 1, to: 0 });
      await send(client, { op: 'cancel', symbol: THERE, account: 1, id: 3 }, order(1, 1, ACME), order(1, 2, THERE));
    }
    const [first, second] = [await played(0), await played(1)];
    expect(queueOf(first, ACME)).toEqual([]);
    expect(queueOf(second, ACME)).toEqual(['buy 2/1 5@50 false']);
    expect(queueOf(second, THERE)).toEqual(['buy 2/2 5@50 false', 'buy 1/3 5@40 false']);
  },
  TEST_MS_MAX,
);

test(
  'a mass cancel of all waits for what was given before it',
  async () => {
    const client = await of.client(0);
    // Many messages of one instrument go out one after the other.
    const before = Array.from({ length: 200 }, (_, index) => order(1, index + 1, ACME));
    const answers = await send(client, ...before, { op: 'massCancel', account: 1 }, order(1, 1, ACME));
    expect(answers[200]).toMatchObject({ shard: undefined, reason: Reason.none, open: 200 });
    expect(queueOf(await played(0), ACME)).toEqual(['buy 1/1 5@50 false']);
  },
  TEST_MS_MAX,
);

test(
  'a mass cancel that passes an instrument on its way is sent again',
  async () => {
    const client = await of.client(0);
    await send(client, order(1, 1, ACME), order(2, 1, ACME));
    // Shard 1 carries it out before the orders come there, and shard 0 when they are gone.
    const { send: unheld } = VenueClient.prototype;
    let answeredThere = (): void => {};
    const there = new Promise<void>((resolve) => {
      answeredThere = resolve;
    });
    let rounds = 0;
    VenueClient.prototype.send = async function (words, count) {
      const isMassCancel = ((words[0] as number) & 255) === 5;
      if (isMassCancel && this.info.shard === 0 && rounds++ === 0) {
        await there;
        await moveInstrument({ connection: of.connection, symbol: 'ACME', from: 0, to: 1 });
      }
      const answers = await unheld.call(this, words, count);
      if (isMassCancel && this.info.shard === 1) answeredThere();
      return answers;
    };
    try {
      expect(await send(client, { op: 'massCancel', account: 1 })).toMatchObject([{ reason: Reason.none, open: 1 }]);
    } finally {
      VenueClient.prototype.send = unheld;
    }
    expect(rounds).toBe(2);
    expect(queueOf(await played(1), ACME)).toEqual(['buy 2/1 5@50 false']);
  },
  TEST_MS_MAX,
);

test(
  'a shard refuses everything for an instrument elsewhere and names the shard; the client passes that on if it must',
  async () => {
    const client = await of.client(0);
    await send(client, order(1, 1, ACME));
    const onlyHere = await RoutingClient.open({ connection: of.connection, shards: [0], account: 0, key: 5 });
    const impatient = await RoutingClient.open({
      connection: of.connection,
      shards: [0, 1],
      account: 0,
      key: 6,
      giveUpMs: 300,
    });
    const { held, letGo } = heldMove('open');
    await held;
    const commands: Command[] = [
      order(3, 1, ACME),
      { op: 'cancel', symbol: ACME, account: 1, id: 1 },
      { op: 'reduce', symbol: ACME, account: 1, id: 1, quantity: 1 },
      { op: 'replace', symbol: ACME, account: 1, id: 1, quantity: 1 },
      { op: 'massCancel', symbol: ACME },
      { op: 'instrumentUpdate', symbol: ACME, quantity: 7 },
    ];
    const told = await send(onlyHere, ...commands);
    expect(told.map(({ shard, reason, open }) => [shard, reasonName(reason), open])).toEqual(
      commands.map(() => [0, 'otherShard', 1]),
    );
    // Shard 1 still waits for the orders: who is patient is answered when it has them.
    expect((await send(impatient, order(3, 2, ACME))).map(({ reason }) => reasonName(reason))).toEqual(['otherShard']);
    await expect(send(impatient, { op: 'massCancel', account: 1 })).resolves.toMatchObject([
      { reason: Reason.otherShard },
    ]);
    const patient = send(client, order(3, 3, ACME));
    await letGo();
    expect(await patient).toMatchObject([{ shard: 1, reason: Reason.none }]);
    expect(client.rerouted).toBeGreaterThan(0);
    await onlyHere.close();
    await impatient.close();
    await expect(send(impatient, order(3, 4, ACME))).rejects.toThrow('the client was closed');
  },
  TEST_MS_MAX,
);

test(
  'submit --shards deals instruments out and routes, and move tells what it did and with which code',
  async () => {
    const file = join(temporaryFolder(), 'orders.ndjson');
    const names = ['ACME', 'THERE', 'C', 'D', 'C', 'D'];
    const lines = names.map((symbol, index) => ({
      op: 'new',
      symbol,
      account: 1,
      id: index + 1,
      side: 'buy',
      price: 9,
      qty: 1,
    }));
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const nats = ['--nats', of.nats.url, '--json'];
    const submitted = await VeritapeProcess.run('submit', file, '--shards', '0,1', '--create', ...nats).end();
    expect(submitted).toMatchObject({ code: 0, result: { commands: 6, newOrders: 6, rejected: {} } });
    const perShard = (submitted.result as { shards: { shard: number; commands: number }[] }).shards;
    expect(perShard.map(({ shard, commands }) => [shard, commands])).toEqual([
      [0, 3],
      [1, 3],
    ]);

    const moved = await VeritapeProcess.run('move', 'C', '--from', '0', '--to', '1', ...nats).end();
    expect(moved).toMatchObject({ code: 0, result: { outcome: 'moved', symbol: 'C', orders: 2, resumed: false } });
    // An order with the same account and id rests on both shards.
    await send(await of.client(0), order(1, 9, ACME), order(1, 9, THERE));
    const refused = await VeritapeProcess.run('move', 'ACME', '--from', '0', '--to', '1', ...nats).end();
    expect(refused).toMatchObject({
      code: 1,
      result: { outcome: 'moved back', refusal: expect.stringContaining('order 9 of account 1') },
    });
    const unknown = await VeritapeProcess.run('move', 'NONE', '--from', '0', '--to', '1', ...nats).end();
    expect(unknown).toMatchObject({ code: 2, result: { error: { field: 'symbol', value: 'NONE' } } });
    const keyed = await VeritapeProcess.run('submit', file, '--shards', '0,1', '--session-key', '4', ...nats).end();
    expect(keyed).toMatchObject({ code: 2, result: { error: { field: 'session-key' } } });
  },
  TEST_MS_MAX,
);

test(
  'what has no shard is not sent, and an instrument that another one has created since is found',
  async () => {
    const client = await of.client(0);
    const words = new Uint32Array(COMMAND_WORDS);
    for (const command of [
      { op: 'sessionOpen' },
      { op: 'instrumentAssign', symbol: 0 },
      { op: 'moveOut', symbol: 0 },
    ] as const) {
      words.set(recordsOf([command]));
      expect(() => client.send(words, 1)).toThrow(/^op: \d+ has no shard/);
    }
    expect(await send(client, order(1, 1, 7))).toMatchObject([{ shard: 0, reason: Reason.unknownSymbol }]);
    await of.administer(1, [{ op: 'instrumentCreate', symbol: 7, name: 'NEW' }]);
    expect(await send(client, order(1, 1, 7))).toMatchObject([{ shard: 0, reason: Reason.unknownSymbol }]);
    await client.refresh();
    expect(await send(client, order(1, 1, 7))).toMatchObject([{ shard: 1, reason: Reason.none }]);
    await expect(
      of
        .client(0)
        .then(() =>
          RoutingClient.open({ connection: of.connection, shards: [0, 9], account: 0, key: 1, giveUpMs: 200 }),
        ),
    ).rejects.toThrow('shard 9: info: no answer');
  },
  TEST_MS_MAX,
);

test('of what shards say, that an instrument trades there counts most, then that its orders are on their way there', () => {
  const told = (symbol: number, shard: number, here: boolean, assignments = 0) => ({
    ...{ symbol, name: `I${symbol}`, closed: false, quantityMax: 0, priceMax: 0, elsewhere: here ? undefined : shard },
    ...{ shard, here, assignments },
  });
  const table = new ShardTable([
    { shard: 0, instruments: [told(1, 1, false), told(2, 1, false), told(3, 2, false)] },
    { shard: 1, instruments: [told(1, 1, true), told(2, 1, false), told(3, 3, false)] },
    { shard: 2, instruments: [told(3, 2, true)] },
  ]);
  expect([1, 2, 3, 4].map((symbol) => table.shardOf(symbol))).toEqual([1, 1, 2, undefined]);
  const again = [{ shard: 2, instruments: [told(3, 2, true, 2)] }];
  expect(new ShardTable(again).print).not.toBe(new ShardTable([{ shard: 2, instruments: [told(3, 2, true)] }]).print);
});
