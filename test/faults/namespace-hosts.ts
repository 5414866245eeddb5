import { type ChildProcess, execFile, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { promisify } from 'node:util';
import { holderOf, isAlive, lockLine } from '../../journal/lock.ts';
import type { Hosts, LinkFaults } from './hosts.ts';

const PREFIX = 'veritape';
const SUBNET = '10.201.7';
const HOSTS_MAX = 8;
/** Packets that wait in a device while the switch does not run. */
const DEVICE_PACKETS = 10_000;
const COMMAND_MS_MAX = 20_000;
const programs = join(import.meta.dirname, 'programs');
const run = promisify(execFile);

/** How many packets the network has passed on, and what became of the others. */
export interface PacketCounts {
  readonly passed: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly cut: number;
  readonly overflowed: number;
}

let made = 0;

/**
 * Hosts as network namespaces of Linux. Each has a TUN device whose other end is held by a switch of this project's own
 * (programs/packet-switch.c), in a namespace that has nothing else: the machine's own network is not touched, and the kernel
 * need not have netem. Their names tell whose they are; what a killed process left is removed by the next one.
 */
export class NamespaceHosts implements Hosts {
  readonly names: readonly string[];
  readonly hasPackets = true;
  readonly #prefix: string;
  readonly #relays = new Map<string, ChildProcess>();
  readonly #entries = new Map<string, Promise<number>>();
  /** The last thing that a relay was sent: one at a time, as its answers have no names either. */
  #entered: Promise<unknown> = Promise.resolve();
  readonly #removeAtExit = (): void => this.#removeAtOnce();
  #switch: ChildProcess | undefined;
  #answers: Interface | undefined;
  #asked: Promise<unknown> = Promise.resolve();

  /** Throws, with nothing left behind, where namespaces are not permitted or a program is missing. */
  static async create(names: readonly string[], folder: string, seed: number): Promise<NamespaceHosts> {
    if (process.platform !== 'linux') throw new Error('network namespaces are of Linux');
    if (names.length > HOSTS_MAX) throw new RangeError(`names: ${names.length} must be ${HOSTS_MAX} at most`);
    await removeLeftovers();
    const hosts = new NamespaceHosts(names);
    try {
      await hosts.#create(folder, seed);
    } catch (error) {
      await hosts.remove();
      throw error;
    }
    return hosts;
  }

  private constructor(names: readonly string[]) {
    this.names = names;
    const [pid, startTicks] = lockLine(process.pid).split(' ');
    this.#prefix = `${PREFIX}-${pid}-${startTicks}-${made++}`;
  }

  /** Of the namespaces, with that of the network between the hosts. */
  get namespaces(): string[] {
    return ['switch', ...this.names].map((name) => `${this.#prefix}-${name}`);
  }

  addressOf(host: string): string {
    return `${SUBNET}.${this.#number(host) + 1}`;
  }

  within(host: string): readonly string[] {
    return ['ip', 'netns', 'exec', `${this.#prefix}-${host}`];
  }

  async reach(_from: string, to: string, port: number): Promise<string> {
    return `${this.addressOf(to)}:${port}`;
  }

  enter(host: string, to: string, port: number): Promise<number> {
    const name = `${host}>${to}:${port}`;
    const entry = this.#entries.get(name) ?? this.#entered.then(() => this.#enter(host, this.addressOf(to), port));
    this.#entries.set(name, entry);
    this.#entered = entry.catch(() => undefined);
    return entry;
  }

  async #enter(host: string, address: string, port: number): Promise<number> {
    const relay = this.#relays.get(host) ?? this.#startRelay(host);
    this.#relays.set(host, relay);
    // The socket stays one of the machine's loopback, whoever accepts from it.
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const own = (server.address() as { port: number }).port;
    const taken = once(relay, 'message', { signal: AbortSignal.timeout(COMMAND_MS_MAX) });
    relay.send({ address, port }, server);
    await taken;
    server.close();
    return own;
  }

  async impair(host: string, faults: LinkFaults): Promise<void> {
    const { delayMs = 0, jitterMs = 0, lossPercent = 0, duplicatePercent = 0, reorderPercent = 0 } = faults;
    const times = [delayMs, jitterMs].map((ms) => Math.round(ms * 1000));
    const shares = [lossPercent, duplicatePercent, reorderPercent].map((percent) => Math.round(percent * 10_000));
    await this.#tell('link', this.#number(host), ...times, ...shares);
  }

  async cut(from: string, to: string): Promise<void> {
    await this.#tell('cut', this.#number(from), this.#number(to));
  }

  async mend(from: string, to: string): Promise<void> {
    await this.#tell('mend', this.#number(from), this.#number(to));
  }

  async counts(): Promise<PacketCounts> {
    const [passed = 0, lost = 0, duplicated = 0, reordered = 0, cut = 0, overflowed = 0] = (await this.#ask('count'))
      .split(' ')
      .map(Number);
    return { passed, lost, duplicated, reordered, cut, overflowed };
  }

  async processesOf(host: string): Promise<number[]> {
    const relay = this.#relays.get(host)?.pid;
    return (await pidsIn(`${this.#prefix}-${host}`)).filter((pid) => pid !== relay);
  }

  async remove(): Promise<void> {
    for (const relay of this.#relays.values()) relay.disconnect();
    this.#switch?.stdin?.end();
    for (const child of [...this.#relays.values(), this.#switch]) await endOf(child);
    for (const name of this.namespaces) await removeNamespace(name);
    process.off('exit', this.#removeAtExit);
  }

  async #create(folder: string, seed: number): Promise<void> {
    const program = join(folder, 'packet-switch');
    await run('gcc', ['-O2', '-o', program, join(programs, 'packet-switch.c')]);
    process.on('exit', this.#removeAtExit);
    for (const name of this.namespaces) await ip('netns', 'add', name);
    const args = [...this.within('switch').slice(1), program, String(this.names.length), String(seed)];
    this.#switch = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#switch.stdin?.on('error', () => undefined);
    this.#answers = createInterface({ input: this.#switch.stdout as NodeJS.ReadableStream });
    const said = await Promise.race([once(this.#answers, 'line'), once(this.#answers, 'close')]);
    if (said[0] !== 'ready') throw new Error('the switch between the hosts could not be made');
    for (const [number, host] of this.names.entries()) {
      const [name, device] = [`${this.#prefix}-${host}`, `host${number}`];
      await ip('-n', `${this.#prefix}-switch`, 'link', 'set', device, 'netns', name);
      await ip('-n', name, 'link', 'set', 'lo', 'up');
      await ip('-n', name, 'address', 'add', `${this.addressOf(host)}/24`, 'dev', device);
      await ip('-n', name, 'link', 'set', device, 'txqueuelen', String(DEVICE_PACKETS), 'up');
    }
  }

  #startRelay(host: string): ChildProcess {
    const [, ...within] = this.within(host);
    // `fork` puts the module first: here `ip` runs Node, with the channel that both inherit.
    return fork(join(programs, 'socket-relay.ts'), {
      execPath: 'ip',
      execArgv: [...within, process.execPath, '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }

  async #tell(...words: readonly (string | number)[]): Promise<void> {
    const line = words.join(' ');
    const answer = await this.#ask(line);
    if (answer !== 'ok') throw new Error(`the switch was told "${line}" and said "${answer}"`);
  }

  /** One question after the other: answers have no names. */
  #ask(line: string): Promise<string> {
    const answer = this.#asked.then(async () => {
      const heard = once(this.#answers as Interface, 'line', { signal: AbortSignal.timeout(COMMAND_MS_MAX) });
      this.#switch?.stdin?.write(`${line}\n`);
      return String((await heard)[0]);
    });
    this.#asked = answer.catch(() => undefined);
    return answer;
  }

  #number(host: string): number {
    const number = this.names.indexOf(host);
    if (number < 0) throw new RangeError(`host: ${host} is none of ${this.names}`);
    return number;
  }

  #removeAtOnce(): void {
    for (const name of this.namespaces) {
      try {
        for (const pid of parsePids(execFileSync('ip', ['netns', 'pids', name], { stdio: 'pipe' }))) kill(pid);
        execFileSync('ip', ['netns', 'delete', name], { stdio: 'pipe' });
      } catch {
        // It is not there.
      }
    }
  }
}

/** Namespaces of this project whose process is not there any more, of this boot, and the processes in them. */
export async function removeLeftovers(): Promise<void> {
  for (const name of await namespacesHere()) {
    const [, pid, startTicks] = name.split('-');
    const holder = holderOf(lockLine(Number(pid)));
    if (holder !== undefined && holder.line.split(' ')[1] === startTicks && isAlive(holder)) continue;
    await removeNamespace(name);
  }
}

/** Names of the namespaces of this project, whosever they are. */
export async function namespacesHere(): Promise<string[]> {
  const names = (await ip('netns', 'list')).split('\n').map((line) => line.split(' ')[0] ?? '');
  return names.filter((name) => /^veritape-\d+-\d+-/.test(name));
}

async function removeNamespace(name: string): Promise<void> {
  try {
    for (const pid of await pidsIn(name)) kill(pid);
    await ip('netns', 'delete', name);
  } catch {
    // Somebody else has removed it, or it was never made.
  }
}

async function pidsIn(name: string): Promise<number[]> {
  return parsePids(await ip('netns', 'pids', name));
}

function parsePids(text: string | Buffer): number[] {
  return String(text).split('\n').filter(Boolean).map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

async function endOf(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS_MAX);
  await once(child, 'exit');
  clearTimeout(timer);
}

async function ip(...args: readonly string[]): Promise<string> {
  return (await run('ip', [...args], { timeout: COMMAND_MS_MAX })).stdout;
}
