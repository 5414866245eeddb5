import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { ReplyInbox } from '../../ops/sessions/reply-inbox.ts';

const ANSWER_MS_MAX = 20_000;
const SHORT_MS = 60;

let server: OwnNatsServer;
let asking: NatsConnection;
let answering: NatsConnection;
beforeAll(async () => {
  server = await startNatsServer();
  asking = await connect(natsConnectionOptions(server.url));
  answering = await connect(natsConnectionOptions(server.url));
});
afterAll(async () => {
  await asking.close();
  await answering.close();
  await server.stop();
});

test('each request gets its own reply, in whatever order they come', async () => {
  const held: (() => void)[] = [];
  answering.subscribe('echo', {
    callback: (_, message) => {
      const reply = new TextEncoder().encode(`${message.string()} ${message.headers?.get('Who') ?? ''}`);
      held.push(() => message.respond(reply));
      if (held.length < 100) return;
      for (const respond of held.splice(0).reverse()) respond();
    },
  });
  await answering.flush();
  const inbox = new ReplyInbox(asking);
  const who = headers();
  who.set('Who', 'me');
  const replies = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const asked = new TextEncoder().encode(String(index));
      return new TextDecoder().decode(await inbox.ask('echo', asked, ANSWER_MS_MAX, who));
    }),
  );
  expect(replies).toEqual(Array.from({ length: 100 }, (_, index) => `${index} me`));
});

test('nobody there, no answer in time and a closed connection are told apart', async () => {
  answering.subscribe('silence', { callback: () => {} });
  await answering.flush();
  const own = await connect(natsConnectionOptions(server.url));
  const inbox = new ReplyInbox(own);
  await expect(inbox.ask('nobody', new Uint8Array(1), ANSWER_MS_MAX)).rejects.toThrow('no responders');
  await expect(inbox.ask('silence', new Uint8Array(1), SHORT_MS)).rejects.toThrow('timeout');
  const waiting = inbox.ask('silence', new Uint8Array(1), ANSWER_MS_MAX);
  waiting.catch(() => undefined);
  await own.close();
  await expect(waiting).rejects.toThrow('connection closed');
  await expect(inbox.ask('silence', new Uint8Array(1), ANSWER_MS_MAX)).rejects.toThrow();
});
