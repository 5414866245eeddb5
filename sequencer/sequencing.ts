import { TWO_32, writeWide } from '../journal/amounts.ts';
import { BLOCK_ORDERS_MAX } from '../journal/block.ts';
import { COMMAND_WORD, COMMAND_WORDS } from '../journal/commands.ts';
import type { LatencyHistogram } from './latency-histogram.ts';
import { BLOCK_SLOT_WORD, BLOCK_SLOTS, GATEWAY_STAMPED, stampPlace, untilStamp } from './pipeline.ts';
import { cellsOf, SEQUENCER_COUNTS, STAMP_EVERY } from './pipeline-counters.ts';
import { copyRing, type RingConsumer, type RingProducer } from './rings.ts';
import { COMMIT_WINDOW_MICROS_MAX } from './tuned-bounds.ts';

/** Bounds of a block. A block closes when the disk is idle, and under load when it reaches one of these. */
export interface BlockBounds {
  /** Commands in a block, at most. */
  readonly ordersMax: number;
  /** A block this full closes while the one before it is being flushed; the disk never waits for the sequencer. */
  readonly ordersReady: number;
  /** A block is open for so long, or until it is full, also for an idle disk. */
  readonly windowMicros: number;
  /** A block closes when it has been open for this long, whatever else. */
  readonly openMicrosMax: number;
  /**
   * After a block with at least `ordersReady` commands the next one waits for so long, or until it is full, also for an
   * idle disk: a flush costs as much for a thousand commands as for four thousand.
   */
  readonly lingerMicrosMax: number;
  /** Closed blocks waiting for the disk, at most. */
  readonly inFlightMax: number;
}

export const DEFAULT_BLOCK_BOUNDS: BlockBounds = {
  ordersMax: 4093,
  ordersReady: 1021,
  windowMicros: 0,
  openMicrosMax: 5_000,
  lingerMicrosMax: 2_000,
  inFlightMax: 2,
};

const RANGES: Readonly<Record<keyof BlockBounds, readonly [min: number, max: number]>> = {
  ordersMax: [1, BLOCK_ORDERS_MAX],
  ordersReady: [1, Number.MAX_SAFE_INTEGER],
  windowMicros: [0, COMMIT_WINDOW_MICROS_MAX],
  openMicrosMax: [0, Number.MAX_SAFE_INTEGER],
  lingerMicrosMax: [0, Number.MAX_SAFE_INTEGER],
  inFlightMax: [1, BLOCK_SLOTS],
};

/** Throws a RangeError that names the field, its value and the rule. */
export function checkBlockBounds(bounds: BlockBounds): void {
  for (const [name, [min, max]] of Object.entries(RANGES)) {
    const value = bounds[name as keyof BlockBounds];
    if (Number.isInteger(value) && value >= min && value <= max) continue;
    throw new RangeError(`blockBounds.${name}: ${value} must be a whole number from ${min} to ${max}`);
  }
}

/** Commands taken from one gateway before the next one has its turn. */
const TURN_COMMANDS_MAX = 256;

export interface SequencerStart {
  /** The last sequence and the last block of the journal. */
  readonly sequence: number;
  readonly block: number;
}

/** Where a sequencer that is watched notes what it does. */
export interface SequencingWatch {
  /** Cell 0: the time of the step, in nanoseconds since the pipeline's start; set by the caller. */
  readonly nowNs: Float64Array;
  /** When stamped commands were sequenced: {@link stampPlace}. */
  readonly stamps: Float64Array;
  readonly counters: Float64Array;
  readonly fromGateway: LatencyHistogram;
}

const COUNT = cellsOf(SEQUENCER_COUNTS);

/**
 * Gives every command its place. A step takes what the gateways have, stamps and broadcasts it, and closes the open block
 * when that is due. It has no clock, no timer and no I/O: time and the journal's progress are given to it, so a simulator
 * runs the same code.
 */
export class Sequencing {
  readonly #inputs: readonly RingConsumer[];
  readonly #commands: RingProducer;
  readonly #blocks: RingProducer;
  readonly #bounds: BlockBounds;
  readonly #watch: SequencingWatch | undefined;
  #sequence: number;
  #block: number;
  /** First sequence and size of the open block. */
  #first: number;
  #count = 0;
  #openedMicros = 0;
  /** Whose turn it is, and how many commands it still has. */
  #turn = 0;
  #turnLeft = TURN_COMMANDS_MAX;
  #lacksRoom = false;
  /** Commands in the last block closed. */
  #lastCount = 0;

  constructor(
    inputs: readonly RingConsumer[],
    commands: RingProducer,
    blocks: RingProducer,
    start: SequencerStart,
    bounds: BlockBounds,
    watch?: SequencingWatch,
  ) {
    this.#inputs = inputs;
    this.#commands = commands;
    this.#blocks = blocks;
    this.#bounds = bounds;
    this.#watch = watch;
    this.#sequence = start.sequence;
    this.#block = start.block;
    this.#first = start.sequence + 1;
  }

  /** The last sequence given. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The last block closed. */
  get block(): number {
    return this.#block;
  }

  /** Whether commands waited in the last step for which the command ring had no room. */
  get lacksRoom(): boolean {
    return this.#lacksRoom;
  }

  /** Commands in the open block. */
  get open(): number {
    return this.#count;
  }

