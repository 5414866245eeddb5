import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { BlockView, checkBlock } from '../journal/block.ts';
import { pointOf } from '../journal/segmentfile.ts';
import type { ChainPoint } from '../journal/segments.ts';
import type { BlockRepair } from './block-transport.ts';
import { Candidacy, LOOKS_PER_LEASE_MIN } from './candidacy.ts';
import { ChainFollower, type Fed, genesisPoint } from './chain-follower.ts';
import { type FailedMessage, listen } from './guarded-messages.ts';
import { decodeHeartbeat, type EpochRecord, encodeHeartbeat, NONCE_BYTES, type NodeState } from './log-messages.ts';
import { type ChainCopy, findPlace, LOG_IN_FLIGHT_BLOCKS_MAX } from './log-place.ts';
import { LogPublisher, type LogPublisherOptions } from './log-publisher.ts';
import { ForkedJournalError, type ReplicatedLog, ReplicatedLogError, type StoredMessage } from './replicated-log.ts';

/** The journal of a node that follows: it gets the blocks of the log's chain, in order, and nothing else. */
export interface NodeJournal extends ChainCopy {
  /** Epoch of its writer; 0 if there is no journal yet. */
  readonly epoch: number;
  /** The last block given to it; undefined if there is no journal yet. */
  readonly end: ChainPoint | undefined;
  /** Makes the journal, with the genesis record of the log. */
  begin(genesis: Buffer): Promise<void>;
  /** Takes the block after {@link end}, as it is; its memory is given away. Waits when too much is waiting. */
  append(block: BlockView): Promise<void>;
  /** Resolves when everything given to it is on disk. */
  settled(): Promise<void>;
}

