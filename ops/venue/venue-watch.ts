import type { NatsConnection } from '@nats-io/transport-node';
import { EventType } from '../../journal/events.ts';
import { clockAheadMs, Stopwatch } from '../../sequencer/clock.ts';
import type { CommandPort } from '../../sequencer/command-port.ts';
import type { TracedCommand } from '../../sequencer/command-traces.ts';
import type { LatencyHistogram } from '../../sequencer/latency-histogram.ts';
import type { PipelineMemory } from '../../sequencer/pipeline.ts';
import {
  type HistogramName,
  type PipelineStatistics,
  readHistograms,
  readStatistics,
} from '../../sequencer/pipeline-counters.ts';
import { type PipelineProgress, readProgress } from '../../sequencer/pipeline-progress.ts';
import { type PublicTrade, TradeTape } from '../feed/trade-tape.ts';
import type { VenueMarketData } from '../feed/venue-market-data.ts';
import type { DigestComparison } from './digest-comparison.ts';
import type { SnapshotKeeper } from './snapshot-keeper.ts';
import type { VenueOutlets } from './venue-outlets.ts';
import type { ThreadHeap, VenueThreads } from './venue-threads.ts';

interface WatchedParts {
  readonly memory: PipelineMemory;
  readonly threads: VenueThreads;
  readonly outlets: VenueOutlets;
  readonly snapshots: Pick<SnapshotKeeper, 'counts'>;
  readonly digests: DigestComparison;
  readonly port: CommandPort;
}

/** What can be seen of a venue from outside, without its threads' noticing but for {@link heaps}. */
export class VenueWatch {
  /** Set by the venue when its pipeline is at work. */
  isServing = false;
  readonly #parts: WatchedParts;
  readonly #stopwatch: Stopwatch;
  #tape: TradeTape | undefined;

  constructor(parts: WatchedParts) {
    this.#parts = parts;
    this.#stopwatch = new Stopwatch(parts.memory.startedNs);
  }

  /** What the threads have counted, and how long each stage took. */
  statistics(): PipelineStatistics {
    const { counters, replicas } = this.#parts.memory;
    return readStatistics(counters, replicas);
  }

  /** Every duration that the threads counted, in nanoseconds, and the sizes of blocks; in memory of their own. */
  histograms(): Readonly<Record<HistogramName, LatencyHistogram>> {
    const { counters, replicas } = this.#parts.memory;
    return readHistograms(counters, replicas);
  }

  /** How full the rings are, and who is behind. Undefined before the venue serves. */
  progress(): PipelineProgress | undefined {
    return this.isServing ? readProgress(this.#parts.memory) : undefined;
  }

  /** Tells the way of one command in `every`, a power of two; with undefined no more. Throws a RangeError. */
  trace(every: number, listener: ((command: TracedCommand) => void) | undefined): void {
    this.#parts.port.trace(every, listener);
  }

  /** Nanoseconds since the pipeline's start, as those of a traced command. */
  nowNs(): number {
    return this.#stopwatch.ns();
  }

  /** Heaps of the threads, the main one not among them. Wakes those that sleep. */
  heaps(): Promise<ThreadHeap[]> {
    return this.#parts.threads.heaps();
  }

  /** Digests of events that a second replica had, too, and those of them that differed. */
  get digests(): Pick<DigestComparison, 'compared' | 'differed'> {
    return this.#parts.digests;
  }

  /** Snapshots that were written, and that could not be. */
  get snapshots(): SnapshotKeeper['counts'] {
    return this.#parts.snapshots.counts;
  }

  /** How far the time that commands get is ahead of the host's clock; undefined if they get none here. */
  get clockAheadMs(): number | undefined {
    const { notBefore } = this.#parts.threads;
    return this.isServing && notBefore !== undefined ? clockAheadMs(notBefore) : undefined;
  }

  /** Its connection to NATS, once there is one. */
  get connection(): NatsConnection | undefined {
    return this.#parts.outlets.connection;
  }

  /** The thread that has the books of everybody, also before the venue serves; undefined without market data. */
  get marketData(): Pick<VenueMarketData, 'look'> | undefined {
    return this.#parts.outlets.marketData;
  }

  /** The last public trades of an instrument that were let out, newest first: since somebody asks for them. */
  tradesOf(symbol: number): PublicTrade[] {
    if (this.#tape === undefined) {
      this.#tape = new TradeTape();
      this.#parts.port.listen(this.#tape.take, [EventType.tradeTaker]);
    }
    return this.#tape.of(symbol);
  }

  /** Why no commands are taken now; undefined when they are. */
  get refusal(): string | undefined {
    return this.isServing ? this.#parts.port.refusal : 'the venue is not open';
  }
}
