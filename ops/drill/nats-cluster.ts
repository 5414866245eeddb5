import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { natsJoin } from '../cli/nats-credentials.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import { type OwnNatsServer, runNatsServer, withFreePorts } from '../nats-server.ts';
import { TcpLink } from './tcp-link.ts';

const FORMED_MS_MAX = 30_000;
const ANSWER_MS_MAX = 30_000;
const LOOK_MS = 50;
/** Where routes that are learned by gossip lead: nowhere, so that only links join the servers. */
const NOWHERE = '127.0.0.1:1';

/** Whom the servers let in. */
export interface NatsGuard {
  /** As lines of the servers' configuration. */
  readonly configuration: string;
  /** File of the seed of somebody who may ask about streams. */
  readonly natsSeed: string;
}

/** One server of a cluster. It keeps name, ports and streams when it is started again. */
interface Member {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly routePort: number;
  readonly config: string;
  readonly logFile: string;
  server: OwnNatsServer | undefined;
}

/**
 * NATS servers on loopback that form one cluster with JetStream. Between any two of them the routes go over
 * {@link TcpLink}s, so that a drill can part them. What they keep and say is in the folder.
 */
export class NatsCluster {
  readonly #members: readonly Member[];
  /** By who dialled and who answers. */
  readonly #links: ReadonlyMap<string, TcpLink>;
  readonly #guard: NatsGuard | undefined;

