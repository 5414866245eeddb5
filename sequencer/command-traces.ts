import { COMMAND_WORD } from '../journal/commands.ts';
import { type PipelineMemory, STAMPED, stampPlace } from './pipeline.ts';
import { STAMP_EVERY } from './pipeline-counters.ts';
import { publishedCursor, SLOT_SHIFT } from './rings.ts';

/** The way of one command. Times are nanoseconds since the pipeline's start. */
export interface TracedCommand {
  /** Low 32 bits. */
  readonly sequence: number;
  readonly op: number;
  readonly session: number;
  readonly symbol: number;
  readonly takenNs: number;
  readonly sequencedNs: number;
  /** Undefined if it was answered before: under `memory`. */
  readonly durableNs: number | undefined;
  readonly appliedNs: number;
  readonly reportedNs: number;
}

/** Commands between two that are traced: a power of two, at least {@link STAMP_EVERY}. */
export const TRACE_EVERY_MIN = STAMP_EVERY;
export const TRACE_EVERY_MAX = 2 ** 30;
/** Slots before a command's own is written again: fewer, and what stands there may be another command's. */
const SAFE_SLOTS = 4_096;

/**
 * Puts together when one command in so many came to each stage, from the stamps that the threads take anyway. Without it
 * nothing is done for it but to take them; with it, a batch costs a comparison, and a traced command one object.
 */
export class CommandTraces {
  readonly #every: number;
  readonly #listener: (command: TracedCommand) => void;
  readonly #memory: PipelineMemory;
  readonly #stamps: Float64Array;
  readonly #words: Uint32Array;
  readonly #mask: number;

  /** Throws a RangeError. */
  constructor(memory: PipelineMemory, every: number, listener: (command: TracedCommand) => void) {
    if (!Number.isInteger(Math.log2(every)) || every < TRACE_EVERY_MIN || every > TRACE_EVERY_MAX)
      throw new RangeError(`every: ${every} must be a power of two from ${TRACE_EVERY_MIN} to ${TRACE_EVERY_MAX}`);
    this.#every = every;
    this.#listener = listener;
    this.#memory = memory;
    this.#stamps = new Float64Array(memory.stamps);
    this.#words = new Uint32Array(memory.commands.slots);
    this.#mask = (this.#words.length >> SLOT_SHIFT) - 1;
  }

  /**
   * The commands with sequences `first` to `last`, by their low 32 bits, are answered now. A venue has one gateway, so all
   * between them are of one batch.
   */
  answered(first: number, last: number, takenNs: number, reportedNs: number): void {
    const sequence = last & -this.#every;
    if (((sequence - first) | 0) >= 0) this.#trace(sequence, takenNs, reportedNs);
  }

  #trace(sequence: number, takenNs: number, reportedNs: number): void {
    const place = stampPlace(sequence);
    const at = (sequence & this.#mask) << SLOT_SHIFT;
    const words = this.#words;
    const [sequencedNs, durableNs, appliedNs] = [STAMPED.sequenced, STAMPED.durable, STAMPED.applied].map(
      (stage) => this.#stamps[stage + place] as number,
    ) as [number, number, number];
    const command = {
      sequence,
      op: (words[at] as number) & 255,
      session: words[at + COMMAND_WORD.session] as number,
      symbol: words[at + COMMAND_WORD.symbol] as number,
      ...{ takenNs, sequencedNs, appliedNs, reportedNs },
      durableNs: durableNs >= sequencedNs ? durableNs : undefined,
    };
    // Read first, then looked whether it was still there.
    const behind = (publishedCursor(this.#memory.commands) - sequence) | 0;
    if (behind <= this.#mask + 1 - SAFE_SLOTS) this.#listener(command);
  }
}
