import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pino } from 'pino';
import { BLOCK_HEADER_WORDS } from '../../../journal/block.ts';
import { COMMAND_WORDS, decodeCommand } from '../../../journal/commands.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { natsConnectionOptions } from '../../../ops/nats-server.ts';
import { WebSocketGateway } from '../../../ops/websocket/websocket-gateway.ts';
import { Market, SHARD } from '../../sequencer/venue-on-nats.ts';
import { SocketClient } from './websocket-client.ts';

/** Anything at all in a message: one answer each, and what has no answer with a sequence is not in the journal. */

const RUNS = 40;
const ACCOUNT = 12;
let market: Market;
let gateway: WebSocketGateway;

beforeAll(async () => {
  market = await Market.open();
  const session = await market.venue.openSession(0, 1);
  await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
  const nats = { connection: natsConnectionOptions(market.nats.url), identity: undefined };
  gateway = await WebSocketGateway.open({
    venue: { nats, shard: SHARD, account: ACCOUNT, token: undefined, create: false },
    ...{
      host: '127.0.0.1',
      port: 0,
      connectionsMax: 64,
      rateMax: 100_000,
      origins: [],
      log: pino({ level: 'silent' }),
    },
  });
});
afterAll(async () => {
  await gateway.close();
  await market.close();
});

function journalled(): number[] {
  const sequences: number[] = [];
  for (const block of JournalReader.open(market.directory, { unflushed: true }).blocks()) {
    for (let index = 0; index < block.count; index++) {
      const command = decodeCommand(block.words, BLOCK_HEADER_WORDS + index * COMMAND_WORDS);
      if (command.op === 'sessionOpen' || command.op === 'instrumentCreate') continue;
      expect(command.account).toBe(ACCOUNT);
      sequences.push(block.firstSequence + index);
    }
  }
  return sequences;
}

const anything = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.json(),
  fc
    .record(
      {
        op: fc.constantFrom(
          'new',
          'cancel',
          'reduce',
          'replace',
          'massCancel',
          'instrument',
          'assign',
          'set',
          'subscribe',
          'tick',
        ),
        symbol: fc.oneof(fc.constant('ACME'), fc.string()),
        account: fc.oneof(fc.constant(ACCOUNT), fc.nat(), fc.anything()),
        id: fc.oneof(fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 70n }).map(String), fc.anything()),
        side: fc.constantFrom('buy', 'sell', 'hold'),
        price: fc.oneof(fc.nat(), fc.double()),
        qty: fc.oneof(fc.nat(), fc.maxSafeInteger()),
        channel: fc.constantFrom('orders', 'top', 'trades', 'account', 'x'),
        ref: fc.anything(),
        __proto__: fc.anything(),
        stopPrice: fc.nat(),
        open: fc.nat(),
        display: fc.nat(),
      },
      { requiredKeys: ['op'] },
    )
    .map((fields) => JSON.stringify(fields, (_, value) => (typeof value === 'bigint' ? String(value) : value)) ?? ''),
);

test('every message has one answer, and only what is answered with a sequence is in the journal', async () => {
  const sequences: number[] = [];
  await fc.assert(
    fc.asyncProperty(fc.array(anything, { minLength: 1, maxLength: 10 }), async (messages) => {
      const client = await SocketClient.connect(gateway.port);
      for (const message of messages) client.raw(message);
      await client.ask({ op: 'unsubscribe', channel: 'never' });
      // The last one is refused at once; commands before it are answered when the venue has.
      const answers = (): number => client.heard.filter(({ ev }) => /answer|error|subscribed/.test(String(ev))).length;
      await client.next(() => answers() === messages.length + 1);
      for (const { ev, seq } of client.heard) if (ev === 'answer') sequences.push(Number(seq));
      client.close();
      await client.closed;
    }),
    { numRuns: RUNS },
  );
  const found = journalled();
  // Terms that go before an order are commands of their own.
  for (const sequence of sequences) expect(found).toContain(sequence);
  expect(new Set(sequences).size).toBe(sequences.length);
});

test('what is no WebSocket is turned away', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), async (bytes) => {
      const socket = connect(gateway.port, '127.0.0.1');
      socket.on('error', () => undefined);
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.resume();
      socket.write(bytes);
      socket.write('\r\n\r\n\r\n');
      socket.end();
      await closed;
    }),
    { numRuns: RUNS },
  );
  const client = await SocketClient.connect(gateway.port);
  expect(await client.ask({ op: 'massCancel' })).toMatchObject({ ev: 'answer' });
  client.close();
});

test('broken frames end the connection and nothing else', async () => {
  const key = Buffer.alloc(16, 3).toString('base64');
  const head = `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`;
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 2, maxLength: 600 }), async (bytes) => {
      const socket = connect(gateway.port, '127.0.0.1');
      socket.on('error', () => undefined);
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.resume();
      socket.write(head);
      socket.write(bytes);
      socket.end();
      await closed;
    }),
    { numRuns: RUNS },
  );
  const client = await SocketClient.connect(gateway.port);
  expect(await client.ask({ op: 'massCancel' })).toMatchObject({ ev: 'answer' });
  client.close();
});
