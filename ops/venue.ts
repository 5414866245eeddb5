import { randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { BlockLookup } from '../journal/block-lookup.ts';
import { EventType } from '../journal/events.ts';
import { JournalError } from '../journal/findings.ts';
import { checkLimits, DEFAULT_LIMITS, encodeGenesis, type Genesis, type VenueLimits } from '../journal/genesis.ts';
import { JournalReader } from '../journal/reader.ts';
import { SNAPSHOTS_KEPT } from '../journal/snapshots.ts';
import { DIGEST_EVERY } from '../replicas/event-digest.ts';
import type { ReplicaReport, ReplicaThreadData } from '../replicas/replica-thread.ts';
import { checkTables } from '../replicas/transition.ts';
import { BlockMulticast, type MulticastCounts } from '../sequencer/block-multicast.ts';
import { type AckPolicy, CommandPort, type EventListener } from '../sequencer/command-port.ts';
import { checkMulticast, type MulticastOptions } from '../sequencer/datagram-sender.ts';
import type { IdleStrategy } from '../sequencer/doorbell.ts';
import type { JournalThreadBegin, JournalThreadData, JournalThreadReport } from '../sequencer/journal-thread.ts';
import { NatsGateway, type NatsGatewayOptions } from '../sequencer/nats-gateway.ts';
import type { OpenSession } from '../sequencer/open-sessions.ts';
import { allocatePipeline, Bells, type PipelineMemory, REPLICAS_MAX, STATUS } from '../sequencer/pipeline.ts';
import { type PipelineStatistics, readStatistics } from '../sequencer/pipeline-counters.ts';
import type { SequencerStopped, SequencerThreadData } from '../sequencer/sequencer-thread.ts';
import { type BlockBounds, checkBlockBounds, DEFAULT_BLOCK_BOUNDS } from '../sequencer/sequencing.ts';
import type { ThreadCounts } from '../sequencer/thread-counters.ts';
import { threadEntry } from '../sequencer/thread-entry.ts';
import { StateLedger } from '../sequencer/venue-state.ts';
import { DurablePlace } from './durable-place.ts';
import { EnvironmentFault } from './exit-codes.ts';
import { InProcessSession } from './in-process-session.ts';
import { InstrumentDirectory } from './instrument-directory.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { type HostOptions, VenueHost, type VenuePlacement } from './venue-host.ts';

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
  /** Take the journal from a server that may be alive; it can then append nothing any more. */
  readonly takeOver?: boolean | undefined;
  /** Join a NATS server. */
  readonly nats?: Pick<NatsGatewayOptions, 'connection' | 'tokens' | 'onStatus'> | undefined;
  /** Send durable blocks as UDP datagrams, too, to a multicast group or one host. */
  readonly multicast?: MulticastOptions | undefined;
  /** Told of what happens, in words. */
  readonly onNotice?: ((notice: Notice) => void) | undefined;
}

export interface Notice {
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

/** Written out in full before it is used, and the next one while it is; so not LMDB's largest. */
export const SEGMENT_BYTES_DEFAULT = 256 * 2 ** 20;
export const SNAPSHOT_EVERY_DEFAULT = 1_000_000;
/** How long a journal thread that was told to end may take for it. */
const JOURNAL_END_MS_MAX = 5_000;
/** How long a thread's end waits for a better reason. */
const REASON_MS_MAX = 200;
/** Digests waiting for the other replicas' ones; more than this means that a replica stands still. */
const DIGESTS_WAITING_MAX = 1024;

/** What a venue says when it is closed. */
export interface VenueClosing {
  readonly sequence: number;
  readonly blocks: number;
  readonly stateHashes: readonly string[];
  readonly digestsCompared: number;
}

/** Starts a venue in this process: journal, sequencer, replicas and, if asked for, a NATS gateway, each on its thread. */
export async function openVenue(options: VenueOptions): Promise<Venue> {
  const replicas = options.replicas ?? 2;
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > REPLICAS_MAX) {
    throw new RangeError(`replicas: ${replicas} must be a whole number from 1 to ${REPLICAS_MAX}`);
  }
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  checkLimits(limits);
  checkTables(limits);
  const bounds = { ...DEFAULT_BLOCK_BOUNDS, ...options.blockBounds };
  checkBlockBounds(bounds);
  if (options.multicast !== undefined) checkMulticast(options.multicast);
  const venue = new Venue(options, replicas, limits, bounds);
  mkdirSync(options.directory, { recursive: true });
  try {
    await venue.start();
  } catch (error) {
    await venue.abandon();
    throw error;
  }
  return venue;
}

