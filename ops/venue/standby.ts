import { setTimeout as delay } from 'node:timers/promises';
import type { Msg } from '@nats-io/transport-node';
import { JournalError } from '../../journal/findings.ts';
import type { Genesis } from '../../journal/genesis.ts';
import { isAlive, type LockHolder } from '../../journal/lock.ts';
import { JournalReader } from '../../journal/reader.ts';
import { journalPath } from '../../journal/segments.ts';
import { type FailedMessage, listen } from '../../sequencer/guarded-messages.ts';
import { LEASE_MS_DEFAULT, LeaseWatch, leaseHolder, readLease } from '../../sequencer/lease.ts';
import { type NatsLink, standbySubject } from '../../sequencer/nats-gateway.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import type { Followed } from '../telemetry/readings.ts';
import { refuseOtherPidNamespace } from './pid-namespaces.ts';
import { Venue, type VenueOptions } from './venue.ts';
import type { TakingOver } from './venue-threads.ts';

/** What a standby answers on veritape.S.standby. */
export interface StandbyPlace {
  readonly id: number;
  readonly pid: number;
  /** The last sequence that its replicas have applied. */
  readonly sequence: number;
  /** It keeps the requests of clients, for it is about to take over. */
  readonly holding: boolean;
}

/** How a take-over went, in milliseconds from when the standby found that it was to take over. */
export interface TakeOver {
  readonly why: TakingOver['why'];
  readonly epoch: number;
  /** Until the epoch was raised and the end of the journal was known. */
  readonly openedMs: number;
  /** Until the replicas had applied it all. */
  readonly replicasMs: number;
  /** Until the first acknowledgement was possible. */
  readonly takeOverMs: number;
}

/** A journal that is not there yet is looked for this often. */
const JOURNAL_LOOK_MS = 200;
/** Replay of a long journal says this often how far it is. */
const PROGRESS_MS = 5_000;
/**
 * A take-over that waits for longer than this waits for LMDB's write lock, which a process that was stopped inside a
 * transaction keeps.
 */
const LOCK_WAIT_MS_MAX = 250;
/** How often this thread looks whether the journal's thread should have found the lease lapsed. */
const LOCK_LOOK_MS = 50;
/** Requests held for a hand-over that does not come are let go after this. */
const HOLD_MS_MAX = 5_000;

/**
 * A standby: a process that follows the journal of another one, with warm replicas, and takes over when that one is gone, does
 * not renew its lease, or leaves it its place. docs/failover.md says what is promised.
 */
