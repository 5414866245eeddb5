import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../../ops/nats-server.ts';
import { NatsWatch } from '../../../ops/telemetry/nats-watch.ts';
import { until } from '../../until.ts';

const LOOK_MS = 50;

let nats: OwnNatsServer;
let connection: NatsConnection;
beforeEach(async () => {
  nats = await startNatsServer();
  connection = await connect({
    ...natsConnectionOptions(nats.url),
    reconnectTimeWait: LOOK_MS,
    maxReconnectAttempts: -1,
  });
});
afterEach(async () => {
  await connection.close();
  await nats.stop('SIGKILL');
});

test('a server that stands still is told to be out of reach, though the connection stands, until it answers', async () => {
  const watch = new NatsWatch(connection, LOOK_MS);
  await until('it is connected', () => watch.isConnected);
  nats.signal('SIGSTOP');
  await until('it is out of reach', () => !watch.isConnected);
  expect(connection.isClosed()).toBe(false);
  nats.signal('SIGCONT');
  await until('it answers', () => watch.isConnected);
  const { port } = nats;
  await nats.stop('SIGKILL');
  await until('it is gone', () => !watch.isConnected);
  nats = await startNatsServer(port);
  await until('it is back', () => watch.isConnected);
  watch.close();
});
