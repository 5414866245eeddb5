import { histogramIn, intervalOf, percentileOf, type Readings, ratePerSecond } from '../../telemetry/figures.ts';
import type { HistogramName, HistogramPoint, NumberName } from '../../telemetry/points.ts';

/** What is kept of a reading a second: the longest time that a chart shows. */
const SECONDS_KEPT = 3_600;
/** Whole readings are kept for as long as the longest interval of a histogram. */
const READINGS_KEPT = 61;
/** A reading that comes this much after the one before it leaves a gap in the lines. */
const GAP_S = 4;

/** A stage, or the flush, whose latency is shown. */
export interface StageOf {
  readonly label: string;
  readonly histogram: HistogramName;
  readonly attributes: Readonly<Record<string, string>>;
}

export const STAGES: readonly StageOf[] = [
  ...(
    [
      ['gateway to answer', 'gatewayToAcknowledged'],
      ['gateway to sequence', 'gatewayToSequenced'],
      ['sequence to matched', 'sequencedToApplied'],
      ['sequence to disk', 'sequencedToDurable'],
    ] as const
  ).map(([label, stage]) => ({ label, histogram: 'veritape.stage.duration' as const, attributes: { stage } })),
  { label: 'flush of a block', histogram: 'veritape.journal.flush.duration', attributes: {} },
];
const SHARES = [0.5, 0.99, 0.999];

type Line = (number | null)[];

/** Readings of the last minute, and the lines of charts for as long as they show. */
export class History {
  readonly times: number[] = [];
  readonly rates: readonly Line[] = [[], [], []];
  /** For each stage p50, p99 and p99.9, in seconds. */
  readonly latencies: readonly (readonly Line[])[] = STAGES.map(() => SHARES.map(() => []));
  #readings: Readings[] = [];

  /** The one before the newest, of the same process; undefined if there is none. */
  get before(): Readings | undefined {
    return this.#readings.at(-2);
  }

  get newest(): Readings | undefined {
    return this.#readings.at(-1);
  }

  take(reading: Readings): void {
    const before = this.newest;
    // Who asks twice in a tenth of a second gets the same answer twice.
    if (before?.startedAtMs === reading.startedAtMs && before.atMs === reading.atMs) return;
    // Another process counts from 0, and a clock that was put back is another clock.
    if (before !== undefined && (before.startedAtMs !== reading.startedAtMs || before.atMs > reading.atMs))
      this.#readings = [];
    this.#readings.push(reading);
    if (this.#readings.length > READINGS_KEPT) this.#readings.shift();
    const time = reading.atMs / 1e3;
    const last = this.times.at(-1);
    if (last !== undefined && time <= last) this.#forget();
    else if (last !== undefined && time - last > GAP_S) this.#add((last + time) / 2, undefined, undefined);
    this.#add(time, this.before, reading);
  }

  /** What a histogram counted in the last seconds, as far as readings are kept; or since the start. */
  over(seconds: number | 'start', { histogram, attributes }: StageOf): HistogramPoint | undefined {
    const { newest } = this;
    if (newest === undefined) return undefined;
    if (seconds === 'start') return histogramIn(newest, histogram, attributes);
    const from = newest.atMs - seconds * 1e3;
    // Half a reading of patience, because they do not come to the millisecond.
    const earliest = this.#readings.find(({ atMs }) => atMs >= from - 500) ?? newest;
    return earliest === newest ? undefined : intervalOf(earliest, newest, histogram, attributes);
  }

  #add(time: number, before: Readings | undefined, after: Readings | undefined): void {
    const rate = (name: NumberName, attributes = {}): number | undefined =>
      before && after && ratePerSecond(before, after, name, attributes);
    this.times.push(time);
    this.rates[0]?.push(rate('veritape.commands', { stage: 'sequenced' }) ?? null);
    this.rates[1]?.push(rate('veritape.trades') ?? null);
    this.rates[2]?.push(rate('veritape.rejections') ?? null);
    for (const [index, { histogram, attributes }] of STAGES.entries()) {
      const interval = before && after && intervalOf(before, after, histogram, attributes);
      for (const [line, share] of SHARES.entries())
        this.latencies[index]?.[line]?.push((interval && percentileOf(interval, share)) ?? null);
    }
    if (this.times.length <= SECONDS_KEPT) return;
    for (const line of this.#lines()) line.shift();
  }

  #forget(): void {
    for (const line of this.#lines()) line.length = 0;
  }

  #lines(): (number | null)[][] {
    return [this.times, ...this.rates, ...this.latencies.flat()];
  }
}