/** A running venue. Made by {@link openVenue}. */
export class Venue {
  readonly #options: VenueOptions;
  readonly #replicas: number;
  readonly #limits: VenueLimits;
  readonly #bounds: BlockBounds;
  readonly #host: VenueHost;
  readonly #workers: Worker[] = [];
  readonly #names = new Map<string, Worker>();
  readonly #stopped: (ReplicaReport & { kind: 'stopped' })[] = [];
  readonly #digests = new Map<number, number>();
  readonly #ledger = new StateLedger();
  #digestsCompared = 0;
  #memory: PipelineMemory | undefined;
  #bells: Bells | undefined;
  #port: CommandPort | undefined;
  #running: Promise<void> = Promise.resolve();
  #gateway: NatsGateway | undefined;
  #multicast: BlockMulticast | undefined;
  #snapshots: SnapshotKeeper | undefined;
  #directory = new InstrumentDirectory([]);
  #opened: (JournalThreadReport & { kind: 'opened' }) | undefined;
  #closing = false;
  #journalBegun = false;
  /** Resolves when the journal thread has given the journal up, or never had it. */
  #journalEnded: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #announceFailure: (error: Error) => void = () => {};
  /** Resolves with the reason if the venue can not go on; then {@link close} still frees everything. */
  readonly failed: Promise<Error> = new Promise((resolve) => {
    this.#announceFailure = resolve;
  });

