import { setTimeout as delay } from 'node:timers/promises';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { BLOCK_HEADER_WORDS, BlockBuffer, type BlockView } from '../../journal/block.ts';
import { BlockLookup } from '../../journal/block-lookup.ts';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import { decodeGenesis, encodeGenesis } from '../../journal/genesis.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import type { ChainPoint } from '../../journal/segments.ts';
import { PeerRepair, PeerService } from '../../sequencer/block-peers.ts';
import { genesisPoint } from '../../sequencer/chain-follower.ts';
import { ClusterNode, type Leadership, type NodeJournal } from '../../sequencer/cluster-node.ts';
import { JetStreamLog } from '../../sequencer/jetstream-log.ts';
import type { LogPublisher } from '../../sequencer/log-publisher.ts';
import type { ReplicatedLog } from '../../sequencer/replicated-log.ts';
import { SMALL } from '../journal/temporary-journal.ts';
import { GENESIS } from './modelled-log.ts';

/** A busy machine may let a node take one that is alive for gone: {@link TestNode.mayLead}. */
export const LEASE_MS = 300;
const IN_FLIGHT_MAX = 8;
const LOG_BYTES_MAX = 2 ** 26;
const COMMANDS = 2;

/** A node's journal on the thread of the test. */
export class DirectJournal implements NodeJournal {
  readonly #dir: string;
  #writer: JournalWriter | undefined;
  #lookup: BlockLookup | undefined;
  #firstBlock = 1;
  readonly #pauseMs: number;

  constructor(dir: string, pauseMs = 0) {
    this.#dir = dir;
    this.#pauseMs = pauseMs;
    try {
      JournalReader.open(dir);
    } catch {
      return;
    }
    this.#open();
  }

