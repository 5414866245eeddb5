import { JournalError } from '../../journal/findings.ts';
import { JournalReader } from '../../journal/reader.ts';
import { Disk } from './disk.ts';
import type { FaultKind } from './faults.ts';
import { Host, Process } from './process.ts';
import { Random } from './random.ts';
import { VenueProcess, type VenueRole } from './venue-process.ts';
import { type RunOptions, World } from './world.ts';

const RESTART_MICROS_MAX = 300_000;
/** Standbys are started so much later. */
const STANDBY_AFTER_MICROS = 20_000;
const CODE_RESTART = 0x500;

/** One host: a venue that is started again when it ends, standbys if there are any, and a supervisor that is sometimes wrong. */
export class SingleHost extends World {
  readonly #disk: Disk;
  readonly #host = new Host('host');
  #venues: VenueProcess[] = [];
  #restarting = 0;

  constructor(options: RunOptions) {
    super(options);
    this.#disk = new Disk(this.diskTraits, this.invariants);
  }

  get #wanted(): number {
    return this.profile.processes ?? 1;
  }

  /** Whether there is a journal to stand by for. */
  get #isBegun(): boolean {
    return [...this.#disk.segments.values()].some((segment) => segment.names.size > 0);
  }

  protected override begin(): void {
    this.kernel.after(0, undefined, CODE_RESTART, () => this.#startVenue('open'));
    for (let process = 1; process < this.#wanted; process++)
      this.kernel.after(process * STANDBY_AFTER_MICROS, undefined, CODE_RESTART, () => this.#restart());
  }

  protected override calm(): void {
    this.#host.slowness = 1;
    this.#disk.restore();
  }

  protected override strike(kind: FaultKind, random: Random): void {
    const venue = this.#venues.length === 0 ? undefined : random.pick(this.#venues);
    const client = random.pick(this.clients).process;
    switch (kind) {
      case 'kill':
        return venue?.process.end('killed');
      case 'pause':
        return venue?.process.pause(random.skewed(10_000, 2_000_000));
      case 'slow':
        this.#host.slowness = random.pick([1, 1, 2, 10, 50]);
        return;
      case 'partition':
        return this.network.cut(random.chance(500_000) ? this.#host : client, random.skewed(10_000, 2_000_000));
      case 'clock-jump':
        this.#host.clockOffset += random.between(-3_600_000_000, 3_600_000_000);
        return;
      case 'hand-over':
        return this.#venues.find(({ ready }) => ready)?.stepDown();
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

  /** Reads the whole journal as an auditor does: damage must be found, and nothing else. */
  protected override audit(): void {
    const process = new Process(this.kernel, this.#host, 'auditor');
    const store = this.#disk.store(process, this.faults.at(process.name));
    let read = 0;
    try {
      for (const block of JournalReader.over(store).blocks()) {
        this.invariants.audited(block);
        read = block.block;
      }
      if (read < this.invariants.flushedBlock)
        this.invariants.violate('acknowledged-is-durable', `the journal reads to block ${read} only`);
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      if (!this.#disk.isDamaged)
        this.invariants.violate('damage-is-found', `the audit finds damage where there is none: ${error.message}`);
    }
    process.end('done');
  }

  #startVenue(role: VenueRole): void {
    const process = new Process(this.kernel, this.#host, `venue${++this.starts}`);
    const venue = new VenueProcess({
      process,
      disk: this.#disk,
      network: this.network,
      faults: this.faults.at(process.name),
      invariants: this.invariants,
      parts: this.parts,
      traits: this.traits,
    });
    process.onEnd = () => {
      this.invariants.ended(process);
      if (venue.ended === 'damaged') this.#damageFound(process);
      this.#venues = this.#venues.filter((each) => each !== venue);
      this.#restart();
    };
    this.#venues.push(venue);
    this.kernel.tell(`${process.name} starts: ${role}`);
    venue.start(role);
  }

  /** An operator puts back what was damaged, from a copy. */
  #damageFound(process: Process): void {
    if (!this.#disk.wasDamaged)
      this.invariants.violate('damage-is-found', `${process.name} found damage where there is none`);
    this.#disk.restore();
  }

  /** A supervisor starts a process again when one is missing: to stand by, where there are standbys. */
  #restart(): void {
    if (this.#venues.length + this.#restarting >= this.#wanted) return;
    this.#restarting++;
    const delay = new Random(this.seed, `restart ${this.starts}`).skewed(2_000, RESTART_MICROS_MAX);
    this.kernel.after(delay, undefined, CODE_RESTART, () => {
      this.#restarting--;
      if (this.#venues.length < this.#wanted) this.#startVenue(this.#wanted > 1 && this.#isBegun ? 'stand-by' : 'open');
    });
  }
}