export class Standby {
  readonly #options: VenueOptions;
  readonly #venue: Venue;
  #link: NatsLink | undefined;
  #warmAt = 0;
  #takingOver: TakingOver | undefined;
  #lockTimer: NodeJS.Timeout | undefined;
  #holdTimer: NodeJS.Timeout | undefined;
  #lockWatch: NodeJS.Timeout | undefined;
  #serving = false;
  #lost: (error: Error) => void = () => {};
  readonly #connectionLost = new Promise<never>((_, reject) => {
    this.#lost = reject;
  });

  /** Resolves when it is ready to take over; with undefined if `signal` is aborted before. */
  static async prepare(options: VenueOptions, signal: AbortSignal): Promise<Standby | undefined> {
    const genesis = await journalGenesis(options, signal);
    if (genesis === undefined) return undefined;
    await refuseOtherPidNamespace(options.directory);
    const standby = new Standby(options);
    try {
      await standby.#prepare(genesis);
    } catch (error) {
      await standby.close();
      throw error;
    }
    return standby;
  }

  private constructor(options: VenueOptions) {
    this.#options = options;
    this.#venue = new Venue(options, {
      takingOver: (report) => this.#begin(report),
      passedOver: (why) => this.#giveUp(why),
    });
    this.#connectionLost.catch(() => undefined);
  }

  /** It serves once this has taken over. */
  get venue(): Venue {
    return this.#venue;
  }

  /** How far it has followed, and under which epoch: that of whoever has the journal. */
  get followed(): Followed {
    return { sequence: this.place.sequence, epoch: readLease(journalPath(this.#options.directory))?.epoch };
  }

  /** Where it is. */
  get place(): StandbyPlace {
    const holding = this.#link?.requests.isHolding === true;
    return { id: this.#venue.id, pid: process.pid, sequence: this.#venue.followed(this.#warmAt), holding };
  }

  /** Resolves when it has taken over and serves. Rejects if it can not go on; then close it. */
  async takeOver(): Promise<{ readonly venue: Venue; readonly takeOver: TakeOver }> {
    const opened = await Promise.race([this.#venue.awaitJournal(), this.#connectionLost]);
    clearInterval(this.#lockWatch);
    clearTimeout(this.#lockTimer);
    clearTimeout(this.#holdTimer);
    const since = this.#takingOver?.atNs ?? process.hrtime.bigint();
    const openedMs = milliseconds(since);
    this.#serving = true;
    let replicasMs = openedMs;
    const complete = this.#takingOver?.why === 'steppedDown' && this.#holdTimer !== undefined;
    await this.#venue.takeOver(opened, {
      complete,
      replicasReady: () => {
        replicasMs = milliseconds(since);
      },
    });
    const takeOverMs = milliseconds(since);
    const why = this.#takingOver?.why ?? 'gone';
    return { venue: this.#venue, takeOver: { why, epoch: opened.epoch, openedMs, replicasMs, takeOverMs } };
  }

  /** Ends standing by. */
  async close(): Promise<void> {
    this.#serving = true;
    clearInterval(this.#lockWatch);
    clearTimeout(this.#lockTimer);
    clearTimeout(this.#holdTimer);
    await this.#venue.abandon();
  }

  async #prepare(genesis: Genesis): Promise<void> {
    const preparing = this.#venue.prepare(genesis);
    const progress = setInterval(() => {
      this.#notice('info', 'replaying the journal', { sequence: this.#venue.followed(0) });
    }, PROGRESS_MS);
    const { warm, link } = await preparing.finally(() => clearInterval(progress));
    this.#warmAt = Math.min(...warm.map(({ sequence }) => sequence));
    this.#link = link;
    if (link !== undefined) {
      this.#announce(link, genesis.shard);
      await link.connection.flush();
    }
    this.#notice('info', 'standing by', { ...this.#numbers(), replayed: warm[0]?.replayed ?? 0 });
    this.#lockWatch = this.#watchLock();
  }

  #numbers(): { readonly id: number; readonly sequence: number } {
    const { id, sequence } = this.place;
    return { id, sequence };
  }

  #announce(link: NatsLink, shard: number): void {
    const answer = async (message: Msg): Promise<void> => {
      if (this.#serving) return subscription.unsubscribe();
      // Whoever asks in another way than a primary does gets no answer.
      const { hold } = message.data.length === 0 ? {} : (message.json() as { hold?: unknown });
      if (hold !== undefined && hold !== this.#venue.id) return;
      if (hold !== undefined) await this.#hold(link);
      message.respond(JSON.stringify(this.place));
    };
    const failed = (failed: FailedMessage): void => this.#notice('warn', 'message not taken', { ...failed });
    const subscription = listen(link.connection, standbySubject(shard), answer, failed);
    void link.connection.closed().then((error) => {
      const why = error instanceof Error ? error.message : 'the connection was closed';
      if (!this.#serving) this.#lost(new EnvironmentFault(`NATS: ${why}`));
    });
  }

  /** Keeps the requests of clients from now on, because the primary is about to hand over. */
  async #hold(link: NatsLink): Promise<void> {
    link.requests.hold();
    await link.connection.flush();
    clearTimeout(this.#holdTimer);
    this.#holdTimer = setTimeout(() => {
      this.#holdTimer = undefined;
      if (this.#takingOver === undefined) link.requests.drop();
    }, HOLD_MS_MAX);
  }

  #begin(report: TakingOver): void {
    this.#takingOver = report;
    // What clients send from here on is answered when this server serves, without their sending it again.
    this.#link?.requests.hold();
    const { why, epoch, holder } = report;
    this.#notice('warn', 'taking over', { why, epoch, holder: holder?.pid ?? 0, ...this.#numbers() });
    this.#lockTimer = setTimeout(() => this.#endWait(why === 'lapsed' ? holder : undefined), LOCK_WAIT_MS_MAX);
  }

  #giveUp(why: string): void {
    clearTimeout(this.#lockTimer);
    this.#takingOver = undefined;
    this.#link?.requests.drop();
    this.#notice('warn', 'standing by again', { why });
  }

  /**
   * A holder that was stopped inside a transaction would keep LMDB's write lock for as long as it likes. Its lease has lapsed
   * and this server is about to fence it, so it is killed; the kernel then gives the lock to the one who waits for it.
   */
  #endWait(holder: LockHolder | undefined): void {
    // The epoch is raised: it waits for something else, as a slow disk.
    if (this.#takingOver !== undefined && (this.#journalEpoch() ?? 0) > this.#takingOver.epoch) return;
    if (holder === undefined || !isAlive(holder)) {
      this.#notice('warn', 'opening the journal takes long: is another process stopped that has it locked?', {});
      return;
    }
    const text = 'the holder of the lapsed lease keeps the journal locked; it is killed';
    this.#notice('warn', text, { holder: holder.pid, waitedMs: LOCK_WAIT_MS_MAX });
    try {
      process.kill(holder.pid, 'SIGKILL');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#notice('error', 'the holder of the lapsed lease can not be killed', { holder: holder.pid, why });
    }
  }

  /**
   * To open a segment that the primary has begun waits for LMDB's write lock, too. A primary that is stopped inside a
   * transaction just then would keep the journal's thread from ever finding that its lease has lapsed. So this thread looks
   * at the lease as well, and when the journal's thread has not spoken for as long as a take-over may wait, it is stuck.
   */
  #watchLock(): NodeJS.Timeout {
    const root = journalPath(this.#options.directory);
    const watch = new LeaseWatch(this.#options.leaseMs ?? LEASE_MS_DEFAULT, this.#venue.id);
    let lapsedAt: number | undefined;
    return setInterval(() => {
      const now = performance.now();
      const lease = readLease(root);
      const { holder, isHolderAlive } = leaseHolder(lease);
      const verdict = watch.look(now, { epoch: lease?.epoch ?? 0, lease, isHolderAlive });
      // Who is gone keeps no lock, and who was passed is not the one that keeps it.
      const isStuck = verdict === 'lapsed' && isHolderAlive && this.#takingOver === undefined;
      if (!isStuck || this.#journalEpoch() !== lease?.epoch) lapsedAt = undefined;
      else if (lapsedAt === undefined) lapsedAt = now;
      else if (now - lapsedAt > LOCK_WAIT_MS_MAX) {
        lapsedAt = undefined;
        this.#endWait(holder);
      }
    }, LOCK_LOOK_MS);
  }

  #journalEpoch(): number | undefined {
    try {
      const reader = JournalReader.open(this.#options.directory, { unflushed: true });
      return reader.state(reader.segmentInUse).epoch;
    } catch {
      // What is wrong with the journal the threads that read it tell.
      return undefined;
    }
  }

  #notice(level: 'info' | 'warn' | 'error', text: string, fields: Record<string, string | number>): void {
    this.#options.onNotice?.({ level, text, fields });
  }
}

function milliseconds(sinceNs: bigint): number {
  return Number((process.hrtime.bigint() - sinceNs) / 1_000n) / 1_000;
}

/** The genesis record of the journal to stand by for, once there is one; undefined if `signal` is aborted before. */
async function journalGenesis(options: VenueOptions, signal: AbortSignal): Promise<Genesis | undefined> {
  let told = false;
  while (!signal.aborted) {
    try {
      return JournalReader.open(options.directory, { unflushed: true }).genesis;
    } catch (error) {
      if (!(error instanceof JournalError) || error.code !== 'not-a-journal') throw error;
    }
    if (!told) options.onNotice?.({ level: 'info', text: 'waiting for a journal', fields: { dir: options.directory } });
    told = true;
    await delay(JOURNAL_LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}
