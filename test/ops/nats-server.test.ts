import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { freePort, natsConnectionOptions, startNatsServer } from '../../ops/nats-server.ts';

test('a server waits for a port that somebody has for a moment', async () => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  const [nats] = await Promise.all([startNatsServer(port), pause(300).then(() => other.close())]);
  const connection = await connect(natsConnectionOptions(nats.url));
  await connection.close();
  await nats.stop();
});

test('of several servers the first one is tried first, and a silent one is left', () => {
  const options = natsConnectionOptions('nats://a:4222,nats://b:5222, c');
  expect(options).toMatchObject({ servers: ['a:4222', 'b:5222', 'c:4222'], noRandomize: true });
  const { pingInterval = Number.NaN, maxPingOut = Number.NaN } = options;
  // Or else a standby that is cut off from its server without a word does not hear of anything for minutes.
  expect(pingInterval * (maxPingOut + 1)).toBeLessThan(5_000);
});

test('an address of something else is refused, without its password', () => {
  expect(() => natsConnectionOptions('nats://a,http://me:secret@b:8222')).toThrow(
    /^nats: "http:\/\/…@b:8222": must begin with nats:\/\/ or tls:\/\/$/,
  );
  expect(natsConnectionOptions('tls://a')).toEqual({ servers: 'a:4222' });
});

test('one server, with a token or a user', () => {
  expect(natsConnectionOptions('localhost')).toEqual({ servers: 'localhost:4222' });
  expect(natsConnectionOptions('nats://tok%20en@a:1')).toEqual({ servers: 'a:1', token: 'tok en' });
  expect(natsConnectionOptions('nats://me:secret@a:1')).toEqual({ servers: 'a:1', user: 'me', pass: 'secret' });
});
