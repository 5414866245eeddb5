import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { EventType } from '../../journal/events.ts';
import { checkLimits, DEFAULT_LIMITS, type Genesis, type VenueLimits } from '../../journal/genesis.ts';
import { makeFolder, SEGMENT_BYTES_DEFAULT } from '../../journal/segments.ts';
import { SNAPSHOTS_KEPT } from '../../journal/snapshots.ts';
import { checkTables } from '../../replicas/transition.ts';
import type { MulticastCounts } from '../../sequencer/block-multicast.ts';
import { type AckPolicy, CommandPort, type EventListener } from '../../sequencer/command-port.ts';
import { checkMulticast, type MulticastOptions } from '../../sequencer/datagram-sender.ts';
import type { IdleStrategy } from '../../sequencer/doorbell.ts';
import { checkLeaseMs, LEASE_MS_DEFAULT } from '../../sequencer/lease.ts';
import type { NatsGateway, NatsLink } from '../../sequencer/nats-gateway.ts';
import { allocatePipeline, appliedWord, Bells, type PipelineMemory, STATUS } from '../../sequencer/pipeline.ts';
import type { PipelineStatistics } from '../../sequencer/pipeline-counters.ts';
import { type BlockBounds, checkBlockBounds, DEFAULT_BLOCK_BOUNDS } from '../../sequencer/sequencing.ts';
import type { ThreadCounts } from '../../sequencer/thread-counters.ts';
import { TickSource } from '../../sequencer/tick-source.ts';
import { REPLICAS_MAX } from '../../sequencer/tuned-bounds.ts';
import { StateLedger } from '../../sequencer/venue-state.ts';
import { UsageError } from '../exit-codes.ts';
import { checkFeedSettings, type FeedSettings } from '../feed/feed-publisher.ts';
import type { MarketDataCounts } from '../feed/venue-market-data.ts';
import { InstrumentDirectory, placed } from '../instrument-directory.ts';
import { InProcessSession } from '../sessions/in-process-session.ts';
import type { TuningObjective } from '../tuning/tuner.ts';
import { type TuningState, VenueTuning } from '../tuning/venue-tuning.ts';
import { DigestComparison } from './digest-comparison.ts';
import { refuseOtherPidNamespace } from './pid-namespaces.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { type HostOptions, VenueHost, type VenuePlacement } from './venue-host.ts';
import { type VenueNats, VenueOutlets } from './venue-outlets.ts';
import {
  type JournalCopying,
  type JournalOpened,
  type ReplicaWarm,
  type TakingOver,
  VenueThreads,
} from './venue-threads.ts';
import { VenueWatch } from './venue-watch.ts';

/** How a venue is set up. Everything but the directory has a default. */
export interface VenueOptions extends HostOptions {
  /** Where the journal and the snapshots are, or will be. */
  readonly directory: string;
  /** Which shard a new journal is made for. */
  readonly shard?: number | undefined;
  /** Capacities a new journal is made with; those of an existing one stay. */
  readonly limits?: Partial<VenueLimits> | undefined;
  /** The first one leads, the others follow; the second one takes snapshots. 1 to 8; 2 unless given. */
  readonly replicas?: number | undefined;
  /** So many of them work at least, when there is too little time for all to hold the target; 2, or all of fewer, unless given. */
  readonly replicasMin?: number | undefined;
  /** `disk` unless given. */
  readonly ackPolicy?: AckPolicy | undefined;
  /** Commands between snapshots; 0 for none. */
  readonly snapshotEvery?: number | undefined;
  /** Snapshots kept; older ones are deleted. */
  readonly snapshotsKept?: number | undefined;
  /** Length of a journal segment; two of them are taken from the disk at once. */
  readonly segmentBytesMax?: number | undefined;
  readonly blockBounds?: Partial<BlockBounds> | undefined;
  readonly idle?: IdleStrategy | undefined;
  /** What the venue tunes its bounds for while it runs; those that are given above stay as they are. */
  readonly tuning?: TuningObjective | undefined;
  /** Take the journal from a server that may be alive; it can then append nothing any more. */
  readonly takeOver?: boolean | undefined;
  /** A server that does not renew its lease for this long is taken for gone by standbys. */
  readonly leaseMs?: number | undefined;
  /** Join a NATS server. */
  readonly nats?: VenueNats | undefined;
  /** Send durable blocks as UDP datagrams, too, to a multicast group or one host. */
  readonly multicast?: MulticastOptions | undefined;
  /** Publish market data in full, on a thread of its own. Needs NATS, and connection options that a thread can be given. */
  readonly marketData?: FeedSettings | undefined;
  /** More to tell on the `info` subject. */
  readonly describe?: (() => object) | undefined;
  /** Told of what happens, in words. */
  readonly onNotice?: ((notice: Notice) => void) | undefined;
}

