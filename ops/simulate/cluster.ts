import { JournalError } from '../../journal/findings.ts';
import { JournalReader } from '../../journal/reader.ts';
import { ChainFollower, LOG_BEGIN } from '../../sequencer/chain-follower.ts';
import type { LogMessage } from '../../sequencer/log-messages.ts';
import { ClusterProcess } from './cluster-process.ts';
import { Disk, type DiskWatch } from './disk.ts';
import type { FaultKind } from './faults.ts';
import type { Invariants } from './invariants.ts';
import { LogServers } from './log-servers.ts';
import { Host, Process } from './process.ts';
import { Random } from './random.ts';
import { type RunOptions, World } from './world.ts';

const RESTART_MICROS_MAX = 300_000;
const CODE_RESTART = 0x800;

/** A host of a cluster, with a journal of its own. */
class Node implements DiskWatch {
  readonly host: Host;
  readonly disk: Disk;
  process: ClusterProcess | undefined;
  /** The last block on its disk. */
  flushedBlock = 0;
  readonly #invariants: Invariants;

  constructor(name: string, traits: ConstructorParameters<typeof Disk>[0], invariants: Invariants) {
    this.host = new Host(name);
    this.disk = new Disk(traits, this);
    this.#invariants = invariants;
  }

  committed(process: Process, block: Buffer): void {
    this.#invariants.copied(process, block);
  }

  flushed(block: number): void {
    this.flushedBlock = Math.max(this.flushedBlock, block);
  }

  lost(block: number): void {
    if (block < this.flushedBlock)
      this.#invariants.violate(
        'acknowledged-is-durable',
        `blocks after ${block} are gone from ${this.host.name}, which had flushed ${this.flushedBlock}`,
      );
  }
}

/** Several hosts, each with a journal of its own, and a replicated log that they share. */
export class Cluster extends World {
  readonly #nodes: Node[];
  readonly #log: LogServers;
  /** Reads the log as every reader does, as it is stored: what it accepts is what the venue did. */
  readonly #reader = new ChainFollower(LOG_BEGIN);

  constructor(options: RunOptions) {
    super(options);
    this.#nodes = Array.from(
      { length: this.profile.hosts ?? 3 },
      (_, index) => new Node(`node${index}`, this.diskTraits, this.invariants),
    );
    this.#log = new LogServers(this.kernel, this.network, this.faults, this.seed, (slot, message, sender) =>
      this.#stored(slot, message, sender),
    );
    this.invariants.onDisk = (process) => this.#nodes.find(({ host }) => host === process.host)?.flushedBlock ?? 0;
  }

  protected override begin(): void {
    for (const node of this.#nodes) this.kernel.after(0, undefined, CODE_RESTART, () => this.#start(node));
  }

  protected override calm(): void {
    for (const node of this.#nodes) node.host.slowness = 1;
  }

  protected override strike(kind: FaultKind, random: Random): void {
    const node = random.pick(this.#nodes);
    switch (kind) {
      case 'kill':
        return node.process?.process.end('killed');
      case 'pause':
        return node.process?.process.pause(random.skewed(10_000, 3_000_000));
      case 'slow':
        node.host.slowness = random.pick([1, 1, 2, 10, 50]);
        return;
      case 'partition':
        return this.network.cut(
          random.chance(700_000) ? node.host : random.pick(this.clients).process,
          random.skewed(10_000, 3_000_000),
        );
      case 'clock-jump':
        node.host.clockOffset += random.between(-3_600_000_000, 3_600_000_000);
        return;
      case 'log-election':
        return this.#log.elect(random.skewed(10_000, 1_500_000));
      case 'power-loss':
        node.process?.process.end('power lost');
        return node.disk.losePower(random);
      default:
        throw new RangeError(`${kind} is no fault of a cluster`);
    }
  }

  /** The journal of every node is the log's chain, as far as it goes. */
  protected override audit(): void {
    for (const node of this.#nodes) {
      const process = new Process(this.kernel, node.host, `auditor of ${node.host.name}`);
      const store = node.disk.store(process, this.faults.at(process.name));
      try {
        let read = 0;
        for (const block of JournalReader.over(store).blocks()) {
          this.invariants.audited(block);
          read = block.block;
        }
        if (read < node.flushedBlock)
          this.invariants.violate('acknowledged-is-durable', `the journal of ${node.host.name} reads to block ${read}`);
      } catch (error) {
        if (!(error instanceof JournalError)) throw error;
        if (error.code !== 'not-a-journal')
          this.invariants.violate('damage-is-found', `the audit of ${node.host.name} finds: ${error.message}`);
      }
      process.end('done');
    }
  }

  #stored(slot: number, message: LogMessage, sender: Process): void {
    const fed = this.#reader.feed(slot, message);
    if (fed.kind === 'block' && message.kind === 'block')
      this.invariants.accepted(fed.block.copy(), sender, message.envelopeEpoch);
  }

  #start(node: Node): void {
    const process = new Process(this.kernel, node.host, `${node.host.name}.${++this.starts}`);
    const venue = new ClusterProcess({
      process,
      disk: node.disk,
      network: this.network,
      faults: this.faults.at(process.name),
      invariants: this.invariants,
      parts: this.parts,
      traits: this.traits,
      log: this.#log,
      node: node.host.name,
      seed: this.seed,
    });
    process.onEnd = () => {
      this.invariants.ended(process);
      this.#log.stopFollowing(process);
      if (venue.ended === 'damaged')
        this.invariants.violate('damage-is-found', `${process.name} found damage where there is none`);
      node.process = undefined;
      const delay = new Random(this.seed, `restart ${this.starts}`).skewed(2_000, RESTART_MICROS_MAX);
      this.kernel.after(delay, undefined, CODE_RESTART, () => this.#start(node));
    };
    node.process = venue;
    this.kernel.tell(`${process.name} starts`);
    venue.start();
  }
}
