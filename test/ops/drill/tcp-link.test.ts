import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { TcpLink } from '../../../ops/drill/tcp-link.ts';
import { until } from '../../until.ts';

/** Much longer than a byte takes on loopback. */
const QUIET_MS = 150;

let server: Server;
let link: TcpLink;
/** What the server heard, from all its clients; it says everything back. */
let heard = '';
const sockets: Socket[] = [];

beforeEach(async () => {
  heard = '';
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      heard += bytes;
      socket.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  link = await TcpLink.to((server.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await link.close();
  server.close();
});

interface Client {
  readonly socket: Socket;
  told: string;
}

async function dial(): Promise<Client> {
  const socket = connect(link.port, '127.0.0.1');
  sockets.push(socket);
  const client: Client = { socket, told: '' };
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    client.told += bytes;
  });
  await once(socket, 'connect');
  return client;
}

/** Whatever the reason. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

function isTold(client: Client, text: string): Promise<boolean> {
  return until(`"${text}" comes back`, () => client.told === text, { seen: () => [heard, client.told] });
}

test('held in one direction, bytes wait and come in order when it is mended; the other direction goes on', async () => {
  const client = await dial();
  client.socket.write('one,');
  await isTold(client, 'one,');
  link.hold('back');
  client.socket.write('two,');
  client.socket.write('three,');
  await until('all is heard', () => heard === 'one,two,three,', { seen: () => heard });
  await pause(QUIET_MS);
  expect(client.told).toBe('one,');
  link.mend();
  await isTold(client, 'one,two,three,');
  link.hold('there');
  client.socket.write('four,');
  await pause(QUIET_MS);
  expect(heard).toBe('one,two,three,');
  link.mend();
  await isTold(client, 'one,two,three,four,');
});

test('held, new connections are made and hear nothing, and nobody learns that one ended', async () => {
  link.hold('there', 'back');
  const client = await dial();
  client.socket.write('late,');
  client.socket.end();
  await pause(QUIET_MS);
  expect([heard, client.told]).toEqual(['', '']);
  link.mend();
  await isTold(client, 'late,');
});

test('cut, connections break and new ones are refused until it is mended', async () => {
  const client = await dial();
  client.socket.write('before');
  await isTold(client, 'before');
  link.cut();
  await closed(client.socket);
  const refused = connect(link.port, '127.0.0.1');
  refused.on('error', () => undefined);
  await closed(refused);
  expect(heard).toBe('before');
  link.mend();
  const again = await dial();
  again.socket.write('after');
  await isTold(again, 'after');
});

test('slow, every byte comes as late as it is told, and in order', async () => {
  const client = await dial();
  link.slow(QUIET_MS);
  const began = performance.now();
  client.socket.write('one,');
  await pause(5);
  client.socket.write('two,');
  await isTold(client, 'one,two,');
  expect(performance.now() - began).toBeGreaterThanOrEqual(2 * QUIET_MS - 5);
  link.slow(0);
  client.socket.write('three');
  await isTold(client, 'one,two,three');
});
