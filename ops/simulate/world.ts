import type { Genesis, VenueLimits } from '../../journal/genesis.ts';
import { SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import { Client, type ClientTraits } from './client.ts';
import type { DiskTraits } from './disk.ts';
import { type DecisionId, type FaultKind, type FaultRates, Faults } from './faults.ts';
import { Invariants, type Violation } from './invariants.ts';
import { Kernel } from './kernel.ts';
import { Network } from './network.ts';
import { type Parts, PRODUCT } from './parts.ts';
import { Host } from './process.ts';
import { Random } from './random.ts';
import { SUBMIT_SUBJECT, type VenueTraits } from './venue-process.ts';

/** What is simulated, and what goes wrong in it. */
export interface Profile {
  readonly summary: string;
  /** Simulated microseconds in which things go wrong. */
  readonly faultMicros: number;
  readonly clients: number;
  /** Processes of the venue on one host: one serves, the others stand by. 1 unless given. */
  readonly processes?: number | undefined;
  /** Hosts of a cluster with a replicated log; without it there is one host and no such log. */
  readonly hosts?: number | undefined;
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
  /** Told of what hosts and processes do, in words, and when in simulated microseconds. */
  readonly onTell?: ((micros: number, text: string) => void) | undefined;
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
const RECOVERY_MICROS_MAX = 10_000_000;
const LOOK_MICROS = 50_000;
const CODE_CHAOS = 0x501;
const CODE_LOOK = 0x502;
const CODE_CLIENTS = 0x503;

const LIMITS: VenueLimits = {
  ordersMax: 512,
  levelPagesMax: 64,
  instrumentsMax: 4,
  sessionsMax: 16,
  answersPerSessionMax: 64,
  accountsMax: 8,
  balancesMax: 8,
};
const GENESIS: Genesis = { shard: 0, createdAt: 1_767_225_600_000_000_000n, limits: LIMITS };

/** What all simulations have: time, a network, clients, things that go wrong for a while, and an end. */
export abstract class World {
  protected readonly kernel = new Kernel();
  protected readonly faults: Faults;
  protected readonly profile: Profile;
  protected readonly seed: number;
  protected readonly parts: Parts;
  protected readonly invariants: Invariants;
  protected readonly network: Network;
  protected readonly clients: Client[] = [];
  protected readonly traits: VenueTraits;
  protected readonly diskTraits: DiskTraits;
  /** Processes of the venue that were started. */
  protected starts = 0;

  constructor({ seed, profile, parts, only, onTell }: RunOptions) {
    this.kernel.onTell = onTell;
    this.seed = seed;
    this.profile = profile;
    this.parts = parts ?? PRODUCT;
    this.faults = new Faults(seed, profile.rates, only);
    this.invariants = new Invariants(this.kernel, GENESIS);
    const random = new Random(seed, 'shape');
    this.diskTraits = {
      flushMicros: [random.between(50, 400), random.between(500, 4_000)],
      entryOverheadBytes: random.pick([2 ** 13, 2 ** 15, 2 ** 17]),
    };
    this.network = new Network(this.kernel, this.faults, seed, {
      latencyMicros: [random.between(20, 100), random.between(150, 1_500)],
      delayMicrosMax: 2_000_000,
    });
    this.traits = venueTraits(random);
    const client: ClientTraits = {
      answersPerSessionMax: LIMITS.answersPerSessionMax * this.parts.windowTimes,
      answerMicrosMax: random.pick([50_000, 400_000]),
      batchMax: random.pick([1, 4, 16]),
      restMicrosMax: random.pick([10_000, 100_000]),
      symbols: LIMITS.instrumentsMax,
      priceReach: random.pick([3, 20]),
    };
    const around = {
      network: this.network,
      faults: this.faults,
      invariants: this.invariants,
      parts: this.parts,
      seed,
      traits: client,
      until: profile.faultMicros,
    };
    for (let index = 0; index < profile.clients; index++)
      this.clients.push(new Client(around, index, new Host(`host of client${index}`), SUBMIT_SUBJECT, this.kernel));
  }

  run(): RunResult {
    this.begin();
    for (const client of this.clients) this.kernel.after(1_000, undefined, CODE_CLIENTS, () => client.start());
    for (const kind of Object.keys(this.profile.every) as FaultKind[]) this.#plan(kind);
    this.kernel.runUntil(this.profile.faultMicros);
    if (!this.kernel.stopped) this.audit();
    this.kernel.tell('faults have stopped');
    this.faults.cease();
    this.network.heal();
    this.calm();
    this.#look(this.kernel.now + RECOVERY_MICROS_MAX);
    this.kernel.runUntil(this.kernel.now + RECOVERY_MICROS_MAX + LOOK_MICROS);
    return {
      seed: this.seed,
      violation: this.invariants.violation,
      hash: this.kernel.hash,
      simulatedMicros: this.kernel.now,
      events: this.kernel.happened,
      messages: this.network.sent,
      faults: this.faults.counts,
      done: this.faults.done,
      counts: this.invariants.counts,
      answered: this.clients.reduce((sum, client) => sum + client.answered, 0),
      starts: this.starts,
    };
  }

  /** Starts the venue. */
  protected abstract begin(): void;
  /** Does what a fault of hosts and processes is. */
  protected abstract strike(kind: FaultKind, random: Random): void;
  /** Reads everything that is stored and compares it. */
  protected abstract audit(): void;
  /** Mends what does not mend by itself. */
  protected abstract calm(): void;

  /** Looks until every client has its answers; that it takes too long is a violation. */
  #look(until: number): void {
    const failed = this.clients.find((client) => client.failure !== undefined);
    if (failed !== undefined) return this.invariants.violate('liveness', `${failed.process.name}: ${failed.failure}`);
    const waiting = this.clients.filter((client) => !client.idle).map((client) => client.process.name);
    if (waiting.length === 0) return this.kernel.stop();
    if (this.kernel.now >= until) {
      const text = `${waiting.join(', ')} have no answer ${RECOVERY_MICROS_MAX / 1e6} s after faults stopped`;
      return this.invariants.violate('liveness', text);
    }
    this.kernel.after(LOOK_MICROS, undefined, CODE_LOOK, () => this.#look(until));
  }

  /** Faults of one kind, at times of their own. */
  #plan(kind: FaultKind): void {
    const mean = this.profile.every[kind] as number;
    const random = new Random(this.seed, `times of ${kind}`);
    const stream = this.faults.at('host');
    const next = (): void => {
      this.kernel.after(random.between(mean >>> 1, mean + (mean >>> 1)), undefined, CODE_CHAOS, () => {
        if (!this.faults.active) return;
        if (stream.admits(kind)) {
          this.kernel.tell(`fault: ${kind}`);
          this.strike(kind, stream.detail);
        }
        next();
      });
    };
    next();
  }
}

function venueTraits(random: Random): VenueTraits {
  const ordersMax = random.pick([8, 32, 128]);
  return {
    genesis: GENESIS,
    replicas: random.between(1, 3),
    bounds: {
      ordersMax,
      ordersReady: random.between(1, ordersMax),
      openMicrosMax: random.pick([500, 5_000]),
      lingerMicrosMax: random.pick([0, 2_000]),
      windowMicros: 0,
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
}