  /** Resolves when all servers are joined and have elected a leader. Throws an {@link EnvironmentFault}. */
  static async start(folder: string, servers = 3, guard?: NatsGuard): Promise<NatsCluster> {
    mkdirSync(folder, { recursive: true });
    // The links must not listen where the servers are to.
    const cluster = await withFreePorts(servers * 3, (ports) => NatsCluster.#plan(folder, servers, ports, guard));
    try {
      await Promise.all(cluster.#members.map((_, index) => cluster.startAgain(index)));
      await cluster.formed();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  static async #plan(
    folder: string,
    servers: number,
    ports: readonly number[],
    guard: NatsGuard | undefined,
  ): Promise<NatsCluster> {
    const members = Array.from({ length: servers }, (_, index): Member => {
      const name = `nats-${index}`;
      const [port = 0, monitorPort = 0, routePort = 0] = ports.slice(index * 3);
      const [config, logFile] = [join(folder, `${name}.conf`), join(folder, `${name}.log`)];
      return { name, port, monitorPort, routePort, config, logFile, server: undefined };
    });
    const links = new Map<string, TcpLink>();
    for (const from of members) {
      for (const to of members) if (from !== to) links.set(`${from.name}>${to.name}`, await TcpLink.to(to.routePort));
      writeFileSync(from.config, `${configOf(from, folder, members, links)}${guard?.configuration ?? ''}`);
    }
    return new NatsCluster(members, links, guard);
  }

  private constructor(members: readonly Member[], links: ReadonlyMap<string, TcpLink>, guard: NatsGuard | undefined) {
    this.#members = members;
    this.#links = links;
    this.#guard = guard;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Client URLs of all servers, in order. */
  get urls(): string[] {
    return this.#members.map(({ port }) => `nats://127.0.0.1:${port}`);
  }

  get ports(): number[] {
    return this.#members.map(({ port }) => port);
  }

  /** What the servers say. */
  get logFiles(): string[] {
    return this.#members.map(({ logFile }) => logFile);
  }

  /** As a stream's information tells who leads it. */
  get names(): string[] {
    return this.#members.map(({ name }) => name);
  }

  /** Ends a server, by SIGKILL unless another signal is given. Its streams stay on its disk. */
  async kill(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const member = this.#member(index);
    await member.server?.stop(signal);
    member.server = undefined;
  }

  /** Stops a server in its tracks (SIGSTOP), or wakes it (SIGCONT). */
  signal(index: number, signal: NodeJS.Signals): void {
    this.#member(index).server?.signal(signal);
  }

  /** Starts a server that was ended; resolves when it listens, which is before it has caught up. */
  async startAgain(index: number): Promise<void> {
    const member = this.#member(index);
    const { port, config, logFile } = member;
    member.server = await runNatsServer({ port, args: ['--config', config], logFile });
  }

  /** Number of the server that leads a stream; throws if none does. */
  async leaderOf(stream: string): Promise<number> {
    const servers = this.#members.filter(({ server }) => server !== undefined).map(({ port }) => `127.0.0.1:${port}`);
    const shown = this.#guard === undefined ? {} : { natsSeed: this.#guard.natsSeed };
    const connection = await connect(natsJoin(servers.join(), shown).connection);
    try {
      const manager = await jetstreamManager(connection, { timeout: ANSWER_MS_MAX });
      const { cluster } = await manager.streams.info(stream);
      const leader = this.names.indexOf(cluster?.leader ?? '');
      if (leader < 0) throw new Error(`nobody leads the stream ${stream}`);
      return leader;
    } finally {
      await connection.close();
    }
  }

  /** Parts a server from all others: what it and they send to each other is held, both ways. */
  part(index: number): void {
    for (const link of this.#linksOf(index)) link.hold('there', 'back');
  }

  mend(index: number): void {
    for (const link of this.#linksOf(index)) link.mend();
  }

  /** Resolves when every server that runs is healthy: it knows a leader, and its streams are current. */
  async formed(waitMsMax = FORMED_MS_MAX): Promise<void> {
    const until = performance.now() + waitMsMax;
    for (const member of this.#members) {
      while (member.server !== undefined && !(await this.#isHealthy(member))) {
        if (performance.now() > until)
          throw new EnvironmentFault(`${member.name} is not healthy after ${waitMsMax} ms: see ${member.logFile}`);
        await pause(LOOK_MS);
      }
    }
  }

  async stop(): Promise<void> {
    // A server that was stopped in its tracks hears no other signal.
    await Promise.all(this.#members.map((_, index) => this.kill(index)));
    await Promise.all([...this.#links.values()].map((link) => link.close()));
  }

  async #isHealthy(member: Member): Promise<boolean> {
    try {
      const root = `http://127.0.0.1:${member.monitorPort}`;
      const health = await fetch(`${root}/healthz`, { signal: AbortSignal.timeout(FORMED_MS_MAX) });
      if (!health.ok) return false;
      const jetStream = await fetch(`${root}/jsz`, { signal: AbortSignal.timeout(FORMED_MS_MAX) });
      const { meta_cluster: meta } = (await jetStream.json()) as {
        meta_cluster?: { leader?: string; cluster_size?: number };
      };
      return meta?.leader !== undefined && meta.leader !== '' && meta.cluster_size === this.#members.length;
    } catch {
      return false;
    }
  }

  #linksOf(index: number): TcpLink[] {
    const { name } = this.#member(index);
    return [...this.#links].filter(([ends]) => ends.split('>').includes(name)).map(([, link]) => link);
  }

  #member(index: number): Member {
    const member = this.#members[index];
    if (member === undefined) throw new RangeError(`server: ${index} must be 0 to ${this.#members.length - 1}`);
    return member;
  }
}

function configOf(
  member: Member,
  folder: string,
  members: readonly Member[],
  links: ReadonlyMap<string, TcpLink>,
): string {
  const routes = members
    .filter((other) => other !== member)
    .map((other) => `nats-route://127.0.0.1:${links.get(`${member.name}>${other.name}`)?.port}`);
  return `server_name: ${member.name}
http: "127.0.0.1:${member.monitorPort}"
jetstream {
  store_dir: ${JSON.stringify(join(folder, member.name))}
}
cluster {
  name: veritape
  listen: "127.0.0.1:${member.routePort}"
  cluster_advertise: "${NOWHERE}"
  no_advertise: true
  routes: ${JSON.stringify(routes)}
}
`;
}
