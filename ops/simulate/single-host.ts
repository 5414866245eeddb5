import { JournalError } from '../../journal/findings.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { JournalReader } from '../../journal/reader.ts';
import { SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import { Client, type ClientTraits } from './client.ts';
import { Disk } from './disk.ts';
import { type DecisionId, type FaultKind, type FaultRates, Faults } from './faults.ts';
import { Invariants, type Violation } from './invariants.ts';
import { Kernel } from './kernel.ts';
import { Network } from './network.ts';
import { type Parts, PRODUCT } from './parts.ts';
import { Host, Process } from './process.ts';
import { Random } from './random.ts';
import { SUBMIT_SUBJECT, VenueProcess, type VenueRole, type VenueTraits } from './venue-process.ts';

/** What is simulated, and what goes wrong in it. */
export interface Profile {
  readonly summary: string;
  /** Simulated microseconds in which things go wrong. */
  readonly faultMicros: number;
  readonly clients: number;
  /** Processes of the venue: one serves, the others stand by. 1 unless given. */
  readonly processes?: number | undefined;
  /** Faults of messages and writes, in a million. */
  readonly rates: FaultRates;
  /** Mean microseconds between faults of hosts and processes. */
  readonly every: Readonly<Partial<Record<FaultKind, number>>>;
}

export interface RunOptions {
  readonly seed: number;
  readonly profile: Profile;
  readonly parts?: Parts | undefined;
  /** Nothing else is done than this. */
  readonly only?: ReadonlySet<DecisionId> | undefined;
}

export interface RunResult {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** Of everything that happened. */
  readonly hash: number;
  readonly simulatedMicros: number;
  readonly events: number;
  readonly messages: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly done: readonly DecisionId[];
  readonly counts: Invariants['counts'];
  readonly answered: number;
  readonly starts: number;
}

/** When faults have stopped, everything must be answered within this. */
const RECOVERY_MICROS_MAX = 20_000_000;
/** Standbys are started so much later. */
const STANDBY_AFTER_MICROS = 20_000;
const LOOK_MICROS = 50_000;
const RESTART_MICROS_MAX = 300_000;
const CODE_RESTART = 0x500;
const CODE_CHAOS = 0x501;
const CODE_LOOK = 0x502;

const LIMITS: VenueLimits = {
  ordersMax: 512,
  levelPagesMax: 64,
  instrumentsMax: 4,
  sessionsMax: 16,
  answersPerSessionMax: 64,
};

/** One host: a venue that is started again when it ends, clients, and a supervisor that is sometimes wrong. */
export class SingleHost {
  readonly #kernel = new Kernel();
  readonly #faults: Faults;
  readonly #profile: Profile;
  readonly #seed: number;
  readonly #parts: Parts;
  readonly #invariants: Invariants;
  readonly #disk: Disk;
  readonly #network: Network;
  readonly #host = new Host('host');
  readonly #clients: Client[] = [];
  readonly #traits: VenueTraits;
  #venues: VenueProcess[] = [];
  #starts = 0;
  #restarting = 0;

  constructor({ seed, profile, parts, only }: RunOptions) {
    this.#seed = seed;
    this.#profile = profile;
    this.#parts = parts ?? PRODUCT;
    this.#faults = new Faults(seed, profile.rates, only);
    const random = new Random(seed, 'shape');
    const genesis = { shard: 0, createdAt: 1_767_225_600_000_000_000n, limits: LIMITS };
    this.#invariants = new Invariants(this.#kernel, genesis);
    this.#disk = new Disk(
      {
        flushMicros: [random.between(50, 400), random.between(500, 4_000)],
        entryOverheadBytes: random.pick([2 ** 13, 2 ** 15, 2 ** 17]),
      },
      this.#invariants,
    );
    this.#network = new Network(this.#kernel, this.#faults, seed, {
      latencyMicros: [random.between(20, 100), random.between(150, 1_500)],
      delayMicrosMax: 2_000_000,
    });
    const ordersMax = random.pick([8, 32, 128]);
    this.#traits = {
      genesis,
      replicas: random.between(1, 3),
      bounds: {
        ordersMax,
        ordersReady: random.between(1, ordersMax),
        openMicrosMax: random.pick([500, 5_000]),
        lingerMicrosMax: random.pick([0, 2_000]),
        inFlightMax: random.between(1, 4),
      },
      rings: {
        input: random.pick([64, 256]),
        commands: random.pick([64, 256, 1024]),
        blocks: random.pick([4, 16]),
        events: 2 ** 13,
      },
      segmentBytesMax: SEGMENT_BYTES_MIN,
      leaseMs: random.pick([200, 500]),
      followerMicros: random.pick([30, 30, 5_000, 40_000]),
      snapshotEvery: random.pick([0, 50, 200, 400, 400]),
      hashEvery: 4,
    };
    const client: ClientTraits = {
      answersPerSessionMax: LIMITS.answersPerSessionMax * this.#parts.windowTimes,
      answerMicrosMax: random.pick([50_000, 400_000]),
      batchMax: random.pick([1, 4, 16]),
      restMicrosMax: random.pick([10_000, 100_000]),
      symbols: LIMITS.instrumentsMax,
      priceReach: random.pick([3, 20]),
    };
    for (let index = 0; index < profile.clients; index++) {
      const around = {
        network: this.#network,
        faults: this.#faults,
        invariants: this.#invariants,
        parts: this.#parts,
        seed,
        traits: client,
        until: profile.faultMicros,
      };
      this.#clients.push(new Client(around, index, new Host(`host of client${index}`), SUBMIT_SUBJECT, this.#kernel));
    }
  }

  run(): RunResult {
    this.#kernel.after(0, undefined, CODE_RESTART, () => this.#startVenue('open'));
    for (let process = 1; process < (this.#profile.processes ?? 1); process++)
      this.#kernel.after(process * STANDBY_AFTER_MICROS, undefined, CODE_RESTART, () => this.#restart());
    for (const client of this.#clients) this.#kernel.after(1_000, undefined, CODE_RESTART, () => client.start());
    for (const kind of Object.keys(this.#profile.every) as FaultKind[]) this.#plan(kind);
    this.#kernel.runUntil(this.#profile.faultMicros);
    if (!this.#kernel.stopped) this.#audit();
    this.#calm();
    this.#look(this.#kernel.now + RECOVERY_MICROS_MAX);
    this.#kernel.runUntil(this.#kernel.now + RECOVERY_MICROS_MAX + LOOK_MICROS);
    return {
      seed: this.#seed,
      violation: this.#invariants.violation,
      hash: this.#kernel.hash,
      simulatedMicros: this.#kernel.now,
      events: this.#kernel.happened,
      messages: this.#network.sent,
      faults: this.#faults.counts,
      done: this.#faults.done,
      counts: this.#invariants.counts,
      answered: this.#clients.reduce((sum, client) => sum + client.answered, 0),
      starts: this.#starts,
    };
  }

  /** Nothing goes wrong from here on. */
  #calm(): void {
    this.#faults.cease();
    this.#network.heal();
    this.#host.slowness = 1;
    this.#disk.restore();
  }

  /** Looks until every client has its answers; that it takes too long is a violation. */
  #look(until: number): void {
    const failed = this.#clients.find((client) => client.failure !== undefined);
    if (failed !== undefined) return this.#invariants.violate('liveness', `${failed.process.name}: ${failed.failure}`);
    if (this.#clients.every((client) => client.idle)) return this.#kernel.stop();
    if (this.#kernel.now >= until) {
      const waiting = this.#clients.filter((client) => !client.idle).map((client) => client.process.name);
      return this.#invariants.violate(
        'liveness',
        `${waiting.join(', ')} have no answer ${RECOVERY_MICROS_MAX / 1e6} s after faults stopped`,
      );
    }
    this.#kernel.after(LOOK_MICROS, undefined, CODE_LOOK, () => this.#look(until));
  }

  #startVenue(role: VenueRole): void {
    const process = new Process(this.#kernel, this.#host, `venue${++this.#starts}`);
    const venue = new VenueProcess({
      process,
      disk: this.#disk,
      network: this.#network,
      faults: this.#faults.at(process.name),
      invariants: this.#invariants,
      parts: this.#parts,
      traits: this.#traits,
    });
    process.onEnd = () => {
      this.#invariants.ended(process);
      if (venue.ended === 'damaged') this.#damageFound(process);
      this.#venues = this.#venues.filter((each) => each !== venue);
      this.#restart();
    };
    this.#venues.push(venue);
    venue.start(role);
  }

  /** An operator puts back what was damaged, from a copy. */
  #damageFound(process: Process): void {
    if (!this.#disk.wasDamaged)
      this.#invariants.violate('damage-is-found', `${process.name} found damage where there is none`);
    this.#disk.restore();
  }

  /** Reads the whole journal as an auditor does: damage must be found, and nothing else. */
  #audit(): void {
    const process = new Process(this.#kernel, this.#host, 'auditor');
    const store = this.#disk.store(process, this.#faults.at(process.name));
    let read = 0;
    try {
      for (const block of JournalReader.over(store).blocks()) {
        this.#invariants.audited(block);
        read = block.block;
      }
      if (read < this.#invariants.flushedBlock)
        this.#invariants.violate('acknowledged-is-durable', `the journal reads to block ${read} only`);
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      if (!this.#disk.isDamaged)
        this.#invariants.violate('damage-is-found', `the audit finds damage where there is none: ${error.message}`);
    }
    process.end('done');
  }

  /** A supervisor starts a process again when one is missing: to stand by, where there are standbys. */
  #restart(): void {
    const wanted = Math.max(1, this.#profile.processes ?? 1);
    if (this.#venues.length + this.#restarting >= wanted) return;
    this.#restarting++;
    const delay = new Random(this.#seed, `restart ${this.#starts}`).skewed(2_000, RESTART_MICROS_MAX);
    this.#kernel.after(delay, undefined, CODE_RESTART, () => {
      this.#restarting--;
      if (this.#venues.length >= wanted) return;
      this.#startVenue(wanted > 1 && this.#isBegun ? 'stand-by' : 'open');
    });
  }

  /** Whether there is a journal to stand by for. */
  get #isBegun(): boolean {
    return [...this.#disk.segments.values()].some((segment) => segment.names.size > 0);
  }

  /** Faults of one kind, at times of their own. */
  #plan(kind: FaultKind): void {
    const mean = this.#profile.every[kind] as number;
    const random = new Random(this.#seed, `times of ${kind}`);
    const stream = this.#faults.at('host');
    const next = (): void => {
      this.#kernel.after(random.between(mean >>> 1, mean + (mean >>> 1)), undefined, CODE_CHAOS, () => {
        if (!this.#faults.active) return;
        if (stream.admits(kind)) this.#do(kind, stream.detail);
        next();
      });
    };
    next();
  }

  #do(kind: FaultKind, random: Random): void {
    const venue = this.#venues.length === 0 ? undefined : random.pick(this.#venues);
    const client = random.pick(this.#clients).process;
    switch (kind) {
      case 'kill':
        return venue?.process.end('killed');
      case 'pause':
        return venue?.process.pause(random.skewed(10_000, 2_000_000));
      case 'slow':
        this.#host.slowness = random.pick([1, 1, 2, 10, 50]);
        return;
      case 'partition':
        return this.#network.cut(random.chance(500_000) ? this.#host : client, random.skewed(10_000, 2_000_000));
      case 'clock-jump':
        this.#host.clockOffset += random.between(-3_600_000_000, 3_600_000_000);
        return;
      case 'needless-take-over':
        return this.#startVenue('take-over');
      case 'bit-flip':
        if (this.#disk.snapshots.count > 0 && random.chance(200_000)) return this.#disk.snapshots.damage(random);
        return this.#disk.damage(kind, random);
      case 'torn-write':
      case 'misdirected-write':
      case 'lost-write':
        return this.#disk.damage(kind, random);
      case 'power-loss':
        for (const each of [...this.#venues]) each.process.end('power lost');
        return this.#disk.losePower(random);
      default:
        throw new RangeError(`${kind} is no fault of a host`);
    }
  }
}
