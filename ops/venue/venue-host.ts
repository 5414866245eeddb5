import { hostCores } from '../../sequencer/host-cores.ts';
import {
  type Measure,
  type MeasuresReport,
  type ThreadMeasures,
  takeArrayMeasures,
  takeMeasures,
} from '../../sequencer/host-measures.ts';
import { allowedCores, keepOnCores, Refused } from '../../sequencer/linux.ts';
import type { PipelineMemory } from '../../sequencer/pipeline.ts';
import {
  type Pinning,
  type Place,
  parsePinning,
  planPlacement,
  refusePlacement,
  venueThreads,
} from '../../sequencer/placement.ts';
import { ThreadCounters, type ThreadCounts } from '../../sequencer/thread-counters.ts';

/** What a venue asks the host's kernel for. Whatever is refused is told, and the venue runs without it. */
export interface HostOptions {
  /** `none` unless given; `auto`; or pairs such as `gateway=0,sequencer=1,journal=0,replica0=2`. */
  readonly pin?: string | undefined;
  /** Have the pages of the rings and the replicas' tables in memory, and keep them there. False unless given. */
  readonly lockMemory?: boolean | undefined;
  /** Have huge pages under the rings and the replicas' tables from the start. Unless given, the tables get each when it is first touched. */
  readonly hugePages?: boolean | undefined;
}

const GATEWAY = 'gateway';
const RINGS = 'rings';

/** How the threads of a venue lie on the host, and what they asked for. */
export interface VenuePlacement {
  readonly places: readonly Place[];
  readonly measures: readonly Measure[];
}

/** The same thing done, refused or left out for several threads. */
export interface MeasureSummary {
  readonly measure: Measure['measure'];
  readonly state: Measure['state'];
  readonly threads: string;
  readonly detail: string;
}

/** The venue's dealings with the kernel of its host: places for threads, pages, counters. Lives on the main thread. */
export class VenueHost {
  readonly #options: HostOptions;
  readonly #places: readonly Place[];
  readonly #hasNodes: boolean;
  readonly #measures: Measure[] = [];
  readonly #threadIds = new Map<string, number>();
  readonly #missing: Set<string>;
  readonly #allHaveStarted: Promise<void>;
  #announceStarted = (): void => {};
  readonly #counters = new Map<string, ThreadCounters>();
  /** Cores of the main thread before it was pinned. */
  #coresBefore: number[] | undefined;

  /** Throws a PinningError if `pin` makes no sense here. */
  constructor(options: HostOptions, replicas: number) {
    this.#options = options;
    const { places, nodes } = placesOf(parsePinning(options.pin ?? 'none'), replicas);
    this.#places = places;
    this.#hasNodes = nodes > 1;
    this.#missing = new Set(venueThreads(replicas));
    this.#allHaveStarted = new Promise((resolve) => {
      this.#announceStarted = resolve;
    });
  }

  /** What a thread of the venue is to ask for; see `sequencer/host-measures.ts`. */
  threadMeasures(thread: string): ThreadMeasures {
    const place = this.#places.find((one) => one.thread === thread);
    if (place === undefined) throw new RangeError(`thread: ${thread} is none of the venue's`);
    return {
      thread,
      place,
      node: this.#hasNodes ? place.node : undefined,
      hugePages: this.#options.hugePages ?? false,
      lockMemory: this.#options.lockMemory ?? false,
    };
  }

  /** Takes what a worker reports; passes over every other message. */
  take(message: { readonly kind?: string }): void {
    if (message.kind !== 'measures') return;
    const { thread, threadId, measures } = message as MeasuresReport;
    this.#measures.push(...measures);
    if (threadId !== undefined) this.#threadIds.set(thread, threadId);
    this.#missing.delete(thread);
    if (this.#missing.size === 0) this.#announceStarted();
  }

  /** Before the rings are used. */
  rings({ inputs, commands, events }: PipelineMemory): void {
    const slots = [...inputs, commands, events].map((ring) => new Uint8Array(ring.slots));
    this.#measures.push(...takeArrayMeasures({ ...this.threadMeasures(GATEWAY), thread: RINGS }, slots));
  }

  /** When all workers were started, because threads inherit their cores: pins this thread, and says what came of it all. */
  async begin(): Promise<readonly MeasureSummary[]> {
    const asked = this.threadMeasures(GATEWAY);
    if (asked.place.core !== undefined) this.#coresBefore = grantedOr(undefined, allowedCores);
    this.take(takeMeasures(asked));
    await this.#allHaveStarted;
    if (!this.#hasNodes) {
      this.#measures.push({
        measure: 'numa',
        thread: 'all',
        state: 'off',
        detail: 'one memory node, nothing to choose',
      });
    }
    return summaryOf(this.#measures);
  }

  /** Puts the main thread back on the cores that it had. */
  end(): void {
    for (const counters of this.#counters.values()) counters.close();
    this.#counters.clear();
    this.#threadIds.clear();
    const before = this.#coresBefore;
    if (before !== undefined) grantedOr(undefined, () => keepOnCores(before));
    this.#coresBefore = undefined;
  }

  get placement(): VenuePlacement {
    return { places: this.#places, measures: this.#measures };
  }

  /** Counts of every thread that has started, since the first call of this; see `sequencer/thread-counters.ts`. */
  counts(): ThreadCounts[] {
    for (const [thread, threadId] of this.#threadIds)
      if (!this.#counters.has(thread)) this.#counters.set(thread, new ThreadCounters(thread, threadId));
    return [...this.#counters.values()].map((counters) => counters.read());
  }
}

function placesOf(pinning: Pinning, replicas: number): { places: readonly Place[]; nodes: number } {
  // Nothing is loaded for a venue that asks for nothing.
  if (pinning === 'none')
    return { places: planPlacement({ cores: [], quota: 0, nodes: 1 }, replicas, 'none'), nodes: 1 };
  try {
    const host = hostCores();
    return { places: planPlacement(host, replicas, pinning), nodes: host.nodes };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { places: refusePlacement(replicas, error.message), nodes: 1 };
  }
}

function summaryOf(measures: readonly Measure[]): MeasureSummary[] {
  const byOutcome = Map.groupBy(measures, ({ measure, state, detail }) => [measure, state, detail].join());
  return [...byOutcome.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const { measure, state, detail } = first;
    return [{ measure, state, threads: [first, ...others].map(({ thread }) => thread).join(', '), detail }];
  });
}

function grantedOr<T>(otherwise: T, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Refused) return otherwise;
    throw error;
  }
}
