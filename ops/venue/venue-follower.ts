import { once } from 'node:events';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import type { BlockView } from '../../journal/block.ts';
import { BlockLookup } from '../../journal/block-lookup.ts';
import { JournalError } from '../../journal/findings.ts';
import { decodeGenesis, encodeGenesis, type Genesis, genesisHash } from '../../journal/genesis.ts';
import { JournalReader } from '../../journal/reader.ts';
import type { ChainPoint } from '../../journal/segments.ts';
import { JournalCopy, type JournalCopyOptions } from '../../replicas/journal-copy.ts';
import { discoverPeers, PeerRepair, PeerService, type PeerServiceOptions } from '../../sequencer/block-peers.ts';
import { BlockReader, BlockReaderError } from '../../sequencer/block-reader.ts';
import type { BlockSource } from '../../sequencer/block-transport.ts';
import { genesisSubject, stateSubject } from '../../sequencer/nats-gateway.ts';
import { decodeVenueState, type VenueState } from '../../sequencer/venue-state.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import { ReplicaMarket } from '../feed/replica-market.ts';
import { OrderStates } from '../reports/order-states.ts';
import { PrivateQueries, type PrivateQueriesOptions } from '../reports/private-queries.ts';
import { ReportArchive } from '../reports/report-archive.ts';
import { ReportLog } from '../reports/report-log.ts';
import { MarketFeed, type MarketFeedOptions } from './market-feed.ts';
import { type Agreed, StateAgreement } from './state-agreement.ts';
import type { Notice } from './venue.ts';
import { definedFields } from './venue-outlets.ts';

export interface VenueFollowerOptions {
  /** Of the copy: its folder, its snapshots. */
  readonly copy: Pick<
    JournalCopyOptions,
    'directory' | 'segmentBytesMax' | 'snapshotEvery' | 'snapshotsKept' | 'observers' | 'restoreUpTo'
  >;
  readonly connection: NatsConnection;
  readonly shard: number;
  /** Where published blocks come from, in place of NATS. */
  readonly source?: BlockSource | undefined;
  /** Tells this follower from others: sequencer/block-peers.ts. */
  readonly id: string;
  readonly feed?: MarketFeedOptions | undefined;
  /** Answer accounts' questions about their orders: ops/reports/private-queries.ts. */
  readonly queries?: boolean | undefined;
  /**
   * With queries, a copy of no more commands is replayed whole when it is opened, so that it is known of every order what it has
   * traded; {@link QUERIES_REPLAY_MAX} unless given.
   */
  readonly queriesReplayMax?: number | undefined;
  /** Give blocks to other followers. On unless set to false. */
  readonly peers?: boolean | undefined;
  /** End with the block that holds this sequence. */
  readonly until?: number | undefined;
  /** End when everything is here that the venue had when it was asked. */
  readonly exitWhenCaughtUp?: boolean | undefined;
  /** End with an error when nothing was heard of the venue, and no block came, for this long. */
  readonly giveUpMs?: number | undefined;
  readonly hashSeed: number;
  readonly signal: AbortSignal;
  readonly onNotice: (notice: Notice) => void;
}

/** So many commands are replayed in some ten to sixty seconds. */
export const QUERIES_REPLAY_MAX = 20_000_000;

/** How far behind the venue a copy is. */
export interface FollowerLag {
  /** Behind what the venue told last; null before it told anything. */
  readonly blocks: number | null;
  readonly sequences: number | null;
  /** From the time in the last block, by the venue's clock, to when it was applied, by this host's. Null before the first. */
  readonly ms: number | null;
}

export interface FollowerStatus {
  readonly shard: number;
  readonly epoch: number;
  readonly block: number;
  readonly sequence: number;
  readonly chainHash: string;
  readonly caughtUp: boolean;
  readonly lag: FollowerLag;
  readonly agreed: Agreed;
}

/** Why following ended: as asked, or because the copy and the venue are not the same. */
export interface FollowerEnd {
  readonly why: 'until' | 'caughtUp' | 'stopped' | 'disagreement';
  /** What differs. */
  readonly disagreement: string | undefined;
}

