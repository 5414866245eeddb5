import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { readSettingsFile } from '../../ops/cli/settings.ts';
import { withoutPasswords } from '../../ops/exit-codes.ts';
import { FixGatewayConfig } from '../../ops/fix/fix-config.ts';
import { readNamedFile, readSecret } from '../../ops/named-file.ts';
import { ClientTokens } from '../../ops/websocket/client-tokens.ts';
import { removeTemporaryFolders, temporaryFolder, veritape } from '../ops/run-veritape.ts';

/** Files that options name: what is no small regular file is not read, and a secret is neither repeated nor left open. */

const SECRET = 'xyzzy-plugh-0123456789';
const folder = temporaryFolder();
afterAll(removeTemporaryFolders);

function written(name: string, text: string, mode = 0o600): string {
  const file = join(folder, name);
  writeFileSync(file, text, { mode });
  chmodSync(file, mode);
  return file;
}

function said(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'nothing';
}

test('a device, a pipe, a folder and a huge file are refused before they are read, and a link is what it leads to', () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const huge = written('huge', '');
  truncateSync(huge, 2 ** 40);
  const link = join(folder, 'link');
  symlinkSync('/dev/zero', link);
  mkdirSync(join(folder, 'folder'));
  for (const file of ['/dev/zero', pipe, link, join(folder, 'folder')])
    expect(said(() => readNamedFile(file, 'settings'))).toContain('it must be a regular file');
  expect(said(() => readNamedFile(huge, 'settings'))).toContain('has 1099511627776 bytes');
  expect(said(() => readNamedFile(join(folder, 'none'), 'settings'))).toContain('ENOENT');
  expect(said(() => readSettingsFile('/dev/zero'))).toContain('it must be a regular file');
});

test('a secret that others may read is refused, also by a link', () => {
  const open = written('open', SECRET, 0o640);
  const link = join(folder, 'to-open');
  symlinkSync(open, link);
  for (const file of [open, link])
    expect(said(() => readSecret(file, 'token'))).toContain('others than its owner may read or write it: chmod 600');
  chmodSync(open, 0o400);
  expect(readSecret(link, 'token')).toBe(SECRET);
});

test('passwords of FIX clients and tokens of the venue are kept from others', () => {
  const clients = [{ compId: 'A', password: SECRET, accounts: [7] }];
  const config = written('fix.json', JSON.stringify({ clients }), 0o644);
  expect(said(() => FixGatewayConfig.read(config))).toContain('chmod 600');
  const certificates = [{ compId: 'A', certificate: 'a'.repeat(64), accounts: [7] }];
  FixGatewayConfig.read(written('public.json', JSON.stringify({ clients: certificates }), 0o644));
  const tokens = written('tokens.json', JSON.stringify({ [SECRET]: [7] }), 0o644);
  const run = veritape(['serve', '--dir', join(folder, 'none'), '--nats', 'nats://127.0.0.1:1', '--tokens', tokens]);
  expect([run.code, run.stderr]).toEqual([2, expect.stringContaining('chmod 600')]);
});

test('settings that everybody may read hold no token and no password of a URL', () => {
  const config = (name: string, text: string, mode: number) =>
    veritape(['config', '--settings', written(name, text, mode)]);
  const [token, url] = [`[websocket]\ntoken = "${SECRET}"\n`, `nats = "nats://user:${SECRET}@127.0.0.1"\n`];
  for (const text of [token, url]) {
    const open = config('open.toml', text, 0o644);
    expect([open.code, open.stderr]).toEqual([2, expect.stringContaining('everybody may read this file')]);
    const closed = config('closed.toml', text, 0o640);
    expect(closed.code).toBe(0);
    for (const shown of [open, closed]) expect(shown.stdout + shown.stderr).not.toContain(SECRET);
  }
  expect(config('plain.toml', 'nats = "nats://127.0.0.1"\n', 0o644).code).toBe(0);
});

test('what is wrong in a file with secrets is told without a word of it', () => {
  const broken = [`{"clients": ${SECRET}`, `{"clients": {"compId": "A", "password": "${SECRET}"}}`, `["${SECRET}"]`];
  for (const text of [...broken, `"${SECRET}"`, `{"clients": ["${SECRET}"]}`]) {
    const file = written('broken.json', text);
    for (const read of [() => FixGatewayConfig.read(file), () => ClientTokens.read(file)]) {
      const message = said(read);
      expect(message).not.toBe('nothing');
      expect(message).not.toContain(SECRET.slice(0, 5));
    }
  }
  expect(said(() => FixGatewayConfig.read(written('line.json', '{\n"clients": [,]}')))).not.toContain('clients');
});

test('addresses are told without their passwords, whatever is in them', () => {
  for (const password of [SECRET, `${SECRET}@x`, `x/${SECRET}`, `x@/${SECRET}:@y`])
    for (const url of [`nats://user:${password}@host:4222`, `nats://a:1,nats://user:${password}@host`]) {
      expect(withoutPasswords(url)).not.toContain(SECRET);
      expect(withoutPasswords(url)).toMatch(/@host/);
    }
  expect(withoutPasswords('nats://a:1,nats://b:2')).toBe('nats://a:1,nats://b:2');
});
