import { closeSync, readFileSync, readSync } from 'node:fs';
import { openCounter, Refused } from './linux.ts';

/**
 * What the processor and the kernel count of one thread, read by another one: neither opening nor reading makes the counted
 * thread do anything, also when it sleeps.
 *
 * Counters are the kernel's perf events where it grants them. Context switches, page faults, migrations and processor time
 * are otherwise taken from /proc, which needs neither a grant nor FFI. All count from the moment they were opened.
 */
export const COUNTERS = [
  'cycles',
  'instructions',
  'cacheMisses',
  'branchMisses',
  'contextSwitches',
  'pageFaults',
  'migrations',
  'cpuMs',
] as const;
export type CounterName = (typeof COUNTERS)[number];

export interface ThreadCounts {
  readonly thread: string;
  /** The kernel's id. */
  readonly threadId: number;
  readonly sinceMs: number;
  /** Undefined for what is not counted; `sources` says why. */
  readonly counts: Readonly<Record<CounterName, number | undefined>>;
  /** Where each count is from, or why there is none. */
  readonly sources: Readonly<Record<CounterName, string>>;
}

/** Types and numbers of perf events, as in linux/perf_event.h, and what /proc has instead. */
const HARDWARE = 0;
const SOFTWARE = 1;
const EVENTS: Readonly<Record<CounterName, readonly [type: number, config: number]>> = {
  cycles: [HARDWARE, 0],
  instructions: [HARDWARE, 1],
  cacheMisses: [HARDWARE, 3],
  branchMisses: [HARDWARE, 5],
  contextSwitches: [SOFTWARE, 3],
  pageFaults: [SOFTWARE, 2],
  migrations: [SOFTWARE, 4],
  cpuMs: [SOFTWARE, 1],
};
/** What these mean here; see perf_event_open(2). */
const EXPLAINED: Readonly<Record<string, string>> = {
  ENOENT: 'this processor, or the virtual machine, has no such counter',
  EOPNOTSUPP: 'this processor, or the virtual machine, has no such counter',
  EACCES: '/proc/sys/kernel/perf_event_paranoid does not let this user count',
  EPERM: 'this user or container may not count',
  ENOSYS: 'the kernel was built without perf events',
};
const NS_PER_MS = 1e6;
/** Count, nanoseconds wanted, nanoseconds counting. */
const READ_WORDS = 3;

interface Source {
  readonly name: string;
  /** Undefined when the thread has ended. */
  read(): number | undefined;
  close(): void;
}

export class ThreadCounters {
  readonly thread: string;
  readonly threadId: number;
  readonly #sources = new Map<CounterName, Source>();
  readonly #refusals = new Map<CounterName, string>();
  readonly #openedAt = performance.now();

  /** Opens what the kernel grants; what it does not is told by {@link read}. */
  constructor(thread: string, threadId: number) {
    this.thread = thread;
    this.threadId = threadId;
    for (const name of COUNTERS) {
      const source = this.#open(name);
      if (typeof source === 'string') this.#refusals.set(name, source);
      else this.#sources.set(name, source);
    }
  }

  read(): ThreadCounts {
    const counts = {} as Record<CounterName, number | undefined>;
    const sources = {} as Record<CounterName, string>;
    for (const name of COUNTERS) {
      const source = this.#sources.get(name);
      counts[name] = source?.read();
      sources[name] = source?.name ?? this.#refusals.get(name) ?? 'closed';
    }
    return {
      thread: this.thread,
      threadId: this.threadId,
      sinceMs: performance.now() - this.#openedAt,
      counts,
      sources,
    };
  }

  close(): void {
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
  }

  #open(name: CounterName): Source | string {
    const [type, config] = EVENTS[name];
    const scale = name === 'cpuMs' ? NS_PER_MS : 1;
    let refusal: string;
    try {
      return perfSource('perf_event_open', openCounter(type, config, this.threadId, false), scale);
    } catch (error) {
      refusal = reasonOf(error);
    }
    if (type === HARDWARE && (refusal.startsWith('EACCES') || refusal.startsWith('EPERM'))) {
      // An unprivileged process may count its own code. Of the kernel's software events nothing would be left.
      try {
        return perfSource('perf_event_open, without the kernel', openCounter(type, config, this.threadId, true), scale);
      } catch (error) {
        refusal = reasonOf(error);
      }
    }
    return procSource(name, this.threadId) ?? `perf_event_open: ${refusal}`;
  }
}

function perfSource(name: string, descriptor: number, scale: number): Source {
  const words = new BigUint64Array(READ_WORDS);
  return {
    name,
    read: () => {
      if (readSync(descriptor, words) < words.byteLength) return undefined;
      const [count = 0, wanted = 0, counting = 0] = Array.from(words, Number);
      // With more events than the processor has counters, each counts for a part of the time.
      if (counting < wanted) return counting === 0 ? undefined : ((count / counting) * wanted) / scale;
      return count / scale;
    },
    close: () => closeSync(descriptor),
  };
}

function procSource(name: CounterName, threadId: number): Source | undefined {
  const read = PROC[name];
  const absolute = (): number | undefined => {
    try {
      return read?.(`/proc/self/task/${threadId}`);
    } catch {
      return undefined;
    }
  };
  const before = absolute();
  if (before === undefined) return undefined;
  return {
    name: '/proc',
    read: () => {
      const now = absolute();
      return now === undefined ? undefined : now - before;
    },
    close: () => {},
  };
}

const PROC: Readonly<Partial<Record<CounterName, (task: string) => number | undefined>>> = {
  contextSwitches: (task) => sumOf(`${task}/status`, /^(?:non)?voluntary_ctxt_switches:\s+(\d+)$/gm),
  migrations: (task) => sumOf(`${task}/sched`, /^se\.nr_migrations\s+:\s+(\d+)$/gm),
  // Minor faults and major ones: the tenth and the twelfth word, counted behind the name, which may have spaces.
  pageFaults: (task) => {
    const words = (readFileSync(`${task}/stat`, 'utf8').split(') ').at(-1) ?? '').split(' ');
    return Number(words[7]) + Number(words[9]);
  },
  cpuMs: (task) => Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ')[0]) / NS_PER_MS,
};

function sumOf(file: string, pattern: RegExp): number | undefined {
  const found = [...readFileSync(file, 'utf8').matchAll(pattern)];
  return found.length === 0 ? undefined : found.reduce((sum, [, digits]) => sum + Number(digits), 0);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Refused)) throw error;
  const explained = EXPLAINED[error.message];
  return explained === undefined ? error.message : `${error.message}: ${explained}`;
}
