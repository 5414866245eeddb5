import type { NatsConnection } from '@nats-io/transport-node';
import { JournalError } from '../../journal/findings.ts';
import type { Venue } from '../venue.ts';
import type { VenueFollower } from '../venue-follower.ts';
import type { FolderWatch } from './folder-watch.ts';
import { addFollower } from './follower-points.ts';
import type { NatsWatch } from './nats-watch.ts';
import { type HistogramName, type HistogramPoint, type MetricPoints, type NumberName, Points } from './points.ts';
import type { ProcessWatch } from './process-watch.ts';
import { addVenue } from './venue-points.ts';

const ROLES = ['leading', 'standby', 'following', 'fenced', 'gateway'] as const;
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

/** The last sequence that replicas have applied, and the epoch that is in force as far as is known. */
export interface Followed {
  readonly sequence: number;
  readonly epoch: number | undefined;
}

/** A process as telemetry sees it now. */
export interface Watched {
  readonly role: Role;
  readonly shard: number;
  readonly node?: string | undefined;
  readonly venue?: Venue | undefined;
  /** Of a venue that stands by: how far it has followed, once its replicas are ready to take over. */
  readonly followed?: (() => Followed | undefined) | undefined;
  readonly follower?: VenueFollower | undefined;
  /** To the venue's NATS server, of a process whose venue does not have it. */
  readonly connection?: NatsConnection | undefined;
  readonly takeOver?: { readonly why: string; readonly takeOverMs: number } | undefined;
  /** Adds what a gateway in a process of its own has counted. */
  readonly gateway?: ((points: Points) => void) | undefined;
}

/** What is looked at beside it, now and then or all the time. */
export interface Watches {
  readonly process: ProcessWatch;
  readonly folder: FolderWatch | undefined;
  readonly nats: NatsWatch | undefined;
  readonly version: string;
  readonly startedAtMs: number;
  /** Take-overs of this process so far, by reason. */
  readonly takeOvers: ReadonlyMap<string, number>;
}

const MS_PER_S = 1e3;

/** Reads everything, in about a millisecond of the calling thread. */
export function readAll(watched: Watched, watches: Watches): Readings {
  const atMs = Date.now();
  const described = describe(watched, watches.version);
  const points = new Points();
  for (const role of ROLES) points.add('veritape.role', role === described.role ? 1 : 0, { role });
  points.add('veritape.ready', described.notReady === undefined ? 1 : 0);
  points.add('veritape.epoch', described.epoch);
  points.add('veritape.sequence', described.sequence);
  points.add('veritape.block', described.block);
  for (const [why, count] of watches.takeOvers) points.add('veritape.takeovers', count, { why });
  const { venue, follower, takeOver, gateway } = watched;
  if (takeOver !== undefined) points.add('veritape.takeover.duration', takeOver.takeOverMs / MS_PER_S);
  if (venue !== undefined) addVenue(points, venue);
  if (follower !== undefined) addFollower(points, follower);
  gateway?.(points);
  watches.folder?.addTo(points, described.sequence, atMs);
  watches.nats?.addTo(points);
  watches.process.addTo(points);
  return { atMs, startedAtMs: watches.startedAtMs, described, metrics: points.all };
}

/** What a process is, and whether it does what it is there for. */
export function describe(watched: Watched, version: string): Described {
  const { venue, follower, shard, node, followed } = watched;
  const role = venue?.failure instanceof JournalError && venue.failure.code === 'epoch-lost' ? 'fenced' : watched.role;
  const described = { role, shard, node, pid: process.pid, version };
  const notReady = whyNotReady(watched);
  if (follower !== undefined) {
    const { epoch, sequence, block } = follower.status();
    return { ...described, epoch, sequence, block, notReady };
  }
  if (venue?.watch.isServing === true) {
    const { epoch, durableSequence: sequence, durableBlock: block } = venue;
    return { ...described, epoch, sequence, block, notReady };
  }
  const { epoch, sequence } = followed?.() ?? { epoch: undefined, sequence: undefined };
  return { ...described, epoch, sequence, block: undefined, notReady };
}

/** Why a process does not do what it is there for; a standby is there to take over, and ready when its replicas are. */
function whyNotReady({ role, venue, follower, followed }: Watched): string | undefined {
  if (venue?.failure !== undefined) return venue.failure.message;
  if (role === 'leading') return venue === undefined ? 'the venue is not open' : venue.watch.refusal;
  if (role === 'standby')
    return followed?.() === undefined ? 'the replicas are not at the end of the journal' : undefined;
  if (follower === undefined) return role === 'following' ? 'the copy is not open' : undefined;
  if (follower.hasDisagreed) return 'the copy and the venue are not the same';
  return follower.status().caughtUp ? undefined : 'the copy has not caught up';
}

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

function matches(point: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => point[name] === value);
}
