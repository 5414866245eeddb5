import { readWide } from '../../journal/amounts.ts';
import {
  type FeedViewName,
  HEARTBEAT_MS_MAX,
  HEARTBEAT_MS_MIN,
  MESSAGE_WORD,
  MESSAGE_WORDS,
  MessageFlag,
} from './feed-records.ts';

/** Words of a ring grow with use, from so many messages on. */
const MESSAGES_MIN = 16;
const MESSAGE_SHIFT = 4;

/**
 * The numbered messages of one view of one instrument: those not published yet, and the last ones that were. Memory is a ring
 * that grows to `kept` messages.
 */
export class FeedStream {
  readonly view: FeedViewName;
  /** Where its packets are published. */
  subject = '';
  readonly #kept: number;
  #words = new Uint32Array(MESSAGES_MIN * MESSAGE_WORDS);
  #mask = MESSAGES_MIN - 1;
  /** Number of the newest message, and of the last one published. */
  #last = 0;
  #sent = 0;
  #heartbeatMs = HEARTBEAT_MS_MIN;
  #heartbeatAt = 0;

  /** @param kept a power of two */
  constructor(view: FeedViewName, kept: number) {
    this.view = view;
    this.#kept = kept;
  }

  get last(): number {
    return this.#last;
  }

  /** Messages that are not published. */
  get waiting(): number {
    return this.#last - this.#sent;
  }

  /** Number of the first message that waits. */
  get firstWaiting(): number {
    return this.#sent + 1;
  }

  /** How many of the messages that wait, `most` at most, end with a command; `most` if it is none of them that one ends with. */
  wholeWaiting(most: number): number {
    const count = Math.min(this.waiting, most);
    for (let whole = count; whole > 0; whole--) if (this.#isLast(this.#sent + whole)) return whole;
    return count;
  }

  /** Number of the oldest message that is kept; the next one's if there is none. */
  get oldest(): number {
    return Math.max(1, this.#last - this.#mask);
  }

  /** The memory of the next message, all zero; see {@link claimedAt}. */
  claim(): Uint32Array<ArrayBuffer> {
    if (this.#last > this.#mask && this.#mask + 1 < this.#kept) this.#grow();
    this.#last++;
    const at = this.claimedAt;
    this.#words.fill(0, at, at + MESSAGE_WORDS);
    return this.#words;
  }

  /** Where the newest message begins in its memory. */
  get claimedAt(): number {
    return ((this.#last - 1) & this.#mask) << MESSAGE_SHIFT;
  }

  /** The newest message is the last one of its command. */
  endCommand(): void {
    const at = this.claimedAt;
    this.#words[at] = (this.#words[at] as number) | (MessageFlag.last << 16);
  }

  /** All commands up to this sequence are in the messages up to this number, which is kept; 0 if that is not known. */
  completedBy(number: number): number {
    const at = ((number - 1) & this.#mask) << MESSAGE_SHIFT;
    const sequence = readWide(this.#words, at + MESSAGE_WORD.sequence);
    if (this.#isLast(number)) return sequence;
    // The commands before are told by the messages behind, too.
    return this.view === 'conflated' ? 0 : sequence - 1;
  }

  /** Copies `count` messages from `number` on into words. */
  copy(number: number, count: number, into: Uint32Array, at: number): void {
    for (let done = 0; done < count; ) {
      const place = (number - 1 + done) & this.#mask;
      const run = Math.min(count - done, this.#mask + 1 - place);
      into.set(
        this.#words.subarray(place << MESSAGE_SHIFT, (place + run) << MESSAGE_SHIFT),
        at + (done << MESSAGE_SHIFT),
      );
      done += run;
    }
  }

  /** What waited up to this number was published. */
  published(number: number, nowMs: number): void {
    this.#sent = number;
    this.#heartbeatMs = HEARTBEAT_MS_MIN;
    this.#heartbeatAt = nowMs + HEARTBEAT_MS_MIN;
  }

  /** Whether a heartbeat is to be sent now; then the next one is due after twice as long. */
  takeHeartbeat(nowMs: number): boolean {
    if (nowMs < this.#heartbeatAt) return false;
    this.#heartbeatMs = Math.min(this.#heartbeatMs * 2, HEARTBEAT_MS_MAX);
    this.#heartbeatAt = nowMs + this.#heartbeatMs;
    return true;
  }

  #isLast(number: number): boolean {
    const head = this.#words[((number - 1) & this.#mask) << MESSAGE_SHIFT] as number;
    return ((head >>> 16) & MessageFlag.last) !== 0;
  }

  #grow(): void {
    const before = this.#words;
    const mask = this.#mask;
    this.#mask = mask * 2 + 1;
    this.#words = new Uint32Array(before.length * 2);
    for (let number = this.#last - mask; number <= this.#last; number++) {
      const from = ((number - 1) & mask) << MESSAGE_SHIFT;
      this.#words.set(before.subarray(from, from + MESSAGE_WORDS), ((number - 1) & this.#mask) << MESSAGE_SHIFT);
    }
  }
}