  constructor(options: VenueOptions, replicas: number, limits: VenueLimits, bounds: BlockBounds) {
    this.#options = options;
    this.#replicas = replicas;
    this.#limits = limits;
    this.#bounds = bounds;
    this.#host = new VenueHost(options, replicas);
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

  get gatewayCounts(): NatsGateway['counts'] | undefined {
    return this.#gateway?.counts;
  }

  /** What was sent as datagrams, and what was not. */
  get multicastCounts(): MulticastCounts | undefined {
    return this.#multicast?.counts;
  }

  get snapshotsTaken(): SnapshotKeeper['taken'] {
    return this.#require(this.#snapshots).taken;
  }

  /** Which thread is on which core, and what the host granted. */
  get placement(): VenuePlacement {
    return this.#host.placement;
  }

  /** What processor and kernel counted of each thread since the first call of this. */
  threadCounters(): ThreadCounts[] {
    return this.#host.counts();
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Sees every event that may be let out, in order, on this thread. See journal/events.ts for the records. */
  listen(listener: EventListener): void {
    this.#require(this.#port).listen(listener);
  }

  /** Opens a client session in this process; `key` names it, so that opening it again gives the same one. */
  async openSession(account: number, key: number | bigint): Promise<InProcessSession> {
    return InProcessSession.open(this.#require(this.#port), account, key);
  }

  /** What the `info` subject tells. */
  info(): object {
    const { genesis, epoch } = this.#require(this.#opened);
    return {
      shard: genesis.shard,
      epoch,
      sequence: this.#durableSequence(),
      ackPolicy: this.#options.ackPolicy ?? 'disk',
      limits: genesis.limits,
      instruments: this.#directory.all,
      host: this.placement,
      statistics: this.statistics(),
    };
  }

  /** What the threads have counted, and how long each stage took, since the venue was opened. */
  statistics(): PipelineStatistics {
    const { counters, replicas } = this.#require(this.#memory);
    return readStatistics(counters, replicas);
  }

  /** The last sequence on disk. */
  #durableSequence(): number {
    const { sequence } = this.#require(this.#opened);
    const status = new Int32Array(this.#require(this.#memory).status);
    return sequence + ((Atomics.load(status, STATUS.durableSequence) - sequence) | 0);
  }

  async start(): Promise<void> {
    const options = this.#options;
    const threads = this.#replicas + 3;
    const idle = { idle: options.idle ?? 'adaptive', cores: availableParallelism(), busyThreads: threads } as const;
    const journal = this.#thread(threadEntry(import.meta.url, '../sequencer/journal-thread'), 'journal', {
      directory: options.directory,
      genesis: { shard: options.shard ?? 0, createdAt: BigInt(Date.now()) * 1_000_000n, limits: this.#limits },
      segmentBytesMax: options.segmentBytesMax ?? SEGMENT_BYTES_DEFAULT,
      takeOver: options.takeOver === true,
      forwardBlocks: options.nats !== undefined || options.multicast !== undefined,
      ...idle,
      host: this.#host.threadMeasures('journal'),
    } satisfies JournalThreadData);
    const opened = await this.#journalOpened(journal);
    this.#opened = opened;
    this.#checkAsked(opened.genesis);

    const memory = allocatePipeline(1, this.#replicas, opened.sequence, opened.block);
    this.#memory = memory;
    this.#host.rings(memory);
    this.#bells = new Bells(memory);
    const kept = options.snapshotsKept ?? SNAPSHOTS_KEPT;
    this.#snapshots = new SnapshotKeeper(options.directory, opened.genesis.shard, memory, kept, {
      tell: (notice) => this.#notice(notice),
      written: ({ sequence, stateHash }) => this.#ledger.state(sequence, stateHash),
    });
    await this.#snapshots.clean();
    const ready = await Promise.all(
      Array.from({ length: this.#replicas }, (_, replica) =>
        this.#replicaReady(replica, {
          memory,
          directory: options.directory,
          genesis: opened.genesis,
          replica,
          role: replica === 0 ? 'leader' : 'follower',
          snapshotEvery: replica === 1 ? (options.snapshotEvery ?? SNAPSHOT_EVERY_DEFAULT) : 0,
          hashSeed: randomInt(2 ** 31),
          idle: idle.idle,
          busyThreads: threads,
          host: this.#host.threadMeasures(`replica${replica}`),
        }),
      ),
    );
    for (const report of ready) {
      if (report.sequence !== opened.sequence) {
        throw new Error(
          `replica ${report.replica} ends at sequence ${report.sequence}, the journal at ${opened.sequence}`,
        );
      }
    }
    this.#directory = new InstrumentDirectory(ready[0]?.instruments ?? []);

    journal.postMessage({ memory } satisfies JournalThreadBegin);
    this.#journalBegun = true;
    this.#thread(threadEntry(import.meta.url, '../sequencer/sequencer-thread'), 'sequencer', {
      memory,
      start: { sequence: opened.sequence, block: opened.block },
      bounds: this.#bounds,
      notBefore: opened.time,
      ...idle,
      host: this.#host.threadMeasures('sequencer'),
    } satisfies SequencerThreadData);
    const port = new CommandPort(memory, 0, options.ackPolicy ?? 'disk');
    this.#port = port;
    port.listen((words, mask, from, count) => this.#directory.take(words, mask, from, count), [EventType.instrument]);
    this.#running = port.run().catch((error: unknown) => this.#fail(asError(error)));
    const measures = await Promise.race([this.#host.begin(), this.failed]);
    if (measures instanceof Error) throw measures;
    for (const { measure, state, ...fields } of measures)
      this.#notice({ level: state === 'refused' ? 'warn' : 'info', text: `${measure}: ${state}`, fields });
    if (options.multicast !== undefined) await this.#joinMulticast(options.multicast);
    if (options.nats !== undefined) await this.#joinNats(options.nats, port, ready[0]?.sessions ?? []);
    this.#notice({
      level: 'info',
      text: 'venue is open',
      fields: {
        epoch: opened.epoch,
        sequence: opened.sequence,
        replicas: this.#replicas,
        replayed: ready[0]?.replayed ?? 0,
      },
    });
  }

  /**
   * Ends service in order: no new commands, everything taken is journalled, matched and answered, replicas compare their
   * state hashes, the last snapshot is written. Rejects if the venue failed or the replicas differ.
   */
  async close(): Promise<VenueClosing> {
    if (this.#closing) throw new Error('the venue is closed already');
    this.#closing = true;
    const { memory, port, bells } = {
      memory: this.#require(this.#memory),
      port: this.#require(this.#port),
      bells: this.#require(this.#bells),
    };
    const status = new Int32Array(memory.status);
    if (this.#failure === undefined) {
      port.refuse();
      await Promise.race([port.drained(), this.failed]);
    }
    if (this.#failure === undefined) {
      const sequencerDone = this.#reported<SequencerStopped>('sequencer', (message) => message.kind === 'stopped');
      Atomics.store(status, STATUS.stop, 1);
      for (const bell of bells.all()) bell.ring();
      await Promise.race([sequencerDone, this.failed]);
      const journalDone = this.#reported<JournalThreadReport>(
        'journal',
        (message) => message.kind === 'closed' || message.kind === 'failed',
      );
      Atomics.store(status, STATUS.stop, 2);
      for (const bell of bells.all()) bell.ring();
      await Promise.race([journalDone, this.failed]);
      // Not before: under `memory` the last blocks become durable, and are sent to readers, only now.
      await Promise.all([this.#gateway?.close(), this.#multicast?.close()]);
      while (this.#stopped.length < this.#replicas && this.#failure === undefined) await delay(2);
      await this.#snapshots?.settled();
      await this.abandon();
      if (this.#failure !== undefined) throw this.#failure;
      const { sequence } = await sequencerDone;
      const stateHashes = this.#stopped.sort((a, b) => a.replica - b.replica).map((report) => report.stateHash);
      if (new Set(stateHashes).size > 1)
        throw new Error(`replicas differ at sequence ${sequence}: state hashes ${stateHashes.join(', ')}`);
      return {
        sequence,
        blocks: status[STATUS.durableBlock] as number,
        stateHashes,
        digestsCompared: this.#digestsCompared,
      };
    }
    await this.#gateway?.close();
    await this.abandon();
    throw this.#failure;
  }

  /** Ends all threads at once. What was not durable is not; the journal is left as a closed one. */
  async abandon(): Promise<void> {
    this.#closing = true;
    this.#port?.stop();
    await this.#running;
    if (this.#memory !== undefined && this.#bells !== undefined) {
      const status = new Int32Array(this.#memory.status);
      Atomics.store(status, STATUS.stop, 2);
      for (const bell of this.#bells.all()) bell.ring();
    }
    if (!this.#journalBegun) this.#names.get('journal')?.postMessage(undefined);
    await Promise.race([this.#journalEnded, delay(JOURNAL_END_MS_MAX, undefined, { ref: false })]);
    await this.#multicast?.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#host.end();
  }

  async #joinNats(
    nats: NonNullable<VenueOptions['nats']>,
    port: CommandPort,
    sessions: readonly OpenSession[],
  ): Promise<void> {
    const reader = JournalReader.open(this.#options.directory);
    const lookup = new BlockLookup(reader);
    const place = new DurablePlace(this.#require(this.#memory), reader.last);
    const fault = (error: Error): Error =>
      new EnvironmentFault(`NATS at ${nats.connection.servers ?? '127.0.0.1:4222'}: ${error.message}`);
    this.#gateway = await NatsGateway.connect({
      connection: nats.connection,
      shard: this.genesis.shard,
      port,
      tokens: nats.tokens,
      sessions,
      info: () => this.info(),
      genesis: encodeGenesis(this.genesis),
      state: (after) => ({
        shard: this.genesis.shard,
        genesisHash: reader.genesisHash.toString('hex'),
        epoch: this.epoch,
        ...place.read(),
        digestEvery: DIGEST_EVERY,
        ...this.#ledger.after(after),
      }),
      firstBlock: () => reader.firstBlock,
      readBlock: (block) => {
        // In this process the reader sees a block before it is on disk.
        if (this.#isAhead(block)) return undefined;
        try {
          const view = lookup.read(block);
          return view === undefined ? undefined : new Uint8Array(view.bytes);
        } catch (error) {
          if (!(error instanceof JournalError)) throw error;
          this.#notice({ level: 'warn', text: 'block can not be read', fields: { block, why: error.message } });
          return undefined;
        }
      },
      onLost: (error) => this.#fail(fault(error)),
      onStatus: (status) => {
        const level = status === 'disconnect' || status === 'error' ? 'warn' : 'info';
        // An outage is told when it begins and when it ends, not at every attempt in between.
        if (status !== 'reconnecting' && status !== 'ping') this.#notice({ level, text: 'nats', fields: { status } });
        nats.onStatus?.(status);
      },
    }).catch((error: unknown) => {
      throw fault(asError(error));
    });
  }

  async #joinMulticast(options: MulticastOptions): Promise<void> {
    const place = `multicast to ${options.address}:${options.port}`;
    this.#multicast = await BlockMulticast.open(options, (why) =>
      this.#notice({ level: 'warn', text: 'datagrams are not sent', fields: { to: place, why } }),
    ).catch((error: unknown) => {
      throw new EnvironmentFault(`${place}: ${asError(error).message}`);
    });
  }

  /** Lets a durable block out to readers on other hosts. */
  #publishBlock(bytes: Uint8Array<ArrayBuffer>): void {
    this.#gateway?.publishBlock(bytes);
    // The NATS client keeps the bytes until it has written them, so with NATS the datagrams are made of a copy.
    this.#multicast?.send(this.#gateway === undefined ? bytes : new Uint8Array(bytes));
  }

  #isAhead(block: number): boolean {
    const durable = Atomics.load(new Int32Array(this.#require(this.#memory).status), STATUS.durableBlock);
    return ((durable - block) | 0) < 0;
  }

  #journalOpened(journal: Worker): Promise<JournalThreadReport & { kind: 'opened' }> {
    let ended = (): void => {};
    this.#journalEnded = new Promise((resolve) => {
      ended = resolve;
    });
    journal.once('exit', ended);
    return new Promise((resolve, reject) => {
      journal.on('message', (report: JournalThreadReport) => {
        if (report.kind === 'closed' || report.kind === 'failed') ended();
        if (report.kind === 'opened') resolve(report);
        else if (report.kind === 'block') this.#publishBlock(report.bytes);
        else if (report.kind === 'failed') {
          const error = new JournalError(report.code, report.message);
          reject(error);
          this.#fail(error);
        }
      });
      journal.once('error', reject);
    });
  }

  #replicaReady(replica: number, data: ReplicaThreadData): Promise<ReplicaReport & { kind: 'ready' }> {
    const worker = this.#thread(threadEntry(import.meta.url, '../replicas/replica-thread'), `replica ${replica}`, data);
    return new Promise((resolve, reject) => {
      worker.on('message', (report: ReplicaReport) => {
        switch (report.kind) {
          case 'ready':
            for (const finding of report.findings)
              this.#notice({ level: 'warn', text: 'snapshot passed over', fields: { replica, finding } });
            return resolve(report);
          case 'digest':
            return this.#compareDigest(report);
          case 'snapshot':
            return this.#snapshots?.take(report);
          case 'caught-up':
            return this.#notice({
              level: 'warn',
              text: 'replica was lapped and caught up from the journal',
              fields: { ...report },
            });
          case 'stopped':
            this.#stopped.push(report);
            return;
          case 'failed': {
            const error =
              report.journal === undefined
                ? new Error(`replica ${replica} failed: ${report.message}`)
                : new JournalError(report.journal, report.message);
            reject(error);
            return this.#fail(error);
          }
        }
      });
      worker.once('error', reject);
    });
  }

  #compareDigest(report: ReplicaReport & { kind: 'digest' }): void {
    if (report.replica === 0) this.#ledger.digest(report.sequence, report.value);
    const other = this.#digests.get(report.sequence);
    if (other === undefined) {
      this.#digests.set(report.sequence, report.value);
      if (this.#digests.size > DIGESTS_WAITING_MAX) {
        for (const oldest of this.#digests.keys()) {
          this.#digests.delete(oldest);
          break;
        }
      }
      return;
    }
    this.#digestsCompared++;
    if (other !== report.value) {
      this.#fail(
        new Error(
          `replicas differ: the events of the ${DIGEST_EVERY} commands up to sequence ${report.sequence} are not the same`,
        ),
      );
    }
  }

  /** Starts a worker; if it ends before its time, the venue fails. */
  #thread(entry: URL, name: string, workerData: object): Worker {
    const worker = new Worker(entry, { name, workerData });
    worker.on('error', (error) => this.#fail(asError(error)));
    worker.on('message', (message) => this.#host.take(message));
    worker.on('exit', () => {
      // If it ended because another one failed, the reason may still be on its way from there.
      const tell = setTimeout(() => {
        if (!this.#closing) this.#fail(new Error(`the ${name} thread ended`));
      }, REASON_MS_MAX);
      tell.unref();
    });
    this.#workers.push(worker);
    this.#names.set(name, worker);
    return worker;
  }
  #reported<T>(name: string, wanted: (message: T) => boolean): Promise<T> {
    return new Promise((resolve) => {
      this.#names.get(name)?.on('message', (message: T) => {
        if (wanted(message)) resolve(message);
      });
    });
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    if (this.#memory !== undefined) Atomics.compareExchange(new Int32Array(this.#memory.status), STATUS.failed, 0, 3);
    for (const bell of this.#bells?.all() ?? []) bell.ring();
    this.#port?.fail(error.message);
    this.#notice({ level: 'error', text: error.message, fields: {} });
    this.#announceFailure(error);
  }

  #checkAsked(genesis: Genesis): void {
    const { limits, shard } = this.#options;
    if (shard !== undefined && shard !== genesis.shard) {
      throw new RangeError(
        `shard: ${shard} was asked for, but the journal in ${this.#options.directory} is of shard ${genesis.shard}`,
      );
    }
    for (const name of Object.keys(limits ?? {}) as (keyof VenueLimits)[]) {
      const asked = limits?.[name];
      if (asked !== undefined && asked !== genesis.limits[name]) {
        throw new RangeError(
          `${name}: ${asked} was asked for, but the journal in ${this.#options.directory} was made with ${genesis.limits[name]}`,
        );
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

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
