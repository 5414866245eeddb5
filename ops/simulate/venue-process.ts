import { JournalError, type JournalErrorCode } from '../../journal/findings.ts';
import type { Genesis } from '../../journal/genesis.ts';
import { JournalWriter } from '../../journal/log.ts';
import { JournalReader } from '../../journal/reader.ts';
import { Clock } from '../../sequencer/clock.ts';
import { CommandPort } from '../../sequencer/command-port.ts';
import { type BlockReplication, Journaling } from '../../sequencer/journaling.ts';
import { decodeLease, encodeLease, LeaseWatch, RENEWALS_PER_LEASE } from '../../sequencer/lease.ts';
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
  type PipelineMemory,
  placePipeline,
  type RingSizes,
  STATUS,
} from '../../sequencer/pipeline.ts';
import { RequestIntake } from '../../sequencer/request-intake.ts';
import { RingConsumer, RingProducer } from '../../sequencer/rings.ts';
import { type BlockBounds, Sequencing } from '../../sequencer/sequencing.ts';
import { TickSource } from '../../sequencer/tick-source.ts';
import type { Disk, DiskStore } from './disk.ts';
import { isCrash } from './disk.ts';
import type { FaultStream } from './faults.ts';
import type { Invariants } from './invariants.ts';
import type { Network, ReplyTo } from './network.ts';
import type { Parts } from './parts.ts';
import type { Process, Thread } from './process.ts';
import { SimulatedReplica } from './replica.ts';

export const SUBMIT_SUBJECT = 'submit';

export interface VenueTraits {
  readonly genesis: Genesis;
  readonly replicas: number;
  readonly bounds: BlockBounds;
  readonly rings: RingSizes;
  readonly segmentBytesMax: number;
  readonly leaseMs: number;
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
const STEP_MICROS = { sequencer: 4, journal: 6, leader: 20, gateway: 10, ticks: 5, tail: 40 } as const;
const OPEN_BLOCK_MICROS = 1_000;
const RESTORE_MICROS = 2_000;
/** A standby looks at the end of the journal, and at the lease, this often: replica-thread.ts, journal-thread.ts. */
const TAIL_SLEEP_MICROS = 2_000;
const LOOK_MICROS = 5_000;
const TAIL_BLOCKS = 16;
/** From a failure to the process's end: waiting clients are told. */
const FAREWELL_MICROS = 2_000;
const STEP_DOWN_LOOK_MICROS = 500;
const CODE_FAREWELL = 0x301;
/** 2026-01-01, in microseconds since the epoch: what clocks show when a simulation begins. */
export const BEGIN_MICROS = 1_767_225_600_000_000;

/** How a process comes to write the journal. */
export type VenueRole = 'open' | 'take-over' | 'stand-by';

/**
 * A venue in one process, as ops/venue/venue.ts and its threads put it together: the same writer, sequencing, replicas, port,
 * request checks and lease watch, driven by simulated threads on a simulated disk and network.
 */
export class VenueProcess {
  readonly process: Process;
  /** Why it gave up, if it did. */
  ended: JournalErrorCode | undefined;
  /** Whether it takes requests. */
  ready = false;
  protected readonly around: VenueSurroundings;
  protected readonly store: DiskStore;
  protected readonly memory: PipelineMemory;
  readonly #status: Int32Array;
  protected readonly bells: Bells;
  readonly #port: CommandPort;
  protected readonly replicas: SimulatedReplica[];
  /** Threads of replicas while they follow the journal. */
  protected tails: Thread[] = [];
  protected writer: JournalWriter | undefined;
  #leaseCounter = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(around: VenueSurroundings) {
    const { traits } = around;
    this.around = around;
    this.process = around.process;
    this.store = around.disk.store(around.process, around.faults, true);
    this.memory = allocatePipeline(1, traits.replicas, 0, 0, traits.rings);
    this.#status = new Int32Array(this.memory.status);
    this.bells = new Bells(this.memory);
    this.#port = new CommandPort(this.memory, 0, around.parts.ackPolicy);
    this.replicas = Array.from(
      { length: traits.replicas },
      (_, replica) => new SimulatedReplica(around, this.memory, this.store, replica),
    );
    this.process.onError = (thread, error) => this.thrown(thread, error);
  }

  get epoch(): number {
    return this.writer?.epoch ?? 0;
  }

  /** Takes simulated time, in which the process may be killed. */
  start(role: VenueRole): void {
    try {
      if (role === 'stand-by') this.#standBy();
      else {
        const writer = this.openJournal(role === 'take-over');
        this.#renew(writer);
        this.restoreReplicas();
        this.serve(writer);
      }
    } catch (error) {
      this.thrown('start', error);
    }
  }

