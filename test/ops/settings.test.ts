import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import {
  applySettings,
  effectiveSettings,
  readSettingsFile,
  type SettingsFile,
  settingsFileIn,
  settingsOf,
} from '../../ops/cli/settings.ts';
import { checkSettingsFile, SERVICE_NAMES, type ServiceName, serviceCommand } from '../../ops/commands/services.ts';
import { UsageError } from '../../ops/exit-codes.ts';
import { removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

afterAll(removeTemporaryFolders);

const PASSWORD = 'open-sesame';

function written(text: string): SettingsFile {
  const path = join(temporaryFolder(), 'venue.toml');
  writeFileSync(path, text, { mode: 0o640 });
  return readSettingsFile(path);
}

/** The values a service runs with. */
async function valuesOf(
  name: ServiceName,
  args: string[],
  file?: SettingsFile,
  environment: NodeJS.ProcessEnv = {},
): Promise<Record<string, unknown>> {
  const command = await serviceCommand(name);
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  command.action(() => undefined);
  applySettings(command, file, environment);
  await command.parseAsync(args, { from: 'user' });
  return command.opts();
}

function refusal(act: () => unknown): UsageError {
  try {
    act();
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

const given = (command: Command, text: string, environment: NodeJS.ProcessEnv = {}) =>
  refusal(() => effectiveSettings(command, written(text), environment));

test('an option counts before a variable of the service, that before one of all, then its table, then what all share', async () => {
  const file = written(
    'replicas = 2\nshard = 1\n[serve]\nreplicas = 3\nshard = 2\nlease-ms = 700\nsnapshots-kept = 9\n',
  );
  const environment = { VERITAPE_SERVE_SHARD: '4', VERITAPE_SHARD: '3', VERITAPE_SERVE_LEASE_MS: '800' };
  const all = ['--lease-ms', '900'];
  expect(await valuesOf('serve', all, file, environment)).toMatchObject({ replicas: 3, shard: 4, leaseMs: 900 });
  expect(await valuesOf('serve', [], file, environment)).toMatchObject({ leaseMs: 800, snapshotsKept: 9 });
  expect(await valuesOf('serve', [], file, { VERITAPE_SHARD: '3' })).toMatchObject({ shard: 3, leaseMs: 700 });
  expect(await valuesOf('serve', [], written('replicas = 2\n[serve]\n'))).toMatchObject({ replicas: 2 });
  expect(await valuesOf('serve', [])).toMatchObject({ replicas: 2, snapshotsKept: 4 });
});

test('switches are true or false, also those that begin with no-, and lists are instead of one another', async () => {
  const file = written(
    'nats = "n"\ndir = "d"\n[serve]\nstandby = true\ninstrument = ["A", "B"]\n[follow]\npeers = false\n',
  );
  expect(await valuesOf('serve', [], file)).toMatchObject({ standby: true, instrument: ['A', 'B'] });
  expect(await valuesOf('serve', ['--instrument', 'C', '--instrument', 'D'], file)).toMatchObject({
    instrument: ['C', 'D'],
  });
  const environment = { VERITAPE_SERVE_INSTRUMENT: 'E, F', VERITAPE_SERVE_STANDBY: 'false' };
  expect(await valuesOf('serve', [], file, environment)).toMatchObject({ standby: false, instrument: ['E', 'F'] });
  expect(await valuesOf('follow', [], file)).toMatchObject({ peers: false, dir: 'd', nats: 'n' });
  expect(await valuesOf('follow', [], file, { VERITAPE_FOLLOW_PEERS: 'true' })).toMatchObject({ peers: true });
});

test('what a service must be given may come from its file', async () => {
  await expect(valuesOf('follow', [], written('dir = "copy"\n'))).rejects.toThrow("required option '--nats <url>'");
});

test('options that exclude each other do so wherever they come from', async () => {
  const file = written('[serve]\nstandby = true\n');
  await expect(valuesOf('serve', ['--take-over'], file)).rejects.toThrow('cannot be used with');
});

const broken: readonly [line: string, field: string, value: unknown, rule: string][] = [
  ['replicas = 99', 'serve.replicas', '99', 'must be a whole number from 1 to 8'],
  ['replicas = "two"', 'serve.replicas', 'two', 'must be a whole number from 1 to 8'],
  ['replicas = true', 'serve.replicas', true, 'must be a whole number from 1 to 8'],
  ['dir = 5', 'serve.dir', 5, 'must be text'],
  ['standby = "yes"', 'serve.standby', 'yes', 'must be true or false'],
  [
    'instrument = "ACME"',
    'serve.instrument',
    'ACME',
    'must be a list of names, each of 1 to 16 printable ASCII characters without spaces',
  ],
  [
    'instrument = [1]',
    'serve.instrument',
    [1],
    'must be a list of names, each of 1 to 16 printable ASCII characters without spaces',
  ],
  ['instrument = ["A B"]', 'serve.instrument', 'A B', 'must be 1 to 16 printable ASCII characters without spaces'],
  ['nats = "http://a"', 'serve.nats', 'http://a', 'must begin with nats:// or tls://'],
  ['dir = 1979-05-27', 'serve.dir', expect.any(Date), 'must be text'],
];

test.each(broken)('%s is refused, naming the setting, the value and the rule', async (line, field, value, rule) => {
  const error = given(await serviceCommand('serve'), `[serve]\n${line}\n`);
  expect(error).toMatchObject({ field: expect.stringContaining(field), value, rule });
});

test('names that are unknown are refused, with the one that is near', async () => {
  const serve = await serviceCommand('serve');
  const table = given(serve, '[serve]\nreplcas = 2\n');
  expect(table.message).toMatch(
    /venue.toml: \[serve\]: "replcas": is no setting of veritape serve; the nearest is replicas$/,
  );
  expect(given(serve, '', { VERITAPE_SERVE_REPLCAS: '2' }).message).toBe(
    'environment: "VERITAPE_SERVE_REPLCAS": is no setting of veritape serve; the nearest is VERITAPE_SERVE_REPLICAS',
  );
  await expect(checkSettingsFile(written('natz = "n"\n'))).rejects.toThrow(
    'is no setting of any command; the nearest is nats',
  );
  await expect(checkSettingsFile(written('[serv]\n'))).rejects.toThrow('the nearest is serve');
  await checkSettingsFile(written('peers = false\n[fix]\nport = 1\n'));
});

test('the address of a NATS server is read where it is given, and its password is told nowhere', () => {
  const { code, stderr } = veritape(['serve', '--nats', `nats://a,http://me:${PASSWORD}@b`]);
  expect([code, stderr]).toEqual([2, 'veritape serve: nats: "http://…@b": must begin with nats:// or tls://\n']);
});

test('a file that is no TOML is refused with its line, and none of its text is repeated', () => {
  const error = refusal(() => written(`[websocket]\ntoken = "${PASSWORD}\n`));
  expect(error).toMatchObject({ field: 'settings', line: 2 });
  expect(error.message).not.toContain(PASSWORD);
});

test('the file is named by an option or by a variable', () => {
  expect(settingsFileIn(['serve', '--settings', 'a'], { VERITAPE_SETTINGS: 'c' })).toBe('a');
  expect(settingsFileIn(['serve', '--settings=b'], {})).toBe('b');
  expect(settingsFileIn(['serve'], { VERITAPE_SETTINGS: 'c' })).toBe('c');
  expect(settingsFileIn(['serve'], { VERITAPE_SETTINGS: '' })).toBeUndefined();
});

test('every option of a service says what it takes', async () => {
  for (const name of SERVICE_NAMES) {
    for (const { kind, option, rule, ...setting } of settingsOf(await serviceCommand(name))) {
      if (kind === 'value' && option.parseArg !== undefined) expect([name, setting.name, rule]).not.toContain('text');
    }
  }
});

test('a template says of every setting what it may be, and its defaults are right as they stand', async () => {
  const { stdout, code } = veritape(['config', '--template']);
  expect(code).toBe(0);
  const file = written(stdout.replace(/^# ([\w-]+ = .+)$/gm, '$1'));
  await checkSettingsFile(file);
  for (const name of SERVICE_NAMES) {
    const command = await serviceCommand(name);
    for (const setting of settingsOf(command)) expect(stdout).toContain(`\n# ${setting.name} =`);
    for (const { setting, value } of effectiveSettings(command, file, {}))
      expect([name, setting.name, value]).toEqual([name, setting.name, setting.default]);
  }
});

test('config tells each setting, its value and where that is from, and no secret', () => {
  const { path } = written(
    `nats = "nats://joe:${PASSWORD}@127.0.0.1:4222"\n[serve]\nreplicas = 3\n[websocket]\ntoken = "${PASSWORD}"\n`,
  );
  const { code, stdout } = veritape(['config', '--explain', '--settings', path]);
  expect(code).toBe(0);
  expect(stdout).toContain(`replicas: 3  (${path} [serve])`);
  expect(stdout).toContain(`nats: "nats://…@127.0.0.1:4222"  (${path})`);
  expect(stdout).toContain('token: (not shown)');
  expect(stdout).toContain('must be a whole number from 1 to 8; default 2; or VERITAPE_SERVE_REPLICAS');
  const json = veritape(['config', 'serve', '--json', '--settings', path]);
  const { serve } = JSON.parse(json.stdout) as { serve: { name: string }[] };
  expect(serve.find(({ name }) => name === 'replicas')).toMatchObject({ value: '3', default: '2' });
  expect(stdout + json.stdout).not.toContain(PASSWORD);
});

test('a default that stands only in the text of an option is explained as its default, once', () => {
  const { stdout } = veritape(['config', '--explain']);
  const explained = stdout.split('\n\n').map((one) => one.replace(/\s+/g, ' '));
  const of = (name: string): string[] => explained.filter((one) => one.startsWith(` ${name}: `));
  expect(of('multicast-ttl')).toEqual([expect.stringContaining('from 0 to 255; default 1; or')]);
  expect(of('ack')).toEqual([expect.stringContaining('; default disk; disk+replica with --cluster')]);
  expect(of('multicast')).toHaveLength(2);
  for (const one of of('multicast')) expect(one).toContain('; default none; or');
  for (const one of explained) expect(one.match(/default:? /g) ?? []).toHaveLength(/^ [a-z-]+: /.test(one) ? 1 : 0);
});

test('a service and config refuse a file alike', () => {
  const { path } = written(`[serve]\nnats = ["nats://joe:${PASSWORD}@127.0.0.1"]\n`);
  const refused = veritape(['config', '--settings', path]);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain('serve.nats: ["nats://…@127.0.0.1"]: must be nats://HOST:PORT');
  const served = veritape(['serve', '--settings', path, '--json']);
  expect(served.code).toBe(2);
  expect(served.stderr.replace('veritape serve', '')).toBe(refused.stderr.replace('veritape config', ''));
  expect(served.stdout + served.stderr).not.toContain(PASSWORD);
});
