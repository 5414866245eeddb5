import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { PublishMemory } from '../../sequencer/publish-memory.ts';

let server: OwnNatsServer;
let connection: NatsConnection;
beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect(natsConnectionOptions(server.url));
});
afterAll(async () => {
  await connection.close();
  await server.stop();
});

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what the client library is given may be overwritten in the next turn, or when much was given after it', async () => {
  const received: number[] = [];
  let disturbed = 0;
  connection.subscribe('memory', {
    callback: (_, { data }) => {
      const first = data[0] as number;
      if (data.some((byte) => byte !== first)) disturbed++;
      received.push(first);
    },
  });
  await connection.flush();
  const memory = new PublishMemory();
  const sent: number[] = [];
  // Rounds of more than the memory holds, in turns of different length.
  for (let turn = 0; turn < 60; turn++) {
    for (let message = 0; message <= turn % 40; message++) {
      const payload = memory.take(8208 + 4 * message);
      const mark = sent.length % 251;
      payload.fill(mark);
      connection.publish('memory', payload);
      sent.push(mark);
    }
    await nextTurn();
  }
  await connection.flush();
  expect(disturbed).toBe(0);
  expect(received).toEqual(sent);
});

test('payloads of one round do not overlap, and begin at multiples of four', () => {
  const memory = new PublishMemory();
  let end = 0;
  for (let bytes = 1; bytes < 2000; bytes++) {
    const taken = memory.take(bytes);
    expect(taken).toHaveLength(bytes);
    expect(taken.byteOffset % 4).toBe(0);
    if (taken.byteOffset !== 0) expect(taken.byteOffset).toBeGreaterThanOrEqual(end);
    end = taken.byteOffset + bytes;
  }
});

test('without a connection, and for what is larger than a round, memory is not used again', () => {
  const memory = new PublishMemory();
  const round = memory.take(4).buffer;
  expect(memory.take(4).buffer).toBe(round);
  expect(memory.take(round.byteLength + 1).buffer).not.toBe(round);
  memory.connected = false;
  expect(memory.take(4).buffer).not.toBe(round);
  memory.connected = true;
  expect(memory.take(4).buffer).toBe(round);
});
