import { isIPv4 } from 'node:net';
import { TcpLink } from '../../ops/drill/tcp-link.ts';

/** What becomes of the packets that a host sends. */
export interface LinkFaults {
  readonly delayMs?: number;
  /** The delay is longer or shorter by up to this; order is kept. */
  readonly jitterMs?: number;
  readonly lossPercent?: number;
  readonly duplicatePercent?: number;
  /** So many do not wait, and arrive before those that were sent earlier. */
  readonly reorderPercent?: number;
}

/** Hosts with addresses of their own on one machine, and the network between them, which can be cut. */
export interface Hosts {
  readonly names: readonly string[];
  /** The network between them drops, delays, doubles and reorders packets; else it can only be cut. */
  readonly hasPackets: boolean;
  /** Where a host's servers listen. */
  addressOf(host: string): string;
  /** The command with which a program is started in a host. The process is the program's own: signals reach it. */
  within(host: string): readonly string[];
  /** Address and port at which processes of a host reach a server of this or another one. */
  reach(from: string, to: string, port: number): Promise<string>;
  /** A port on the machine's loopback; who connects to it is connected from that host to a server of that or another one. */
  enter(host: string, to: string, port: number): Promise<number>;
  impair(host: string, faults: LinkFaults): Promise<void>;
  /** Nothing that one host sends reaches the other; the way back is as it was. */
  cut(from: string, to: string): Promise<void>;
  mend(from: string, to: string): Promise<void>;
  /** Processes that were started in a host, and theirs, as far as the machine can tell. */
  processesOf(host: string): Promise<number[]>;
  remove(): Promise<void>;
}

/** Cuts a host off from all others, both ways. */
export async function isolate(hosts: Hosts, host: string): Promise<void> {
  for (const other of hosts.names) {
    if (other === host) continue;
    await hosts.cut(host, other);
    await hosts.cut(other, host);
  }
}

/** Mends everything between a host and the others. */
export async function rejoin(hosts: Hosts, host: string): Promise<void> {
  for (const other of hosts.names) {
    if (other === host) continue;
    await hosts.mend(host, other);
    await hosts.mend(other, host);
  }
}

/**
 * Hosts as addresses 127.0.0.2 and on, with a {@link TcpLink} for each way from one to another: what a cut link is given
 * arrives when it is mended. Packets can not be lost or reordered.
 */
export class LoopbackHosts implements Hosts {
  readonly names: readonly string[];
  readonly hasPackets = false;
  readonly #links = new Map<string, TcpLink>();
  readonly #cuts = new Set<string>();

  constructor(names: readonly string[]) {
    this.names = names;
  }

  addressOf(host: string): string {
    const address = `127.0.0.${this.names.indexOf(host) + 2}`;
    if (!this.names.includes(host) || !isIPv4(address)) throw new RangeError(`host: ${host} is none of ${this.names}`);
    return process.platform === 'linux' ? address : '127.0.0.1';
  }

  within(): readonly string[] {
    return [];
  }

  async reach(from: string, to: string, port: number): Promise<string> {
    return from === to ? `${this.addressOf(to)}:${port}` : `127.0.0.1:${await this.enter(from, to, port)}`;
  }

  async enter(host: string, to: string, port: number): Promise<number> {
    const name = `${host}>${to}:${port}`;
    const link = this.#links.get(name) ?? (await TcpLink.to(port, this.addressOf(to)));
    this.#links.set(name, link);
    this.#hold(name, link);
    return link.port;
  }

  async impair(): Promise<void> {
    throw new Error('without network namespaces packets are not delayed or lost');
  }

  async cut(from: string, to: string): Promise<void> {
    this.#cuts.add(`${from}>${to}`);
    for (const [name, link] of this.#links) this.#hold(name, link);
  }

  async mend(from: string, to: string): Promise<void> {
    this.#cuts.delete(`${from}>${to}`);
    for (const [name, link] of this.#links) this.#hold(name, link);
  }

  async processesOf(): Promise<number[]> {
    return [];
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.close()));
  }

  #hold(name: string, link: TcpLink): void {
    const [from = '', to = ''] = (name.split(':')[0] ?? '').split('>');
    const there = this.#cuts.has(`${from}>${to}`) ? (['there'] as const) : [];
    const back = this.#cuts.has(`${to}>${from}`) ? (['back'] as const) : [];
    link.mend();
    if (there.length + back.length > 0) link.hold(...there, ...back);
  }
}
