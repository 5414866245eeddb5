import { hashOf } from '../../journal/chain.ts';
import { type JournalCursor, JournalReader } from '../../journal/reader.ts';
import { encodeState, restoreState, StateScratch, stateCodec } from '../../replicas/canonical-state.ts';
import { DigestSink, RingSink } from '../../replicas/event-sinks.ts';
import { Follower } from '../../replicas/following.ts';
import { Leader } from '../../replicas/leading.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { applyBlock, whySnapshotDoesNotFit } from '../../replicas/replay.ts';
import { listSessions, type SessionInfo } from '../../replicas/session-table.ts';
import { BLOCK_SLOTS, type PipelineMemory, STATUS } from '../../sequencer/pipeline.ts';
import { RingConsumer, RingProducer } from '../../sequencer/rings.ts';
import type { DiskStore } from './disk.ts';
import { HASH_EVERY_BLOCKS } from './invariants.ts';
import type { VenueSurroundings } from './venue-process.ts';

/** The leader waits for this much room in the event ring before it takes a batch: no batch has more events. */
const EVENTS_OF_A_BATCH = 4_096;
const SNAPSHOT_MICROS = 3_000;
const CODE_SNAPSHOT = 0x300;
const scratch = new StateScratch();

/**
 * A replica as replicas/replica-thread.ts drives it: it follows the journal, whoever writes that, until the pipeline begins;
 * then replica 0 leads and the others follow, and the last one takes snapshots.
 */
export class SimulatedReplica {
  readonly #around: VenueSurroundings;
  readonly #memory: PipelineMemory;
  readonly #store: DiskStore;
  readonly #replica: number;
  readonly #sink: RingSink | DigestSink;
  readonly #bare: Matcher;
  readonly #matcher: Matcher;
  #cursor: JournalCursor | undefined;
  #block = 0;
  #steps = 0;

  constructor(around: VenueSurroundings, memory: PipelineMemory, store: DiskStore, replica: number) {
    const { traits, parts } = around;
    this.#around = around;
    this.#memory = memory;
    this.#store = store;
    this.#replica = replica;
    this.#sink = replica === 0 ? new RingSink(memory, replica) : new DigestSink();
    this.#bare = createMatcher(traits.genesis.limits, this.#sink, replica);
    this.#matcher = parts.matcher(this.#bare, replica);
  }

  get sequence(): number {
    return this.#bare.sequence();
  }

  get sessions(): SessionInfo[] {
    return listSessions(this.#bare.state.sessions);
  }

  get #name(): string {
    return this.#replica === 0 ? 'leader' : `follower ${this.#replica}`;
  }

  /** Begins with the newest snapshot that fits. */
  restore(): void {
    const { disk, parts } = this.#around;
    const reader = this.#reader();
    const snapshot = disk.snapshots.newest(({ header }) => parts.snapshotFits(whySnapshotDoesNotFit(reader, header)));
    if (snapshot !== undefined) {
      restoreState(this.#bare.state, snapshot.state);
      this.#block = snapshot.header.block;
    }
    this.#cursor = reader.cursor(this.#block + 1);
  }

  /** Applies what the journal holds by now; returns how many blocks that were, `most` of them at most. */
  tail(most: number): number {
    let count = 0;
    const skip = this.#around.parts.replaySkips;
    for (; count < most; count++) {
      const block = this.#cursor?.next();
      if (block === undefined) break;
      if (block.block !== skip) applyBlock(this.#bare, block, () => this.#sink.discard());
      this.#block = block.block;
      if (block.block % HASH_EVERY_BLOCKS === 0)
        this.#around.invariants.followed(this.#around.process, this.#name, this.sequence, this.#hash());
    }
    return count;
  }

  /** The pipeline begins where this replica is. Returns its step. */
  begin(epoch: number): () => number {
    const { process, invariants } = this.#around;
    this.#cursor?.close();
    const { sequence } = this;
    this.#sink.begin(sequence);
    invariants.recovered(process, this.#name, sequence, this.#hash());
    return this.#sink instanceof RingSink ? this.#lead(this.#sink) : this.#follow(this.#sink, epoch);
  }

  #lead(sink: RingSink): () => number {
    const memory = this.#memory;
    const leader = new Leader({
      memory,
      replica: this.#replica,
      matcher: this.#matcher,
      sink,
      nowNs: () => 0,
      onDigest: () => undefined,
    });
    const events = new RingProducer(memory.events);
    return () => {
      // It would wait in the middle of a batch for the gateway, which is on the same stack here.
      if (events.slots - new RingConsumer(memory.events, 0).available() < EVENTS_OF_A_BATCH) return 0;
      return this.#applied(leader.step());
    };
  }

  #follow(sink: DigestSink, epoch: number): () => number {
    const { traits, parts } = this.#around;
    const { snapshotEvery } = traits;
    const follower = new Follower({
      memory: this.#memory,
      replica: this.#replica,
      matcher: this.#matcher,
      block: this.#block,
      epoch,
      sink,
      replay: (from) => parts.repair(this.#reader().blocksFromSequence(from)),
      onDigest: () => undefined,
      onCaughtUp: () => undefined,
    });
    const takesSnapshots = this.#replica === traits.replicas - 1 && snapshotEvery > 0;
    const nextMultiple = (sequence: number): number => (Math.floor(sequence / snapshotEvery) + 1) * snapshotEvery;
    let snapshotAt = nextMultiple(this.sequence);
    return () => {
      const work = this.#applied(follower.step());
      if (takesSnapshots && work > 0 && this.sequence >= snapshotAt) {
        snapshotAt = nextMultiple(this.sequence);
        this.#keepSnapshot(follower.last.block, this.sequence, Buffer.from(encodeState(this.#bare.state, scratch)));
      }
      return work;
    };
  }

  #applied(work: number): number {
    const { process, traits, invariants } = this.#around;
    if (work > 0 && this.#steps++ % traits.hashEvery === 0)
      invariants.stateHash(process, this.#name, this.sequence, this.#hash());
    return work;
  }

  #hash(): string {
    return hashOf(encodeState(this.#bare.state, scratch)).toString('hex');
  }

  /** Written once its block is durable: ops/venue/snapshot-keeper.ts. */
  #keepSnapshot(block: number, sequence: number, state: Buffer): void {
    const { process, parts, disk, traits } = this.#around;
    const status = new Int32Array(this.#memory.status);
    process.after(SNAPSHOT_MICROS, CODE_SNAPSHOT, () => {
      const ahead = (Atomics.load(status, STATUS.durableBlock) - block) | 0;
      const waits = ahead < 0 && parts.snapshotsWait;
      if (waits && Atomics.load(status, STATUS.failed) === 0) return this.#keepSnapshot(block, sequence, state);
      if (waits || ahead >= BLOCK_SLOTS / 2) return;
      const at = (block & (BLOCK_SLOTS - 1)) * 32;
      const chainHash = Buffer.from(new Uint8Array(this.#memory.blockHashes).slice(at, at + 32));
      const { shard } = traits.genesis;
      disk.snapshots.write({ shard, block, sequence, chainHash, codec: stateCodec(state) }, state);
    });
  }

  #reader(): JournalReader {
    return JournalReader.over(this.#around.parts.readerStore(this.#store));
  }
}
