import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { NatsGateway } from '../../sequencer/nats-gateway.ts';
import { type OwnNatsServer, runNatsServer } from '../nats-server.ts';
import type { TimelineEventKind } from './ack-timeline.ts';
import type { DrillIdentities } from './drill-identities.ts';
import { NatsCluster } from './nats-cluster.ts';
import { TcpLink } from './tcp-link.ts';
import { type Ending, type LogLine, type ProcessOptions, serveArguments, VeritapeProcess } from './veritape-process.ts';

/** How the processes of a drill are placed. */
export type Placement =
  /** One process on one host; when it has ended, another is started. */
  | 'alone'
  /** A primary and standbys on one host, which share the journal. */
  | 'standby'
  /** Hosts with a journal and a NATS server each, which form one cluster. */
  | 'hosts';

export interface ClusterOptions {
  /** Of journals and streams. */
  readonly folder: string;
  readonly logFolder: string;
  readonly placement: Placement;
  readonly processes: number;
  readonly leaseMs: number;
  /** Further arguments of `veritape serve`. */
  readonly serve?: readonly string[] | undefined;
  /** How the process of a member is started, if not as usual. */
  readonly processOptions?: ((member: string) => ProcessOptions) | undefined;
  /** Of all who may connect to NATS; everybody may unless given. Processes are called {@link memberNames}. */
  readonly identities?: DrillIdentities | undefined;
  /** Told of what happens, as it does. */
  readonly onEvent: (kind: TimelineEventKind, text: string) => void;
  /** Told of each state hash that a process reports. */
  readonly onState: (state: { sequence: number; stateHash: string; by: string }) => void;
}

/** `starting` until it says more; `former` after another one took over; `ended` when it has. */
type Role = 'starting' | 'standby' | 'taking over' | 'primary' | 'former' | 'paused' | 'ended';

/** One process of the venue, through all its restarts. */
export interface Member {
  readonly name: string;
  readonly directory: string;
  readonly logFile: string;
  /** To each NATS server, its own first. */
  readonly links: readonly TcpLink[];
  process: VeritapeProcess;
  role: Role;
  ending: Ending | undefined;
}

/** A process began to serve. */
export interface Opening {
  readonly member: string;
  readonly epoch: number;
  /** Moments as performance.now() gives them; undefined for what it did not say. */
  readonly takingOverAt: number | undefined;
  readonly readyAt: number;
}

const ORDERS_MAX = 65_536;
const SNAPSHOT_EVERY = 50_000;
/** A process that has ended by itself so often will not come back. */
const RESTARTS_MAX = 3;
const STRENGTH_MS_MAX = 60_000;
const PRIMARY_MS_MAX = 60_000;
const LOOK_MS = 5;
/** How a NATS server's log begins to tell of somebody who published where they may not. */
const VIOLATION = 'Publish Violation';

/** A venue of real processes, real NATS servers and links between them that can be cut. Logs are kept in the folder. */
export class DrillCluster {
  readonly members: Member[] = [];
  readonly openings: Opening[] = [];
  readonly #options: ClusterOptions;
  /** Server of a venue on one host. */
  #nats: OwnNatsServer | undefined;
  #natsCluster: NatsCluster | undefined;
  #clientLink: TcpLink | undefined;
  #hostClientLinks: TcpLink[] = [];
  #started = 0;
  #primaryEpoch = 0;
  /** When processes said that they take over. */
  readonly #takingOver = new WeakMap<VeritapeProcess, number>();
  /** Requests that processes said to have refused because who sent them may not. */
  readonly #refused = new Map<VeritapeProcess, number>();

  /** Resolves when a primary serves and every standby is warm. */
  static async start(options: ClusterOptions): Promise<DrillCluster> {
    const cluster = new DrillCluster(options);
    try {
      await cluster.#start();
    } catch (error) {
      await cluster.kill();
      throw error;
    }
    return cluster;
  }

  private constructor(options: ClusterOptions) {
    this.#options = options;
  }

