import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { connect, nkeys } from '@nats-io/transport-node';
import { grantsOf } from '../../ops/access/nats-configuration.ts';
import type { Identity, Role } from '../../ops/access/roles.ts';
import { natsJoin } from '../../ops/cli/nats-credentials.ts';
import { freePort, runNatsServer } from '../../ops/nats-server.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import { openVenue } from '../../ops/venue/venue.ts';
import { LIMITS } from '../sequencer/venue-on-nats.ts';
import { GuardedNats, refused } from './guarded-nats.ts';
import { removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';
import { JwtIssuer } from './user-jwts.ts';

afterAll(removeTemporaryFolders);

test('credentials that an issuer signed bind as keys do, on a server in operator mode', async () => {
  const folder = temporaryFolder();
  const issuer = new JwtIssuer(folder);
  const configuration = join(folder, 'nats.conf');
  writeFileSync(configuration, issuer.configuration);
  const server = await runNatsServer({ port: await freePort(), args: ['-c', configuration] });
  const identity = (name: string, role: Role, accounts?: number[]): Identity => {
    const key = nkeys.createUser().getPublicKey();
    return accounts === undefined ? { name, role, key } : { name, role, key, accounts };
  };
  const identities = [identity('venue', 'venue'), identity('alice', 'client', [7])];
  const files = grantsOf({ shards: [], identities }).map((granted) => issuer.credentials(granted));
  const [venueJoin, aliceJoin] = files.map((natsCreds) => natsJoin(server.url, { natsCreds }));
  if (venueJoin === undefined || aliceJoin === undefined) throw new Error('no credentials');
  expect(aliceJoin.identity).toBe('alice');
  const venue = await openVenue({
    ...{
      directory: join(folder, 'venue'),
      limits: LIMITS,
      segmentBytesMax: 4 * 2 ** 20,
      replicas: 1,
      snapshotEvery: 0,
    },
    nats: { connection: venueJoin.connection, bound: true },
  });
  try {
    const client = await VenueClient.open({ ...aliceJoin, shard: 0, account: 7, key: 1 });
    expect(client.session).toBeGreaterThan(0);
    await client.close();
    await expect(VenueClient.open({ ...aliceJoin, shard: 0, account: 8, key: 1 })).rejects.toThrow('publish on');
    const connection = await connect({ ...aliceJoin.connection, reconnect: false });
    const others = 'veritape.0.exec.8.0';
    expect(await refused(connection, () => void connection.subscribe(others))).toEqual(['subscription', others]);
    await connection.close();
    // Another issuer's signature is nobody's.
    const [granted] = grantsOf({ shards: [], identities: [identity('alice', 'client', [8])] });
    if (granted === undefined) throw new Error('no grant');
    const forged = natsJoin(server.url, { natsCreds: new JwtIssuer(temporaryFolder()).credentials(granted) });
    await expect(connect({ ...forged.connection, reconnect: false })).rejects.toThrow('Authorization Violation');
  } finally {
    await venue.close();
    await server.stop();
  }
});

test('who is taken out of the configuration is out at once, and nobody else', async () => {
  const nats = await GuardedNats.start([
    { name: 'alice', role: 'client', accounts: [7] },
    { name: 'bob', role: 'client', accounts: [8] },
  ]);
  try {
    const [alice, bob] = await Promise.all([nats.connect('alice'), nats.connect('bob')]);
    nats.remove('alice');
    await alice.closed();
    await expect(nats.connect('alice')).rejects.toThrow('Authorization Violation');
    await bob.flush();
    expect(bob.isClosed()).toBe(false);
  } finally {
    await nats.stop();
  }
});
