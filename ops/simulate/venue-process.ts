import { hashOf } from '../../journal/chain.ts';
import { JournalError, type JournalErrorCode } from '../../journal/findings.ts';
import type { Genesis } from '../../journal/genesis.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { encodeState, restoreState, StateScratch, stateCodec } from '../../replicas/canonical-state.ts';
import { DigestSink, RingSink } from '../../replicas/event-sinks.ts';
import { Follower } from '../../replicas/following.ts';
import { Leader } from '../../replicas/leading.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { applyBlock, whySnapshotDoesNotFit } from '../../replicas/replay.ts';
import { listSessions } from '../../replicas/session-table.ts';
import { Clock } from '../../sequencer/clock.ts';
import { CommandPort } from '../../sequencer/command-port.ts';
import { Journaling } from '../../sequencer/journaling.ts';
import {
  type AnswerSink,
  checkRequest,
  encodeRefusal,
  encodeReply,
  isRefusal,
  replyBytes,
} from '../../sequencer/messages.ts';
import { OpenSessions } from '../../sequencer/open-sessions.ts';
import {
  allocatePipeline,
  Bells,
  BLOCK_SLOTS,
  type PipelineMemory,
  type RingSizes,
  STATUS,
} from '../../sequencer/pipeline.ts';
import { RequestIntake } from '../../sequencer/request-intake.ts';
import { RingConsumer, RingProducer } from '../../sequencer/rings.ts';
import { type BlockBounds, Sequencing } from '../../sequencer/sequencing.ts';
import type { Disk, DiskStore } from './disk.ts';
import { isCrash } from './disk.ts';
import type { FaultStream } from './faults.ts';
import type { Invariants } from './invariants.ts';
import type { Network, ReplyTo } from './network.ts';
import type { Parts } from './parts.ts';
import type { Process } from './process.ts';
import type { StoredSnapshot } from './snapshots.ts';

export const SUBMIT_SUBJECT = 'submit';

export interface VenueTraits {
  readonly genesis: Genesis;
  readonly replicas: number;
  readonly bounds: BlockBounds;
  readonly rings: RingSizes;
  readonly segmentBytesMax: number;
  /** What a block takes a follower: one that is slow is lapped. */
  readonly followerMicros: number;
  /** Commands between snapshots; 0 for none. */
  readonly snapshotEvery: number;
  /** One state in so many is hashed and compared. */
  readonly hashEvery: number;
}

export interface VenueSurroundings {
  readonly process: Process;
  readonly disk: Disk;
  readonly network: Network;
  readonly faults: FaultStream;
  readonly invariants: Invariants;
  readonly parts: Parts;
  readonly traits: VenueTraits;
}

/** Microseconds that a step takes, on a host of ordinary speed. */
const STEP_MICROS = { sequencer: 4, journal: 6, leader: 20, gateway: 10 } as const;
const OPEN_BLOCK_MICROS = 1_000;
const RECOVERY_MICROS = 2_000;
const SNAPSHOT_MICROS = 3_000;
/** From a failure to the process's end: waiting clients are told. */
const FAREWELL_MICROS = 2_000;
const CODE_SNAPSHOT = 0x300;
const CODE_FAREWELL = 0x301;
/** 2026-01-01, in microseconds since the epoch: what clocks show when a simulation begins. */
const BEGIN_MICROS = 1_767_225_600_000_000;
/** The leader waits for this much room in the event ring before it takes a batch: no batch has more events. */
const EVENTS_OF_A_BATCH = 4_096;

/** What became of a process that could not go on, for whoever starts the next one. */
export type VenueEnd = JournalErrorCode | 'replicas';

/**
 * A venue in one process, as ops/venue.ts and its threads put it together: the same writer, sequencing, replicas, port and
 * request checks, driven by simulated threads on a simulated disk and network.
 */