export interface Notice {
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

/** Blocks under way to the replicated log, at most: a round trip takes longer than a flush. */
export const REPLICATED_IN_FLIGHT_BLOCKS = 16;

/** What a standby's journal thread tells before the journal is its own, and a cluster node's at all times. */
export interface StandbyEvents {
  readonly takingOver?: (report: TakingOver) => void;
  readonly passedOver?: (why: string) => void;
  /** A block of the replicated log is in the journal. */
  readonly copied?: (block: number, epoch: number) => void;
  /** A block is to be replicated. */
  readonly sealed?: (block: number, bytes: Uint8Array<ArrayBuffer>) => void;
}

/** The last step of a take-over. */
export interface TakeOverStep {
  /** Told when the replicas have applied all of the journal. */
  readonly replicasReady: () => void;
  /** No request that the server before has not answered is missing: clients need not ask again. */
  readonly complete: boolean;
}

/** What a venue says when it is closed. */
export interface VenueClosing {
  readonly sequence: number;
  readonly blocks: number;
  readonly stateHashes: readonly string[];
  readonly digestsCompared: number;
}

/** Starts a venue in this process: journal, sequencer, replicas and, if asked for, a NATS gateway, each on its thread. */
export async function openVenue(options: VenueOptions): Promise<Venue> {
  const venue = new Venue(options);
  makeFolder(options.directory);
  try {
    if (options.takeOver !== true) await refuseOtherPidNamespace(options.directory);
    await venue.start();
  } catch (error) {
    await venue.abandon();
    throw error;
  }
  return venue;
}

/** A running venue. Made by {@link openVenue}, or by a standby, which starts it in two steps. */
export class Venue {
  readonly #options: VenueOptions;
  readonly #host: VenueHost;
  readonly #memory: PipelineMemory;
  readonly #threads: VenueThreads;
  readonly #outlets: VenueOutlets;
  readonly #snapshots: SnapshotKeeper;
  readonly #ledger = new StateLedger();
  readonly #digests = new DigestComparison();
  /** What can be seen of it from outside. */
  readonly watch: VenueWatch;
  /** Names this process where one of several standbys is meant. */
  readonly id = randomInt(1, 2 ** 31);
  readonly #port: CommandPort;
  readonly #ticks: TickSource;
  readonly #tuning: VenueTuning;
  #running: Promise<unknown> = Promise.resolve();
  #directory = new InstrumentDirectory([]);
  #opened: JournalOpened | undefined;
  #taken: Promise<JournalOpened> | undefined;
  #closing = false;
  #failure: Error | undefined;
  #announceFailure: (error: Error) => void = () => {};
  /** Resolves with the reason if the venue can not go on; then {@link close} still frees everything. */
  readonly failed: Promise<Error> = new Promise((resolve) => {
    this.#announceFailure = resolve;
  });

