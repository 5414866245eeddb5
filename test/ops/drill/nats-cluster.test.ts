import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { NatsCluster } from '../../../ops/drill/nats-cluster.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';

const PUBLISH_MS_MAX = 20_000;
const ANSWER_MS_MAX = 1_000;
const AGAIN_MS = 100;
const STREAM = { name: 'numbers', subjects: ['numbers'], num_replicas: 3 };

let cluster: NatsCluster;
const connections: NatsConnection[] = [];

beforeAll(async () => {
  cluster = await NatsCluster.start(temporaryFolder());
});
afterEach(() => Promise.all(connections.splice(0).map((connection) => connection.close())));
afterAll(async () => {
  await cluster?.stop();
  removeTemporaryFolders();
});

test('three servers keep a stream, and one that is parted from the others stores nothing', async () => {
  const all = await open(...cluster.ports);
  const manager = await jetstreamManager(all);
  await manager.streams.add(STREAM);
  expect(await publish(all, 'before')).toBe(1);
  const { cluster: placed } = await manager.streams.info(STREAM.name);
  const leader = cluster.names.indexOf(placed?.leader ?? '');

  const alone = await open(cluster.ports[leader] ?? 0);
  const rest = await open(...cluster.ports.filter((_, index) => index !== leader));
  cluster.part(leader);
  await expect(jetstream(alone, { timeout: ANSWER_MS_MAX }).publish('numbers', 'alone')).rejects.toThrow();
  expect(await publish(rest, 'parted')).toBe(2);
  cluster.mend(leader);
  await cluster.formed();
  const messages = await jetstreamManager(alone).then((one) => one.streams.info(STREAM.name));
  expect(messages.state).toMatchObject({ messages: 2, last_seq: 2 });
});

async function open(...ports: readonly number[]): Promise<NatsConnection> {
  const connection = await connect({ servers: ports.map((port) => `127.0.0.1:${port}`), maxReconnectAttempts: -1 });
  connections.push(connection);
  return connection;
}

/** Publishes until it is stored, once. Gives its place. */
async function publish(connection: NatsConnection, msgID: string): Promise<number> {
  const until = performance.now() + PUBLISH_MS_MAX;
  for (;;) {
    try {
      return (await jetstream(connection, { timeout: ANSWER_MS_MAX }).publish('numbers', msgID, { msgID })).seq;
    } catch (error) {
      if (performance.now() > until) throw error;
      await pause(AGAIN_MS);
    }
  }
}
