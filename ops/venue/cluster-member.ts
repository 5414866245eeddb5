import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { BlockView } from '../../journal/block.ts';
import { BlockLookup } from '../../journal/block-lookup.ts';
import { JournalError } from '../../journal/findings.ts';
import { DEFAULT_LIMITS, decodeGenesis, encodeGenesis } from '../../journal/genesis.ts';
import { JournalReader } from '../../journal/reader.ts';
import { pointOf } from '../../journal/segmentfile.ts';
import type { ChainPoint } from '../../journal/segments.ts';
import { PeerRepair, PeerService } from '../../sequencer/block-peers.ts';
import { ClusterNode, type Leadership, type NodeJournal } from '../../sequencer/cluster-node.ts';
import {
  JetStreamLog,
  LOG_BYTES_DEFAULT,
  LOG_REPLICAS_DEFAULT,
  whyServerIsOld,
} from '../../sequencer/jetstream-log.ts';
import { LEASE_MS_DEFAULT } from '../../sequencer/lease.ts';
import type { LogPublisher } from '../../sequencer/log-publisher.ts';
import { LogTrimming } from '../../sequencer/log-trimming.ts';
import type { NatsLink } from '../../sequencer/nats-gateway.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import type { Followed } from '../telemetry/readings.ts';
import { REPLICATED_IN_FLIGHT_BLOCKS, Venue, type VenueOptions } from './venue.ts';

/** How a venue's process takes part in a cluster. */
export interface ClusterOptions {
  /** Name of this node, which no other one has. */
  readonly node: string;
  /** Servers of the NATS cluster that hold a copy of the log each. */
  readonly logReplicas?: number | undefined;
  /** The log takes no more than this. */
  readonly logBytesMax?: number | undefined;
}

/** How a take-over went, in milliseconds from when the node came forward. */
export interface ClusterTakeOver {
  readonly why: Leadership['why'];
  readonly node: string;
  readonly epoch: number;
  /** For how long nothing had been heard of the primary before. */
  readonly silentMs: number;
  /** Until it had won, and everything before that was in its journal. */
  readonly wonMs: number;
  /** Until the first acknowledgement was possible. */
  readonly takeOverMs: number;
}

/** Blocks handed to the journal thread and not on disk, at most. */
const COPIES_WAITING_MAX = 64;
/** A node that has much to read says this often how far it is. */
const PROGRESS_MS = 5_000;
/** A primary that is to end waits so long for a log that takes nothing. */
const LAST_BLOCKS_MS_MAX = 5_000;
const RECONNECT_MS = 200;
const LEAVE_MS_MAX = 2_000;

/**
 * A process of a venue on several hosts: it follows the replicated log into its journal, with warm replicas, comes forward
 * when the primary is gone, and is the primary when it has won. docs/deployment.md says what is promised.
 */
export class ClusterMember {
  readonly #options: VenueOptions;
  readonly #cluster: ClusterOptions;
  readonly #connection: NatsConnection;
  readonly #log: JetStreamLog;
  readonly #venue: Venue;
  readonly #journal: MemberJournal;
  readonly #node: ClusterNode;
  readonly #caughtUp: Promise<void>;
  #announceCaughtUp = (): void => {};
  #warm = false;
  #warmAt = 0;
  #closing = false;
  #link: NatsLink | undefined;
  #peers: PeerService | undefined;
  #publisher: LogPublisher | undefined;
  #trimming: LogTrimming | undefined;

