import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { NatsCluster } from '../../../ops/drill/nats-cluster.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { until } from '../../until.ts';

const ANSWER_MS_MAX = 1_000;
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
  const { config } = await answer('a stream', all, (manager) => manager.streams.add(STREAM));
  expect(config.num_replicas).toBe(3);
  expect(await publish(all, 'before')).toBe(1);
  const { cluster: placed } = await answer('its leader', all, (manager) => manager.streams.info(STREAM.name));
  const leader = cluster.names.indexOf(placed?.leader ?? '');

  const alone = await open(cluster.ports[leader] ?? 0);
  const rest = await open(...cluster.ports.filter((_, index) => index !== leader));
  cluster.part(leader);
  await expect(jetstream(alone, { timeout: ANSWER_MS_MAX }).publish('numbers', 'alone')).rejects.toThrow();
  expect(await publish(rest, 'parted')).toBe(2);
  cluster.mend(leader);
  await cluster.formed();
  const { state } = await answer('what it has', alone, (manager) => manager.streams.info(STREAM.name));
  expect(state).toMatchObject({ messages: 2, last_seq: 2 });
});

async function open(...ports: readonly number[]): Promise<NatsConnection> {
  const connection = await connect({ servers: ports.map((port) => `127.0.0.1:${port}`), maxReconnectAttempts: -1 });
  connections.push(connection);
  return connection;
}

/** What is asked of JetStream may find no leader, or a busy one: it is asked again. */
function answer<T>(
  what: string,
  connection: NatsConnection,
  ask: (manager: JetStreamManager) => Promise<T>,
): Promise<T> {
  return until(what, () =>
    jetstreamManager(connection, { timeout: ANSWER_MS_MAX })
      .then(ask)
      .catch(() => undefined),
  );
}

/** Publishes until it is stored, once. Gives its place. */
function publish(connection: NatsConnection, msgID: string): Promise<number> {
  return answer(`${msgID} stored`, connection, async (manager) => {
    return (await manager.jetstream().publish('numbers', msgID, { msgID })).seq;
  });
}
