import { parentPort } from 'node:worker_threads';
import { adviseHugePages, currentCore, keepOnCores, lockArray, preferNode, Refused, threadId } from './linux.ts';
import type { Place } from './placement.ts';

/** What a thread asks the host for when it starts, and what came of it. Nothing here can stop a thread from starting. */

const BYTES_PER_MIB = 2 ** 20;

/** What the venue's main thread tells a thread. */
export interface ThreadMeasures {
  readonly thread: string;
  readonly place: Place;
  /** NUMA node to take memory from; undefined where there is one only. */
  readonly node: number | undefined;
  /** Of the thread's large arrays. */
  readonly hugePages: boolean;
  readonly lockMemory: boolean;
}

/** `off` is what was not asked for or has no use here. */
export type MeasureState = 'done' | 'refused' | 'off';

export interface Measure {
  readonly measure: 'affinity' | 'numa' | 'huge pages' | 'memory lock';
  readonly thread: string;
  readonly state: MeasureState;
  /** What was done, or why it was not. */
  readonly detail: string;
}

/** Posted by each thread when it starts, and again when it asked for more. */
export interface MeasuresReport {
  readonly kind: 'measures';
  readonly thread: string;
  /** The kernel's id, undefined where it cannot be had. */
  readonly threadId: number | undefined;
  readonly measures: readonly Measure[];
}

/** Takes one measure and says what came of it. */
function take(measure: Measure['measure'], thread: string, action: () => string): Measure {
  try {
    return { measure, thread, state: 'done', detail: action() };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { measure, thread, state: 'refused', detail: error.message };
  }
}

/** What the calling thread is asked to do at its start. */
export function takeMeasures(asked: ThreadMeasures): MeasuresReport {
  const { thread, place, node } = asked;
  const { core, reason } = place;
  const measures: Measure[] = [];
  if (core === undefined) {
    measures.push({
      measure: 'affinity',
      thread,
      state: place.state === 'refused' ? 'refused' : 'off',
      detail: reason,
    });
  } else {
    measures.push(
      take('affinity', thread, () => {
        keepOnCores([core]);
        return `core ${core}, runs on ${currentCore()}: ${reason}`;
      }),
    );
  }
  if (node !== undefined) {
    measures.push(
      take('numa', thread, () => {
        preferNode(node);
        return `memory from node ${node}`;
      }),
    );
  }
  return { kind: 'measures', thread, threadId: ownThreadId(), measures };
}

/** For a worker of the venue: takes its measures and posts what came of them. Call it once, first. */
export function reportMeasures(asked: ThreadMeasures): void {
  parentPort?.postMessage(takeMeasures(asked));
}

/** For a replica, before it touches its tables. They ask for huge pages in any case. */
export function reportTables(asked: ThreadMeasures, tables: ArrayBufferView): void {
  const { thread } = asked;
  const measures = takeArrayMeasures({ ...asked, hugePages: true }, [tables], asked.hugePages);
  parentPort?.postMessage({ kind: 'measures', thread, threadId: ownThreadId(), measures } satisfies MeasuresReport);
}

/** Pages are had at once up to this many bytes; of larger arrays, each when it is first touched. */
const WHOLE_BYTES_MAX = 2 ** 30;

/** @param hugeAtOnce whether huge pages are had at once, if they are asked for */
export function takeArrayMeasures(
  { thread, hugePages, lockMemory }: ThreadMeasures,
  arrays: readonly ArrayBufferView[],
  hugeAtOnce = true,
): Measure[] {
  const small = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0) <= WHOLE_BYTES_MAX;
  const over = (
    measure: Measure['measure'],
    wanted: boolean,
    whole: boolean,
    call: (array: ArrayBufferView, whole: boolean) => number,
  ): Measure =>
    wanted
      ? take(measure, thread, () => {
          const bytes = arrays.reduce((sum, array) => sum + call(array, whole), 0);
          return `${Math.round(bytes / BYTES_PER_MIB)} MiB, ${whole ? 'all of it at once' : 'each page when it is first touched'}`;
        })
      : { measure, thread, state: 'off', detail: 'not asked for' };
  return [
    over('huge pages', hugePages, small && hugeAtOnce, adviseHugePages),
    over('memory lock', lockMemory, small, lockArray),
  ];
}

function ownThreadId(): number | undefined {
  try {
    return threadId();
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}
