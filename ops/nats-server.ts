import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, createWriteStream } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { EnvironmentFault, UsageError } from './exit-codes.ts';

/** Where Debian and others put the server, besides the PATH. */
const FOLDERS = ['/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/opt/homebrew/bin'];
const START_MS_MAX = 30_000;
/** A port that was free may be taken for a moment, by a server or by a connection that somebody makes. */
const START_TRIES_MAX = 5;
const TRY_AGAIN_MS = 400;
const STOP_MS_MAX = 5_000;
const SCHEMES = ['nats:', 'tls:'];
/** With several servers to choose from, a silent one is left soon. */
const PING_MS = 500;
const PINGS_UNANSWERED_MAX = 2;

/** Path of nats-server, or undefined. */
export function findNatsServer(): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), ...FOLDERS]) {
    const path = join(folder, 'nats-server');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there: look further.
    }
  }
  return undefined;
}

/** A NATS server of this process's own, on loopback. */
export interface OwnNatsServer {
  readonly url: string;
  readonly port: number;
  signal(signal: NodeJS.Signals): void;
  /** Ends it, by SIGTERM unless another signal is given. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** What a server is started with, besides where it listens. */
export interface NatsServerStart {
  /** A free one unless given. */
  readonly port?: number | undefined;
  /** On loopback unless given. */
  readonly address?: string | undefined;
  /** The command that starts it, if it is to run in another network namespace. */
  readonly within?: readonly string[] | undefined;
  /** Further arguments of nats-server. */
  readonly args?: readonly string[] | undefined;
  /** Its log is appended to this file; nobody keeps it unless given. */
  readonly logFile?: string | undefined;
}

/**
 * Starts nats-server on a free port, or the given one; resolves when it listens. With JetStream if it has a folder for its
 * streams. Throws an {@link EnvironmentFault}.
 */
export function startNatsServer(port?: number, streams?: string): Promise<OwnNatsServer> {
  return runNatsServer({ port, args: streams === undefined ? [] : ['--jetstream', '--store_dir', streams] });
}

/** Like {@link startNatsServer}, with any arguments. A port that is taken is tried again, or another one if none is given. */
export async function runNatsServer(start: NatsServerStart): Promise<OwnNatsServer> {
  const program = findNatsServer();
  if (program === undefined)
    throw new EnvironmentFault('nats-server is not installed: on Debian, apt-get install nats-server');
  for (let tries = 1; ; tries++) {
    try {
      return await listenOn(start.port ?? (await freePort()), program, start);
    } catch (error) {
      const isTaken = error instanceof EnvironmentFault && error.message.includes('address already in use');
      if (!isTaken || tries === START_TRIES_MAX) throw error;
      await pause(TRY_AGAIN_MS);
    }
  }
}

async function listenOn(port: number, program: string, start: NatsServerStart): Promise<OwnNatsServer> {
  const { address = '127.0.0.1', within = [] } = start;
  const [first = '', ...rest] = [...within, program, '--addr', address, '--port', String(port), ...(start.args ?? [])];
  const server = spawn(first, rest, {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (start.logFile !== undefined) server.stderr?.pipe(createWriteStream(start.logFile, { flags: 'a' }));
  await listening(server, port, start.logFile !== undefined);
  const killWithUs = (): void => {
    server.kill('SIGKILL');
  };
  process.once('exit', killWithUs);
  return {
    url: `nats://${address}:${port}`,
    port,
    signal: (signal) => server.kill(signal),
    stop: async (signal = 'SIGTERM') => {
      process.off('exit', killWithUs);
      if (server.exitCode !== null || server.signalCode !== null) return;
      const gone = new Promise<void>((resolve) => server.once('exit', () => resolve()));
      server.kill(signal);
      const timer = setTimeout(() => server.kill('SIGKILL'), STOP_MS_MAX);
      await gone;
      clearTimeout(timer);
    },
  };
}

function listening(server: ChildProcess, port: number, isKept: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (text: Buffer): void => {
      said = (said + text).slice(-4096);
      if (!said.includes('Server is ready')) return;
      clearTimeout(timer);
      server.removeAllListeners('close');
      server.stderr?.off('data', hear);
      if (!isKept) server.stderr?.resume();
      resolve();
    };
    const timer = setTimeout(() => fail('it did not listen in time'), START_MS_MAX);
    const fail = (why: string): void => {
      clearTimeout(timer);
      server.kill('SIGKILL');
      reject(new EnvironmentFault(`nats-server on port ${port}: ${why}\n${said.slice(-500)}`));
    };
    server.once('error', (error) => fail(error.message));
    // All that it said was read by then.
    server.once('close', () => fail('it ended'));
    server.stderr?.on('data', hear);
  });
}

/** A TCP port on loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  return withFreePorts(1, ([port = 0]) => Promise.resolve(port));
}

/** Keeps TCP ports of loopback from others while `use` is at work, which may listen elsewhere meanwhile; then they are free. */
export async function withFreePorts<T>(count: number, use: (ports: readonly number[]) => Promise<T>): Promise<T> {
  const probes = await Promise.all(Array.from({ length: count }, listenAnywhere));
  try {
    return await use(probes.map(portOf));
  } finally {
    await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  }
}

function listenAnywhere(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => resolve(probe));
  });
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/**
 * Connection options from the URLs of one or more NATS servers, with commas between. User and password, if any, are used and
 * not shown; those of the first URL are for all.
 */
export function natsConnectionOptions(urls: string): NodeConnectionOptions {
  const parsed = urls.split(',').map((url) => {
    const address = URL.parse(url.includes('://') ? url.trim() : `nats://${url.trim()}`);
    // Not shown: what can not be read as a URL may have a password anywhere.
    if (address === null)
      throw new UsageError('nats', '(not shown)', 'must be nats://HOST:PORT, or several with commas');
    if (!SCHEMES.includes(address.protocol))
      throw new UsageError('nats', url.trim(), 'must begin with nats:// or tls://');
    return address;
  });
  const all = parsed.map(({ hostname, port }) => `${hostname}:${port === '' ? 4222 : port}`);
  const one = { servers: all[0] ?? '' };
  // The first one is this host's own; a server that is cut off without a word is noticed by what it does not answer.
  const several = { servers: all, noRandomize: true, pingInterval: PING_MS, maxPingOut: PINGS_UNANSWERED_MAX };
  const place = all.length === 1 ? one : several;
  const { username = '', password = '' } = parsed[0] ?? {};
  if (username === '') return place;
  if (password === '') return { ...place, token: decodeURIComponent(username) };
  return { ...place, user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}
