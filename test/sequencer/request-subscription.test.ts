import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { decodeReply } from '../../sequencer/messages.ts';
import { RequestSubscription } from '../../sequencer/request-subscription.ts';

const HELD_MAX = 16_384;
let nats: OwnNatsServer;
let server: NatsConnection;
let client: NatsConnection;
let subject = '';
let subjects = 0;
let requests: RequestSubscription;

beforeAll(async () => {
  nats = await startNatsServer();
  server = await connect(natsConnectionOptions(nats.url));
  client = await connect(natsConnectionOptions(nats.url));
});
afterAll(async () => {
  await Promise.all([server.close(), client.close()]);
  await nats.stop();
});
beforeEach(() => {
  subject = `submit.${++subjects}`;
  requests = new RequestSubscription(server, [subject]);
});

async function publish(text: string, reply?: string): Promise<void> {
  client.publish(subject, text, reply === undefined ? {} : { reply });
  await client.flush();
  await server.flush();
}

const heard: string[] = [];
const hear = (message: Msg): unknown => heard.push(message.string());
beforeEach(() => {
  heard.length = 0;
});

test('what is sent while requests are held comes first, in order, and then each as it comes', async () => {
  await publish('before');
  requests.hold();
  await server.flush();
  expect(requests.isHolding).toBe(true);
  await publish('one');
  await publish('two');
  expect(heard).toEqual([]);
  requests.take(hear);
  expect([requests.isHolding, heard]).toEqual([false, ['one', 'two']]);
  await publish('three');
  expect(heard).toEqual(['one', 'two', 'three']);
});

test('a server that leaves requests to another one answers nothing any more', async () => {
  requests.take(hear);
  await server.flush();
  await publish('one');
  requests.leave();
  await publish('two');
  expect(heard).toEqual(['one']);
});

test('requests that were held for nothing are forgotten, and can be held again', async () => {
  requests.hold();
  await server.flush();
  await publish('one');
  requests.drop();
  await publish('two');
  requests.hold();
  await server.flush();
  await publish('three');
  requests.take(hear);
  expect(heard).toEqual(['three']);
});

test('more requests than are held are answered busy, and a handler that throws hurts nobody', async () => {
  const busy: unknown[] = [];
  client.subscribe(`${subject}.reply`, { callback: (_, message) => void busy.push(decodeReply(message.data)) });
  requests.hold();
  await server.flush();
  for (let request = 0; request < HELD_MAX; request++) client.publish(subject, 'x');
  await publish('too many', `${subject}.reply`);
  await client.flush();
  expect(busy).toMatchObject([{ error: 'busy', value: HELD_MAX }]);
  requests.take((message) => {
    hear(message);
    throw new Error('a fault');
  });
  await publish('last');
  expect([heard.length, heard.at(-1)]).toEqual([HELD_MAX + 1, 'last']);
});

test('what NATS had sent before a server wanted no more is handled, and nothing after it', async () => {
  requests.take(hear);
  await server.flush();
  // Over the connection that listens, so that NATS surely has them before it knows of the end.
  server.publish(subject, 'one');
  server.publish(subject, 'two');
  requests.end();
  // Or else the other connection's may be there before.
  await server.flush();
  await publish('three');
  expect(heard).toEqual(['one', 'two']);
});