  /** Where clients reach the venue that know every NATS server. */
  get clientUrl(): string {
    return urlOf(this.#clientLink);
  }

  /** Where clients reach it that are on one of the hosts, for each host; only a server that is gone makes them leave it. */
  get hostClientUrls(): string[] {
    return this.#hostClientLinks.map(urlOf);
  }

  /** Folders with a journal. */
  get directories(): string[] {
    return [...new Set(this.members.map(({ directory }) => directory))];
  }

  /** Requests that somebody may not make and that a log tells of: of the venue's processes, of the NATS servers. */
  get refusalsLogged(): { readonly venue: number; readonly nats: number } {
    const venue = [...this.#refused.values()].reduce((sum, count) => sum + count, 0);
    const files = this.#natsCluster?.logFiles ?? [this.#natsLog];
    const nats = files.reduce((sum, file) => sum + readFileSync(file, 'utf8').split(VIOLATION).length - 1, 0);
    return { venue, nats };
  }

  /** Options of a command by which it shows who it is; none if nobody asks. */
  shownAs(name: string): string[] {
    const { identities } = this.#options;
    return identities === undefined ? [] : ['--nats-seed', identities.seedFile(name)];
  }

  /** The NATS servers of a venue on several hosts. */
  get natsCluster(): NatsCluster {
    if (this.#natsCluster === undefined) throw new Error('this venue has a single NATS server');
    return this.#natsCluster;
  }

  /** The process that serves. Throws if there is none. */
  get primary(): Member {
    const member = this.members.find(({ role }) => role === 'primary');
    if (member === undefined) throw new Error(`nobody serves: ${this.#roles()}`);
    return member;
  }

  /** Processes that are warm to take over. */
  get standbys(): Member[] {
    return this.members.filter(({ role }) => role === 'standby');
  }

  /** Ends a process by a signal that it can not catch. */
  async killMember(member: Member): Promise<Ending> {
    return member.process.end('SIGKILL');
  }

  /** Stops a process in its tracks. */
  pause(member: Member): void {
    member.process.signal('SIGSTOP');
    member.role = 'paused';
  }

  wake(member: Member): void {
    member.process.signal('SIGCONT');
    if (member.role === 'paused')
      member.role = this.members.some(({ role }) => role === 'primary') ? 'former' : 'primary';
  }

  /** Starts a process that has ended again; as a standby, where there are standbys. */
  restart(member: Member): void {
    if (!member.process.over) throw new Error(`${member.name} has not ended`);
    member.process = this.#startProcess(member);
    member.role = 'starting';
    member.ending = undefined;
  }

  /** Resolves when one process serves, with that process. Rejects if all have ended. */
  async served(waitMsMax = PRIMARY_MS_MAX): Promise<Member> {
    const isDecided = (): boolean =>
      this.members.some(({ role }) => role === 'primary') || this.members.every(({ role }) => role === 'ended');
    await this.#until(isDecided, waitMsMax, 'nobody serves');
    return this.primary;
  }

  /** Resolves when a standby takes over, with that one. */
  async takingOver(waitMsMax = PRIMARY_MS_MAX): Promise<Member> {
    const heir = (): Member | undefined =>
      this.members.find(({ role }) => role === 'taking over' || role === 'primary');
    await this.#until(() => heir() !== undefined, waitMsMax, 'nobody takes over');
    return heir() as Member;
  }

  /** Starts again whatever has ended, and resolves when one process serves and all others are warm. */
  async full(): Promise<void> {
    const restarts = new Map<Member, number>();
    const isFull = (): boolean => {
      for (const member of this.members) {
        if (member.role !== 'ended') continue;
        const times = (restarts.get(member) ?? 0) + 1;
        if (times > RESTARTS_MAX)
          throw new Error(`${member.name} does not come back: ${lastLineOf(member.ending?.said ?? '')}`);
        restarts.set(member, times);
        this.restart(member);
      }
      const serving = this.members.filter(({ role }) => role === 'primary').length;
      return serving === 1 && this.standbys.length === this.members.length - 1;
    };
    await this.#until(isFull, STRENGTH_MS_MAX, 'not at full strength');
  }

  /** Resolves when this is true of the processes; rejects after a time with what is not, and what they are. */
  #until(isSo: () => boolean, waitMsMax: number, otherwise: string): Promise<void> {
    return waitUntil(isSo, waitMsMax, () => `${otherwise} after ${waitMsMax} ms: ${this.#roles()}`);
  }

  /** Ends the single NATS server. */
  async killNats(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#nats?.stop(signal);
  }

  /** Starts it again, on the same port. */
  async startNats(): Promise<void> {
    this.#nats = await this.#startNats(this.#nats?.port);
  }

  /** Which host a member is on: the number of its NATS server. */
  hostOf(member: Member): number {
    return this.members.indexOf(member);
  }

  /** Parts a host from the others: its NATS server and its process, so that these hear each other alone. */
  partHost(host: number): void {
    this.natsCluster.part(host);
    for (const link of this.#linksBetweenHosts(host)) link.hold('there', 'back');
    this.#leadAway(this.#clientLink, [host]);
  }

  mendHost(host: number): void {
    this.natsCluster.mend(host);
    for (const link of this.#linksBetweenHosts(host)) link.mend();
  }

  /** Of its process to the other servers, and of the other processes to its server. */
  #linksBetweenHosts(host: number): TcpLink[] {
    const count = this.members.length;
    return this.members.flatMap(({ links }, own) =>
      links.filter((_, place) => own !== (own + place) % count && [own, (own + place) % count].includes(host)),
    );
  }

  /** Clients leave these servers for another one, if they are there. */
  #leadAway(link: TcpLink | undefined, servers: readonly number[]): void {
    const { ports } = this.natsCluster;
    if (link === undefined || !servers.some((server) => ports[server] === link.targetPort)) return;
    link.cut();
    link.targetPort = ports.find((_, server) => !servers.includes(server)) ?? 0;
    link.mend();
  }

  /** Kills NATS servers of the cluster. */
  async killServers(servers: readonly number[]): Promise<void> {
    await Promise.all(servers.map((server) => this.natsCluster.kill(server)));
    for (const link of [this.#clientLink, ...this.#hostClientLinks]) this.#leadAway(link, servers);
  }

  /** Starts them again; resolves when all are healthy. */
  async startServers(servers: readonly number[]): Promise<void> {
    await Promise.all(servers.map((server) => this.natsCluster.startAgain(server)));
    await this.natsCluster.formed();
  }

  /** Ends everything in good order: standbys first, then the one that serves, which is given. */
  async stop(): Promise<Member> {
    for (const member of this.members)
      if (member.role !== 'primary' && !member.process.over) await member.process.end('SIGTERM');
    const serving = await this.served();
    await serving.process.end('SIGTERM');
    await this.kill();
    return serving;
  }

  /** Ends everything at once. */
  async kill(): Promise<void> {
    await Promise.all(this.members.map(({ process }) => (process.over ? undefined : process.end('SIGKILL'))));
    const links = this.members.flatMap((member) => member.links);
    await Promise.all([this.#clientLink, ...this.#hostClientLinks, ...links].map((link) => link?.close()));
    await this.#nats?.stop('SIGKILL');
    await this.#natsCluster?.stop();
  }

  async #start(): Promise<void> {
    const { folder, logFolder, placement, processes, identities } = this.#options;
    const names = memberNames(processes);
    mkdirSync(folder, { recursive: true });
    const several = placement === 'hosts';
    const guard = identities && {
      configuration: identities.configuration,
      natsSeed: identities.seedFile(names[0] as string),
    };
    if (several) this.#natsCluster = await NatsCluster.start(join(folder, 'nats'), processes, guard);
    else this.#nats = await this.#startNats();
    const ports = this.#natsCluster?.ports ?? [this.#nats?.port ?? 0];
    this.#clientLink = await TcpLink.to(ports.at(-1) ?? 0);
    this.#hostClientLinks = await Promise.all(ports.map((port) => TcpLink.to(port)));
    for (const [index, name] of names.entries()) {
      const ownFirst = [...ports.slice(index), ...ports.slice(0, index)];
      const links = await Promise.all((several ? ownFirst : ports).map((port) => TcpLink.to(port)));
      const place = {
        name,
        directory: join(folder, several ? `host-${name}` : 'host'),
        logFile: join(logFolder, `${name}.log`),
        links,
      };
      const process = this.#startProcess(place);
      const member: Member = { ...place, process, role: 'starting', ending: undefined };
      this.members.push(member);
      // On one host the first one makes the journal.
      if (index === 0 && !several) await this.served();
    }
    await this.full();
  }

  get #natsLog(): string {
    return join(this.#options.logFolder, 'nats.log');
  }

  #startNats(port?: number): Promise<OwnNatsServer> {
    const { identities } = this.#options;
    const args = identities === undefined ? [] : ['--config', identities.configurationFile];
    return runNatsServer({ port, args, logFile: this.#natsLog });
  }

  #startProcess(place: Pick<Member, 'name' | 'directory' | 'logFile' | 'links'>): VeritapeProcess {
    const { placement, leaseMs, serve = [], processOptions, identities } = this.#options;
    const isFirst = this.#started++ === 0;
    const urls = place.links.map((link) => `nats://127.0.0.1:${link.port}`).join(',');
    const fixed = ['--orders-max', String(ORDERS_MAX), '--snapshot-every', String(SNAPSHOT_EVERY)];
    const role: string[] = [];
    if (placement === 'standby') role.push('--lease-ms', String(leaseMs), ...(isFirst ? [] : ['--standby']));
    if (placement === 'hosts')
      role.push('--cluster', '--node', place.name, '--log-replicas', '3', '--lease-ms', String(leaseMs));
    if (identities !== undefined) role.push('--bound', ...this.shownAs(place.name));
    const process = VeritapeProcess.start(serveArguments(place.directory, urls, [...fixed, ...role, ...serve]), {
      ...processOptions?.(place.name),
      logFile: place.logFile,
      onLine: (line) => this.#hear(process, line),
    });
    void process.ended.then((ending) => this.#hearEnd(process, ending));
    return process;
  }

  #hear(process: VeritapeProcess, line: LogLine): void {
    const member = this.members.find((one) => one.process === process);
    const name = member?.name ?? 'a';
    const now = performance.now();
    switch (line.msg) {
      case 'standing by':
      case 'standing by again':
        if (member !== undefined) member.role = 'standby';
        break;
      case 'taking over':
        if (member !== undefined) member.role = 'taking over';
        this.#takingOver.set(process, now);
        this.#options.onEvent('recovery', `${name} takes over`);
        break;
      case 'ready': {
        const epoch = Number(line['epoch']);
        this.#setPrimary(member, epoch);
        this.openings.push({ member: name, epoch, takingOverAt: this.#takingOver.get(process), readyAt: now });
        this.#options.onEvent('recovery', `${name} serves, epoch ${epoch}`);
        break;
      }
      case 'snapshot written':
        this.#report(name, Number(line['sequence']), String(line['stateHash']));
        break;
      case 'request refused':
        if (line['error'] === 'unauthorized')
          this.#refused.set(process, (this.#refused.get(process) ?? 0) + 1 + Number(line['untold']));
        break;
      case 'closed': {
        const { refusals } = (line['gateway'] ?? {}) as Partial<NatsGateway['counts']>;
        if (refusals?.unauthorized !== undefined) this.#refused.set(process, refusals.unauthorized);
        break;
      }
    }
  }

  /** Lines of two processes may be read in another order than they were written: the highest epoch counts. */
  #setPrimary(member: Member | undefined, epoch: number): void {
    const before = this.members.find(({ role }) => role === 'primary');
    const isPassed = before !== undefined && before !== member && epoch < this.#primaryEpoch;
    if (member !== undefined) member.role = isPassed ? 'former' : 'primary';
    if (isPassed) return;
    this.#primaryEpoch = epoch;
    if (before !== undefined && before !== member) before.role = 'former';
  }

  #hearEnd(process: VeritapeProcess, ending: Ending): void {
    const member = this.members.find((one) => one.process === process);
    if (member === undefined) return;
    member.role = 'ended';
    member.ending = ending;
    const { code, signal, said } = ending;
    const how = signal === null ? `ended with code ${code}${code === 0 ? '' : `: ${lastLineOf(said)}`}` : 'is ended';
    this.#options.onEvent('note', `${member.name} ${how}`);
    const closing = ending.result as { sequence?: unknown; stateHashes?: unknown } | undefined;
    if (typeof closing?.sequence === 'number' && Array.isArray(closing.stateHashes))
      for (const hash of closing.stateHashes) this.#report(member.name, closing.sequence, String(hash));
  }

  #report(name: string, sequence: number, stateHash: string): void {
    this.#options.onState({ sequence, stateHash, by: name });
  }

  #roles(): string {
    return this.members
      .map(
        ({ name, role, ending }) => `${name} is ${role}${ending === undefined ? '' : ` (${lastLineOf(ending.said)})`}`,
      )
      .join(', ');
  }
}

/** Of the processes of a venue. */
export function memberNames(processes: number): string[] {
  return Array.from({ length: processes }, (_, index) => String.fromCharCode('a'.charCodeAt(0) + index));
}

/** Waits until something is so; rejects after a time with what it is instead. */
export async function waitUntil(isSo: () => boolean, waitMsMax: number, otherwise: () => string): Promise<void> {
  const until = performance.now() + waitMsMax;
  while (!isSo()) {
    if (performance.now() > until) throw new Error(otherwise());
    await pause(LOOK_MS);
  }
}

function urlOf(link: TcpLink | undefined): string {
  return `nats://127.0.0.1:${link?.port}`;
}

function lastLineOf(said: string): string {
  return said.trim().split('\n').at(-1) ?? '';
}