  /** Throws a RangeError that names the option that is wrong. */
  constructor(options: VenueOptions, events: StandbyEvents = {}) {
    const replicas = options.replicas ?? 2;
    if (!Number.isInteger(replicas) || replicas < 1 || replicas > REPLICAS_MAX) {
      throw new RangeError(`replicas: ${replicas} must be a whole number from 1 to ${REPLICAS_MAX}`);
    }
    checkReplicasMin(options, replicas);
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    checkLimits(limits);
    checkTables(limits);
    const isReplicated = options.ackPolicy === 'disk+replica';
    const inFlight = isReplicated ? { inFlightMax: REPLICATED_IN_FLIGHT_BLOCKS } : {};
    const bounds = { ...DEFAULT_BLOCK_BOUNDS, ...inFlight, ...options.blockBounds };
    checkBlockBounds(bounds);
    if (options.multicast !== undefined) checkMulticast(options.multicast);
    if (options.marketData !== undefined)
      checkFeedSettings(options.marketData, options.nats && (options.nats.credentials ?? options.nats.connection));
    const leaseMs = options.leaseMs ?? LEASE_MS_DEFAULT;
    checkLeaseMs(leaseMs);
    this.#options = options;
    this.#host = new VenueHost(options, replicas);
    this.#memory = allocatePipeline(1, replicas);
    this.#port = new CommandPort(this.#memory, 0, options.ackPolicy ?? 'disk');
    this.#ticks = new TickSource(this.#memory, this.#port);
    this.#port.listen(
      (words, mask, from, count) => this.#directory.take(words, mask, from, count),
      [EventType.instrument],
    );
    this.#threads = new VenueThreads(
      {
        directory: options.directory,
        memory: this.#memory,
        genesis: { shard: options.shard ?? 0, createdAt: BigInt(Date.now()) * 1_000_000n, limits },
        bounds,
        segmentBytesMax: options.segmentBytesMax ?? SEGMENT_BYTES_DEFAULT,
        leaseMs,
        id: this.id,
        forwardBlocks: options.nats !== undefined || options.multicast !== undefined,
        replicatedInFlightMax: isReplicated ? bounds.inFlightMax : undefined,
        idle: options.idle ?? 'adaptive',
      },
      this.#host,
      {
        failed: (error) => this.#fail(error),
        block: (bytes) => this.#outlets.publishBlock(bytes),
        digest: ({ replica, sequence, value }) => {
          if (replica === 0) this.#ledger.digest(sequence, value);
          const wrong = this.#digests.take(sequence, value);
          if (wrong !== undefined) this.#fail(new Error(wrong));
        },
        snapshot: (report) => {
          this.#tuning.snapshotTaken(report.encodeMs);
          this.#snapshots.take(report);
        },
        caughtUp: (report) => {
          const { replica, from, to, aside } = report;
          const text = aside ? 'replica is back' : 'replica was lapped and caught up from the journal';
          this.#notice({ level: aside ? 'info' : 'warn', text, fields: { replica, from, to } });
        },
        takingOver: (report) => events.takingOver?.(report),
        passedOver: (why) => events.passedOver?.(why),
        copied: ({ block, epoch }) => events.copied?.(block, epoch),
        sealed: (block, bytes) => events.sealed?.(block, bytes),
      },
    );
    this.#outlets = new VenueOutlets({
      directory: options.directory,
      nats: options.nats,
      multicast: options.multicast,
      marketData: options.marketData,
      notice: (notice) => this.#notice(notice),
      failed: (error) => this.#fail(error),
    });
    const segmentBytesMax = options.segmentBytesMax ?? SEGMENT_BYTES_DEFAULT;
    this.#tuning = VenueTuning.of(this.#memory, { ...options, segmentBytesMax }, bounds, (notice) =>
      this.#notice(notice),
    );
    const kept = options.snapshotsKept ?? SNAPSHOTS_KEPT;
    this.#snapshots = new SnapshotKeeper(options.directory, () => this.genesis.shard, this.#memory, kept, {
      tell: (notice) => this.#notice(notice),
      written: ({ sequence, stateHash }) => this.#ledger.state(sequence, stateHash),
    });
    const [memory, threads, outlets, snapshots] = [this.#memory, this.#threads, this.#outlets, this.#snapshots];
    this.watch = new VenueWatch({ memory, threads, outlets, snapshots, digests: this.#digests, port: this.#port });
  }

  get genesis(): Genesis {
    return this.#require(this.#opened).genesis;
  }

  get epoch(): number {
    return this.#require(this.#opened).epoch;
  }

  get instruments(): InstrumentDirectory {
    return this.#directory;
  }

  get gateway(): NatsGateway | undefined {
    return this.#outlets.gateway;
  }

  get gatewayCounts(): NatsGateway['counts'] | undefined {
    return this.#outlets.gateway?.counts;
  }

  /** What was sent as datagrams, and what was not. */
  get multicastCounts(): MulticastCounts | undefined {
    return this.#outlets.multicastCounts;
  }

  /** What was published as market data. */
  get marketDataCounts(): MarketDataCounts | undefined {
    return this.#outlets.marketData?.counts;
  }

  /** Bounds that the venue changes while it runs, why it did, and what is worse than usual. */
  get tuning(): TuningState {
    return this.#tuning.state();
  }

  /** The snapshots that were written last. */
  get snapshotsTaken(): SnapshotKeeper['taken'] {
    return this.#snapshots.taken;
  }

  /** Which thread is on which core, and what the host granted. */
  get placement(): VenuePlacement {
    return this.#host.placement;
  }

  /** What processor and kernel counted of each thread since the first call of this. */
  threadCounters(): ThreadCounts[] {
    return this.#host.counts();
  }

  /** Whether it acknowledges only what a replicated log holds. */
  get isReplicated(): boolean {
    return this.#options.ackPolicy === 'disk+replica';
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Sees every event that may be let out, in order, on this thread. See journal/events.ts for the records. */
  listen(listener: EventListener): void {
    this.#port.listen(listener);
  }

  /** Opens a client session in this process; `key` names it, so that opening it again gives the same one. */
  async openSession(account: number, key: number | bigint): Promise<InProcessSession> {
    return InProcessSession.open(this.#port, account, key);
  }

  /** What the `info` subject tells. */
  info(): object {
    const { genesis, epoch } = this.#require(this.#opened);
    return {
      ...this.#options.describe?.(),
      shard: genesis.shard,
      epoch,
      sequence: this.durableSequence,
      ackPolicy: this.#options.ackPolicy ?? 'disk',
      marketData: this.#options.marketData ?? null,
      limits: genesis.limits,
      instruments: this.#directory.all.map((instrument) => placed(instrument, genesis.shard)),
      host: this.placement,
      statistics: this.statistics(),
      tuning: this.tuning,
    };
  }

  /** What the threads have counted, and how long each stage took, since the venue was opened. */
  statistics(): PipelineStatistics {
    return this.watch.statistics();
  }

  /** The last sequence on disk. */
  get durableSequence(): number {
    const { sequence } = this.#require(this.#opened);
    const status = new Int32Array(this.#memory.status);
    return sequence + ((Atomics.load(status, STATUS.durableSequence) - sequence) | 0);
  }

  /** The last block on disk. */
  get durableBlock(): number {
    const { block } = this.#require(this.#opened);
    const status = new Int32Array(this.#memory.status);
    return block + ((Atomics.load(status, STATUS.durableBlock) - block) | 0);
  }

  async start(): Promise<void> {
    const opened = await this.#threads.startJournal(this.#options.takeOver === true ? 'takeOver' : 'open');
    this.#checkAsked(opened.genesis);
    if (this.#options.takeOver !== true) await this.#outlets.refuseOthers(opened.epoch);
    await this.#snapshots.clean();
    this.#host.rings(this.#memory);
    this.#threads.startReplicas(opened.genesis);
    this.#threads.startSequencer();
    const warm = await this.#unlessFailed(this.#threads.warm());
    this.#tellWarm(warm);
    await this.#makeReady();
    await this.#serve(opened);
    const replayed = warm[0]?.replayed ?? 0;
    const { epoch, sequence } = opened;
    const fields = { epoch, sequence, replicas: this.#memory.replicas, replayed };
    this.#notice({ level: 'info', text: 'venue is open', fields });
  }

  /**
   * The first step of a standby: everything is started, replicas follow the journal that another process writes, NATS is
   * connected. Resolves when all of it is ready to take over, with the connection.
   */
  async prepare(genesis: Genesis): Promise<{ readonly warm: ReplicaWarm[]; readonly link: NatsLink | undefined }> {
    this.#checkAsked(genesis);
    this.#host.rings(this.#memory);
    this.#threads.startReplicas(genesis);
    this.#threads.startSequencer();
    if (this.#taken === undefined) {
      this.#taken = this.#threads.startJournal('standBy');
      this.#taken.catch(() => undefined);
    }
    const [warm, link] = await this.#unlessFailed(
      Promise.all([this.#threads.warm(), this.#outlets.connect(genesis.shard)]),
    );
    this.#tellWarm(warm);
    this.#outlets.follow(this.#memory);
    await this.#makeReady();
    return { warm, link };
  }

  /**
   * Before {@link prepare}, for a node of a cluster: opens the journal, or begins one, to copy blocks of the replicated log
   * into it. Resolves with its end.
   */
  async copyJournal(genesis: Genesis): Promise<JournalCopying> {
    this.#taken = this.#threads.startJournal('copy', genesis);
    this.#taken.catch(() => undefined);
    return this.#unlessFailed(this.#threads.copying());
  }

  /** Appends the next block, as it is, to the journal. The memory is given away. */
  copyBlock(bytes: ArrayBuffer): void {
    this.#threads.copyBlock(bytes);
  }

  /** From here on the journal gets this node's own blocks, under an epoch; resolves with where it ends. */
  async leadJournal(epoch: number): Promise<JournalOpened> {
    this.#threads.leadJournal(epoch);
    return this.#unlessFailed(this.#require(this.#taken));
  }

  /** The replicated log holds all blocks up to this one. */
  replicated(block: number): void {
    this.#threads.replicated(block);
  }

  /** Takes no commands for now, and says why; with undefined it takes them again. */
  hold(why: string | undefined): void {
    this.#port.hold(why);
  }

  /** The venue can not go on, for a reason that its threads do not know. */
  fail(error: Error): void {
    this.#fail(error);
  }

  /** The last sequence that all replicas have applied, while they follow a journal. `from` is one they had applied before. */
  followed(from: number): number {
    const status = new Int32Array(this.#memory.status);
    let behind = Number.MAX_SAFE_INTEGER;
    for (let replica = 0; replica < this.#memory.replicas; replica++)
      behind = Math.min(behind, (Atomics.load(status, appliedWord(replica)) - from) | 0);
    return from + behind;
  }

  /** The second step: waits until the journal is this process's. */
  async awaitJournal(): Promise<JournalOpened> {
    this.#threads.watchLease();
    return this.#unlessFailed(this.#require(this.#taken));
  }

  /** The third step: serves. */
  async takeOver(opened: JournalOpened, step: TakeOverStep): Promise<void> {
    await this.#serve(opened, step);
    void this.#snapshots.clean().catch((error: unknown) => {
      this.#notice({ level: 'warn', text: 'snapshots were not cleaned', fields: { why: asError(error).message } });
    });
  }

  /** What can be done before it is known where the journal ends. */
  async #makeReady(): Promise<void> {
    const measures = await this.#unlessFailed(this.#host.begin());
    for (const { measure, state, ...fields } of measures)
      this.#notice({ level: state === 'refused' ? 'warn' : 'info', text: `${measure}: ${state}`, fields });
  }

  async #serve(opened: JournalOpened, step?: TakeOverStep): Promise<void> {
    this.#opened = opened;
    const ready = await this.#unlessFailed(this.#threads.begin(opened));
    step?.replicasReady();
    this.#directory = new InstrumentDirectory(ready[0]?.instruments ?? [], ready[0]?.inForce);
    this.watch.isServing = true;
    const port = this.#port;
    const failed = (error: unknown): void => this.#fail(asError(error));
    this.#running = port.run().catch(failed);
    await this.#outlets.open({
      shard: opened.genesis.shard,
      epoch: opened.epoch,
      memory: this.#memory,
      start: { block: opened.block, sequence: opened.sequence, hash: Buffer.from(opened.hash) },
      port,
      sessions: ready[0]?.sessions ?? [],
      ledger: this.#ledger,
      info: () => this.info(),
    });
    // What is due by now is done when everybody is told of it.
    this.#running = Promise.all([this.#running, this.#ticks.run().catch(failed)]);
    this.#tuning.start();
    const place = { sequence: opened.sequence, pid: process.pid, complete: step?.complete === true };
    this.#outlets.gateway?.announce(place);
  }

  /** Takes no more commands; resolves when all that were taken are answered, or the venue failed. */
  async drain(): Promise<void> {
    this.#port.refuse();
    await Promise.race([this.#port.drained(), this.failed]);
  }

  /**
   * Ends service in order: no new commands, everything taken is journalled, matched and answered, replicas compare their
   * state hashes, the last snapshot is written. Rejects if the venue failed or the replicas differ.
   * @param heir the standby that is to take over; any may if there is none
   */
  async close(heir = 0): Promise<VenueClosing> {
    if (this.#closing) throw new Error('the venue is closed already');
    this.#closing = true;
    this.#threads.expectEnds();
    const status = new Int32Array(this.#memory.status);
    let sequence = 0;
    if (this.#failure === undefined) await this.drain();
    if (this.#failure === undefined) {
      sequence = await this.#orFailed(this.#threads.stopSequencer(), 0);
      await this.#orFailed(this.#threads.stopJournal(heir), undefined);
      // Not before: under `memory` the last blocks become durable, and are sent to readers, only now.
      await this.#outlets.close();
      while (this.#threads.stopped.length < this.#memory.replicas && this.#failure === undefined) await delay(2);
      await this.#snapshots.settled();
    }
    await this.#outlets.close();
    await this.abandon();
    if (this.#failure !== undefined) throw this.#failure;
    const stateHashes = this.#threads.stopped
      .toSorted((a, b) => a.replica - b.replica)
      .map((report) => report.stateHash);
    if (new Set(stateHashes).size > 1)
      throw new Error(`replicas differ at sequence ${sequence}: state hashes ${stateHashes.join(', ')}`);
    const blocks = status[STATUS.durableBlock] as number;
    return { sequence, blocks, stateHashes, digestsCompared: this.#digests.compared };
  }

  /** Ends all threads at once. What was not durable is not; the journal is left as a closed one. */
  async abandon(): Promise<void> {
    this.#closing = true;
    this.#tuning.stop();
    this.#ticks.stop();
    this.#port.stop();
    await this.#running;
    await this.#threads.end();
    await this.#outlets.close();
    this.#host.end();
  }

  #tellWarm(warm: readonly ReplicaWarm[]): void {
    for (const { replica, findings } of warm) {
      for (const finding of findings)
        this.#notice({ level: 'warn', text: 'snapshot passed over', fields: { replica, finding } });
    }
  }

  async #unlessFailed<T>(wanted: Promise<T>): Promise<T> {
    const got = await Promise.race([wanted, this.failed.then((error) => ({ error }))]);
    if (this.#failure !== undefined) throw this.#failure;
    return got as T;
  }

  #orFailed<T>(wanted: Promise<T>, otherwise: T): Promise<T> {
    return Promise.race([wanted, this.failed.then(() => otherwise)]);
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    Atomics.compareExchange(new Int32Array(this.#memory.status), STATUS.failed, 0, 3);
    for (const bell of new Bells(this.#memory).all()) bell.ring();
    // Clients that wait are told; what comes later is for the server that has taken over, if one has.
    this.#port.fail(error.message);
    this.#outlets.gateway?.unsubscribe();
    this.#notice({ level: 'error', text: error.message, fields: {} });
    this.#announceFailure(error);
  }

  #checkAsked(genesis: Genesis): void {
    const { limits, shard } = this.#options;
    if (shard !== undefined && shard !== genesis.shard) {
      const rule = `the journal in ${this.#options.directory} is of shard ${genesis.shard}`;
      throw new UsageError('shard', shard, rule);
    }
    for (const name of Object.keys(limits ?? {}) as (keyof VenueLimits)[]) {
      const asked = limits?.[name];
      if (asked !== undefined && asked !== genesis.limits[name]) {
        const rule = `the journal in ${this.#options.directory} was made with ${genesis.limits[name]}`;
        throw new UsageError(name, asked, rule);
      }
    }
  }

  #notice(notice: Notice): void {
    this.#options.onNotice?.(notice);
  }

  #require<T>(value: T | undefined): T {
    if (value === undefined) throw new Error('the venue is not open');
    return value;
  }
}

function checkReplicasMin({ replicasMin, ackPolicy }: VenueOptions, replicas: number): void {
  if (replicasMin === undefined) return;
  if (!Number.isInteger(replicasMin) || replicasMin < 1 || replicasMin > replicas)
    throw new RangeError(`replicasMin: ${replicasMin} must be a whole number from 1 to ${replicas}, the replicas`);
  if (replicasMin < replicas && ackPolicy === 'memory')
    throw new RangeError(`replicasMin: ${replicasMin}: under the policy memory every replica is waited for`);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