  protected openJournal(takeOver: boolean, takeOverFrom?: number): JournalWriter {
    const { parts, traits } = this.around;
    const { genesis, segmentBytesMax } = traits;
    const writer = JournalWriter.over(parts.writerStore(this.store), {
      genesis,
      segmentBytesMax,
      takeOver,
      takeOverFrom,
    });
    this.writer = writer;
    return writer;
  }

  protected restoreReplicas(): void {
    this.process.pass(RESTORE_MICROS);
    for (const replica of this.replicas) replica.restore();
  }

  #standBy(): void {
    const { process, traits } = this.around;
    const reader = JournalReader.over(this.store);
    this.restoreReplicas();
    this.startTails();
    const watch = new LeaseWatch(traits.leaseMs, 1);
    const thread = process.thread('watch', undefined, STEP_MICROS.journal, () => {
      const { epoch } = reader.state(reader.segmentInUse);
      const lease = this.around.disk.lease === undefined ? undefined : decodeLease(this.around.disk.lease);
      const isHolderAlive = [...process.host.processes].some(({ name }) => name === lease?.holder);
      if (watch.look(process.kernel.now / 1_000, { epoch, lease, isHolderAlive }) === 'held') return -LOOK_MICROS;
      try {
        const writer = this.openJournal(true, epoch);
        this.#renew(writer);
        thread.end();
        this.serve(writer);
        return 1;
      } catch (error) {
        // Another standby was faster.
        if (!(error instanceof JournalError) || error.code !== 'epoch-lost' || isCrash(error)) throw error;
        return -LOOK_MICROS;
      }
    });
  }

  /** Replicas stay at the end of the journal, whoever writes that. */
  protected startTails(): void {
    this.tails = this.replicas.map((replica, index) =>
      this.process.thread(`tail ${index}`, undefined, STEP_MICROS.tail, () =>
        replica.tail(TAIL_BLOCKS) > 0 ? 1 : -TAIL_SLEEP_MICROS,
      ),
    );
  }

  /** The journal is this process's from now on. */
  protected serve(writer: JournalWriter, replication?: BlockReplication): void {
    const { process, traits, parts, invariants, network } = this.around;
    for (const tail of this.tails) tail.end();
    const { last } = writer;
    for (const replica of this.replicas) {
      while (replica.tail(TAIL_BLOCKS) > 0) process.pass(STEP_MICROS.tail);
      this.#checkEnd(replica, last.sequence);
    }
    const memory = this.memory;
    placePipeline(memory, last.sequence, last.block);
    const bells = this.bells;
    const sessions = this.replicas[0]?.sessions ?? [];
    for (const [index, replica] of this.replicas.entries()) {
      const micros = index === 0 ? STEP_MICROS.leader : traits.followerMicros;
      process.thread(`replica ${index}`, bells.replicas[index], micros, replica.begin(writer.epoch));
    }
    const journaling = new Journaling({ memory, writer: parts.writer(writer, memory), nowNs: () => 0, replication });
    process.thread('journal', bells.journal, STEP_MICROS.journal, () => {
      this.#renewIfDue(writer);
      const work = journaling.step();
      return work === 0 && writer.prepare() ? 1 : work;
    });
    this.#startSequencer(last);
    const intake = new RequestIntake(this.#port, new OpenSessions(sessions));
    this.#port.listen((words, mask, from, count) => {
      intake.take(words, mask, from, count);
      invariants.events(process, words, mask, from, count);
    });
    process.thread('gateway', bells.gateway, STEP_MICROS.gateway, () => this.#port.pump());
    const ticks = new TickSource(memory, this.#port);
    // As the sequencer's clock: it does not jump while a process runs.
    const began = BEGIN_MICROS + process.host.clockOffset;
    process.thread('ticks', bells.ticks, STEP_MICROS.ticks, () => {
      const { sent } = ticks;
      const restMs = ticks.step(began + process.kernel.now);
      if (ticks.sent !== sent) invariants.counts.ticks++;
      return -restMs * 1_000;
    });
    network.subscribe(process, SUBMIT_SUBJECT, (bytes, reply) => this.#request(intake, bytes, reply));
    this.ready = true;
    this.process.kernel.tell(`${process.name} serves with epoch ${writer.epoch} from block ${last.block}`);
  }

  /** ops/venue/step-down.ts: takes no more requests, answers those that it took, closes the journal and leaves its place. */
  stepDown(): void {
    const { process, network, disk, traits } = this.around;
    const writer = this.writer;
    if (!this.ready || writer === undefined || this.ended !== undefined) return;
    this.ready = false;
    network.unsubscribe(process, SUBMIT_SUBJECT);
    this.#port.refuse();
    const leave = (): void =>
      process.after(STEP_DOWN_LOOK_MICROS, CODE_FAREWELL, () => {
        if (this.ended !== undefined) return;
        if (this.#port.underWay > 0) return leave();
        void writer.close();
        const { epoch } = writer;
        const lease = { epoch, counter: ++this.#leaseCounter, leaseMs: traits.leaseMs, holder: process.name };
        disk.lease = encodeLease({ ...lease, steppedDown: true, heir: 0, pidNamespace: 0 });
        process.end('handed over');
      });
    leave();
  }

  #checkEnd(replica: SimulatedReplica, sequence: number): void {
    if (replica.sequence === sequence) return;
    const text = `a replica ends at sequence ${replica.sequence}, the journal at ${sequence}`;
    // Whoever has taken the journal over since may have appended to it.
    if (replica.sequence > sequence && this.around.disk.holder !== this.process)
      throw new JournalError('epoch-lost', text);
    throw new Error(text);
  }

  #startSequencer(last: { sequence: number; block: number; timeLow: number; timeHigh: number }): void {
    const { process, traits, parts } = this.around;
    const { host, kernel } = process;
    const memory = this.memory;
    const bells = this.bells;
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
    const { traits, invariants } = this.around;
    const inFlight = (sequencing.block - Atomics.load(this.#status, STATUS.durableBlock)) | 0;
    if (inFlight > traits.bounds.inFlightMax)
      invariants.violate('bounded-queues', `${inFlight} closed blocks wait for the disk of ${this.process.name}`);
    if (sequencing.open > traits.bounds.ordersMax)
      invariants.violate('bounded-queues', `${sequencing.open} commands in an open block of ${this.process.name}`);
  }

  /** journal-thread.ts, with the lease of sequencer/lease.ts in memory. */
  #renewIfDue(writer: JournalWriter): void {
    const { process, traits } = this.around;
    if (process.kernel.now - this.#renewedAt < (traits.leaseMs * 1_000) / RENEWALS_PER_LEASE) return;
    writer.checkEpoch();
    this.#renew(writer);
  }

  #renew(writer: JournalWriter): void {
    const { process, traits, disk, faults } = this.around;
    this.#renewedAt = process.kernel.now;
    if (faults.happens('lease-drop')) return;
    disk.lease = encodeLease({
      steppedDown: false,
      epoch: writer.epoch,
      counter: ++this.#leaseCounter,
      leaseMs: traits.leaseMs,
      heir: 0,
      holder: process.name,
      pidNamespace: 0,
    });
  }

  #request(intake: RequestIntake, bytes: Uint8Array, reply: ReplyTo | undefined): void {
    const header = checkRequest(bytes);
    const { session, firstRequest } = isRefusal(header) ? { session: 0, firstRequest: 0 } : header;
    const sink: AnswerSink = {
      done: (answers, at, count) => {
        this.around.invariants.acknowledged(this.process, this.epoch, session, firstRequest, answers, at, count);
        const bytes = new Uint8Array(replyBytes(count));
        encodeReply(answers, at, count, bytes);
        reply?.(bytes);
      },
      fail: (why) => reply?.(encodeRefusal({ error: 'unavailable', field: 'venue', value: 'failed', rule: why })),
    };
    const refusal = intake.pass(bytes, undefined, sink);
    if (refusal !== undefined) reply?.(encodeRefusal(refusal));
  }

  /** A part of the product threw: the venue fails as ops/venue/venue.ts does, clients are told, the process ends. */
  protected thrown(thread: string, error: unknown): void {
    if (isCrash(error) || !this.process.alive || this.process.kernel.stopped) return;
    if (!(error instanceof JournalError)) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return this.around.invariants.violate('no-fault-inside', `${thread} of ${this.process.name}: ${text}`);
    }
    if (this.ended !== undefined) return;
    this.ended = error.code;
    this.failed(error.message);
  }

  /** Clients that wait are told, and the process ends. */
  protected failed(why: string): void {
    this.process.kernel.tell(`${this.process.name} gives up: ${why}`);
    Atomics.compareExchange(this.#status, STATUS.failed, 0, 1);
    for (const bell of this.bells.all()) bell.ring();
    this.#port.fail(why);
    this.process.after(FAREWELL_MICROS, CODE_FAREWELL, () => this.process.end(why));
  }
}