  /** Resolves when it follows the log. Throws an {@link EnvironmentFault}, or what the log says is wrong with it. */
  static async join(options: VenueOptions, cluster: ClusterOptions): Promise<ClusterMember> {
    const { nats } = options;
    if (nats === undefined) throw new RangeError('nats: missing: a cluster is joined over NATS');
    const connection = await connect({
      name: `veritape node ${cluster.node}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      ...nats.connection,
    }).catch((error: unknown) => {
      throw new EnvironmentFault(`NATS at ${nats.connection.servers}: ${messageOf(error)}`);
    });
    try {
      const log = await JetStreamLog.open(connection, {
        shard: options.shard ?? 0,
        replicas: cluster.logReplicas ?? LOG_REPLICAS_DEFAULT,
        bytesMax: cluster.logBytesMax ?? LOG_BYTES_DEFAULT,
      });
      const version = connection.info?.version ?? '';
      const why = whyServerIsOld(version);
      if (why !== undefined)
        options.onNotice?.({ level: 'warn', text: 'nats-server is too old for a cluster', fields: { version, why } });
      const member = new ClusterMember(options, cluster, connection, log);
      await member.#journal.openIfThere();
      return member;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private constructor(options: VenueOptions, cluster: ClusterOptions, connection: NatsConnection, log: JetStreamLog) {
    this.#options = options;
    this.#cluster = cluster;
    this.#connection = connection;
    this.#log = log;
    this.#caughtUp = new Promise((resolve) => {
      this.#announceCaughtUp = resolve;
    });
    const shard = options.shard ?? 0;
    const { node } = cluster;
    this.#venue = new Venue(
      { ...options, ackPolicy: 'disk+replica', describe: () => ({ cluster: this.#node.status() }) },
      {
        copied: (block, epoch) => this.#journal.copied(block, epoch),
        sealed: (block, bytes) => this.#publisher?.offer(block, bytes),
      },
    );
    this.#journal = new MemberJournal(options.directory, this.#venue, () => this.#servePeers());
    this.#node = new ClusterNode({
      ...{ connection, log, shard, node },
      leaseMs: options.leaseMs ?? LEASE_MS_DEFAULT,
      journal: this.#journal,
      repair: new PeerRepair(connection, shard, node),
      newGenesis: () => {
        const createdAt = BigInt(Date.now()) * 1_000_000n;
        return encodeGenesis({ shard, createdAt, limits: { ...DEFAULT_LIMITS, ...options.limits } });
      },
      // A node without a journal is the first of a new venue, or has just begun to copy one.
      isReady: () => this.#warm || this.#journal.genesis === undefined,
      onCaughtUp: () => this.#announceCaughtUp(),
      onNotice: (level, text, fields) => this.#options.onNotice?.({ level, text, fields }),
    });
  }

  /** It serves once this node leads. */
  get venue(): Venue {
    return this.#venue;
  }

  /** How far it has followed, once it is ready to take over. */
  get followed(): Followed | undefined {
    if (!this.#warm) return undefined;
    return { sequence: this.#venue.followed(this.#warmAt), epoch: this.#journal.epoch };
  }

  /**
   * Resolves when this node has taken over and serves; with undefined if it is closed before. Rejects if it can not go on;
   * then close it.
   */
  async lead(): Promise<{ readonly venue: Venue; readonly takeOver: ClusterTakeOver } | undefined> {
    const following = this.#node.follow();
    following.catch(() => undefined);
    // A new venue's first node has no journal before it leads.
    const progress = setInterval(() => {
      this.#notice('info', 'reading the log', { block: this.#journal.lastBlock, ...this.#node.progress });
    }, PROGRESS_MS);
    const { replayed } = await this.#orFailed(
      Promise.race([following, Promise.all([this.#caughtUp, this.#journal.begun])])
        .then(() => this.#warmUp())
        .finally(() => clearInterval(progress)),
    );
    if (this.#closing) return undefined;
    this.#notice('info', 'standing by', { sequence: this.#venue.followed(this.#warmAt), replayed });
    const leadership = await this.#orFailed(following);
    if (leadership === undefined) return undefined;
    const { epoch, why, silentMs, sinceMs } = leadership;
    const { node } = this.#cluster;
    const wonMs = sinceWhen(sinceMs);
    // What clients send from here on is answered when this node serves, without their sending it again.
    this.#link?.requests.hold();
    this.#notice('warn', 'taking over', { why, node, epoch, silentMs, slot: leadership.slot });
    this.#publisher = await this.#orFailed(
      this.#node.lead(leadership, REPLICATED_IN_FLIGHT_BLOCKS, {
        onReplicated: (block) => this.#venue.replicated(block),
        onEnded: (reason) => this.#venue.fail(new EnvironmentFault(reason)),
        onStalled: (reason) => this.#stalled(reason),
      }),
    );
    this.#trimming = new LogTrimming(this.#log, this.#cluster.logBytesMax ?? LOG_BYTES_DEFAULT, (level, text, fields) =>
      this.#notice(level, text, fields),
    );
    const opened = await this.#venue.leadJournal(epoch);
    await this.#venue.takeOver(opened, { replicasReady: () => undefined, complete: false });
    return { venue: this.#venue, takeOver: { why, node, epoch, silentMs, wonMs, takeOverMs: sinceWhen(sinceMs) } };
  }

  /** The venue is about to be closed: a log that does not take its last blocks must not keep it for ever. */
  expectClose(): void {
    const watch = setInterval(() => {
      if ((this.#publisher?.waiting ?? 0) === 0 || (this.#publisher?.silentMs ?? 0) < LAST_BLOCKS_MS_MAX) return;
      clearInterval(watch);
      const text = 'the replicated log does not take the last blocks: what they hold is not acknowledged';
      this.#venue.fail(new EnvironmentFault(text));
    }, LAST_BLOCKS_MS_MAX / 10);
    watch.unref();
  }

  /** Leaves the cluster; the others need not wait for its lease to lapse. A venue that serves is to be closed before. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#trimming?.stop();
    this.#peers?.close();
    const left = this.#node.close(true);
    await this.#venue.abandon();
    await Promise.race([left, patience()]);
    await Promise.race([this.#connection.flush().catch(() => undefined), patience()]);
    await this.#connection.close();
  }

  async #warmUp(): Promise<{ readonly replayed: number }> {
    if (this.#closing) return { replayed: 0 };
    const genesis = this.#journal.genesis;
    if (genesis === undefined) throw new Error('there is no journal to warm up from');
    const { warm, link } = await this.#venue.prepare(decodeGenesis(genesis));
    this.#link = link;
    this.#warmAt = Math.min(...warm.map(({ sequence }) => sequence));
    this.#warm = true;
    return { replayed: warm[0]?.replayed ?? 0 };
  }

  /** Gives blocks to nodes that the log can not help any more. */
  #servePeers(): void {
    const journal = this.#journal;
    const { genesis } = journal;
    if (genesis === undefined || this.#peers !== undefined) return;
    this.#peers = new PeerService({
      connection: this.#connection,
      shard: this.#options.shard ?? 0,
      id: this.#cluster.node,
      genesis,
      firstBlock: () => journal.firstBlock,
      last: () => journal.onDisk,
      readBlock: (block) => {
        if (block > journal.onDisk.block) return undefined;
        const view = journal.read(block);
        return view === undefined ? undefined : new Uint8Array(view.bytes);
      },
      status: () => this.#node.status(),
      onFailed: (failed) => this.#notice('warn', 'message not taken', { ...failed }),
    });
  }

  #stalled(why: string | undefined): void {
    this.#venue.hold(why);
    if (why === undefined) this.#notice('info', 'the replicated log takes blocks again', {});
    else this.#notice('error', 'nothing is acknowledged', { why });
  }

  /** What fails in the venue's threads ends the waiting for everything else. */
  async #orFailed<T>(wanted: Promise<T>): Promise<T> {
    return Promise.race([
      wanted,
      this.#venue.failed.then((error) => {
        throw error;
      }),
    ]);
  }

  #notice(level: 'info' | 'warn' | 'error', text: string, fields: Record<string, string | number>): void {
    this.#options.onNotice?.({ level, text, fields });
  }
}

/** The journal of a node, which its journal thread writes; this thread hands blocks over and reads those on disk. */
class MemberJournal implements NodeJournal {
  readonly begun: Promise<void>;
  readonly #directory: string;
  readonly #venue: Venue;
  readonly #onBegun: () => void;
  #announceBegun = (): void => {};
  #genesis: Buffer | undefined;
  #epoch = 0;
  #end: ChainPoint | undefined;
  #onDisk: ChainPoint | undefined;
  /** Handed over and not on disk, oldest first. */
  readonly #waiting: ChainPoint[] = [];
  #reader: JournalReader | undefined;
  #lookup: BlockLookup | undefined;
  #wake: (() => void)[] = [];

  constructor(directory: string, venue: Venue, onBegun: () => void) {
    this.#directory = directory;
    this.#venue = venue;
    this.#onBegun = onBegun;
    this.begun = new Promise((resolve) => {
      this.#announceBegun = resolve;
    });
  }

  get genesis(): Buffer | undefined {
    return this.#genesis;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get end(): ChainPoint | undefined {
    return this.#end;
  }

  /** The last block that the journal thread has stored. */
  get onDisk(): ChainPoint {
    if (this.#onDisk === undefined) throw new Error('there is no journal yet');
    return this.#onDisk;
  }

  get firstBlock(): number {
    return this.#reader?.firstBlock ?? 1;
  }

  get lastBlock(): number {
    return this.#end?.block ?? 0;
  }

  read(block: number): BlockView | undefined {
    return this.#lookup?.read(block);
  }

  /** Opens the journal if there is one. */
  async openIfThere(): Promise<void> {
    let genesis: Buffer;
    try {
      genesis = encodeGenesis(JournalReader.open(this.#directory, { unflushed: true }).genesis);
    } catch (error) {
      if (error instanceof JournalError && error.code === 'not-a-journal') return;
      throw error;
    }
    await this.begin(genesis);
  }

  async begin(genesis: Buffer): Promise<void> {
    const { end, epoch } = await this.#venue.copyJournal(decodeGenesis(genesis));
    const last = { ...end, hash: Buffer.from(end.hash) };
    this.#reader = JournalReader.open(this.#directory, { unflushed: true });
    this.#lookup = new BlockLookup(this.#reader);
    this.#genesis = genesis;
    this.#epoch = epoch;
    this.#end = last;
    this.#onDisk = last;
    this.#announceBegun();
    this.#onBegun();
  }

  async append(block: BlockView): Promise<void> {
    while (this.#waiting.length >= COPIES_WAITING_MAX) await this.#change();
    this.#end = pointOf(block);
    this.#waiting.push(this.#end);
    const { buffer, byteOffset, byteLength } = block.bytes;
    const whole = byteOffset === 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer;
    this.#venue.copyBlock(whole ? buffer : new Uint8Array(block.bytes).buffer);
  }

  async settled(): Promise<void> {
    while (this.#waiting.length > 0) await this.#change();
  }

  /** The journal thread has stored a block. */
  copied(block: number, epoch: number): void {
    const stored = this.#waiting.shift();
    if (stored?.block !== block) throw new Error(`the journal thread stored block ${block}, not ${stored?.block}`);
    this.#onDisk = stored;
    this.#epoch = epoch;
    for (const wake of this.#wake.splice(0)) wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
}

function sinceWhen(ms: number): number {
  return Math.round((performance.now() - ms) * 1000) / 1000;
}

function patience(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LEAVE_MS_MAX).unref());
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