export class VenueProcess {
  readonly process: Process;
  /** Why it gave up, if it did. */
  ended: VenueEnd | undefined;
  ready = false;
  readonly #around: VenueSurroundings;
  readonly #store: DiskStore;
  readonly #scratch = new StateScratch();
  #writer: JournalWriter | undefined;
  #memory: PipelineMemory | undefined;
  #status: Int32Array = new Int32Array(1);
  #bells: Bells | undefined;
  #port: CommandPort | undefined;
  #steps = 0;

  constructor(around: VenueSurroundings) {
    this.#around = around;
    this.process = around.process;
    this.#store = around.disk.store(around.process, around.faults);
    this.process.onError = (thread, error) => this.#thrown(thread, error);
  }

  get epoch(): number {
    return this.#writer?.epoch ?? 0;
  }

  /** Commands taken and not acknowledged. */
  get underWay(): number {
    return this.#port?.underWay ?? 0;
  }

  /** Opens the journal, brings replicas to its end and serves. Takes simulated time, in which the process may be killed. */
  start(takeOver: boolean): void {
    try {
      const { parts, traits } = this.#around;
      this.#writer = JournalWriter.over(parts.writerStore(this.#store), {
        genesis: traits.genesis,
        segmentBytesMax: traits.segmentBytesMax,
        takeOver,
      });
      this.#serve(this.#writer);
    } catch (error) {
      if (isCrash(error) || !this.process.alive || this.process.kernel.stopped) return;
      this.#thrown('start', error);
    }
  }

  #serve(writer: JournalWriter): void {
    const { process, traits, parts, invariants, network } = this.#around;
    const { last } = writer;
    const memory = allocatePipeline(1, traits.replicas, last.sequence, last.block, traits.rings);
    this.#memory = memory;
    this.#status = new Int32Array(memory.status);
    const bells = new Bells(memory);
    this.#bells = bells;
    const sessions = this.#startReplicas(memory, bells, last.sequence);
    const journaling = new Journaling({ memory, writer: parts.writer(writer, memory), nowNs: () => 0 });
    process.thread('journal', bells.journal, STEP_MICROS.journal, () => {
      const work = journaling.step();
      return work === 0 && writer.prepare() ? 1 : work;
    });
    this.#startSequencer(memory, bells, last);

    const port = new CommandPort(memory, 0, parts.ackPolicy);
    this.#port = port;
    const intake = new RequestIntake(port, new OpenSessions(sessions));
    port.listen((words, mask, from, count) => {
      intake.take(words, mask, from, count);
      invariants.events(process, words, mask, from, count);
    });
    process.thread('gateway', bells.gateway, STEP_MICROS.gateway, () => port.pump());
    network.subscribe(process, SUBMIT_SUBJECT, (bytes, reply) => this.#request(intake, bytes, reply));
    this.ready = true;
  }

  #startSequencer(
    memory: PipelineMemory,
    bells: Bells,
    last: { sequence: number; block: number; timeLow: number; timeHigh: number },
  ): void {
    const { process, traits, parts } = this.#around;
    const { host, kernel } = process;
    const clock = new Clock(parts.notBefore({ low: last.timeLow, high: last.timeHigh }));
    // Does not jump while a process runs: the product's comes from a monotonic clock, set when the process starts.
    const began = BEGIN_MICROS + host.clockOffset;
    const sequencing = new Sequencing(
      memory.inputs.map((input) => new RingConsumer(input, 0)),
      new RingProducer(memory.commands),
      new RingProducer(memory.blocks),
      { sequence: last.sequence, block: last.block },
      traits.bounds,
    );
    process.thread('sequencer', bells.sequencer, STEP_MICROS.sequencer, () => {
      const micros = began + kernel.now;
      clock.advance(micros);
      const { sequence, block } = sequencing;
      const work = sequencing.step(clock.high, clock.low, micros, Atomics.load(this.#status, STATUS.durableBlock));
      if (sequencing.sequence !== sequence) bells.replicas[0]?.ring();
      if (sequencing.block !== block) {
        bells.journal.ring();
        for (const follower of bells.replicas.slice(1)) follower.ring();
      }
      Atomics.store(this.#status, STATUS.sequencerWaits, work === 0 && sequencing.lacksRoom ? 1 : 0);
      this.#checkQueues(sequencing);
      return work === 0 && sequencing.open > 0 ? -OPEN_BLOCK_MICROS : work;
    });
  }

  #checkQueues(sequencing: Sequencing): void {
    const { traits, invariants } = this.#around;
    const inFlight = (sequencing.block - Atomics.load(this.#status, STATUS.durableBlock)) | 0;
    if (inFlight > traits.bounds.inFlightMax)
      invariants.violate('bounded-queues', `${inFlight} closed blocks wait for the disk of ${this.process.name}`);
    if (sequencing.open > traits.bounds.ordersMax)
      invariants.violate('bounded-queues', `${sequencing.open} commands in an open block of ${this.process.name}`);
  }

  /** Replica 0 leads, the others follow; the last one takes snapshots. Returns the open sessions. */
  #startReplicas(memory: PipelineMemory, bells: Bells, sequence: number): ReturnType<typeof listSessions> {
    const { process, traits, parts } = this.#around;
    let sessions: ReturnType<typeof listSessions> = [];
    for (let replica = 0; replica < traits.replicas; replica++) {
      const sink = replica === 0 ? new RingSink(memory, replica) : new DigestSink();
      const bare = createMatcher(traits.genesis.limits, sink, replica);
      const block = this.#recover(bare, sink, replica);
      if (bare.sequence() !== sequence) {
        const text = `replica ${replica} ends at sequence ${bare.sequence()}, the journal at ${sequence}`;
        // Whoever has taken the journal over since may have appended to it.
        if (bare.sequence() > sequence && this.#around.disk.holder !== process)
          throw new JournalError('epoch-lost', text);
        throw new Error(text);
      }
      const matcher = parts.matcher(bare, replica);
      const bell = bells.replicas[replica];
      if (sink instanceof RingSink) {
        sessions = listSessions(bare.state.sessions);
        const leader = new Leader({ memory, replica, matcher, sink, nowNs: () => 0, onDigest: () => undefined });
        const events = new RingProducer(memory.events);
        process.thread('leader', bell, STEP_MICROS.leader, () => {
          if (events.slots - this.#eventsWaiting() < EVENTS_OF_A_BATCH) return 0;
          return this.#applied(leader.step(), 'leader', matcher);
        });
      } else this.#follow(memory, bells, replica, matcher, block, sink);
    }
    return sessions;
  }

  #eventsWaiting(): number {
    const memory = this.#memory;
    return memory === undefined ? 0 : new RingConsumer(memory.events, 0).available();
  }

  #follow(
    memory: PipelineMemory,
    bells: Bells,
    replica: number,
    matcher: Matcher,
    block: number,
    sink: DigestSink,
  ): void {
    const { process, traits, parts } = this.#around;
    const name = `follower ${replica}`;
    const follower = new Follower({
      memory,
      replica,
      matcher,
      block,
      sink,
      replay: (from) => parts.repair(this.#reader().blocksFromSequence(from)),
      onDigest: () => undefined,
      onCaughtUp: () => undefined,
    });
    const takesSnapshots = replica === traits.replicas - 1 && traits.snapshotEvery > 0;
    let snapshotAt = matcher.sequence() + traits.snapshotEvery;
    process.thread(name, bells.replicas[replica], traits.followerMicros, () => {
      const work = this.#applied(follower.step(), name, matcher);
      if (takesSnapshots && work > 0 && matcher.sequence() >= snapshotAt) {
        snapshotAt = matcher.sequence() + traits.snapshotEvery;
        const state = Buffer.from(encodeState(matcher.state, this.#scratch));
        this.#keepSnapshot(follower.last.block, matcher.sequence(), state);
      }
      return work;
    });
  }

  #applied(work: number, replica: string, matcher: Matcher): number {
    if (work > 0 && this.#steps++ % this.#around.traits.hashEvery === 0) {
      const hash = hashOf(encodeState(matcher.state, this.#scratch)).toString('hex');
      this.#around.invariants.stateHash(this.process, replica, matcher.sequence(), hash);
    }
    return work;
  }

  /** Written once its block is durable: ops/snapshot-keeper.ts. */
  #keepSnapshot(block: number, sequence: number, state: Buffer): void {
    this.process.after(SNAPSHOT_MICROS, CODE_SNAPSHOT, () => {
      const ahead = (Atomics.load(this.#status, STATUS.durableBlock) - block) | 0;
      if (ahead < 0 && Atomics.load(this.#status, STATUS.failed) === 0)
        return this.#keepSnapshot(block, sequence, state);
      if (ahead < 0 || ahead >= BLOCK_SLOTS / 2 || this.#memory === undefined) return;
      const at = (block & (BLOCK_SLOTS - 1)) * 32;
      const chainHash = Buffer.from(new Uint8Array(this.#memory.blockHashes).slice(at, at + 32));
      const { shard } = this.#around.traits.genesis;
      this.#around.disk.snapshots.write({ shard, block, sequence, chainHash, codec: stateCodec(state) }, state);
    });
  }

  /** Brings a fresh replica to the end of the journal; returns the last block. */
  #recover(matcher: Matcher, sink: RingSink | DigestSink, replica: number): number {
    const { process, disk, parts, invariants } = this.#around;
    process.pass(RECOVERY_MICROS);
    const reader = this.#reader();
    const snapshot = disk.snapshots.newest((stored: StoredSnapshot) =>
      parts.snapshotFits(whySnapshotDoesNotFit(reader, stored.header)),
    );
    let block = 0;
    if (snapshot !== undefined) {
      restoreState(matcher.state, snapshot.state);
      ({ block } = snapshot.header);
    }
    for (const view of parts.replay(reader.blocksFromSequence(matcher.sequence() + 1))) {
      applyBlock(matcher, view, () => sink.discard());
      ({ block } = view);
    }
    sink.begin(matcher.sequence());
    const hash = hashOf(encodeState(matcher.state, this.#scratch)).toString('hex');
    invariants.recovered(process, `replica ${replica}`, matcher.sequence(), hash);
    return block;
  }

  #reader(): JournalReader {
    return JournalReader.over(this.#around.parts.readerStore(this.#store));
  }

  #request(intake: RequestIntake, bytes: Uint8Array, reply: ReplyTo | undefined): void {
    const header = checkRequest(bytes);
    const { session, firstRequest } = isRefusal(header) ? { session: 0, firstRequest: 0 } : header;
    const sink: AnswerSink = {
      done: (answers, at, count) => {
        this.#around.invariants.acknowledged(this.process, this.epoch, session, firstRequest, answers, at, count);
        const bytes = new Uint8Array(replyBytes(count));
        encodeReply(answers, at, count, bytes);
        reply?.(bytes);
      },
      fail: (why) => reply?.(encodeRefusal({ error: 'unavailable', field: 'venue', value: 'failed', rule: why })),
    };
    const refusal = intake.pass(bytes, undefined, sink);
    if (refusal !== undefined) reply?.(encodeRefusal(refusal));
  }

  /** A part of the product threw: the venue fails as ops/venue.ts does, clients are told, the process ends. */
  #thrown(thread: string, error: unknown): void {
    if (!(error instanceof JournalError)) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return this.#around.invariants.violate('no-fault-inside', `${thread} of ${this.process.name}: ${text}`);
    }
    if (this.ended !== undefined) return;
    this.ended = error.code;
    if (this.#memory !== undefined) Atomics.compareExchange(this.#status, STATUS.failed, 0, 1);
    for (const bell of this.#bells?.all() ?? []) bell.ring();
    this.#port?.fail(error.message);
    this.process.after(FAREWELL_MICROS, CODE_FAREWELL, () => this.process.end(error.code));
  }
}
