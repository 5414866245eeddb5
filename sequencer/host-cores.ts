import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { allowedCores } from './linux.ts';

/** A logical processor that this process may run on. */
export interface Core {
  readonly id: number;
  /** The NUMA node it belongs to. */
  readonly node: number;
  /** The lowest logical processor on the same physical core: equal for those that share its execution units. */
  readonly physical: number;
}

/** What this process may use of the machine. */
export interface HostCores {
  readonly cores: readonly Core[];
  /** How many of them it may keep busy: a container's quota can be less than its cores. */
  readonly quota: number;
  /** NUMA nodes of the machine. */
  readonly nodes: number;
}

const SYSTEM = '/sys/devices/system';
/** Nodes looked for; Linux allows as many. */
const NODES_MAX = 1024;

/** Looks at the calling thread's affinity and at the kernel's description. Throws `Refused` where that cannot be had. */
export function hostCores(): HostCores {
  const nodes = parseList(read(`${SYSTEM}/node/online`) ?? '0').filter((node) => node < NODES_MAX);
  const nodeOf = new Map<number, number>();
  for (const node of nodes) {
    for (const core of parseList(read(`${SYSTEM}/node/node${node}/cpulist`) ?? '')) nodeOf.set(core, node);
  }
  const cores = allowedCores().map((id) => ({
    id,
    node: nodeOf.get(id) ?? 0,
    physical: parseList(read(`${SYSTEM}/cpu/cpu${id}/topology/thread_siblings_list`) ?? '')[0] ?? id,
  }));
  return { cores, quota: availableParallelism(), nodes: Math.max(1, nodes.length) };
}

/** The kernel's lists: `0-2,5` is 0, 1, 2 and 5. */
export function parseList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [from = 0, to = from] = part.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    });
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
