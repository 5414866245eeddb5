import type { Fed } from './chain-follower.ts';
import { type EpochRecord, type Heartbeat, isSameRecord } from './log-messages.ts';

export interface CandidacyOptions {
  readonly node: string;
  /** Without a sign of life of the primary for so long, it is taken to be gone. A hint: a wrong guess costs an epoch. */
  readonly leaseMs: number;
  /** How much longer this node waits this time, so that not all nodes come at once; 0 to a quarter of the lease will do. */
  readonly delayMs: () => number;
}

/** What a node knows when it asks whether it should come forward. */
export interface CandidacyView {
  /** Epoch in force as far as the log was read. */
  readonly epoch: number;
  /** Epoch of the node's own journal; 0 if it has none. */
  readonly journalEpoch: number;
  /** The last block that the node could lead from. */
  readonly block: number;
  /** Whether it has read the log to its end, and could serve. */
  readonly isReady: boolean;
}

/** A node looks at least so often in a lease whether it is time. */
export const LOOKS_PER_LEASE_MIN = 4;
/** A record without an answer or a place in the log after this many leases is given up for another. */
const ANSWER_LEASES_MAX = 4;
/** A node that knows of another one with more blocks lets that one come first, for this many leases. */
const PRECEDENCE_LEASES = 2;

/**
 * When a node comes forward to lead, under which epoch, and whether it won. The lease is judged by the node's own monotonic
 * clock alone, and decides nothing but when to try: a candidate has won when its own epoch record counts by the rule of all
 * readers, and whoever led before is then passed, whether it knows or not.
 *
 * A class without clock or I/O: times are given to it, in milliseconds of any monotonic clock.
 */
export class Candidacy {
  readonly #options: CandidacyOptions;
  #state: 'following' | 'candidate' | 'won' = 'following';
  /** For how long nothing was heard of the primary, as far as this node was there to hear it. */
  #silentMs = 0;
  #lookedMs: number;
  #delayMs: number;
  #leader: string | undefined;
  /** Under which epoch that node leads. */
  #leaderEpoch = 0;
  /** The highest epoch that anybody spoke of. */
  #epochSeen = 0;
  #record: EpochRecord | undefined;
  #sinceMs = 0;
  /** Of each other node: the last block in its journal, and when it said so. */
  readonly #others = new Map<string, { readonly block: number; readonly atMs: number }>();

  constructor(options: CandidacyOptions, nowMs: number) {
    this.#options = options;
    this.#lookedMs = nowMs;
    this.#delayMs = options.delayMs();
  }

  get state(): 'following' | 'candidate' | 'won' {
    return this.#state;
  }

  /** The node that was last heard to lead. */
  get leader(): string | undefined {
    return this.#leader;
  }

  /** For how long nothing was heard of a primary. */
  get silentMs(): number {
    return this.#silentMs;
  }

  /** Silence counts from now: what the primary said before this node could not hear, or not yet tell from an older one's. */
  restart(): void {
    this.#renew();
  }

  /** Takes a heartbeat of any node. */
  heard(beat: Heartbeat, epochInForce: number, nowMs: number): void {
    if (beat.node === this.#options.node) return;
    // Somebody has read of an epoch sooner than this node: whoever has won it has a lease to be heard in.
    if (beat.epoch > Math.max(this.#epochSeen, epochInForce)) this.#renew();
    this.#epochSeen = Math.max(this.#epochSeen, beat.epoch);
    if (beat.state !== 'leading') {
      this.#others.set(beat.node, { block: beat.block, atMs: nowMs });
      // It leads no more, and says so: there is nothing to wait for. What it said before it had won may come behind its record.
      if (beat.node === this.#leader && beat.epoch >= this.#leaderEpoch) this.#forget();
      return;
    }
    // One that was passed and does not know it keeps nobody waiting.
    if (beat.epoch < epochInForce) return;
    this.#leader = beat.node;
    this.#leaderEpoch = beat.epoch;
    this.#renew();
  }

  /** Takes what the node's reader of the log made of a message. */
  fed(fed: Fed): void {
    if (fed.kind !== 'epoch') return;
    const { record } = fed;
    if (record.epoch > this.#epochSeen) this.#epochSeen = record.epoch;
    if (this.#record !== undefined && isSameRecord(record, this.#record)) {
      this.#state = 'won';
      return;
    }
    // Whoever has won has a lease to be heard in. This node's own record, if it comes now, is late.
    if (this.#record !== undefined && record.epoch < this.#record.epoch) return;
    this.#leader = record.node;
    this.#leaderEpoch = record.epoch;
    this.#state = 'following';
    this.#record = undefined;
    this.#renew();
  }

  /** The epoch to come forward with now; undefined if this is not the time. Then {@link published} is to be called. */
  step(view: CandidacyView, nowMs: number): number | undefined {
    const { leaseMs } = this.#options;
    // A node that was itself stopped has not heard what the primary said meanwhile, so it counts a part of that only.
    this.#silentMs += Math.min(nowMs - this.#lookedMs, leaseMs / LOOKS_PER_LEASE_MIN);
    this.#lookedMs = nowMs;
    if (this.#state === 'won') return undefined;
    if (this.#state === 'candidate') {
      if (nowMs - this.#sinceMs < ANSWER_LEASES_MAX * leaseMs) return undefined;
      this.gaveUp();
      return undefined;
    }
    if (!view.isReady) return undefined;
    const patienceMs = leaseMs + this.#delayMs + (this.#isBehind(view.block, nowMs) ? PRECEDENCE_LEASES * leaseMs : 0);
    if (this.#silentMs < patienceMs) return undefined;
    return Math.max(this.#epochSeen, view.epoch, view.journalEpoch) + 1;
  }

  /** The record is on its way. */
  published(record: EpochRecord, nowMs: number): void {
    this.#state = 'candidate';
    this.#record = record;
    this.#sinceMs = nowMs;
    this.#epochSeen = Math.max(this.#epochSeen, record.epoch);
  }

  /** The record was not stored, or it is not worth waiting for it any longer. */
  gaveUp(): void {
    if (this.#state === 'won') return;
    this.#state = 'following';
    this.#record = undefined;
    // Not a whole lease again: nobody leads.
    this.#delayMs = this.#options.delayMs();
    this.#silentMs = this.#options.leaseMs;
  }

  #renew(): void {
    this.#silentMs = 0;
    this.#delayMs = this.#options.delayMs();
  }

  #forget(): void {
    this.#leader = undefined;
    this.#silentMs = Math.max(this.#silentMs, this.#options.leaseMs);
  }

  /** Whether another node, which was heard of within two leases, has blocks that this one could not lead from. */
  #isBehind(block: number, nowMs: number): boolean {
    for (const other of this.#others.values()) {
      if (other.block > block && nowMs - other.atMs < (PRECEDENCE_LEASES + 1) * this.#options.leaseMs) return true;
    }
    return false;
  }
}