/** The venue is asked so often how far it is and what it computed. */
const ASK_MS = 500;
const ANSWER_MS_MAX = 2_000;
/** Not answering for so long is told. */
const SILENCE_MS = 5_000;
/** Blocks that are flushed together, and bytes of them above which no more is added. */
const BLOCKS_TOGETHER_MAX = 64;
const BYTES_TOGETHER_MAX = 2 ** 22;
/** The loop lets others have their turn this often while blocks wait. */
const TURN_MS = 10;
/** Refused blocks that are told one by one; the others are counted. */
const REFUSALS_TOLD_MAX = 100;
/** Somebody is asked for the genesis record again after this long. */
const GENESIS_RETRY_MS = 300;
const NS_PER_MS = 1_000_000n;

/** Follows a venue into a copy of its journal, as a replica of its own that agrees with the venue's or stops. */
export class VenueFollower {
  readonly copy: JournalCopy;
  readonly reader: BlockReader;
  readonly repairs: PeerRepair;
  readonly peers: PeerService | undefined;
  readonly feed: MarketFeed | undefined;
  readonly queries: PrivateQueries | undefined;
  readonly #options: VenueFollowerOptions;
  readonly #agreement: StateAgreement;
  readonly #lookup: BlockLookup;
  #told: VenueState | undefined;
  #heardAt = performance.now();
  #silent = false;
  #otherWay = false;
  #earlierEpoch = 0;
  #caughtUp = false;
  #lagMs: number | null = null;
  #end: FollowerEnd | undefined;
  #market: ReplicaMarket | undefined;

  /**
   * Opens the copy, or begins one as soon as the venue or another follower tells its genesis record. Rejects with an
   * {@link EnvironmentFault}, a {@link JournalError}, or, if the copy is of another venue, a {@link Disagreement}.
   */
  static async open(options: VenueFollowerOptions): Promise<VenueFollower> {
    const { copy, shard, onNotice } = options;
    const own = genesisOf(copy.directory);
    const genesis = own ?? (await learnGenesis(options));
    const told = own === undefined ? genesis : await askGenesis(options);
    if (genesis.shard !== shard) {
      const text = `the copy in ${copy.directory} is of shard ${genesis.shard}, and shard ${shard} is to be followed`;
      throw new JournalError('not-a-journal', text);
    }
    if (told !== undefined && !genesisHash(told).equals(genesisHash(genesis))) {
      throw new Disagreement(
        `the venue's journal has genesis hash ${genesisHash(told).toString('hex')}, and the copy in ${copy.directory} has ` +
          `${genesisHash(genesis).toString('hex')}: they are of different venues`,
      );
    }
    // Set below; nothing is computed before.
    let follower: VenueFollower | undefined;
    const judged = (differ: string | undefined): void => follower?.judge(differ);
    const agreement = new StateAgreement(genesisHash(genesis), (block) => follower?.hashAt(block));
    const progress = replayProgress(options);
    const known = options.queries === true ? { states: new OrderStates(), reports: new ReportLog() } : undefined;
    const opened = await JournalCopy.open({
      ...copy,
      genesis,
      hashSeed: options.hashSeed,
      restoreUpTo: known !== undefined && isShort(options) ? 0 : copy.restoreUpTo,
      observers: [...(copy.observers ?? []), ...(known === undefined ? [] : [known.states, known.reports])],
      onDigest: (sequence, value) => judged(agreement.digest(sequence, value)),
      onSnapshot: (snapshot) => {
        onNotice({ level: 'info', text: 'snapshot written', fields: { ...snapshot } });
        judged(agreement.state(snapshot.sequence, snapshot.stateHash));
      },
      onTrouble: (text) => onNotice({ level: 'warn', text, fields: {} }),
      onReplayed: progress,
    });
    follower = new VenueFollower(options, opened, agreement, known);
    return follower;
  }

