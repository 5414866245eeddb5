import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { checkIdentity, writeWhole } from '../../ops/access/access-file.ts';
import { natsConfiguration, type ServerSettings } from '../../ops/access/nats-configuration.ts';
import type { Identity } from '../../ops/access/roles.ts';
import { makeSeedFile } from '../../ops/access/seed-file.ts';
import { type NatsCredentialOptions, type NatsJoin, natsJoin } from '../../ops/cli/nats-credentials.ts';
import { freePort, type OwnNatsServer, runNatsServer } from '../../ops/nats-server.ts';
import { temporaryFolder } from './run-veritape.ts';

/** How long a server may take to refuse something. */
const REFUSED_MS_MAX = 10_000;

/** A NATS server that runs what `veritape access config` writes, and the keys of those whom it lets in. */
export class GuardedNats {
  readonly server: OwnNatsServer;
  readonly folder: string;
  readonly #without: (name: string) => void;
  readonly #connections: NatsConnection[] = [];

  static async start(
    identities: readonly Omit<Identity, 'key'>[],
    settings: Omit<ServerSettings, 'listen'> = {},
  ): Promise<GuardedNats> {
    const folder = temporaryFolder();
    const logFile = join(folder, 'nats.log');
    const known: Identity[] = [];
    for (const one of identities) {
      const key = makeSeedFile(join(folder, `${one.name}.nk`), one.name);
      known.push(checkIdentity({ ...one, key }, known));
    }
    const port = await freePort();
    const configuration = join(folder, 'nats.conf');
    const write = (identities: readonly Identity[]): void =>
      writeWhole(
        configuration,
        natsConfiguration({ shards: [], identities }, { listen: `127.0.0.1:${port}`, ...settings }),
      );
    write(known);
    const server = await runNatsServer({ port, args: ['-c', configuration], logFile });
    return new GuardedNats(server, folder, (name) => write(known.filter((identity) => identity.name !== name)));
  }

  private constructor(server: OwnNatsServer, folder: string, without: (name: string) => void) {
    this.server = server;
    this.folder = folder;
    this.#without = without;
  }

  /** Writes the configuration without an identity, and has the server take it up. */
  remove(name: string): void {
    this.#without(name);
    this.server.signal('SIGHUP');
  }

  /** Lines of the server's log that tell of what it refused. */
  get violations(): string[] {
    const lines = readFileSync(join(this.folder, 'nats.log'), 'utf8').split('\n');
    return lines.filter((line) => /violation|authentication error/i.test(line));
  }

  seedFile(name: string): string {
    return join(this.folder, `${name}.nk`);
  }

  /** What a command makes of `--nats-seed`. */
  join(name: string, options: NatsCredentialOptions = {}): NatsJoin {
    return natsJoin(this.server.url, { natsSeed: this.seedFile(name), ...options });
  }

  async connect(name: string): Promise<NatsConnection> {
    const connection = await connect({ ...this.join(name).connection, reconnect: false });
    this.#connections.push(connection);
    return connection;
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) await connection.close();
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What the server refuses of an action: `publish` or `subscription`, and the subject. Rejects if it refuses nothing. */
export async function refused(connection: NatsConnection, action: () => void): Promise<[string, string]> {
  const statuses = connection.status();
  const told = (async () => {
    for await (const status of statuses) {
      if (status.type === 'error' && status.error instanceof PermissionViolationError) return status.error;
    }
    return undefined;
  })();
  action();
  await connection.flush();
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), REFUSED_MS_MAX).unref());
  const error = await Promise.race([told, late]);
  if (error === undefined) throw new Error('the server lets it through');
  return [error.operation, error.subject];
}
