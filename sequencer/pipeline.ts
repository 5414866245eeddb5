import { DOORBELL_INTS, Doorbell } from './doorbell.ts';
import { allocateCounters, STAMP_EVERY } from './pipeline-counters.ts';
import { allocateRing, placeRing, type RingMemory } from './rings.ts';
import { REPLICAS_MAX, TunedBounds } from './tuned-bounds.ts';

/**
 * The shared memory that the threads of one venue work on, and the names of its words.
 *
 *     gateway → input ring → sequencer → command ring ─→ journal thread → durable words
 *                                      └ block ring   └→ replicas → event ring → gateway
 *
 * The command ring's cursor is the sequence number (its low 32 bits), the block ring's the block number, so a reader that
 * joins late or was lapped knows its place in both without asking.
 */

/** Commands sequenced and not yet both durable and applied by the leader. */
const COMMAND_SLOTS = 1 << 16;
/** Blocks closed and not yet durable, and those whose hash is still at hand. */
export const BLOCK_SLOTS = 1 << 10;

/** Slots of the rings: powers of two. */
export interface RingSizes {
  /** Of a gateway's input ring: commands accepted by the gateway and not sequenced yet. */
  readonly input: number;
  /** At most {@link COMMAND_SLOTS}. */
  readonly commands: number;
  /** At most {@link BLOCK_SLOTS}. */
  readonly blocks: number;
  /** Events written and not yet let out. */
  readonly events: number;
}

const RING_SIZES: RingSizes = { input: 1 << 14, commands: COMMAND_SLOTS, blocks: BLOCK_SLOTS, events: 1 << 17 };

/** Consumers of the command ring that hold the sequencer back. */
export const COMMAND_CONSUMER = { journal: 0, leader: 1 } as const;
/** The one consumer of the block ring that holds it back. */
export const BLOCK_CONSUMER = { journal: 0 } as const;

/** Words of the status array, 128 bytes apart. */
const STATUS_STRIDE = 32;
export const STATUS = {
  /** Low 32 bits of the last sequence on disk. */
  durableSequence: 0,
  /** Low 32 bits of the last block on disk. */
  durableBlock: STATUS_STRIDE,
  /** Not 0: the journal can not be written (1) or a replica failed (2); nothing further is acknowledged. */
  failed: 2 * STATUS_STRIDE,
  /** Not 0: threads end when they have done what was given to them. 1 stops the sequencer, 2 the others as well. */
  stop: 3 * STATUS_STRIDE,
  /** Not 0: the sequencer has commands and no room for them, and sleeps until a slot of the command ring is given back. */
  sequencerWaits: 4 * STATUS_STRIDE,
  /** Not 0: the leader has events and no room for them, and sleeps until the gateway gives a slot back. */
  leaderWaits: 5 * STATUS_STRIDE,
  /** Not 0: the gateway lets out what the replicas have applied, so they ring for it whatever is on disk. */
  ackByReplicas: 6 * STATUS_STRIDE,
  /** Low 32 bits of the last block that the replicated log holds, where there is one. */
  replicatedBlock: 7 * STATUS_STRIDE,
  /** Which standby is to take over when the journal is closed, as a lease names it. */
  heir: 8 * STATUS_STRIDE,
  /** Low 32 bits of the last sequence each replica has applied. */
  applied: 9 * STATUS_STRIDE,
} as const;

const STAMPS = COMMAND_SLOTS / STAMP_EVERY;
/** Where in the array of stamps those of a stage begin. Sequenced are written by the sequencer, and so on. */
export const STAMPED = { sequenced: 0, durable: STAMPS, applied: 2 * STAMPS } as const;
const STAMP_SHIFT = 31 - Math.clz32(STAMP_EVERY);

export interface PipelineMemory {
  readonly inputs: readonly RingMemory[];
  readonly commands: RingMemory;
  readonly blocks: RingMemory;
  readonly events: RingMemory;
  readonly status: SharedArrayBuffer;
  readonly bells: SharedArrayBuffer;
  /** One 64-bit float: when the leader next needs a command to bring the time, in microseconds since the Unix epoch; 0 for never. */
  readonly due: SharedArrayBuffer;
  /** 32 bytes for each slot of the block ring: the block's chain hash, once it is durable. */
  readonly blockHashes: SharedArrayBuffer;
  /** When each {@link STAMP_EVERY}th command of those in the command ring came to a stage: {@link STAMPED}. */
  readonly stamps: SharedArrayBuffer;
  /** What the threads count: pipeline-counters.ts. */
  readonly counters: SharedArrayBuffer;
  /** {@link TunedBounds}. */
  readonly tuned: SharedArrayBuffer;
  /** Stamps are nanoseconds since this reading of process.hrtime.bigint(). */
  readonly startedNs: bigint;
  readonly replicas: number;
}

