import type { NatsConnection } from '@nats-io/transport-node';
import { JournalError } from '../../journal/findings.ts';
import type { Venue } from '../venue/venue.ts';
import type { VenueFollower } from '../venue/venue-follower.ts';
import type { CertificateWatch } from './certificate-watch.ts';
import { type Described, type Readings, ROLES, type Role } from './figures.ts';
import type { FolderWatch } from './folder-watch.ts';
import { addFollower } from './follower-points.ts';
import type { NatsWatch } from './nats-watch.ts';
import { Points } from './points.ts';
import type { ProcessWatch } from './process-watch.ts';
import { addVenue } from './venue-points.ts';

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
  readonly proving?: ProvingWatch | undefined;
}

/** A process that proves, as telemetry sees it. */
export interface ProvingWatch {
  /** The last sequence of the journal, of a process that follows one. */
  readonly sequence?: number | undefined;
  addTo(points: Points): void;
}

/** What is looked at beside it, now and then or all the time. */
export interface Watches {
  readonly process: ProcessWatch;
  readonly folder: FolderWatch | undefined;
  readonly certificates: CertificateWatch;
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
  const described = describe(watched, watches.version, watches.nats);
  const points = new Points();
  for (const role of ROLES) points.add('veritape.role', role === described.role ? 1 : 0, { role });
  points.add('veritape.ready', described.notReady === undefined ? 1 : 0);
  points.add('veritape.epoch', described.epoch);
  points.add('veritape.sequence', described.sequence);
  points.add('veritape.block', described.block);
  for (const [why, count] of watches.takeOvers) points.add('veritape.takeovers', count, { why });
  const { venue, follower, takeOver, gateway, proving } = watched;
  if (takeOver !== undefined) points.add('veritape.takeover.duration', takeOver.takeOverMs / MS_PER_S);
  if (venue !== undefined) addVenue(points, venue);
  if (follower !== undefined) addFollower(points, follower);
  gateway?.(points);
  proving?.addTo(points);
  // Snapshots and proofs beside a journal are told by whoever writes it.
  if (described.role === 'proving') watches.folder?.addDiskTo(points);
  else watches.folder?.addTo(points, described.sequence, atMs);
  watches.certificates.addTo(points, atMs);
  watches.nats?.addTo(points);
  watches.process.addTo(points);
  return { atMs, startedAtMs: watches.startedAtMs, described, metrics: points.all };
}

/** What a process is, and whether it does what it is there for: one that leads, is a gateway or proves needs its connection, if any. */
export function describe(watched: Watched, version: string, nats?: NatsWatch): Described {
  const { venue, follower, shard, node, followed, proving } = watched;
  const role = venue?.failure instanceof JournalError && venue.failure.code === 'epoch-lost' ? 'fenced' : watched.role;
  const described = { role, shard, node, pid: process.pid, version };
  const notReady = whyNotReady(watched, nats);
  if (follower !== undefined) {
    const { epoch, sequence, block } = follower.status();
    return { ...described, epoch, sequence, block, notReady };
  }
  if (venue?.watch.isServing === true) {
    const { epoch, durableSequence: sequence, durableBlock: block } = venue;
    return { ...described, epoch, sequence, block, notReady };
  }
  if (proving !== undefined)
    return { ...described, epoch: undefined, sequence: proving.sequence, block: undefined, notReady };
  const { epoch, sequence } = followed?.() ?? { epoch: undefined, sequence: undefined };
  return { ...described, epoch, sequence, block: undefined, notReady };
}

/** Why a process does not do what it is there for; a standby is there to take over, and ready when its replicas are. */
function whyNotReady(
  { role, venue, follower, followed, gateway, proving }: Watched,
  nats: NatsWatch | undefined,
): string | undefined {
  if (venue?.failure !== undefined) return venue.failure.message;
  if (role === 'leading') {
    if (venue === undefined) return 'the venue is not open';
    return venue.watch.refusal ?? whyCutOff(nats);
  }
  if (role === 'standby')
    return followed?.() === undefined ? 'the replicas are not at the end of the journal' : undefined;
  if (role === 'gateway') {
    if (gateway === undefined) return 'the gateway is not open';
    const cutOff = whyCutOff(nats);
    if (cutOff !== undefined) return cutOff;
  }
  if (role === 'proving') return proving === undefined ? 'the journal is not open' : whyCutOff(nats);
  if (follower === undefined) return role === 'following' ? 'the copy is not open' : undefined;
  if (follower.hasDisagreed) return 'the copy and the venue are not the same';
  return follower.status().caughtUp ? undefined : 'the copy has not caught up';
}

function whyCutOff(nats: NatsWatch | undefined): string | undefined {
  return nats?.isConnected === false ? 'NATS can not be reached' : undefined;
}
