import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { listenerTls } from '../../ops/cli/gateway-options.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { startNatsServer } from '../../ops/nats-server.ts';
import type { Readings } from '../../ops/telemetry/figures.ts';
import { OperatorServer } from '../../ops/telemetry/operator-server.ts';
import { Authority, type Certified } from '../ops/certificates.ts';
import { findChromium, launchChromium } from '../ops/chromium.ts';
import { removeTemporaryFolders, temporaryFolder, veritape } from '../ops/run-veritape.ts';

/** The listener of an operator, and those who may not ask there. Hosts, methods, headers: test/ops/telemetry/operator-server.test.ts */

const TOKEN = 'a-token-of-thirty-two-characters-or-more';
const ANY = { host: '127.0.0.1', port: 0 };
let authority: Authority;
let own: Certified;
let server: OperatorServer | undefined;
/** Full of those who say nothing, or say it slowly, and hung up on after some seconds, while the other tests run. */
let besieged: OperatorServer | undefined;
let hungUp: Promise<string[]> | undefined;
const sockets: Socket[] = [];

beforeAll(async () => {
  besieged = await OperatorServer.listen(ANY);
  besieged.route('/page', (_, response) => void response.end('here'));
  const { port } = besieged;
  const slow = 'GET /page HTTP/1.1\r\nHost: localhost\r\nX-Slow: ';
  // Each of them holds one of 64 places until it is hung up on.
  hungUp = Promise.all(Array.from({ length: 64 }, (_, at) => (at % 2 === 0 ? answered(port) : answered(port, slow))));
  authority = new Authority();
  own = authority.sign('localhost');
});
afterEach(() => server?.close());
afterAll(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await besieged?.close();
  await endAllProcesses();
  removeTemporaryFolders();
});

const chromium = findChromium('the test of the dashboard behind a token');
const inBrowser = chromium === undefined ? test.skip : test;

async function listening(guard: Parameters<typeof OperatorServer.listen>[1]): Promise<OperatorServer> {
  server = await OperatorServer.listen(ANY, guard);
  server.route('/page', (_, response) => void response.end('here'));
  return server;
}

/** Resolves with all that is answered when the other side has hung up. */
function answered(port: number, ...pieces: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  let text = '';
  for (const piece of pieces) socket.write(piece);
  return new Promise((resolve) => {
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

test('with a token nothing is told without it, and not even what there is', async () => {
  const { port } = await listening({ token: TOKEN });
  const ask = async (authorization?: string, path = '/page'): Promise<[number, string]> => {
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    return [answer.status, await answer.text()];
  };
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
  for (const shown of [`Bearer ${TOKEN}`, `bearer  ${TOKEN}`, basic(`anybody:${TOKEN}`), basic(`:${TOKEN}`)])
    expect(await ask(shown)).toEqual([200, 'here']);
  const wrong = [
    '',
    'Bearer',
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(1)}`,
    TOKEN,
    basic(`${TOKEN}:`),
    basic(`a:b:${TOKEN}`),
  ];
  for (const shown of [undefined, ...wrong]) {
    expect([shown, (await ask(shown))[0]]).toEqual([shown, 401]);
    const [status, text] = await ask(shown, '/none');
    expect([status, text]).toEqual([401, expect.not.stringContaining('/page')]);
  }
  const { headers } = await fetch(`http://127.0.0.1:${port}/page`);
  expect(headers.get('www-authenticate')).toContain('Basic');
});

test('with a certificate nobody is served in plain, and the certificate is the one that was given', async () => {
  const { port } = await listening({ tls: listenerTls({ tlsCert: own.cert, tlsKey: own.key }), token: TOKEN });
  const ask = (options: object): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const place = { port, host: '127.0.0.1', servername: 'localhost', path: '/page', agent: false };
      const headers = { authorization: `Bearer ${TOKEN}` };
      request({ ...place, headers, ...options }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      })
        .on('error', reject)
        .end();
    });
  const ca = readFileSync(authority.certificate);
  expect(await ask({ ca })).toBe(200);
  await expect(ask({})).rejects.toThrow('certificate');
  await expect(ask({ ca, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })).rejects.toThrow();
  expect(await answered(port, 'GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n')).not.toContain('here');
});