  private constructor(
    options: VenueFollowerOptions,
    copy: JournalCopy,
    agreement: StateAgreement,
    known: Pick<PrivateQueriesOptions, 'states' | 'reports'> | undefined,
  ) {
    const { connection, shard, id, feed, source } = options;
    this.#options = options;
    this.copy = copy;
    this.#agreement = agreement;
    const journal = JournalReader.open(options.copy.directory);
    this.#lookup = new BlockLookup(journal);
    this.repairs = new PeerRepair(connection, shard, id);
    this.reader = new BlockReader({
      connection,
      source,
      repair: this.repairs,
      shard,
      after: copy.last,
      onRefused: ({ text, kind }) => {
        const { refused } = this.reader.counts;
        // Whoever can publish could otherwise fill the log.
        if (refused <= REFUSALS_TOLD_MAX) this.#notice('warn', 'block refused', { kind, why: text, refused });
      },
    });
    const repairs = new BlockLookup(journal);
    const service: PeerServiceOptions = {
      connection,
      shard,
      id,
      genesis: encodeGenesis(copy.genesis),
      firstBlock: () => journal.firstBlock,
      last: () => copy.last,
      readBlock: (block) => {
        const view = block > copy.last.block ? undefined : repairs.read(block);
        return view === undefined ? undefined : new Uint8Array(view.bytes);
      },
      status: () => this.status(),
      onFailed: (failed) => this.#notice('warn', 'message not taken', { ...failed }),
    };
    this.peers = options.peers === false ? undefined : new PeerService(service);
    const onTrouble = (text: string): void => this.#notice('warn', text, {});
    this.feed = feed === undefined ? undefined : new MarketFeed({ ...feed, onTrouble }, copy);
    this.queries =
      known === undefined
        ? undefined
        : new PrivateQueries({
            connection,
            copy,
            ...known,
            archive: new ReportArchive(options.copy.directory),
            onRefused: (refusal) => this.#notice('warn', 'request refused', definedFields(refusal)),
            onFailed: (failed) => this.#notice('warn', 'message not taken', { ...failed }),
          });
  }

  status(): FollowerStatus {
    const { last, genesis } = this.copy;
    const told = this.#told;
    return {
      shard: genesis.shard,
      epoch: last.epoch,
      block: last.block,
      sequence: last.sequence,
      chainHash: last.hash.toString('hex'),
      caughtUp: this.#caughtUp,
      lag: {
        blocks: told === undefined ? null : Math.max(0, told.block - last.block),
        sequences: told === undefined ? null : Math.max(0, told.sequence - last.sequence),
        ms: this.#lagMs,
      },
      agreed: this.#agreement.agreed,
    };
  }