  /**
   * @param timeHigh time stamp, upper word of ns since the epoch
   * @param timeLow lower word
   * @param nowMicros any clock in microseconds, for the age of the open block
   * @param durableBlock low 32 bits of the last block on disk
   * @returns how many commands were sequenced and blocks closed
   */
  step(timeHigh: number, timeLow: number, nowMicros: number, durableBlock: number): number {
    let work = 0;
    this.#lacksRoom = false;
    for (let turn = 0; turn < this.#inputs.length; turn++) {
      const input = this.#inputs[this.#turn] as RingConsumer;
      const wanted = Math.min(input.available(), this.#turnLeft);
      const taken = this.#take(input, wanted, timeHigh, timeLow, nowMicros);
      work += taken;
      this.#turnLeft -= taken;
      // Without room for the rest, the turn goes on in the next step: gateways get the same however little room there is.
      if (taken < wanted) break;
      this.#turn = this.#turn + 1 === this.#inputs.length ? 0 : this.#turn + 1;
      this.#turnLeft = TURN_COMMANDS_MAX;
    }
    if (this.#isDue(nowMicros, durableBlock)) {
      this.#close(timeHigh, timeLow);
      work++;
    }
    return work;
  }

  #take(input: RingConsumer, wanted: number, timeHigh: number, timeLow: number, nowMicros: number): number {
    let count = Math.min(wanted, this.#bounds.ordersMax - this.#count);
    if (count <= 0) return 0;
    count = Math.min(count, this.#commands.room(count));
    if (count <= 0) {
      this.#lacksRoom = true;
      return 0;
    }
    if (this.#count === 0) this.#openedMicros = nowMicros;
    if (this.#watch !== undefined) this.#note(this.#watch, input, count);
    this.#commands.claim(count);
    const from = input.words;
    const to = this.#commands.words;
    copyRing(input, this.#commands, count);
    for (let index = 0; index < count; index++) {
      const source = input.wordAt(index);
      const target = this.#commands.wordAt(index);
      to[target + COMMAND_WORD.time] = timeLow;
      to[target + COMMAND_WORD.time + 1] = timeHigh;
      // The gateway reads its command's place from the slot that it gave, before it uses the slot again.
      writeWide(from, source + COMMAND_WORD.time, this.#sequence + 1 + index);
    }
    // In this order: a gateway that sees what became of a command can read its place.
    input.release(count);
    this.#commands.publish(count);
    this.#sequence += count;
    this.#count += count;
    return count;
  }

  /** Before the commands are copied, and the gateway's stamps in their slots overwritten. */
  #note(watch: SequencingWatch, input: RingConsumer, count: number): void {
    const { counters, nowNs, stamps, fromGateway } = watch;
    const now = nowNs[0] as number;
    const waiting = input.available();
    counters[COUNT.commands] = (counters[COUNT.commands] as number) + count;
    if (waiting > (counters[COUNT.inputWaitingMost] as number)) counters[COUNT.inputWaitingMost] = waiting;
    for (let index = untilStamp(this.#sequence); index < count; index += STAMP_EVERY)
      stamps[stampPlace(this.#sequence + 1 + index)] = now;
    for (let index = 0; index < count; index++) {
      const at = input.wordAt(index) + COMMAND_WORD.time;
      const high = input.words[at + 1] as number;
      if (high < GATEWAY_STAMPED) continue;
      fromGateway.record(now - ((high - GATEWAY_STAMPED) * TWO_32 + (input.words[at] as number)));
    }
  }

  #isDue(nowMicros: number, durableBlock: number): boolean {
    if (this.#count === 0) return false;
    const inFlight = (this.#block - durableBlock) | 0;
    if (inFlight >= this.#bounds.inFlightMax || this.#blocks.room(1) === 0) return false;
    const { ordersMax, ordersReady, openMicrosMax, windowMicros, lingerMicrosMax } = this.#bounds;
    const openMicros = nowMicros - this.#openedMicros;
    if (this.#count >= ordersMax) return true;
    if (openMicros < windowMicros) return false;
    if (openMicros >= openMicrosMax) return true;
    if (this.#lastCount >= ordersReady && openMicros < lingerMicrosMax) return false;
    return inFlight === 0 || this.#count >= ordersReady;
  }

  #close(timeHigh: number, timeLow: number): void {
    this.#block++;
    this.#blocks.claim(1);
    const words = this.#blocks.words;
    const at = this.#blocks.wordAt(0);
    words.fill(0, at, at + COMMAND_WORDS);
    writeWide(words, at + BLOCK_SLOT_WORD.number, this.#block);
    writeWide(words, at + BLOCK_SLOT_WORD.firstSequence, this.#first);
    words[at + BLOCK_SLOT_WORD.count] = this.#count;
    words[at + BLOCK_SLOT_WORD.time] = timeLow;
    words[at + BLOCK_SLOT_WORD.time + 1] = timeHigh;
    this.#blocks.publish(1);
    if (this.#watch !== undefined) {
      const { counters } = this.#watch;
      counters[COUNT.blocks] = (counters[COUNT.blocks] as number) + 1;
      if (this.#count > (counters[COUNT.commandsInBlockMost] as number))
        counters[COUNT.commandsInBlockMost] = this.#count;
    }
    this.#first += this.#count;
    this.#lastCount = this.#count;
    this.#count = 0;
  }
}