test('a path leads to a route and to nothing else', async () => {
  const { port } = await listening({});
  for (const path of [
    '/../page',
    '/page/',
    '/page/../../etc/passwd',
    '//page',
    '/%70age',
    '/constructor',
    'http://a/page',
  ])
    expect([
      path,
      await answered(port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
    ]).toEqual([path, expect.stringMatching(/^HTTP\/1.1 404 /)]);
  const smuggled = 'GET /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n';
  expect(await answered(port, smuggled)).toMatch(/^HTTP\/1.1 400 /);
  expect(await answered(port, 'GET /page HTTP/1.1\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 4(00|21) /);
});

test('other hosts are listened to with TLS and a token, or when it is asked for twice', () => {
  const file = (name: string): string => `${temporaryFolder()}/${name}`;
  const run = (...args: string[]) => {
    const { code, stdout } = veritape(['websocket', '--nats', 'nats://127.0.0.1:1', '--json', ...args]);
    return { code, ...(JSON.parse(stdout) as { error: object }) };
  };
  const tls = ['--telemetry-tls-cert', own.cert, '--telemetry-tls-key', own.key];
  for (const args of [[], tls])
    expect(run('--telemetry', '0.0.0.0:0', ...args)).toMatchObject({ code: 2, error: { field: 'telemetry' } });
  // It gets as far as NATS.
  expect(run('--telemetry', '0.0.0.0:0', '--telemetry-unprotected').code).toBe(3);
  expect(run('--telemetry', '0', '--telemetry-token', file('none'))).toMatchObject({
    ...{ code: 2, error: { field: 'telemetry-token' } },
  });
  expect(run(...tls)).toMatchObject({ code: 2, error: { field: 'telemetry-tls-cert' } });
});

inBrowser('a browser asks for the token, and the dashboard works with it over TLS', async () => {
  const nats = await startNatsServer();
  const token = join(temporaryFolder(), 'token');
  writeFileSync(token, `${TOKEN}\n`, { mode: 0o600 });
  const tls = ['--telemetry-tls-cert', own.cert, '--telemetry-tls-key', own.key];
  const telemetry = ['--telemetry', '0', '--telemetry-token', token, ...tls];
  const venue = VeritapeProcess.serve(temporaryFolder(), nats.url, ...telemetry);
  const url = String((await venue.logged('telemetry'))['dashboard']);
  expect(url).toMatch(/^https:/);
  const browser = await launchChromium(chromium ?? '', true);
  try {
    const page = await browser.newPage();
    await expect(page.goto(url)).rejects.toThrow('ERR_INVALID_AUTH_CREDENTIALS');
    await page.authenticate({ username: 'operator', password: TOKEN });
    const readings = page.waitForResponse((response) => response.url().endsWith('/readings'));
    expect((await page.goto(url))?.status()).toBe(200);
    expect((await readings).status()).toBe(200);
    const { metrics } = (await (await readings).json()) as Readings;
    const remaining = metrics['veritape.certificate.remaining'];
    expect(remaining).toEqual([{ attributes: { certificate: 'telemetry' }, value: expect.any(Number) }]);
    expect(Math.ceil(Number(remaining?.[0]?.value) / 86_400)).toBe(2);
  } finally {
    await browser.close();
    await venue.end('SIGTERM');
    await nats.stop();
  }
});

test('who says nothing, or says it slowly, makes room for others', async () => {
  expect(await hungUp).toHaveLength(64);
  const request = 'GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  expect(await answered(besieged?.port ?? 0, request)).toContain('here');
});