/** Memory for a pipeline that begins after `sequence` and `block`, the last ones in the journal. */
export function allocatePipeline(
  gateways: number,
  replicas: number,
  sequence = 0,
  block = 0,
  sizes: RingSizes = RING_SIZES,
): PipelineMemory {
  if (sizes.commands > COMMAND_SLOTS || sizes.blocks > BLOCK_SLOTS)
    throw new RangeError(`sizes: at most ${COMMAND_SLOTS} slots for commands and ${BLOCK_SLOTS} for blocks`);
  const memory = {
    inputs: Array.from({ length: gateways }, () => allocateRing(sizes.input, 1)),
    commands: allocateRing(sizes.commands, 2),
    blocks: allocateRing(sizes.blocks, 1),
    events: allocateRing(sizes.events, 1),
    status: new SharedArrayBuffer((STATUS.applied + REPLICAS_MAX * STATUS_STRIDE) * 4),
    bells: new SharedArrayBuffer((5 + REPLICAS_MAX) * DOORBELL_INTS * 4),
    due: new SharedArrayBuffer(8),
    blockHashes: new SharedArrayBuffer(BLOCK_SLOTS * 32),
    stamps: new SharedArrayBuffer(3 * STAMPS * 8),
    counters: allocateCounters(replicas),
    tuned: TunedBounds.allocate(),
    startedNs: process.hrtime.bigint(),
    replicas,
  };
  placePipeline(memory, sequence, block);
  return memory;
}

/**
 * Says after which sequence and block the pipeline begins, before any thread has begun to work on it: memory can be had, and
 * threads started, before that is known.
 */
export function placePipeline(memory: PipelineMemory, sequence: number, block: number): void {
  placeRing(memory.commands, (sequence + 1) | 0);
  placeRing(memory.blocks, (block + 1) | 0);
  const status = new Int32Array(memory.status);
  status[STATUS.durableSequence] = sequence | 0;
  status[STATUS.durableBlock] = block | 0;
  status[STATUS.replicatedBlock] = block | 0;
  for (let replica = 0; replica < memory.replicas; replica++) status[appliedWord(replica)] = sequence | 0;
}

export function appliedWord(replica: number): number {
  return STATUS.applied + replica * STATUS_STRIDE;
}

/**
 * A gateway stamps the first command of a batch in its input slot, in the record's time words: nanoseconds since the
 * pipeline's start, with this bit in the upper word. It clears the upper word of the others.
 */
export const GATEWAY_STAMPED = 0x8000_0000;

/** Commands from the first one after `sequence` (its low 32 bits) to the next stamped one; 0 if that is the first. */
export function untilStamp(sequence: number): number {
  return -(sequence + 1) & (STAMP_EVERY - 1);
}

/** Place of a stamped sequence, by its low 32 bits, among the stamps of a stage. */
export function stampPlace(sequence: number): number {
  return (sequence >>> STAMP_SHIFT) & (STAMPS - 1);
}

/** Who sleeps on which bell. */
export class Bells {
  readonly gateway: Doorbell;
  readonly sequencer: Doorbell;
  readonly journal: Doorbell;
  /** Of whoever publishes what is durable, without being waited for. */
  readonly marketData: Doorbell;
  /** Of whoever brings the time when no other command does. */
  readonly ticks: Doorbell;
  readonly replicas: readonly Doorbell[];

  constructor(memory: PipelineMemory) {
    const words = new Int32Array(memory.bells);
    this.gateway = new Doorbell(words, 0);
    this.sequencer = new Doorbell(words, DOORBELL_INTS);
    this.journal = new Doorbell(words, 2 * DOORBELL_INTS);
    this.marketData = new Doorbell(words, (3 + REPLICAS_MAX) * DOORBELL_INTS);
    this.ticks = new Doorbell(words, (4 + REPLICAS_MAX) * DOORBELL_INTS);
    this.replicas = Array.from(
      { length: memory.replicas },
      (_, replica) => new Doorbell(words, (3 + replica) * DOORBELL_INTS),
    );
  }

  all(): Doorbell[] {
    return [this.gateway, this.sequencer, this.journal, this.marketData, this.ticks, ...this.replicas];
  }
}

/** A slot of the block ring: which commands a closed block holds. Wide values are two words, low first. */
export const BLOCK_SLOT_WORD = { number: 0, firstSequence: 2, count: 4, time: 6 } as const;
