import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { nkeys } from '@nats-io/transport-node';
import { checkIdentity, readAccessFile } from '../../ops/access/access-file.ts';
import type { Identity } from '../../ops/access/roles.ts';
import { natsJoin } from '../../ops/cli/nats-credentials.ts';
import { findNatsServer } from '../../ops/nats-server.ts';
import { linesOf, type Run, removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

afterAll(removeTemporaryFolders);

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});

const SEED = /SU[A-Z2-7]{56}/;

function path(name: string): string {
  return join(folder, name);
}

function access(...args: string[]): Run {
  const [action = '', ...rest] = args;
  const file = action === 'key' ? [] : ['--file', path('access.json')];
  return veritape(['access', action, ...rest, ...file, '--json']);
}

interface Shown {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

function shown(...name: string[]): readonly Shown[] {
  return (linesOf(access('show', ...name).stdout)[0]?.['identities'] ?? []) as readonly Shown[];
}

function add(name: string, ...args: string[]): Run {
  return access('add', name, '--seed', path(`${name}.nk`), ...args);
}

test('a key is made for its owner alone, and is in no output and no other file', () => {
  const added = add('alice', '--role', 'client', '--accounts', '7,8,7');
  expect(added.code).toBe(0);
  const [identity] = linesOf(added.stdout);
  expect(identity).toMatchObject({ name: 'alice', role: 'client', accounts: [7, 8], seed: path('alice.nk') });
  expect(identity?.['key']).toMatch(/^U[A-Z2-7]{55}$/);
  expect(statSync(path('alice.nk')).mode & 0o777).toBe(0o600);
  const kept = readFileSync(path('alice.nk'), 'utf8');
  expect(kept).toMatch(SEED);
  const config = access('config', '--out', path('nats.conf'));
  const told = [added.stdout, added.stderr, config.stdout, readFileSync(path('access.json'), 'utf8')];
  for (const text of [...told, readFileSync(path('nats.conf'), 'utf8')]) expect(text).not.toMatch(SEED);
  // A second one neither replaces the secret nor gets in.
  const again = add('alice', '--role', 'client', '--accounts', '9');
  expect([again.code, linesOf(again.stdout)[0]]).toMatchObject([2, { error: { field: 'name', value: 'alice' } }]);
  const over = access('add', 'bob', '--role', 'reader', '--seed', path('alice.nk'));
  expect([over.code, linesOf(over.stdout)[0]]).toMatchObject([2, { error: { field: 'seed' } }]);
  expect(readFileSync(path('alice.nk'), 'utf8')).toBe(kept);
  expect(shown()).toHaveLength(1);
});

test('whoever makes the key themselves gives only its public part', () => {
  const made = access('key', 'bank', '--seed', path('bank.nk'));
  const { key } = linesOf(made.stdout)[0] as { key: string };
  expect([made.code, made.stdout]).toEqual([0, expect.not.stringMatching(SEED)]);
  expect(access('add', 'bank', '--role', 'dropCopy', '--accounts', '7', '--public-key', key).code).toBe(0);
  const twin = access('add', 'twin', '--role', 'reader', '--public-key', key);
  expect(linesOf(twin.stdout)[0]).toMatchObject({ error: { field: 'twin.key', rule: 'it is the key of bank' } });
  const { connection, identity } = natsJoin('a:4222', { natsSeed: path('bank.nk') });
  expect([identity, connection.inboxPrefix]).toEqual(['bank', '_INBOX.bank']);
});

const KEY = nkeys.createUser().getPublicKey();

test.each<[string, Partial<Identity>, string]>([
  ['a client without accounts', { role: 'client' }, 'a.accounts'],
  ["a client of the administrator's account", { role: 'client', accounts: [7, 0] }, 'a.accounts'],
  ['an account of 33 bits', { role: 'client', accounts: [2 ** 32] }, 'a.accounts'],
  ['a reader with accounts', { role: 'reader', accounts: [7] }, 'a.accounts'],
  ["a feed on the venue's subjects", { role: 'follower', feeds: ['veritape.x'] }, 'a.feeds'],
  ['a feed of everything', { role: 'follower', feeds: ['>'] }, 'a.feeds'],
  ['a feed of a client', { role: 'client', accounts: [7], feeds: ['market'] }, 'a.feeds'],
  ['a name with a dot', { name: 'a.b' }, 'name'],
  ['a name that stands for all', { name: '*' }, 'name'],
  ['no name', { name: '' }, 'name'],
  ['a long name', { name: 'x'.repeat(33) }, 'name'],
  ['a key of a server', { key: nkeys.createServer().getPublicKey() }, 'a.key'],
  ['a secret in place of a key', { key: Buffer.from(nkeys.createUser().getSeed()).toString() }, 'a.key'],
])('%s is refused by name', (_, given, field) => {
  expect(() => checkIdentity({ name: 'a', role: 'reader', key: KEY, ...given }, [])).toThrow(
    expect.objectContaining({ field, message: expect.not.stringMatching(SEED) }),
  );
});

test('no key is made for an identity that is refused', () => {
  const run = add('a', '--role', 'client');
  expect([run.code, linesOf(run.stdout)[0]]).toMatchObject([2, { error: { field: 'a.accounts', exitCode: 2 } }]);
  expect(() => statSync(path('a.nk'))).toThrow('ENOENT');
});

test('the server takes the configuration, with one entry for each identity and nothing for others', () => {
  add('venue', '--role', 'venue');
  add('alice', '--role', 'client', '--accounts', '7');
  add('copy', '--role', 'follower', '--feed', 'market');
  add('tape', '--role', 'reader');
  add('ops', '--role', 'operator');
  const config = access('config', '--out', path('nats.conf'), '--listen', '0.0.0.0:4333');
  expect(linesOf(config.stdout)[0]).toEqual({
    out: path('nats.conf'),
    identities: 5,
    listen: '0.0.0.0:4333',
    tls: false,
  });
  const checked = spawnSync(findNatsServer() ?? '', ['-t', '-c', path('nats.conf')], { encoding: 'utf8' });
  expect([checked.status, checked.stderr]).toEqual([0, expect.stringContaining('is valid')]);
  expect(readFileSync(path('nats.conf'), 'utf8').match(/nkey: U/g)).toHaveLength(5);
  const [tape] = shown('tape');
  expect(tape?.publish).toEqual([
    ...['veritape.*.info', 'veritape.*.feed.*.*.ask'],
    ...['market.*.book.*', 'market.*.info', 'market.*.feed.*.*.ask'],
  ]);
  expect(tape?.subscribe).toContain('market.*.trade.*');
  expect(linesOf(access('remove', 'alice').stdout)[0]).toEqual({ removed: 'alice', identities: 4 });
  expect(access('remove', 'alice').code).toBe(2);
  access('config', '--out', path('nats.conf'));
  expect(readFileSync(path('nats.conf'), 'utf8')).not.toContain('alice');
});

test('permissions are for the shards that the file names', () => {
  add('alice', '--role', 'client', '--accounts', '7', '--shards', '0,3');
  const [alice] = shown();
  expect(alice?.publish).toEqual(expect.arrayContaining(['veritape.0.submit.alice.7', 'veritape.3.submit.alice.7']));
  expect(alice?.publish.filter((subject) => !/^veritape\.[03]\./.test(subject))).toEqual([]);
});

test('a file of identities that somebody wrote by hand is read with care', () => {
  const good = { name: 'a', role: 'reader', key: KEY };
  const reading = (access: object) => (): unknown => {
    writeFileSync(path('access.json'), JSON.stringify(access));
    return readAccessFile(path('access.json'));
  };
  expect(reading({ shards: [], identities: [good] })()).toEqual({ shards: [], identities: [good] });
  for (const [field, access] of [
    ['shards', { shards: ['*'], identities: [] }],
    ['identities', { shards: [], identities: {} }],
    ['a.role', { shards: [], identities: [{ ...good, role: 'king' }] }],
    ['a.key', { shards: [], identities: [{ ...good, key: 'UABC' }] }],
    ['b.key', { shards: [], identities: [good, { ...good, name: 'b' }] }],
    ['name', { shards: [], identities: [{ ...good, name: 'a } ]' }] }],
    ['name', { shards: [], identities: [good, good] }],
  ] as const)
    expect(reading(access)).toThrow(expect.objectContaining({ field }));
});

test('a seed that others may read, or that is none, is refused without a word of what is in the file', () => {
  add('alice', '--role', 'client', '--accounts', '7');
  chmodSync(path('alice.nk'), 0o640);
  expect(() => natsJoin('a', { natsSeed: path('alice.nk') })).toThrow('chmod 600');
  writeFileSync(path('other.nk'), 'SECRET', { mode: 0o600 });
  expect(() => natsJoin('a', { natsSeed: path('other.nk') })).toThrow('must hold the seed of a user');
  expect(() => natsJoin('a', { natsSeed: path('other.nk') })).toThrow(expect.not.stringMatching('SECRET'));
  expect(() => natsJoin('a', { natsCreds: path('other.nk') })).toThrow('JWT');
  const seed = SEED.exec(readFileSync(path('alice.nk'), 'utf8'))?.[0] ?? '';
  writeFileSync(path('plain.nk'), seed, { mode: 0o600 });
  expect(() => natsJoin('a', { natsSeed: path('plain.nk') })).toThrow('give --identity');
  expect(natsJoin('a', { natsSeed: path('plain.nk'), identity: 'alice' }).identity).toBe('alice');
});

test.each([
  [['serve', '--bound']],
  [['serve', '--bound', '--nats', 'a']],
  [['serve', '--bound', '--tokens', 'file']],
  [['serve', '--nats', 'a', '--nats-cert', 'file']],
  [['submit', '-', '--nats-seed', 'there-is-no-such-file']],
  [['submit', '-', '--nats-seed', 'a', '--nats-creds', 'b']],
  [['handover', '--identity', 'a.b']],
  [['move', 'ACME', '--from', '0', '--to', '1', '--nats-ca', 'there-is-no-such-file']],
  [['access', 'config', '--out', 'x', '--file', 'there-is-no-such-file']],
])('wrong credentials exit with 2: %j', (args) => {
  const { code, stderr } = veritape(args, '');
  expect([code, stderr]).toEqual([2, expect.not.stringContaining('    at ')]);
});
