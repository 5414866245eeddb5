import type { BlockView } from '../../journal/block.ts';
import { BlockLookup } from '../../journal/block-lookup.ts';
import { encodeGenesis } from '../../journal/genesis.ts';
import type { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { Candidacy, LOOKS_PER_LEASE_MIN } from '../../sequencer/candidacy.ts';
import { ChainFollower, type Fed, genesisPoint, LOG_BEGIN } from '../../sequencer/chain-follower.ts';
import {
  decodeHeartbeat,
  type EpochRecord,
  encodeHeartbeat,
  type LogMessage,
  NONCE_BYTES,
  type NodeState,
} from '../../sequencer/log-messages.ts';
import { LogPrimary } from '../../sequencer/log-primary.ts';
import { STATUS } from '../../sequencer/pipeline.ts';
import type { LogServers } from './log-servers.ts';
import type { PrimaryPart } from './parts.ts';
import { Random } from './random.ts';
import { VenueProcess, type VenueSurroundings } from './venue-process.ts';

export interface ClusterSurroundings extends VenueSurroundings {
  readonly log: LogServers;
  /** Name of the node; its processes have others. */
  readonly node: string;
  readonly seed: number;
}

const LEASE_SUBJECT = 'lease';
const BEATS_PER_LEASE = 4;
/** Messages of the log that a node has taken and not looked at, at most. */
const INBOX_MAX = 64;
const STEP_MICROS = 10;
const AGAIN_MICROS = 100_000;
const CODE_NODE = 0x700;

/**
 * A node of a cluster, as sequencer/cluster-node.ts and ops/venue/cluster-member.ts put it together: the same rule of readers,
 * candidacy and primary's part, over a log of servers that are simulated. It reads the log from its begin each time.
 */
export class ClusterProcess extends VenueProcess {
  readonly #around: ClusterSurroundings;
  readonly #candidacy: Candidacy;
  readonly #follower = new ChainFollower(LOG_BEGIN);
  readonly #genesis: Buffer;
  readonly #random: Random;
  #inbox: { readonly slot: number; readonly message: LogMessage }[] = [];
  #state: NodeState = 'following';
  #counter = 0;
  /** The last slot when it joined; undefined before that is known. */
  #target: number | undefined;
  #lookup: BlockLookup | undefined;
  #primary: PrimaryPart | undefined;
  #reading = false;

  constructor(around: ClusterSurroundings) {
    super(around);
    this.#around = around;
    this.#genesis = encodeGenesis(around.traits.genesis);
    this.#random = new Random(around.seed, `candidacy of ${around.process.name}`);
    const { leaseMs } = around.traits;
    const delayMs = (): number => this.#random.below((leaseMs / LOOKS_PER_LEASE_MIN) * 1_000) / 1_000;
    this.#candidacy = new Candidacy({ node: around.node, leaseMs, delayMs }, this.#nowMs);
  }

  get #nowMs(): number {
    return this.process.kernel.now / 1_000;
  }

  override start(): void {
    try {
      this.openJournal(false);
      this.restoreReplicas();
      this.startTails();
      this.#lookup = new BlockLookup(JournalReader.over(this.store));
      const { process, network, traits, log } = this.#around;
      network.subscribe(process, LEASE_SUBJECT, (bytes) => this.#hear(bytes));
      process.thread('follow', undefined, STEP_MICROS, () => this.#takeNext());
      const every = (micros: number, action: () => void): void =>
        process.after(micros, CODE_NODE, () => {
          if (process.pausedUntil <= process.kernel.now) action();
          every(micros, action);
        });
      every((traits.leaseMs * 1_000) / BEATS_PER_LEASE, () => this.#beat());
      every((traits.leaseMs * 1_000) / LOOKS_PER_LEASE_MIN / 2, () => this.#look());
      this.#join();
      log.follow(
        process,
        1,
        () => INBOX_MAX - this.#inbox.length,
        (slot, message) => this.#inbox.push({ slot, message }),
      );
    } catch (error) {
      this.thrown('start', error);
    }
  }

  /** Finds out how much is to be read before it is of use. */
  #join(): void {
    const { process, log } = this.#around;
    log.read(process, Number.MAX_SAFE_INTEGER, (reading) => {
      if (reading === undefined) return process.after(AGAIN_MICROS, CODE_NODE, () => this.#join());
      this.#target = reading.last;
    });
  }

  get #isCaughtUp(): boolean {
    return this.#target !== undefined && this.#follower.slot >= this.#target;
  }

  #takeNext(): number {
    const next = this.#inbox.shift();
    if (next === undefined) return -STEP_MICROS * 20;
    if (this.#state === 'leading') return 1;
    const fed = this.#follower.feed(next.slot, next.message);
    if (fed.kind === 'block') this.#append(fed.block);
    else if (fed.kind === 'epoch') this.#takeRecord(fed);
    else if (fed.why === 'fork' || fed.why === 'unannounced' || fed.why === 'unreadable' || fed.why === 'damaged')
      this.#around.invariants.violate('one-chain', `${this.process.name} finds a ${fed.why} in the log: ${fed.text}`);
    return 1;
  }

  #append(block: BlockView): void {
    const writer = this.#writer;
    const { last } = writer;
    const { invariants } = this.#around;
    if (block.block > last.block) {
      writer.appendCopy(block.copy());
      return;
    }
    const own = last.block === block.block ? last.hash : this.#lookup?.read(block.block)?.hash;
    if (own?.equals(block.hash) !== true)
      invariants.violate('one-chain', `block ${block.block} of ${this.process.name} is not the log's`);
  }

  get #writer(): JournalWriter {
    if (this.writer === undefined) throw new Error('the journal is not open');
    return this.writer;
  }

  #takeRecord(fed: Fed & { kind: 'epoch' }): void {
    // A record of long ago says nothing of now.
    if (this.#isCaughtUp) this.#candidacy.fed(fed);
    if (this.#candidacy.state === 'won') this.#lead(fed.record.epoch, fed.slot);
  }

  #lead(epoch: number, slot: number): void {
    if (this.#state === 'leading') return;
    const { process, log, traits, invariants, parts } = this.#around;
    this.#state = 'leading';
    this.#beat();
    log.stopFollowing(process);
    const writer = this.#writer;
    const last = this.#follower.last ?? genesisPoint(this.#genesis);
    const end = writer.last;
    if (end.block !== last.block || !end.hash.equals(last.hash)) {
      const text = `${process.name} leads from block ${last.block}, and its journal ends with ${end.block}`;
      return invariants.violate('one-chain', text);
    }
    writer.raiseEpoch(epoch);
    const { inFlightMax } = traits.bounds;
    const primary = parts.logPrimary(new LogPrimary({ epoch, slot, genesis: this.#genesis, last, inFlightMax }));
    this.#primary = primary;
    this.serve(writer, {
      inFlightMax,
      replicate: (block, bytes) => {
        primary.offer(block, new Uint8Array(bytes));
        this.#publish(primary, epoch);
      },
    });
  }

  /** sequencer/log-publisher.ts. */
  #publish(primary: PrimaryPart, epoch: number): void {
    const { process, log } = this.#around;
    for (let publish = primary.next(); publish !== undefined; publish = primary.next()) {
      const { id, bytes, lastSlot } = publish;
      log.publish(process, { kind: 'block', envelopeEpoch: epoch, bytes }, lastSlot, (outcome) => {
        if (outcome.kind === 'stored') primary.stored(id, outcome.slot);
        else if (outcome.kind === 'rejected') primary.rejected(id);
        else primary.unknown(id);
        this.#progress(primary, epoch);
      });
    }
    // Some parts that are put in here for the product's are quicker than it.
    this.#noteReplicated(primary);
  }

  #noteReplicated(primary: PrimaryPart): void {
    const status = new Int32Array(this.memory.status);
    if (Atomics.load(status, STATUS.replicatedBlock) === (primary.replicated | 0)) return;
    Atomics.store(status, STATUS.replicatedBlock, primary.replicated | 0);
    this.bells.journal.ring();
  }

  #progress(primary: PrimaryPart, epoch: number): void {
    this.#noteReplicated(primary);
    this.process.answerBells();
    if (primary.state === 'publishing') this.#publish(primary, epoch);
    else if (primary.state === 'reading') this.#read(primary, epoch);
    else if (primary.state === 'fenced') this.failed(`fenced: another node leads, this one had epoch ${epoch}`);
    else if (primary.state === 'lost')
      this.#around.invariants.violate('acknowledged-is-durable', 'the log ends before what it had acknowledged');
  }

  #read(primary: PrimaryPart, epoch: number): void {
    if (this.#reading) return;
    this.#reading = true;
    const { process, log } = this.#around;
    const from = primary.readFrom ?? 1;
    log.read(process, from, (reading) => {
      this.#reading = false;
      if (reading === undefined) return process.after(AGAIN_MICROS, CODE_NODE, () => this.#progress(primary, epoch));
      for (const [index, message] of reading.messages.entries()) primary.read(from + index, message);
      primary.readTo(reading.last);
      this.#progress(primary, epoch);
    });
  }

  #hear(bytes: Uint8Array): void {
    const beat = decodeHeartbeat(bytes);
    if (beat === undefined) return;
    this.#candidacy.heard(beat, this.#follower.epoch, this.#nowMs);
    const primary = this.#primary;
    if (beat.node === this.#around.node || primary === undefined || beat.epoch <= this.#writer.epoch) return;
    primary.suspect();
    this.#progress(primary, this.#writer.epoch);
  }

  #beat(): void {
    const { faults, network, process, node } = this.#around;
    if (faults.happens('lease-drop')) return;
    const state = this.#state === 'following' && this.#candidacy.state === 'candidate' ? 'candidate' : this.#state;
    network.publish(
      process,
      LEASE_SUBJECT,
      encodeHeartbeat({
        state,
        epoch: state === 'leading' ? this.#writer.epoch : this.#follower.epoch,
        counter: ++this.#counter,
        block: this.#writer.last.block,
        node,
      }),
    );
  }

  #look(): void {
    if (this.#state === 'leading') return;
    const { process, log, node, parts } = this.#around;
    const writer = this.#writer;
    const epoch = this.#candidacy.step(
      {
        epoch: this.#follower.epoch,
        journalEpoch: Math.max(1, writer.epoch),
        block: writer.last.block,
        isReady: this.#isCaughtUp && !this.#around.network.isCut(process),
      },
      this.#nowMs,
    );
    if (epoch === undefined) return;
    const nonce = Buffer.alloc(NONCE_BYTES);
    for (let at = 0; at < NONCE_BYTES; at += 4) nonce.writeUInt32LE(this.#random.word(), at);
    const record: EpochRecord = { epoch, node, nonce, genesis: this.#genesis, end: writer.last };
    this.#candidacy.published(record, this.#nowMs);
    process.kernel.tell(`${process.name} comes forward with epoch ${epoch}`);
    log.publish(process, { kind: 'record', record }, undefined, (outcome) => {
      if (outcome.kind === 'refused' || outcome.kind === 'rejected') this.#candidacy.gaveUp();
      else if (outcome.kind === 'stored' && parts.leadsAtOnce && this.#state !== 'leading')
        this.#lead(epoch, outcome.slot);
    });
  }
}
