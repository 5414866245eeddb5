import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { makeSeedFile } from '../../ops/access/seed-file.ts';
import { endAllProcesses, serveArguments, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { freePort, natsConnectionOptions, type OwnNatsServer, runNatsServer } from '../../ops/nats-server.ts';
import { ClientTokens } from '../../ops/websocket/client-tokens.ts';
import { infoSubject } from '../../sequencer/nats-gateway.ts';
import { FixPeer } from '../ops/fix/fix-peer.ts';
import { writeJournal } from '../ops/journal-fixture.ts';
import { ENTRY, removeTemporaryFolders, run, temporaryFolder } from '../ops/run-veritape.ts';
import { SocketClient } from '../ops/websocket/websocket-client.ts';

/** Processes that are given secrets in every place that takes one, and a search for them in all that the processes say. */

const folder = temporaryFolder();
const SECRETS = {
  natsPassword: 'nats-pass@word-1f6e',
  administratorToken: 'administrator-token-2c1d',
  clientToken: 'client-token-of-fix-7b3a',
  fixPassword: 'fix-password-of-firm-9d2e',
  wrongFixPassword: 'wrong-fix-password-04aa',
  wrongSocketToken: 'wrong-socket-token-55ef',
  telemetryToken: 'telemetry-token-of-thirty-two-or-more',
  collectorPassword: 'collector-password-3e8c',
  collectorHeader: 'collector-header-c0de',
  brokenHeader: 'broken-header-d1ce',
};
const SHARD = 0;
/** What each service logs when it is asked for its status. */
const STATUS = { serve: 'counted', follow: 'following', fix: 'status', websocket: 'status' } as const;
type Service = keyof typeof STATUS;
let nats: OwnNatsServer | undefined;

afterAll(async () => {
  await endAllProcesses();
  await nats?.stop();
  removeTemporaryFolders();
});

function kept(name: string, contents: object | string): string {
  const file = join(folder, name);
  writeFileSync(file, typeof contents === 'string' ? contents : JSON.stringify(contents), { mode: 0o600 });
  return file;
}

function logFileOf(service: Service): string {
  return join(folder, `${service}.log`);
}

/** What a process said, all of it. */
async function saidBy(process: VeritapeProcess, service: Service): Promise<string> {
  process.signal('SIGUSR2');
  await process.logged(STATUS[service]);
  const { code, result } = await process.end('SIGTERM');
  expect(code).toBe(0);
  return readFileSync(logFileOf(service), 'utf8') + JSON.stringify(result);
}

test('no secret is in a log, a report, an explanation, an answer or a metric', async () => {
  const seed = join(folder, 'copy.nk');
  const key = makeSeedFile(seed, 'copy');
  const users = [
    `{ user: venue, password: ${JSON.stringify(SECRETS.natsPassword)} }`,
    `{ nkey: ${key}, permissions: { publish: ">", subscribe: ">" } }`,
  ];
  const configuration = kept('nats.conf', `authorization { users: [${users.join(', ')}] }\n`);
  nats = await runNatsServer({ args: ['-c', configuration] });
  const { port } = nats;
  const url = `nats://venue:${SECRETS.natsPassword}@127.0.0.1:${port}`;
  const tokens = kept('tokens.json', { [SECRETS.administratorToken]: [0], [SECRETS.clientToken]: [7] });
  const telemetryToken = kept('telemetry', `${SECRETS.telemetryToken}\n`);
  const socketToken = ClientTokens.add(join(folder, 'clients.json'), { name: 'seven', account: 7 }).token;
  const clients = [{ compId: 'FIRM7', password: SECRETS.fixPassword, token: SECRETS.clientToken, accounts: [7] }];
  const config = kept('fix.json', { instruments: { '*': { tick: '0.01' } }, clients });
  const telemetry = ['--telemetry', '0', '--telemetry-token', telemetryToken];
  const env = {
    VERITAPE_LOG_LEVEL: 'trace',
    VERITAPE_TOKEN: SECRETS.administratorToken,
    // Nobody listens there.
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:${SECRETS.collectorPassword}@127.0.0.1:${await freePort()}`,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${SECRETS.collectorHeader},${SECRETS.brokenHeader}`,
    OTEL_METRIC_EXPORT_INTERVAL: '500',
  };
  const started = new Map<VeritapeProcess, Service>();
  const start = (service: Service, ...args: string[]): VeritapeProcess => {
    const options = { env, logFile: logFileOf(service) };
    const process = VeritapeProcess.start([service, ...args, ...telemetry], options);
    started.set(process, service);
    return process;
  };

  const [, ...serve] = serveArguments(join(folder, 'venue'), url, ['--tokens', tokens]);
  const venue = start('serve', ...serve);
  const placeOf = async (process: VeritapeProcess): Promise<string> =>
    `http://127.0.0.1:${String((await process.logged('telemetry'))['port'])}`;
  await venue.ready();
  const dir = (name: string): string[] => ['--dir', join(folder, name), '--json'];
  const follower = start('follow', ...dir('copy'), '--nats', `nats://127.0.0.1:${port}`, '--nats-seed', seed);
  const fix = start('fix', ...dir('fix'), '--nats', url, '--config', config, '--port', '0');
  const clientsFile = join(folder, 'clients.json');
  const gate = start('websocket', '--json', '--nats', url, '--tokens', clientsFile, '--port', '0');
  await follower.logged('caught up');
  const portOf = async (process: VeritapeProcess): Promise<number> => Number((await process.logged('ready'))['port']);

  // Those who show what they have, and those who show what they have not.
  const peer = await FixPeer.connect({ port: await portOf(fix) });
  expect((await peer.logon({ 553: '', 554: SECRETS.fixPassword })).type).toBe('A');
  peer.end();
  const stranger = await FixPeer.connect({ port: await portOf(fix) });
  stranger.send('A', { 98: '0', 108: '30', 554: SECRETS.wrongFixPassword });
  await stranger.closed;
  const shown = (token: string): Promise<SocketClient> =>
    portOf(gate).then((at) => SocketClient.connect(at, ['veritape', `veritape.token.${token}`]));
  const socket = await shown(socketToken);
  await socket.ask({ op: 'massCancel' });
  socket.close();
  expect((await (await shown(SECRETS.wrongSocketToken)).closed).code).toBe(4401);

  const connection = await connect(natsConnectionOptions(url));
  const info = (await connection.request(infoSubject(SHARD), '', { timeout: 10_000 })).string();
  await connection.close();
  const place = await placeOf(venue);
  const authorization = `Bearer ${SECRETS.telemetryToken}`;
  const answers: string[] = [info];
  for (const path of ['/metrics', '/readings', '/readyz', '/none', '/metrics?token=x']) {
    expect((await fetch(place + path)).status).toBe(401);
    answers.push(await (await fetch(place + path, { headers: { authorization } })).text());
  }
  for (const service of ['serve', 'follow', 'fix', 'websocket']) {
    const explained = run(process.execPath, [ENTRY, 'config', service, '--explain'], '', {
      ...env,
      VERITAPE_NATS: url,
    });
    expect([service, explained.code]).toEqual([service, 0]);
    expect(explained.stdout).toContain('nats://…@127.0.0.1');
    answers.push(explained.stdout + explained.stderr);
  }
  // What was to be exported, and could not be.
  await venue.logged('telemetry is not exported');
  // Each tries for some seconds to export its last figures: they end beside each other, and the venue after those that need it.
  started.delete(venue);
  answers.push(...(await Promise.all([...started].map(([process, service]) => saidBy(process, service)))));
  answers.push(await saidBy(venue, 'serve'));

  const seedText = /^SU[A-Z2-7]{56}$/m.exec(readFileSync(seed, 'utf8'))?.[0] ?? '';
  expect(seedText).toHaveLength(58);
  const all = answers.join('\n');
  expect(all).toContain('"msg":"logon refused"');
  expect(all).toContain('"msg":"status"');
  const told = Object.entries({ ...SECRETS, socketToken, seedText }).filter(([, secret]) => all.includes(secret));
  expect(told.map(([name, secret]) => [name, all.slice(all.indexOf(secret) - 200, all.indexOf(secret) + 60)])).toEqual(
    [],
  );
});

test('a command that can not reach its NATS server says where that is, and not with what password', async () => {
  const file = kept('order.ndjson', '{"op":"massCancel","account":7}\n');
  const journal = temporaryFolder();
  await writeJournal(journal, { blocks: [1] });
  const place = `127.0.0.1:${await freePort()}`;
  const given = ['--nats', `nats://venue:${SECRETS.natsPassword}@${place}`, '--json'];
  const commands = [
    ['submit', file, '--give-up', '0.1'],
    ['reports', '--accounts', '7'],
    ['handover'],
    ['prove', journal],
  ];
  await Promise.all(
    commands.map(async (args) => {
      const { code, said, result } = await VeritapeProcess.run(...args, ...given).end();
      const all = said + JSON.stringify(result);
      expect([args[0], code, all.split(`nats://…@${place}`).length]).toEqual([args[0], 3, 3]);
      expect(all).not.toContain(SECRETS.natsPassword);
    }),
  );
});
