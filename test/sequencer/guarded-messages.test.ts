import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { type FailedMessage, failureText, listen } from '../../sequencer/guarded-messages.ts';

let nats: OwnNatsServer;
let connection: NatsConnection;

beforeAll(async () => {
  nats = await startNatsServer();
  connection = await connect({ servers: nats.url, reconnect: false });
});
afterAll(async () => {
  await connection?.close();
  await nats?.stop();
});

test.each<[string, (text: string) => unknown]>([
  [
    'throws',
    (text) => {
      throw new Error(text);
    },
  ],
  ['rejects', (text) => Promise.reject(new Error(text))],
])('a handler that %s is told of, and the next message is taken', async (how, fail) => {
  const taken: string[] = [];
  const told: FailedMessage[] = [];
  const subscription = listen(
    connection,
    `${how}.*`,
    (message) => {
      if (message.string() !== 'good') return fail(`not ${message.string()}`);
      return taken.push(message.subject);
    },
    (failed) => told.push(failed),
  );
  for (const text of ['bad', 'worse', 'good']) connection.publish(`${how}.${text}`, text);
  await connection.flush();
  expect(taken).toEqual([`${how}.good`]);
  expect(told[0]).toEqual({ subject: `${how}.bad`, why: 'not bad', untold: 0 });
  subscription.unsubscribe();
});

test('what failed, for people', () => {
  const failed = { subject: 'a.b', why: 'too short', untold: 0 };
  expect(failureText(failed)).toBe('a message on a.b could not be taken: too short');
  expect(failureText({ ...failed, untold: 3 })).toBe('a message on a.b could not be taken: too short (and 3 more)');
});
