import type { LatencyHistogram } from '../../sequencer/latency-histogram.ts';
import type { METRICS, MetricName } from './metrics.ts';

/** One value of a counter or a gauge. */
export interface NumberPoint {
  readonly attributes: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One histogram: `counts[i]` values were at most `bounds[i]` and above the bound before; the last count is of larger ones. */
export interface HistogramPoint {
  readonly attributes: Readonly<Record<string, string>>;
  readonly count: number;
  /** Reckoned from the buckets: at most 1/64 above the true one. */
  readonly sum: number;
  readonly max: number;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

export type PointsOf<N extends MetricName> = (typeof METRICS)[N]['kind'] extends 'histogram'
  ? readonly HistogramPoint[]
  : readonly NumberPoint[];
type AttributesOf<N extends MetricName> = Readonly<Record<(typeof METRICS)[N]['attributes'][number], string>>;
type Named<K extends string> = { [N in MetricName]: (typeof METRICS)[N]['kind'] extends K ? N : never }[MetricName];
export type NumberName = Named<'counter' | 'gauge'>;
export type HistogramName = Named<'histogram'>;

/** All values by metric; a metric that this process does not have is not there. */
export type MetricPoints = { readonly [N in MetricName]?: PointsOf<N> };

/** How what a histogram counted becomes a metric's unit and its buckets. */
export interface Scale {
  readonly bounds: readonly number[];
  /** What a recorded value is multiplied by. */
  readonly factor: number;
}

/**
 * Bounds of durations, from 2 microseconds to 8.6 seconds: each power of two nanoseconds and the middle between two. They
 * are edges of the histogram's own buckets, so nothing is shared out; a value that lies on a bound counts to those above it.
 */
export const SECONDS: Scale = { bounds: secondsBounds(), factor: 1e-9 };
/** Bounds of commands in a block: below each power of two. */
export const COMMANDS: Scale = { bounds: Array.from({ length: 12 }, (_, power) => 2 ** (power + 1) - 1), factor: 1 };

function secondsBounds(): number[] {
  const bounds: number[] = [];
  for (let power = 11; power < 33; power++) bounds.push(2 ** power / 1e9, (1.5 * 2 ** power) / 1e9);
  return [...bounds, 2 ** 33 / 1e9];
}

/** Collects values. Attributes and names are those of the table, which the compiler checks. */
export class Points {
  readonly #byName = new Map<MetricName, (NumberPoint | HistogramPoint)[]>();

  /** Passes over what is not known. */
  add<N extends NumberName>(
    name: N,
    value: number | undefined | null,
    ...[attributes]: (typeof METRICS)[N]['attributes'] extends readonly [] ? [] : [AttributesOf<N>]
  ): void {
    if (value === undefined || value === null) return;
    this.#of(name).push({ attributes: attributes ?? {}, value });
  }

  addHistogram<N extends HistogramName>(
    name: N,
    histogram: LatencyHistogram,
    { bounds, factor }: Scale,
    ...[attributes]: (typeof METRICS)[N]['attributes'] extends readonly [] ? [] : [AttributesOf<N>]
  ): void {
    const counts = new Array<number>(bounds.length + 1).fill(0);
    let count = 0;
    let sum = 0;
    let at = 0;
    for (const [highest, times] of histogram.buckets()) {
      const value = highest * factor;
      while (at < bounds.length && value > (bounds[at] as number)) at++;
      counts[at] = (counts[at] as number) + times;
      count += times;
      sum += value * times;
    }
    this.#of(name).push({ attributes: attributes ?? {}, count, sum, max: histogram.max * factor, bounds, counts });
  }

  get all(): MetricPoints {
    return Object.fromEntries(this.#byName) as MetricPoints;
  }

  #of(name: MetricName): (NumberPoint | HistogramPoint)[] {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const points: (NumberPoint | HistogramPoint)[] = [];
    this.#byName.set(name, points);
    return points;
  }
}
