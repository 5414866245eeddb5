import { expect, test } from '@jest/globals';
import { natsConnectionOptions } from '../../ops/nats-server.ts';

test('of several servers the first one is tried first, and a silent one is left', () => {
  const options = natsConnectionOptions('nats://a:4222,nats://b:5222, c');
  expect(options).toMatchObject({ servers: ['a:4222', 'b:5222', 'c:4222'], noRandomize: true });
  const { pingInterval = Number.NaN, maxPingOut = Number.NaN } = options;
  // Or else a standby that is cut off from its server without a word does not hear of anything for minutes.
  expect(pingInterval * (maxPingOut + 1)).toBeLessThan(5_000);
});

test('one server, with a token or a user', () => {
  expect(natsConnectionOptions('localhost')).toEqual({ servers: 'localhost:4222' });
  expect(natsConnectionOptions('nats://tok%20en@a:1')).toEqual({ servers: 'a:1', token: 'tok en' });
  expect(natsConnectionOptions('nats://me:secret@a:1')).toEqual({ servers: 'a:1', user: 'me', pass: 'secret' });
});
