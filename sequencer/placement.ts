import type { Core, HostCores } from './host-cores.ts';

/**
 * Which thread of a venue goes on which core. A pure function of the cores, the threads and what was asked for.
 *
 * Threads are named `gateway` (the one with the event loop), `sequencer`, `journal`, `replica0` (the leader), `replica1`…
 */

/** `none` leaves it to the kernel, `auto` gives every thread a core of its own if there are enough. */
export type Pinning = 'none' | 'auto' | ReadonlyMap<string, number>;

export interface Place {
  readonly thread: string;
  /** `free` goes wherever the kernel puts it; so does `refused`, which was asked for otherwise. */
  readonly state: 'pinned' | 'free' | 'refused';
  /** Of a pinned thread. */
  readonly core: number | undefined;
  /** NUMA node of the core. */
  readonly node: number | undefined;
  readonly reason: string;
}

/** A pinning that makes no sense, or not on this machine. */
export class PinningError extends RangeError {
  override readonly name = 'PinningError';
  readonly value: string;
  readonly rule: string;

  constructor(value: string, rule: string) {
    super(`pin: ${value}: ${rule}`);
    this.value = value;
    this.rule = rule;
  }
}

/** In the order in which they get the better cores: what every order waits for comes first. */
export function venueThreads(replicas: number): string[] {
  const followers = Array.from({ length: replicas - 1 }, (_, index) => `replica${index + 1}`);
  return ['sequencer', 'replica0', 'gateway', 'journal', ...followers];
}

const RULE = 'must be none, auto, or thread=core pairs with commas between them, such as sequencer=1,gateway=0';

/** Reads `none`, `auto` or `gateway=0,sequencer=1`. Throws {@link PinningError}. */
export function parsePinning(text: string): Pinning {
  if (text === 'none' || text === 'auto') return text;
  const pins = new Map<string, number>();
  for (const pair of text.split(',')) {
    const [, thread, core] = /^(gateway|sequencer|journal|replica\d)=(\d{1,4})$/.exec(pair) ?? [];
    if (thread === undefined) throw new PinningError(pair, RULE);
    if (pins.has(thread)) throw new PinningError(pair, `${thread} can be on one core only`);
    pins.set(thread, Number(core));
  }
  return pins;
}

/** For a host whose cores cannot be seen. */
export function refusePlacement(replicas: number, reason: string): Place[] {
  return venueThreads(replicas).map((thread) => ({
    thread,
    state: 'refused',
    core: undefined,
    node: undefined,
    reason,
  }));
}

/** Throws {@link PinningError} if a named thread or core does not exist here. */
export function planPlacement(host: HostCores, replicas: number, pinning: Pinning): Place[] {
  const threads = venueThreads(replicas);
  if (pinning === 'none') return leftAlone(threads, 'not asked for');
  if (pinning === 'auto') return placeAll(host, threads);
  for (const [thread, core] of pinning) {
    const pair = `${thread}=${core}`;
    if (!threads.includes(thread)) throw new PinningError(pair, `the venue's threads are ${threads.join(', ')}`);
    if (!host.cores.some(({ id }) => id === core)) {
      throw new PinningError(pair, `the cores this process may use are ${host.cores.map(({ id }) => id).join(', ')}`);
    }
  }
  return threads.map((thread) => {
    const core = host.cores.find(({ id }) => id === pinning.get(thread));
    return core === undefined ? alone(thread, 'not named') : placed(thread, core, 'asked for');
  });
}

function placeAll({ cores, quota, nodes }: HostCores, threads: readonly string[]): Place[] {
  // One more than threads: V8's own threads, the disk's and the network's interrupts want a place too.
  const wanted = threads.length + 1;
  if (quota < wanted) {
    return leftAlone(
      threads,
      `${threads.length} threads and those of V8 want ${wanted} cores, there are ${quota}: pinned threads wait for each other`,
    );
  }
  const node = nodes === 1 ? cores[0]?.node : roomiestNode(cores);
  const near = cores.filter((core) => core.node === node);
  // The first core commonly serves the interrupts.
  const order = [...bySharing(near.slice(1)), ...near.slice(0, 1)];
  if (order.length < wanted) {
    const why = `${threads.length} threads and those of V8 want ${wanted} cores of one NUMA node, node ${node} has ${order.length}`;
    return leftAlone(threads, why);
  }
  return threads.map((thread, index) => {
    const core = order[index] as Core;
    const shared = order.slice(0, index).some(({ physical }) => physical === core.physical);
    return placed(thread, core, shared ? 'a core of its own, sharing its execution units' : 'a core of its own');
  });
}

/** Cores that share nothing with one before them come first. */
function bySharing(cores: readonly Core[]): Core[] {
  const first = new Map<number, Core>();
  for (const core of cores) if (!first.has(core.physical)) first.set(core.physical, core);
  return [...first.values(), ...cores.filter((core) => first.get(core.physical) !== core)];
}

function roomiestNode(cores: readonly Core[]): number | undefined {
  const sizes = new Map<number, number>();
  for (const { node } of cores) sizes.set(node, (sizes.get(node) ?? 0) + 1);
  return [...sizes].sort(([a, sizeA], [b, sizeB]) => sizeB - sizeA || a - b)[0]?.[0];
}

function leftAlone(threads: readonly string[], reason: string): Place[] {
  return threads.map((thread) => alone(thread, reason));
}

function alone(thread: string, reason: string): Place {
  return { thread, state: 'free', core: undefined, node: undefined, reason };
}

function placed(thread: string, core: Core, reason: string): Place {
  return { thread, state: 'pinned', core: core.id, node: core.node, reason };
}