  #open(genesis?: Buffer): void {
    this.#writer = JournalWriter.open(this.#dir, {
      ...SMALL,
      ...(genesis === undefined ? {} : { genesis: decodeGenesis(genesis) }),
    });
    const reader = JournalReader.open(this.#dir);
    this.#lookup = new BlockLookup(reader);
    this.#firstBlock = reader.firstBlock;
  }

  get writer(): JournalWriter {
    if (this.#writer === undefined) throw new Error('no journal');
    return this.#writer;
  }

  get genesis(): Buffer | undefined {
    return this.#writer === undefined ? undefined : encodeGenesis(this.#writer.genesis);
  }

  get epoch(): number {
    return this.#writer?.epoch ?? 0;
  }

  get end(): ChainPoint | undefined {
    return this.#writer?.last;
  }

  get firstBlock(): number {
    return this.#firstBlock;
  }

  get lastBlock(): number {
    return this.#writer?.last.block ?? 0;
  }

  read(block: number): BlockView | undefined {
    return this.#lookup?.read(block);
  }

  async begin(genesis: Buffer): Promise<void> {
    this.#open(genesis);
  }

  async append(block: BlockView): Promise<void> {
    this.writer.appendCopy(block);
  }

  async settled(): Promise<void> {
    await delay(this.#pauseMs);
  }

  async close(): Promise<void> {
    this.#lookup?.close();
    await this.#writer?.close();
  }
}

export interface TestNodeOptions {
  readonly replicas?: number;
  readonly peers?: boolean;
  readonly bytesMax?: number;
  readonly leaseMs?: number;
  readonly mayLead?: boolean;
  /** Before it begins to read the log. */
  readonly pauseMs?: number;
}

/** A node of a cluster in the test's own process, which seals blocks of its own when it leads. */
export class TestNode {
  readonly name: string;
  readonly journal: DirectJournal;
  readonly log: ReplicatedLog;
  readonly connection: NatsConnection;
  readonly node: ClusterNode;
  readonly notices: string[] = [];
  readonly following: Promise<Leadership | undefined>;
  /** Whether it comes forward when it hears of no primary. */
  mayLead: boolean;
  leadership: Leadership | undefined;
  publisher: LogPublisher | undefined;
  caughtUpMs = Number.NaN;
  ended: string | undefined;
  stalled: string | undefined;
  readonly #peers: PeerService | undefined;
  /** Sealed and not replicated. */
  readonly #sealed: Buffer[] = [];
  /** Hashes of the blocks that were acknowledged, by number. */
  readonly acknowledged = new Map<number, string>();

  static async join(
    urls: readonly string[],
    dir: string,
    name: string,
    shard: number,
    more: TestNodeOptions = {},
  ): Promise<TestNode> {
    const connection = await connect({ servers: [...urls], maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    const options = { shard, replicas: more.replicas ?? 3, bytesMax: more.bytesMax ?? LOG_BYTES_MAX };
    const log = await JetStreamLog.open(connection, options);
    return new TestNode(connection, log, dir, name, shard, more);
  }

  private constructor(
    connection: NatsConnection,
    log: ReplicatedLog,
    dir: string,
    name: string,
    shard: number,
    { peers = false, leaseMs = LEASE_MS, mayLead = true, pauseMs }: TestNodeOptions,
  ) {
    this.name = name;
    this.mayLead = mayLead;
    this.connection = connection;
    this.log = log;
    const journal = new DirectJournal(dir, pauseMs);
    this.journal = journal;
    this.#peers = peers
      ? new PeerService({
          connection,
          shard,
          id: name,
          genesis: journal.genesis ?? GENESIS,
          firstBlock: () => journal.firstBlock,
          last: () => journal.end ?? genesisPoint(GENESIS),
          readBlock: (block) => {
            const view = block <= journal.lastBlock ? journal.read(block) : undefined;
            return view === undefined ? undefined : new Uint8Array(view.bytes);
          },
        })
      : undefined;
    this.node = new ClusterNode({
      connection,
      log,
      shard,
      node: name,
      leaseMs,
      journal,
      repair: new PeerRepair(connection, shard, name),
      newGenesis: () => GENESIS,
      isReady: () => this.mayLead,
      onCaughtUp: () => {
        this.caughtUpMs = performance.now();
        this.notices.push('caught up');
      },
      onNotice: (_level, text, fields) => this.notices.push(`${text} ${JSON.stringify(fields)}`),
    });
    this.following = this.node.follow();
    this.following.catch(() => undefined);
  }

  /** Resolves when this node has won and can publish. */
  async leads(): Promise<this> {
    this.leadership = await this.following;
    if (this.leadership === undefined) throw new Error(`${this.name} was closed`);
    const { writer } = this.journal;
    writer.raiseEpoch(this.leadership.epoch);
    this.publisher = await this.node.lead(this.leadership, IN_FLIGHT_MAX, {
      onReplicated: (block) => this.#append(block),
      onEnded: (why) => {
        this.ended = why;
      },
      onStalled: (why) => {
        this.stalled = why;
      },
    });
    return this;
  }

  /** Seals blocks and has them replicated; resolves when all are acknowledged. Rejects if the node loses its place. */
  async write(blocks: number): Promise<void> {
    const { writer } = this.journal;
    for (let made = 0; made < blocks; made++) {
      const buffer = new BlockBuffer();
      const first = writer.last.sequence + 1 + this.#sealed.length * COMMANDS;
      for (let command = 0; command < COMMANDS; command++)
        buffer.words[BLOCK_HEADER_WORDS + command * COMMAND_WORDS + 6] = first + command;
      const bytes = writer.seal(buffer, COMMANDS, first, first, 0);
      this.#sealed.push(bytes);
      this.publisher?.offer(writer.last.block + this.#sealed.length, bytes);
      await this.#sealedAtMost(2 * IN_FLIGHT_MAX - 1);
    }
    await this.#sealedAtMost(0);
  }

  async #sealedAtMost(blocks: number): Promise<void> {
    while (this.#sealed.length > blocks) {
      if (this.ended !== undefined) throw new Error(`${this.name}: ${this.ended}`);
      await delay(2);
    }
  }

  /** For people who wonder why a test waits. */
  describe(): string {
    const { stalled, ended } = this;
    const status = {
      ...this.node.status(),
      journal: this.journal.lastBlock,
      sealed: this.#sealed.length,
      stalled,
      ended,
    };
    return [JSON.stringify(status), ...this.notices].join('\n  ');
  }

  /** As a journal thread does: on this node's disk only what the log holds. Then it is acknowledged. */
  #append(replicated: number): void {
    const { writer } = this.journal;
    while (writer.last.block < replicated) {
      const bytes = this.#sealed.shift();
      if (bytes === undefined) return;
      writer.appendSealed(bytes);
      this.acknowledged.set(writer.last.block, writer.last.hash.toString('hex'));
    }
  }

  /** As a process ends that is killed: nobody is told. */
  vanish(): Promise<void> {
    return this.#end(false);
  }

  /** In good order. */
  leave(): Promise<void> {
    return this.#end(true);
  }

  async #end(resigns: boolean): Promise<void> {
    await this.node.close(resigns);
    await this.connection.flush();
    this.#peers?.close();
    await this.connection.close();
    await this.journal.close();
  }
}