  /**
   * Takes blocks until it is to end. Rejects with an {@link EnvironmentFault} if blocks are not to be had any more, and with
   * a {@link JournalError} if the disk refuses them. {@link close} is to be called in every case.
   */
  async run(): Promise<FollowerEnd> {
    const asking = new AbortController();
    const stop = (): void => this.#stop({ why: 'stopped', disagreement: undefined });
    this.#options.signal.addEventListener('abort', stop, { once: true });
    if (this.#options.signal.aborted) stop();
    let failure: unknown;
    const asked = this.#ask(asking.signal).catch((error: unknown) => {
      failure = error;
      this.reader.close();
    });
    try {
      await this.#take();
    } catch (error) {
      if (!(error instanceof BlockReaderError)) throw error;
      if (error.code === 'fork') this.judge(error.message);
      else throw new EnvironmentFault(error.code === 'gone' ? this.#whatToDo(error.message) : error.message);
    } finally {
      this.#options.signal.removeEventListener('abort', stop);
      asking.abort();
      await asked;
    }
    if (failure !== undefined) throw failure;
    if (this.#end === undefined) throw new EnvironmentFault('the reader of blocks was closed');
    return this.#end;
  }

  /** Gives everything back but the connections. A replica that disagreed leaves no snapshot. */
  async close(): Promise<void> {
    this.reader.close();
    this.peers?.close();
    await this.queries?.end();
    this.feed?.end();
    this.#lookup.close();
    await this.copy.close(this.#end?.why !== 'disagreement');
  }

  /** Ends following if there is something that differs. */
  judge(differ: string | undefined): void {
    if (differ !== undefined) this.#stop({ why: 'disagreement', disagreement: differ }, true);
  }

  /** Books and trades of its replica, for whoever looks in this process. */
  get market(): ReplicaMarket {
    if (this.#market === undefined) {
      this.#market = new ReplicaMarket(this.copy.matcher);
      this.copy.observe({ take: this.#market.tape.take });
    }
    return this.#market;
  }

  /** Whether the copy and the venue turned out to differ. */
  get hasDisagreed(): boolean {
    return this.#end?.why === 'disagreement';
  }

  hashAt(block: number): string | undefined {
    try {
      return block === 0 ? undefined : this.#lookup.read(block)?.hash.toString('hex');
    } catch (error) {
      // Not kept in this copy.
      if (error instanceof JournalError && error.code === 'missing-segment') return undefined;
      throw error;
    }
  }

  async #take(): Promise<void> {
    this.#noteProgress();
    let turnAt = performance.now();
    for await (const block of this.reader) {
      if (this.#end !== undefined) return;
      const blocks = this.#withThoseAtHand(block);
      this.copy.takeAll(blocks);
      this.#heardAt = performance.now();
      const newest = blocks.at(-1) ?? block;
      this.#lagMs = Number(BigInt(Date.now()) - newest.time / NS_PER_MS);
      for (const each of blocks) this.judge(this.#agreement.block(each.block, each.hash));
      this.#noteProgress();
      if (performance.now() - turnAt < TURN_MS) continue;
      await nextTurn();
      await this.feed?.room();
      turnAt = performance.now();
    }
  }

  /** Under load more than one waits, and all of them are flushed together. */
  #withThoseAtHand(first: BlockView): BlockView[] {
    const blocks = [first];
    const until = this.#options.until ?? Number.MAX_SAFE_INTEGER;
    let last = first;
    for (let bytes = first.bytes.length; last.lastSequence < until; bytes += last.bytes.length) {
      const next = blocks.length < BLOCKS_TOGETHER_MAX && bytes < BYTES_TOGETHER_MAX ? this.reader.poll() : undefined;
      if (next === undefined) break;
      blocks.push(next);
      last = next;
    }
    return blocks;
  }

  /** What depends on how far the copy is. */
  #noteProgress(): void {
    const { until, exitWhenCaughtUp } = this.#options;
    const { last } = this.copy;
    if (!this.#caughtUp && this.#told !== undefined && last.block >= this.#told.block) {
      this.#caughtUp = true;
      this.#notice('info', 'caught up', { block: last.block, sequence: last.sequence });
      this.feed?.begin();
      this.queries?.begin();
    }
    if (until !== undefined && last.sequence >= until) this.#stop({ why: 'until', disagreement: undefined });
    else if (exitWhenCaughtUp === true && this.#caughtUp) this.#stop({ why: 'caughtUp', disagreement: undefined });
  }

  /** The first reason to end stays, but for a disagreement. */
  #stop(end: FollowerEnd, isGrave = false): void {
    if (this.#end === undefined || (isGrave && this.#end.why !== 'disagreement')) this.#end = end;
    this.reader.close();
  }

  /** Asks the venue again and again how far it is and what it computed, and once more at the end. */
  async #ask(signal: AbortSignal): Promise<void> {
    for (;;) {
      const isLast = signal.aborted;
      const last: ChainPoint = this.copy.last;
      const state = await this.#askState();
      if (state !== undefined) {
        this.#heard(state, last);
      } else if (!isLast) this.#notHeard();
      if (isLast) return;
      await pause(ASK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #askState(): Promise<VenueState | undefined> {
    const { connection, shard } = this.#options;
    if (connection.isClosed()) return undefined;
    try {
      const request = connection.request(stateSubject(shard), String(this.#agreement.told), { timeout: ANSWER_MS_MAX });
      const state = decodeVenueState((await request).data);
      return state.shard === shard ? state : undefined;
    } catch (error) {
      if (error instanceof RangeError && !this.#otherWay) {
        this.#otherWay = true;
        this.#notice('warn', 'the venue tells its state in a way that is not known here', { why: error.message });
      }
      return undefined;
    }
  }

  #heard(state: VenueState, last: ChainPoint): void {
    this.#heardAt = performance.now();
    if (this.#silent) this.#notice('info', 'the venue answers again', { epoch: state.epoch });
    this.#silent = false;
    if (state.epoch < last.epoch && state.epoch !== this.#earlierEpoch) {
      this.#earlierEpoch = state.epoch;
      this.#notice('warn', 'a server of an earlier epoch answers', { epoch: state.epoch, followed: last.epoch });
    }
    if (this.#told === undefined || state.block >= this.#told.block) this.#told = state;
    this.judge(this.#agreement.heard(state, last));
    this.#noteProgress();
  }

  #notHeard(): void {
    const silentMs = performance.now() - this.#heardAt;
    if (silentMs > SILENCE_MS && !this.#silent) {
      this.#silent = true;
      this.#notice('warn', 'the venue does not answer', { sinceMs: Math.round(silentMs) });
    }
    const { giveUpMs } = this.#options;
    if (giveUpMs === undefined || silentMs < giveUpMs || this.#end !== undefined) return;
    throw new EnvironmentFault(
      `nothing was heard of shard ${this.#options.shard} for ${Math.round(silentMs / 1000)} s`,
    );
  }

  #whatToDo(why: string): string {
    const { directory } = this.#options.copy;
    return (
      `${why}. No follower that answers has it either. Begin with a copy of the folders journal and snapshots of a ` +
      `follower that was stopped, or of the venue while it is stopped, in ${directory}, and follow again`
    );
  }

  #notice(level: Notice['level'], text: string, fields: Notice['fields']): void {
    this.#options.onNotice({ level, text, fields });
  }
}

/** The copy and the venue are not the same. */
export class Disagreement extends Error {
  override name = 'Disagreement';
}

/** Tells now and then how far the replay is, and lets signals have their turn. */
function replayProgress({ signal, onNotice }: VenueFollowerOptions): NonNullable<JournalCopyOptions['onReplayed']> {
  let turnAt = performance.now();
  let toldAt = turnAt;
  return ({ lastSequence }) => {
    signal.throwIfAborted();
    const now = performance.now();
    if (now - turnAt < TURN_MS) return undefined;
    turnAt = now;
    if (now - toldAt > SILENCE_MS) {
      toldAt = now;
      onNotice({ level: 'info', text: 'replaying the copy', fields: { sequence: lastSequence } });
    }
    return nextTurn();
  };
}

/** Whether all of the copy can be replayed, and that does not take too long. */
function isShort({ copy, queriesReplayMax = QUERIES_REPLAY_MAX }: VenueFollowerOptions): boolean {
  try {
    const { firstBlock, last } = JournalReader.open(copy.directory);
    return firstBlock === 1 && last.sequence <= queriesReplayMax;
  } catch (error) {
    // There is nothing to replay yet.
    if (error instanceof JournalError && error.code === 'not-a-journal') return false;
    throw error;
  }
}

/** Of the copy that is there; undefined if there is none yet. */
function genesisOf(directory: string): Genesis | undefined {
  try {
    return JournalReader.open(directory).genesis;
  } catch (error) {
    if (error instanceof JournalError && error.code === 'not-a-journal') return undefined;
    throw error;
  }
}

/** What the venue answers; undefined if it does not, or if this is to end before it does. */
async function askGenesis({ connection, shard, signal }: VenueFollowerOptions): Promise<Genesis | undefined> {
  const ask = async (): Promise<Genesis> => {
    const reply = await connection.request(genesisSubject(shard), '', { timeout: ANSWER_MS_MAX });
    return decodeGenesis(Buffer.from(reply.data));
  };
  const nothing = (): undefined => undefined;
  const over = new AbortController();
  const stopped = once(signal, 'abort', { signal: over.signal }).then(nothing, nothing);
  try {
    return signal.aborted ? undefined : await Promise.race([ask().catch(nothing), stopped]);
  } finally {
    over.abort();
  }
}

/** Asks the venue and, if it is away, other followers, until one of them answers. */
async function learnGenesis(options: VenueFollowerOptions): Promise<Genesis> {
  const { connection, shard, signal, giveUpMs, onNotice } = options;
  const started = performance.now();
  for (let told = false; ; ) {
    signal.throwIfAborted();
    const answered = await askGenesis(options);
    signal.throwIfAborted();
    const genesis = answered ?? (await genesisOfPeers(connection, shard));
    if (genesis !== undefined) return genesis;
    const waitedMs = performance.now() - started;
    if (giveUpMs !== undefined && waitedMs > giveUpMs)
      throw new EnvironmentFault(
        `nobody told the genesis record of shard ${shard} for ${Math.round(waitedMs / 1000)} s`,
      );
    if (!told && waitedMs > SILENCE_MS) {
      told = true;
      onNotice({
        level: 'warn',
        text: 'waiting for the venue or a follower to tell the genesis record',
        fields: { shard },
      });
    }
    await pause(GENESIS_RETRY_MS, undefined, { signal });
  }
}

async function genesisOfPeers(connection: NatsConnection, shard: number): Promise<Genesis | undefined> {
  for (const { genesis } of await discoverPeers(connection, shard)) {
    try {
      return decodeGenesis(Buffer.from(genesis, 'base64'));
    } catch {
      // The next one's may be better.
    }
  }
  return undefined;
}
