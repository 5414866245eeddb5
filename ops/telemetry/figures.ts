import type { HistogramName, HistogramPoint, MetricPoints, NumberName } from './points.ts';

// What is reckoned from readings, here and in browsers: nothing of Node, and types alone from elsewhere.

export const ROLES = ['leading', 'standby', 'following', 'fenced', 'gateway', 'proving'] as const;
export type Role = (typeof ROLES)[number];

/** What a process says of itself beside its numbers. */
export interface Described {
  readonly role: Role;
  readonly shard: number;
  /** Of a cluster, or the follower's id. */
  readonly node: string | undefined;
  readonly pid: number;
  readonly version: string;
  readonly epoch: number | undefined;
  /** The last sequence and block that are durable here; of a standby, the sequence that its replicas have applied. */
  readonly sequence: number | undefined;
  readonly block: number | undefined;
  /** Why it does not do what its role is for; undefined when it does. */
  readonly notReady: string | undefined;
}

/**
 * All that is known of a running process at a moment, as plain JSON. Counters count from `startedAtMs`; what changes into
 * what in a second is {@link ratePerSecond} of two readings.
 */
export interface Readings {
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
  readonly startedAtMs: number;
  readonly described: Described;
  readonly metrics: MetricPoints;
}

const MS_PER_S = 1e3;

/** The value of a counter or gauge: the sum of its points that have these attributes; undefined if there are none. */
export function valueIn(
  { metrics }: Pick<Readings, 'metrics'>,
  name: NumberName,
  attributes: Readonly<Record<string, string>> = {},
): number | undefined {
  const points = metrics[name]?.filter((point) => matches(point.attributes, attributes)) ?? [];
  return points.length === 0 ? undefined : points.reduce((sum, { value }) => sum + value, 0);
}

/** The first histogram of a metric that has these attributes. */
export function histogramIn(
  { metrics }: Pick<Readings, 'metrics'>,
  name: HistogramName,
  attributes: Readonly<Record<string, string>> = {},
): HistogramPoint | undefined {
  return metrics[name]?.find((point) => matches(point.attributes, attributes));
}

/** By how much a counter rose in a second between two readings of a process; undefined if either has none. */
export function ratePerSecond(
  before: Readings,
  after: Readings,
  name: NumberName,
  attributes: Readonly<Record<string, string>> = {},
): number | undefined {
  const [from, to] = [valueIn(before, name, attributes), valueIn(after, name, attributes)];
  const seconds = (after.atMs - before.atMs) / MS_PER_S;
  if (to === undefined || seconds <= 0) return undefined;
  // A reason that came up for the first time, or a process that took over or was started again, counts from 0.
  return Math.max(0, to - (from ?? 0)) / seconds;
}

/** What a histogram counted between two readings. */
export function intervalOf(
  before: Readings,
  after: Readings,
  name: HistogramName,
  attributes: Readonly<Record<string, string>> = {},
): HistogramPoint | undefined {
  const [from, to] = [histogramIn(before, name, attributes), histogramIn(after, name, attributes)];
  if (to === undefined) return undefined;
  const counts = to.counts.map((count, index) => Math.max(0, count - (from?.counts[index] ?? 0)));
  return { ...to, counts, count: counts.reduce((sum, count) => sum + count, 0) };
}

/** The bound below which this share of the values lies; undefined if there are none, or it lies above the last bound. */
export function percentileOf({ counts, bounds, count }: HistogramPoint, share: number): number | undefined {
  if (count === 0) return undefined;
  const wanted = Math.ceil(share * count);
  let seen = 0;
  for (const [index, bound] of bounds.entries()) {
    seen += counts[index] ?? 0;
    if (seen >= wanted) return bound;
  }
  return undefined;
}

function matches(point: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => point[name] === value);
}
