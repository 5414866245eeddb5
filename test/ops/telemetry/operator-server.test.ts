import { request } from 'node:http';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { EnvironmentFault } from '../../../ops/exit-codes.ts';
import { OperatorServer } from '../../../ops/telemetry/operator-server.ts';

let server: OperatorServer;
beforeEach(async () => {
  server = await OperatorServer.listen({ host: '127.0.0.1', port: 0 }, { names: ['metrics.example'] });
  server.route('/page', (_, response) => {
    response.setHeader('content-security-policy', "default-src 'self'");
    response.end('here');
  });
  server.route('/fault', () => {
    throw new Error('as if');
  });
});
afterEach(() => server.close());

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

function ask(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: server.port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (piece: Buffer) => {
        text += piece.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

test('routes are answered, with headers that let a browser do nothing unless the route says more', async () => {
  const page = await ask('/page?a=1');
  expect([page.status, page.text]).toEqual([200, 'here']);
  expect(page.headers).toMatchObject({
    'content-security-policy': "default-src 'self'",
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
  const missing = await ask('/');
  expect([missing.status, missing.text]).toEqual([404, 'there is nothing here; there is /page /fault\n']);
  expect(missing.headers['content-security-policy']).toBe("default-src 'none'; frame-ancestors 'none'");
  expect(missing.headers['access-control-allow-origin']).toBeUndefined();
  const fault = await ask('/fault');
  expect([fault.status, fault.text]).toEqual([500, 'as if\n']);
});

test('only what reads is taken, and only by names that are known', async () => {
  expect((await ask('/page', {}, 'POST')).status).toBe(405);
  expect((await ask('/page', {}, 'HEAD')).status).toBe(200);
  for (const host of ['localhost:1', '127.0.0.1', '[::1]:9', '10.1.2.3:4', 'Metrics.Example', hostname()])
    expect((await ask('/page', { host })).status).toBe(200);
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80'])
    expect((await ask('/page', { host })).status).toBe(421);
});

test('requests that are too large are refused, and connections that are too many', async () => {
  expect((await ask('/page', { 'x-much': 'a'.repeat(20_000) })).status).toBe(431);
  const sockets = Array.from({ length: 80 }, () => connect(server.port, '127.0.0.1'));
  try {
    const closed = await new Promise<number>((resolve) => {
      let count = 0;
      for (const socket of sockets) {
        socket.on('error', () => undefined);
        socket.on('close', () => {
          count++;
          if (count === 80 - 64) resolve(count);
        });
      }
    });
    expect(closed).toBe(16);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test('a place that is taken is a fault of the environment that names it', async () => {
  const again = OperatorServer.listen({ host: '127.0.0.1', port: server.port });
  await expect(again).rejects.toThrow(`telemetry: 127.0.0.1:${server.port}: `);
  await expect(again).rejects.toBeInstanceOf(EnvironmentFault);
});
