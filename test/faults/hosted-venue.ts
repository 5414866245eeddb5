import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { JournalReader } from '../../journal/reader.ts';
import { waitUntil } from '../../ops/drill/drill-cluster.ts';
import { type Ending, type LogLine, serveArguments, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { ExitCode } from '../../ops/exit-codes.ts';
import { type OwnNatsServer, runNatsServer, withFreePorts } from '../../ops/nats-server.ts';
import { until } from '../until.ts';
import type { Hosts } from './hosts.ts';

const WAIT_MS_MAX = 60_000;
const ANSWER_MS_MAX = 2_000;
/** Routes that servers tell each other of lead nowhere: only those of their configuration join them. */
const NOWHERE = '127.0.0.1:1';

interface Ports {
  readonly client: number;
  readonly route: number;
  readonly monitor: number;
}

/** A host with its NATS server and its node of the venue. */
export interface Site {
  readonly name: string;
  readonly dir: string;
  readonly ports: Ports;
  /** Of all NATS servers as this host reaches them, its own first. */
  readonly urls: string;
  nats: OwnNatsServer | undefined;
  node: VeritapeProcess | undefined;
  role: 'off' | 'starting' | 'standby' | 'primary';
  /** Under which it last began to serve. */
  epoch: number;
  /** How its processes ended that nobody had killed. */
  readonly endings: Ending[];
}

/** One shard of a venue on several hosts: each has a NATS server, a node that is started again when it was fenced. */
export class HostedVenue {
  readonly hosts: Hosts;
  readonly sites: readonly Site[];
  /** When a node said so, and what. */
  onLine: (site: Site, line: LogLine) => void = () => undefined;
  readonly #folder: string;
  readonly #leaseMs: number;

  /** The venue is on the first `count` hosts. Resolves when one node serves and the others stand by. */
  static async start(hosts: Hosts, count: number, folder: string, leaseMs: number): Promise<HostedVenue> {
    const names = hosts.names.slice(0, count);
    // All at once, so that no two are the same.
    const free = hosts.hasPackets ? [] : await withFreePorts(3 * count, (them) => Promise.resolve(them));
    const ports = new Map<string, Ports>();
    for (const [index, name] of names.entries()) {
      const [client = 4222, route = 6222, monitor = 8222] = free.slice(3 * index);
      ports.set(name, { client, route, monitor });
    }
    const sites = await Promise.all(
      names.map(async (name, index): Promise<Site> => {
        const ownFirst = [...names.slice(index), ...names.slice(0, index)];
        const reached = ownFirst.map((to) => hosts.reach(name, to, ports.get(to)?.client ?? 0));
        return {
          name,
          dir: join(folder, name, 'journal'),
          ports: ports.get(name) as Ports,
          urls: (await Promise.all(reached)).map((at) => `nats://${at}`).join(),
          nats: undefined,
          node: undefined,
          role: 'off',
          epoch: 0,
          endings: [],
        };
      }),
    );
    const venue = new HostedVenue(hosts, sites, folder, leaseMs);
    for (const site of sites) await venue.#configure(site);
    await Promise.all(sites.map((site) => venue.#startNats(site)));
    await venue.natsFormed();
    for (const site of sites) venue.startNode(site);
    await venue.full();
    return venue;
  }

  private constructor(hosts: Hosts, sites: readonly Site[], folder: string, leaseMs: number) {
    this.hosts = hosts;
    this.sites = sites;
    this.#folder = folder;
    this.#leaseMs = leaseMs;
  }

  site(name: string): Site {
    const site = this.sites.find((one) => one.name === name);
    if (site === undefined) throw new RangeError(`host: ${name} is not of the venue`);
    return site;
  }

  /** The node that began to serve under the highest epoch. Throws if it does not any more. */
  get primary(): Site {
    const latest = this.sites.toSorted((one, other) => other.epoch - one.epoch)[0] as Site;
    if (latest.role !== 'primary') throw new Error(`nobody serves: ${this.#roles()}`);
    return latest;
  }

  /** The venue's NATS servers as a client somewhere reaches them, beginning with that of a site. */
  async urlsFrom(host: string, first: string): Promise<string> {
    const at = this.sites.findIndex(({ name }) => name === first);
    const order = [...this.sites.slice(at), ...this.sites.slice(0, at)];
    const ports = await Promise.all(order.map(({ name, ports }) => this.hosts.enter(host, name, ports.client)));
    return ports.map((port) => `nats://127.0.0.1:${port}`).join();
  }

  startNode(site: Site): void {
    site.role = 'starting';
    const cluster = ['--cluster', '--node', site.name, '--log-replicas', '3', '--lease-ms', String(this.#leaseMs)];
    const node = VeritapeProcess.start(serveArguments(site.dir, site.urls, [...cluster, '--orders-max', '65536']), {
      within: this.hosts.within(site.name),
      logFile: join(this.#folder, site.name, 'node.log'),
      onLine: (line) => this.#hear(site, line),
    });
    site.node = node;
    void node.ended.then((ending) => {
      if (site.node !== node) return;
      site.role = 'off';
      if (ending.signal === 'SIGKILL') return;
      site.endings.push(ending);
      // As a supervisor does; a node that ended with another code stays as it is, and tests find that.
      if (ending.code === ExitCode.environment) this.startNode(site);
    });
  }

  /** Ends the node of a host, and not its NATS server. */
  async killNode(site: Site): Promise<void> {
    await site.node?.end('SIGKILL');
  }

  /** Ends all processes of a host at once. */
  async killHost(site: Site): Promise<void> {
    const found = await this.hosts.processesOf(site.name);
    for (const pid of found) process.kill(pid, 'SIGKILL');
    await Promise.all([site.nats?.stop('SIGKILL'), site.node?.end('SIGKILL')]);
    site.nats = undefined;
  }

  async startHost(site: Site): Promise<void> {
    await this.#startNats(site);
    this.startNode(site);
  }

  /** Resolves when another node than this one serves under a higher epoch than it did. */
  async takenOverFrom(old: Site, epoch: number): Promise<Site> {
    const heir = (): Site | undefined =>
      this.sites.find((site) => site !== old && site.role === 'primary' && site.epoch > epoch);
    await waitUntil(
      () => heir() !== undefined,
      WAIT_MS_MAX,
      () => `nobody takes over: ${this.#roles()}`,
    );
    return heir() as Site;
  }

  /** Resolves when one node serves and all others follow. */
  async full(): Promise<void> {
    const isFull = (): boolean => {
      for (const { name, endings } of this.sites)
        for (const ending of endings)
          if (ending.code !== ExitCode.environment) throw new Error(`node ${name} ended: ${JSON.stringify(ending)}`);
      const roles = this.sites.map(({ role }) => role);
      return (
        roles.filter((role) => role === 'primary').length === 1 && roles.every((role) => /standby|primary/.test(role))
      );
    };
    await waitUntil(isFull, WAIT_MS_MAX, () => `not at full strength: ${this.#roles()}`);
  }

  /** Resolves when all journals end with the same block, while no client sends anything. */
  async agreed(): Promise<void> {
    const ends = (): string[] => this.sites.map(({ dir }) => JournalReader.open(dir).last.hash.toString('hex'));
    await waitUntil(
      () => new Set(ends()).size === 1,
      WAIT_MS_MAX,
      () => `journals end with ${ends()}`,
    );
  }

  /** Resolves when every NATS server that runs is healthy: it knows a leader, and its streams are current. */
  async natsFormed(): Promise<void> {
    let why = '';
    const isHealthy = async (site: Site): Promise<boolean> => {
      if (site.nats === undefined) return true;
      why = (await this.#whyUnhealthy(site)) ?? '';
      return why === '';
    };
    for (const site of this.sites)
      await until(`the NATS server of host ${site.name}`, () => isHealthy(site), {
        seen: () => why,
        waitMsMax: WAIT_MS_MAX,
      });
  }

  /** Name of the host whose NATS server leads the replicated log; undefined if none does. */
  async logLeader(): Promise<string | undefined> {
    const port = await this.hosts.enter(this.primary.name, this.primary.name, this.primary.ports.client);
    const connection = await connect({ servers: `127.0.0.1:${port}` });
    try {
      return (await (await jetstreamManager(connection)).streams.info('VERITAPE_0')).cluster?.leader;
    } catch {
      return undefined;
    } finally {
      await connection.close();
    }
  }

  /** Ends the nodes in good order, those that follow first; gives how each ended. */
  async stopNodes(): Promise<Ending[]> {
    const { primary } = this;
    const endings: Ending[] = [];
    for (const site of [...this.sites.filter((one) => one !== primary), primary]) {
      const { node } = site;
      site.node = undefined;
      if (node !== undefined) endings.push(await node.end('SIGTERM'));
    }
    return endings;
  }

  async kill(): Promise<void> {
    await Promise.all(this.sites.map((site) => this.killHost(site)));
  }

  async #configure({ name, ports }: Site): Promise<void> {
    const folder = join(this.#folder, name);
    mkdirSync(folder, { recursive: true });
    const others = this.sites.filter((site) => site.name !== name);
    const routes = await Promise.all(others.map((site) => this.hosts.reach(name, site.name, site.ports.route)));
    const address = this.hosts.addressOf(name);
    writeFileSync(
      join(folder, 'nats.conf'),
      `server_name: ${name}
http: "${address}:${ports.monitor}"
jetstream { store_dir: ${JSON.stringify(join(folder, 'nats'))} }
cluster {
  name: veritape
  listen: "${address}:${ports.route}"
  cluster_advertise: "${NOWHERE}"
  no_advertise: true
  routes: ${JSON.stringify(routes.map((at) => `nats-route://${at}`))}
}
`,
    );
  }

  async #startNats(site: Site): Promise<void> {
    const folder = join(this.#folder, site.name);
    site.nats = await runNatsServer({
      port: site.ports.client,
      address: this.hosts.addressOf(site.name),
      within: this.hosts.within(site.name),
      args: ['--config', join(folder, 'nats.conf')],
      logFile: join(folder, 'nats.log'),
    });
  }

  async #whyUnhealthy({ name, ports }: Site): Promise<string | undefined> {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    try {
      const root = `http://127.0.0.1:${await this.hosts.enter(name, name, ports.monitor)}`;
      const health = await fetch(`${root}/healthz`, { signal });
      if (!health.ok) return `status ${health.status}: ${await health.text()}`;
      const streams = (await (await fetch(`${root}/jsz`, { signal })).json()) as {
        meta_cluster?: { leader?: string; cluster_size?: number };
      };
      const { leader = '', cluster_size: size } = streams.meta_cluster ?? {};
      if (leader !== '' && size === this.sites.length) return undefined;
      return `it is one of ${size} servers, of which ${leader === '' ? 'none' : leader} leads`;
    } catch (error) {
      return String(error);
    }
  }

  #hear(site: Site, line: LogLine): void {
    if (line.msg === 'standing by' || line.msg === 'standing by again') site.role = 'standby';
    if (line.msg === 'ready') {
      site.role = 'primary';
      site.epoch = Number(line['epoch']);
    }
    this.onLine(site, line);
  }

  #roles(): string {
    return this.sites
      .map(
        ({ name, role, epoch, endings }) =>
          `${name} is ${role}, epoch ${epoch}${endings.map((e) => `, ended: ${e.said.trim()}`)}`,
      )
      .join('; ');
  }
}
