import {
  constants,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { LatencyHistogram } from '../../sequencer/latency-histogram.ts';
import type { ThreadHeap } from '../venue/venue-threads.ts';
import { type Points, SECONDS } from './points.ts';

/** The delay and the use of the event loop are told of the last whole window; heaps of threads are read as often. */
const WINDOW_MS = 10_000;
/** Timers whose lateness is the event loop's delay. */
const DELAY_RESOLUTION_MS = 20;
const NS_PER_S = 1e9;
const NS_PER_MS = 1e6;
const MICROS_PER_S = 1e6;

/** What an entry of type `gc` has beside what all have; `duration` is in milliseconds. */
type PauseEntry = PerformanceEntry & { readonly detail: { readonly kind: number } };

/** Names that OpenTelemetry gives to V8's kinds of collection. */
const GC_TYPES: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
};
const PERCENTILES = [50, 90, 99, 100];

/**
 * What the runtime and the kernel tell of the process: event loop, garbage collection, heaps, processor time.
 *
 * Delay of the loop and pauses for collection are the main thread's. The threads of the pipeline sleep on a bell and have no
 * loop that would hand out what perf_hooks observes; they allocate nothing for an order, so their heap, which V8 tells
 * without them, shows whether they ever have to collect.
 */
export class ProcessWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  readonly #pauses = new Map<string, LatencyHistogram>();
  readonly #observer: PerformanceObserver;
  readonly #timer: NodeJS.Timeout;
  readonly #askHeaps: () => Promise<ThreadHeap[]>;
  #delays: readonly (readonly [percentile: number, seconds: number])[] = [];
  #loop = performance.eventLoopUtilization();
  #utilization: number | undefined;
  #heaps: readonly ThreadHeap[] = [];

  /** @param askHeaps of the threads that there are now */
  constructor(askHeaps: () => Promise<ThreadHeap[]>) {
    this.#askHeaps = askHeaps;
    this.#delay.enable();
    this.#observer = new PerformanceObserver((list) => {
      for (const { duration, detail } of list.getEntries() as PauseEntry[])
        this.#pausesOf(GC_TYPES[detail.kind] ?? String(detail.kind)).record(duration * NS_PER_MS);
    });
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#timer = setInterval(() => this.#endWindow(), WINDOW_MS).unref();
    void this.#readHeaps();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#observer.disconnect();
    this.#delay.disable();
  }

  addTo(points: Points): void {
    for (const [percentile, seconds] of this.#delays)
      points.add('nodejs.eventloop.delay', seconds, { percentile: String(percentile) });
    points.add('nodejs.eventloop.utilization', this.#utilization);
    for (const [type, pauses] of this.#pauses)
      points.addHistogram('v8js.gc.duration', pauses, SECONDS, { 'v8js.gc.type': type });
    const { used_heap_size, heap_size_limit } = getHeapStatistics();
    points.add('v8js.memory.heap.used', used_heap_size);
    points.add('v8js.memory.heap.limit', heap_size_limit);
    for (const { thread, used } of this.#heaps) points.add('veritape.thread.heap.used', used, { thread });
    points.add('process.memory.usage', process.memoryUsage.rss());
    const { user, system } = process.cpuUsage();
    points.add('process.cpu.time', user / MICROS_PER_S, { 'cpu.mode': 'user' });
    points.add('process.cpu.time', system / MICROS_PER_S, { 'cpu.mode': 'system' });
    points.add('process.uptime', process.uptime());
  }

  #pausesOf(type: string): LatencyHistogram {
    const known = this.#pauses.get(type);
    if (known !== undefined) return known;
    const pauses = new LatencyHistogram();
    this.#pauses.set(type, pauses);
    return pauses;
  }

  #endWindow(): void {
    const loop = performance.eventLoopUtilization();
    this.#utilization = performance.eventLoopUtilization(loop, this.#loop).utilization;
    this.#loop = loop;
    // What it recorded is when timers fired, one interval after the other.
    const late = (ns: number): number => Math.max(0, ns / NS_PER_S - DELAY_RESOLUTION_MS / 1000);
    this.#delays = PERCENTILES.map((percentile) => [percentile, late(this.#delay.percentile(percentile))]);
    this.#delay.reset();
    void this.#readHeaps();
  }

  async #readHeaps(): Promise<void> {
    this.#heaps = await this.#askHeaps();
  }
}