export interface ClusterNodeOptions {
  readonly connection: NatsConnection;
  readonly log: ReplicatedLog;
  readonly shard: number;
  /** Its name, which no other node of the venue has. */
  readonly node: string;
  readonly leaseMs: number;
  readonly journal: NodeJournal;
  /** Whom blocks are asked of that the log does not hold any more. */
  readonly repair: BlockRepair;
  /** The genesis record of a venue that does not exist yet. */
  readonly newGenesis: () => Buffer;
  /** Whether it could serve at once, as far as it has read the log. */
  readonly isReady: () => boolean;
  /** Called once, when it has read all that the log held when it joined. */
  readonly onCaughtUp: () => void;
  readonly onNotice: (level: 'info' | 'warn', text: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** A node that has won: what it leads from. */
export interface Leadership {
  readonly epoch: number;
  /** Slot of its epoch record. */
  readonly slot: number;
  readonly genesis: Buffer;
  /** The end of the chain in the log, at that record. */
  readonly last: ChainPoint;
  /** Why it came forward. */
  readonly why: 'silence' | 'handover' | 'nobody';
  readonly silentMs: number;
  /** When it came forward, by performance.now(). */
  readonly sinceMs: number;
}

/** A primary says so often in a lease that it is there. */
const BEATS_PER_LEASE = 4;
/** The log or a peer that gave no answer is asked again after so long. */
const AGAIN_MS = 200;
/** A node that waits for blocks which nobody has says so this often. */
const TELL_MS = 10_000;

function leaseSubject(shard: number): string {
  return `veritape.${shard}.lease`;
}

/** The log was trimmed while it was read, or blocks are missing in it: the place is to be found again. */
class LostPlace extends Error {}

/**
 * A node of a venue on several hosts: it follows the log into its journal, tells the others that it is there, and comes
 * forward when the primary is gone. All decisions are those of {@link ChainFollower}, {@link Candidacy} and, of a node that
 * leads, LogPrimary; here are the clock, the network and the order in which things are done.
 */
export class ClusterNode {
  readonly #options: ClusterNodeOptions;
  readonly #candidacy: Candidacy;
  readonly #subscription: Subscription;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #quit = new AbortController();
  #state: NodeState = 'following';
  #follower: ChainFollower | undefined;
  #following: { close(): Promise<void> } | undefined;
  /** The last slot that there was when it joined; undefined before that is known. */
  #target: number | undefined;
  #isCaughtUp = false;
  #connected = true;
  #isOutage = false;
  #counter = 0;
  /** The last of its own heartbeats that came back. */
  #echoed = 0;
  #isNameTaken = false;
  #cameForward: Pick<Leadership, 'why' | 'silentMs' | 'sinceMs'> | undefined;
  #heardOfPrimary = false;
  #publisher: LogPublisher | undefined;

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    const { connection, leaseMs, node, shard } = options;
    const delayMs = (): number => (Math.random() * leaseMs) / LOOKS_PER_LEASE_MIN;
    this.#candidacy = new Candidacy({ node, leaseMs, delayMs }, performance.now());
    const failed = (failed: FailedMessage): void => this.#notice('warn', 'message not taken', { ...failed });
    this.#subscription = listen(connection, leaseSubject(shard), ({ data }) => this.#hear(data), failed);
    this.#timers.push(
      setInterval(() => this.#beat(), leaseMs / BEATS_PER_LEASE),
      setInterval(() => this.#look(), leaseMs / LOOKS_PER_LEASE_MIN / 2),
    );
    void this.#watchConnection();
  }

  get state(): NodeState {
    return this.#state;
  }

  /** How far it has read the log, and how far it is to read before it is of use. */
  get progress(): { readonly slot: number; readonly target: number } {
    return { slot: this.#follower?.slot ?? 0, target: this.#target ?? 0 };
  }

  /** What is known of the log and of the others, for people. */
  status(): object {
    return {
      node: this.#options.node,
      state: this.#state,
      epoch: this.#publisher?.epoch ?? this.#follower?.epoch ?? 0,
      leader: this.#state === 'leading' ? this.#options.node : (this.#candidacy.leader ?? null),
      slot: this.#publisher?.slot ?? this.#follower?.slot ?? 0,
      ...(this.#publisher === undefined
        ? {}
        : { replicated: this.#publisher.replicated, readings: this.#publisher.readings }),
    };
  }

  /**
   * Follows the log until this node has won, and everything before that is in its journal; undefined if it is closed before.
   * Rejects with a {@link ForkedJournalError}, or with what the journal throws.
   */
  async follow(): Promise<Leadership | undefined> {
    for (;;) {
      try {
        const won = await this.#followOnce();
        if (won !== undefined || this.#quit.signal.aborted) return won;
      } catch (error) {
        if (this.#quit.signal.aborted) return undefined;
        if (error instanceof LostPlace)
          this.#notice('warn', 'place in the log is looked for again', { why: error.message });
        else if (error instanceof ReplicatedLogError) this.#tellOutage(error.message);
        else throw error;
      }
      const { ended } = this.#options.log;
      if (ended !== undefined) throw new Error(`the replicated log can not be read: ${ended}`);
      await delay(AGAIN_MS);
    }
  }

  /** Publishes from here on. Blocks of the journal that the log does not hold are published first; resolves when they are. */
  async lead(
    leadership: Leadership,
    inFlightMax: number,
    told: Pick<LogPublisherOptions, 'onReplicated' | 'onEnded' | 'onStalled'>,
  ): Promise<LogPublisher> {
    const { journal, log } = this.#options;
    const { epoch, slot, genesis, last } = leadership;
    let wake = (): void => {};
    let ended: string | undefined;
    const publisher = new LogPublisher({
      log,
      from: { epoch, slot, genesis, last, inFlightMax },
      onReplicated: (block) => {
        wake();
        told.onReplicated(block);
      },
      onEnded: (why) => {
        ended = why;
        wake();
        told.onEnded(why);
      },
      onStalled: told.onStalled,
    });
    this.#publisher = publisher;
    const end = journal.end?.block ?? last.block;
    if (end > last.block)
      this.#notice('warn', 'the log lost blocks that the journal holds; they are published again', {
        from: last.block + 1,
        to: end,
      });
    for (let block = last.block + 1; block <= end && ended === undefined; block++) {
      const view = journal.read(block);
      if (view === undefined) throw new Error(`block ${block} can not be read from the journal`);
      publisher.offer(block, new Uint8Array(view.bytes));
      while (publisher.waiting >= inFlightMax && ended === undefined)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
    while (publisher.replicated < end && ended === undefined)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    if (ended !== undefined) throw new Error(ended);
    return publisher;
  }

  /** Leaves. With `resigns`, the others need not wait for the lease to lapse. */
  async close(resigns: boolean): Promise<void> {
    if (this.#quit.signal.aborted) return;
    this.#quit.abort();
    for (const timer of this.#timers) clearInterval(timer);
    this.#publisher?.stop();
    if (!this.#subscription.isClosed()) this.#subscription.unsubscribe();
    const led = this.#state === 'leading';
    this.#state = 'following';
    if (led && resigns) this.#beat();
    await this.#following?.close();
  }

  async #followOnce(): Promise<Leadership | undefined> {
    const { log, journal } = this.#options;
    await journal.settled();
    const place = await findPlace(log, journal);
    if (place.kind === 'forked') throw new ForkedJournalError(place.text);
    if (place.kind === 'behind') {
      await this.#repairThrough(place.through);
      return undefined;
    }
    this.#target ??= (await log.extent()).last;
    const follower = new ChainFollower(place.from);
    this.#follower = follower;
    this.#tellOutage(undefined);
    this.#checkCaughtUp(follower);
    const following = log.follow(place.from.slot + 1);
    this.#following = following;
    try {
      for await (const stored of following) {
        const won = await this.#take(follower, stored);
        if (won !== undefined || this.#quit.signal.aborted) return won;
      }
      return undefined;
    } finally {
      await following.close();
    }
  }

  async #take(follower: ChainFollower, { slot, message }: StoredMessage): Promise<Leadership | undefined> {
    const fed = follower.feed(slot, message);
    if (fed.kind === 'block') await this.#append(fed.block);
    else if (fed.kind === 'epoch') {
      const won = await this.#takeRecord(follower, fed);
      if (won !== undefined) return won;
    } else this.#noteDropped(follower, fed);
    this.#checkCaughtUp(follower);
    return undefined;
  }

  async #takeRecord(follower: ChainFollower, fed: Fed & { kind: 'epoch' }): Promise<Leadership | undefined> {
    const { journal, node } = this.#options;
    const { record } = fed;
    // A record of long ago says nothing of now.
    if (this.#isCaughtUp) {
      this.#candidacy.fed(fed);
      this.#heardOfPrimary ||= record.node !== node;
    }
    const hasWon = this.#candidacy.state === 'won';
    if (hasWon) {
      // At once: whatever is to be done before it serves, the others must not wait for it in silence.
      this.#state = 'leading';
      this.#beat();
    }
    if (journal.genesis === undefined) await journal.begin(record.genesis);
    else if (!journal.genesis.equals(record.genesis))
      throw new ForkedJournalError(
        'the journal was begun with another genesis record than the log: it is of another venue',
      );
    if (!hasWon) {
      this.#notice('info', 'epoch', { epoch: record.epoch, node: record.node, slot: fed.slot });
      return undefined;
    }
    const last = follower.last ?? genesisPoint(record.genesis);
    await this.#appendThrough(last);
    await journal.settled();
    const came = this.#cameForward ?? { why: 'nobody', silentMs: 0, sinceMs: performance.now() };
    return { epoch: record.epoch, slot: fed.slot, genesis: record.genesis, last, ...came };
  }

  /** Gives an accepted block to the journal, or compares it with the one that is there. */
  async #append(block: BlockView): Promise<void> {
    const { journal } = this.#options;
    const end = journal.end;
    if (end === undefined) throw new LostPlace('a block before any epoch record');
    if (block.block <= end.block) {
      this.#compare(block.block, block.hash);
      return;
    }
    if (block.block > end.block + 1) await this.#repairThrough(block.block - 1);
    const before = journal.end;
    if (before === undefined || before.block !== block.block - 1 || !before.hash.equals(block.previousHash))
      throw new ForkedJournalError(
        `block ${block.block - 1} of the journal has hash ${before?.hash.toString('hex')}, and the log goes on from ${block.previousHash.toString('hex')}`,
      );
    await journal.append(block.copy());
  }

  /** What this node leads from must be in its journal. */
  async #appendThrough(last: ChainPoint): Promise<void> {
    const { journal } = this.#options;
    if ((journal.end?.block ?? 0) < last.block) await this.#repairThrough(last.block);
    if (last.block > 0) this.#compare(last.block, last.hash);
  }

  #compare(block: number, hash: Buffer): void {
    const { journal } = this.#options;
    if (block < journal.firstBlock) return;
    const own = journal.end?.block === block ? journal.end.hash : journal.read(block)?.hash;
    if (own?.equals(hash) === true) return;
    throw new ForkedJournalError(
      `block ${block} of the journal has hash ${own?.toString('hex') ?? 'none'}, and ${hash.toString('hex')} in the log`,
    );
  }

  /** Gets blocks from the journals of others, up to one; as far as they have them. */
  async #repairThrough(through: number): Promise<void> {
    const { journal, repair } = this.#options;
    if (journal.genesis === undefined) {
      const [first] = await this.#options.log.records();
      if (first?.message.kind === 'record') await journal.begin(first.message.record.genesis);
    }
    let toldMs = Number.NEGATIVE_INFINITY;
    for (let from = journal.end ?? genesisPoint(Buffer.alloc(0)); from.block < through; ) {
      const wanted = from.block + 1;
      const answer = await repair.ask(wanted);
      if (this.#quit.signal.aborted) return;
      const block = answer?.kind === 'block' ? checkBlock(ownBytes(answer.bytes), expectedAfter(from)) : undefined;
      if (block instanceof BlockView) {
        from = pointOf(block);
        await journal.append(block);
        continue;
      }
      if (performance.now() - toldMs > TELL_MS) {
        toldMs = performance.now();
        const why = block === undefined ? 'no node gives it' : block.text;
        this.#notice('warn', 'a block is neither in the log nor with another node', { block: wanted, why });
      }
      await delay(AGAIN_MS);
    }
  }

  #noteDropped(follower: ChainFollower, fed: Fed & { kind: 'dropped' }): void {
    if (fed.why === 'fork') {
      const last = follower.last?.block ?? 0;
      throw new ForkedJournalError(`block ${last} of the journal is not the log's: ${fed.text}`);
    }
    if (fed.why === 'unannounced') throw new LostPlace(fed.text);
    if (fed.why === 'early' && (fed.ahead ?? 0) > LOG_IN_FLIGHT_BLOCKS_MAX) throw new LostPlace(fed.text);
    if (fed.why === 'otherVenue' || fed.why === 'unreadable' || fed.why === 'damaged')
      this.#notice('warn', 'a message of the log is passed over', { why: fed.text });
  }

  /** An outage is told when it begins and when it ends, not at every attempt in between. */
  #tellOutage(why: string | undefined): void {
    if ((why !== undefined) === this.#isOutage) return;
    this.#isOutage = why !== undefined;
    if (why === undefined) this.#notice('info', 'the replicated log answers again', {});
    else this.#notice('warn', 'the replicated log gives no answer', { why });
  }

  #checkCaughtUp(follower: ChainFollower): void {
    if (this.#isCaughtUp || this.#target === undefined || follower.slot < this.#target) return;
    this.#isCaughtUp = true;
    // The last record that was there may be of now, of one that has yet to say that it leads.
    this.#candidacy.restart();
    this.#options.onCaughtUp();
  }

  #hear(data: Uint8Array): void {
    const beat = decodeHeartbeat(data);
    if (beat === undefined) return;
    const { node } = this.#options;
    if (beat.node === node) return this.#hearOwn(beat.counter);
    if (beat.state === 'leading') this.#heardOfPrimary = true;
    this.#candidacy.heard(beat, this.#follower?.epoch ?? 0, performance.now());
    if (this.#publisher !== undefined && beat.epoch > this.#publisher.epoch) this.#publisher.suspect();
  }

  /** A node's own heartbeats come back in order; others under its name are of somebody who was given the same one. */
  #hearOwn(counter: number): void {
    const isOwn = counter > this.#echoed && counter <= this.#counter;
    if (isOwn) this.#echoed = counter;
    else if (!this.#isNameTaken) {
      this.#isNameTaken = true;
      this.#notice('warn', 'another process has the name of this node', {});
    }
  }

  #beat(): void {
    const { connection, shard, node, journal } = this.#options;
    const state = this.#state === 'following' && this.#candidacy.state === 'candidate' ? 'candidate' : this.#state;
    const beat = encodeHeartbeat({
      state,
      epoch: this.#publisher?.epoch ?? this.#follower?.epoch ?? 0,
      counter: ++this.#counter,
      block: journal.end?.block ?? 0,
      node,
    });
    try {
      connection.publish(leaseSubject(shard), beat);
    } catch {
      // Cut off: the others wait for the next one.
    }
  }

  #look(): void {
    const { journal, node, newGenesis, log } = this.#options;
    if (this.#state === 'leading') return;
    const { silentMs } = this.#candidacy;
    const { leader } = this.#candidacy;
    const epoch = this.#candidacy.step(
      {
        epoch: this.#follower?.epoch ?? 0,
        // A journal that is begun now has the first epoch.
        journalEpoch: Math.max(1, journal.epoch),
        block: journal.end?.block ?? 0,
        isReady: this.#isCaughtUp && this.#connected && this.#options.isReady(),
      },
      performance.now(),
    );
    if (epoch === undefined) return;
    const genesis = journal.genesis ?? this.#follower?.genesis ?? newGenesis();
    const end = journal.end ?? genesisPoint(genesis);
    const record: EpochRecord = { epoch, node, nonce: randomBytes(NONCE_BYTES), genesis, end };
    const why = !this.#heardOfPrimary ? 'nobody' : leader === undefined ? 'handover' : 'silence';
    this.#cameForward = { why, silentMs: Math.round(silentMs), sinceMs: performance.now() };
    this.#candidacy.published(record, performance.now());
    this.#notice('info', 'comes forward', { epoch, why, silentMs: Math.round(silentMs) });
    void log.publishRecord(record).then((outcome) => {
      // Without an answer it may be stored all the same, and is then met in the log.
      if (outcome.kind === 'refused' || outcome.kind === 'rejected') {
        this.#notice('warn', 'the log does not take an epoch record', { why: outcome.text });
        this.#candidacy.gaveUp();
      }
    });
  }

  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#options.connection.status()) {
      if (type === 'disconnect') this.#connected = false;
      else if (type === 'reconnect') {
        this.#connected = true;
        // What the primary said meanwhile could not be heard.
        this.#candidacy.restart();
      }
    }
  }

  #notice(level: 'info' | 'warn', text: string, fields: Readonly<Record<string, string | number>>): void {
    this.#options.onNotice(level, text, { node: this.#options.node, ...fields });
  }
}

function expectedAfter(last: ChainPoint): Parameters<typeof checkBlock>[1] {
  const { block, sequence, hash, epoch } = last;
  return { block: block + 1, firstSequence: sequence + 1, previousHash: hash, epochMin: epoch };
}

function ownBytes(data: Uint8Array): Buffer {
  return Buffer.from(new Uint8Array(data).buffer);
}
