import { mkdirSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Profiles of every thread of this process for a bounded time, taken from the main thread by Node's inspector: the threads
 * need no code for it and pay nothing at other times. The files open in the developer tools of Chromium.
 */
export const PROFILE_KINDS = ['cpu', 'allocations'] as const;
export type ProfileKind = (typeof PROFILE_KINDS)[number];

export interface ProfileOptions {
  readonly kinds: readonly ProfileKind[];
  readonly seconds: number;
  /** Made if it is not there. */
  readonly directory: string;
  /** Ends the profiles early; what was gathered is written. */
  readonly signal?: AbortSignal | undefined;
}

export interface ThreadProfile {
  readonly thread: string;
  readonly kind: ProfileKind;
  readonly file: string;
  /** Bytes that the sampled allocations stand for, of a profile of allocations. */
  readonly allocatedBytes?: number;
}

/** Bytes between samples of allocations, on average. */
const ALLOCATION_SAMPLE_BYTES = 4_096;
const CPU_SAMPLE_US = 500;
/** A thread that does not answer in this time has ended. */
const ANSWER_MS_MAX = 5_000;
const MAIN = 'main';

interface Heap {
  readonly head: HeapNode;
}

interface HeapNode {
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
}

/** What a thread is asked; the answer, or undefined if the thread has ended. */
type Ask = (method: string, params?: object) => Promise<{ readonly profile?: object } | undefined>;

/** Profiles all threads there are when it begins. */
export async function profileThreads(options: ProfileOptions): Promise<ThreadProfile[]> {
  mkdirSync(options.directory, { recursive: true });
  const session = new Session();
  session.connect();
  try {
    const threads = await threadsOf(session);
    await eachThread(threads, async (ask) => {
      if (options.kinds.includes('cpu')) {
        await ask('Profiler.enable');
        await ask('Profiler.setSamplingInterval', { interval: CPU_SAMPLE_US });
        await ask('Profiler.start');
      }
      if (options.kinds.includes('allocations')) {
        // What is freed again counts too: it is what the collector has to work for.
        await ask('HeapProfiler.startSampling', {
          samplingInterval: ALLOCATION_SAMPLE_BYTES,
          includeObjectsCollectedByMajorGC: true,
          includeObjectsCollectedByMinorGC: true,
        });
      }
    });
    await delay(options.seconds * 1_000, undefined, { signal: options.signal }).catch(() => {});
    const profiles: ThreadProfile[] = [];
    await eachThread(threads, async (ask, thread) => {
      if (options.kinds.includes('allocations')) {
        const heap = (await ask('HeapProfiler.stopSampling'))?.profile as Heap | undefined;
        if (heap !== undefined) {
          const file = save(options.directory, thread, 'heapprofile', heap);
          profiles.push({ thread, kind: 'allocations', file, allocatedBytes: bytesOf(heap.head) });
        }
      }
      if (options.kinds.includes('cpu')) {
        const profile = (await ask('Profiler.stop'))?.profile;
        if (profile !== undefined)
          profiles.push({ thread, kind: 'cpu', file: save(options.directory, thread, 'cpuprofile', profile) });
      }
    });
    return profiles;
  } finally {
    session.disconnect();
  }
}

async function eachThread(
  threads: ReadonlyMap<string, Ask>,
  action: (ask: Ask, thread: string) => Promise<void>,
): Promise<void> {
  await Promise.all([...threads].map(([thread, ask]) => action(ask, thread)));
}

function save(directory: string, thread: string, ending: string, profile: object): string {
  const file = join(directory, `${thread.replaceAll(/[^\w-]+/g, '')}.${ending}`);
  writeFileSync(file, JSON.stringify(profile));
  return file;
}

function bytesOf(node: HeapNode): number {
  return node.selfSize + node.children.reduce((sum, child) => sum + bytesOf(child), 0);
}

/** This thread and every worker, by name. */
async function threadsOf(session: Session): Promise<Map<string, Ask>> {
  const ask = (method: string, params?: object) =>
    (session.post as (method: string, params?: object) => Promise<{ profile?: object }>).call(session, method, params);
  const threads = new Map<string, Ask>([[MAIN, ask]]);
  const waiting = new Map<string, (answer: object | undefined) => void>();
  let asked = 0;
  session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => {
    const { id, result } = JSON.parse(params.message) as { id?: number; result?: object };
    waiting.get(`${params.sessionId} ${id}`)?.(result);
  });
  session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
    const name = /^\[worker \d+\] (.+)$/.exec(workerInfo.title)?.[1] ?? `worker${workerInfo.workerId}`;
    threads.set(threads.has(name) ? `${name}-${workerInfo.workerId}` : name, async (method, params) => {
      const id = ++asked;
      const answer = Promise.withResolvers<object | undefined>();
      waiting.set(`${sessionId} ${id}`, answer.resolve);
      const tooLate = setTimeout(() => answer.resolve(undefined), ANSWER_MS_MAX);
      try {
        await ask('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id, method, params }) });
        return await answer.promise;
      } catch {
        return undefined;
      } finally {
        clearTimeout(tooLate);
        waiting.delete(`${sessionId} ${id}`);
      }
    });
  });
  await session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
  return threads;
}
