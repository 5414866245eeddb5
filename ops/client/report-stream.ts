import { readWide } from '../../journal/amounts.ts';
import { EVENT_WORD, EVENT_WORDS, eventType } from '../../journal/events.ts';
import { isOfAccount } from '../../sequencer/reports.ts';

/** Reports that came while one before them was missing, at most; more are asked for again. */
const HELD_EVENTS_MAX = 65_536;

/** Sees every report of the account once, those of each instrument in their order. */
export type ReportListener = (words: Uint32Array, at: number, repaired: boolean) => void;

/** What is about the account itself comes on a subject of its own, and names an asset or nothing where others have an instrument. */
const ACCOUNT_LANE = -1;

/** Up to where the reports of an instrument, or of the account itself, were taken: so many of those with this sequence. */
interface Place {
  sequence: number;
  count: number;
}

/**
 * The execution reports of an account on one shard, which NATS delivers at most once: from when one may be missing, what comes
 * is held back, until the venue has told again, from its journal, what is not certain to have come. The reports of an
 * instrument, and those of the account itself, come in their order, so what came before is the beginning of what is told again, and is passed over.
 *
 * Has no network, no clock and no timer.
 */
export class ReportStream {
  readonly #listen: ReportListener;
  readonly #places = new Map<number, Place>();
  #sure: number;
  /** Up to here all was told again: what comes late of that is known. */
  #repaired = 0;
  #isDoubtful = false;
  #held: Uint32Array[] = [];
  #heldEvents = 0;
  #overflowed = false;

  /** Nothing up to the sequence `from` is of interest. */
  constructor(from: number, listen: ReportListener) {
    this.#sure = from;
    this.#listen = listen;
  }

  /** Every report up to this sequence has been listened to. */
  get sure(): number {
    return this.#sure;
  }

  /** Whether a report about this instrument, of that sequence or a later one, was listened to. */
  isTaken(symbol: number, sequence: number): boolean {
    return (this.#places.get(symbol)?.sequence ?? 0) >= sequence;
  }

  /** From here on reports are held, until {@link repair}. */
  doubt(): void {
    this.#isDoubtful = true;
  }

  /** An answer of that sequence came, and so every report before: the venue sends them before the answer. */
  confirm(sequence: number): void {
    if (!this.#isDoubtful && sequence > this.#sure) this.#sure = sequence;
  }

  /** The event records of one message, in memory of their own. */
  take(words: Uint32Array): void {
    if (!this.#isDoubtful) return this.#takeNew(words);
    this.#held.push(words);
    this.#heldEvents += words.length / EVENT_WORDS;
    if (this.#heldEvents <= HELD_EVENTS_MAX) return;
    this.#forgetHeld();
    this.#overflowed = true;
  }

  /** Takes all reports of the account after {@link sure} up to the sequence `through`, told again. */
  repair(words: Uint32Array, through: number): void {
    let last: Place = { sequence: 0, count: 0 };
    const again = new Map<number, number>();
    for (let at = 0; at < words.length; at += EVENT_WORDS) {
      const sequence = readWide(words, at + EVENT_WORD.sequence);
      if (sequence !== last.sequence) {
        last = { sequence, count: 0 };
        again.clear();
      }
      const symbol = laneOf(words, at);
      const index = again.get(symbol) ?? 0;
      again.set(symbol, index + 1);
      const place = this.#places.get(symbol);
      const isKnown =
        place !== undefined && (sequence < place.sequence || (sequence === place.sequence && index < place.count));
      if (!isKnown) this.#takeOne(words, at, symbol, sequence, true);
    }
    this.#repaired = through;
    this.#sure = Math.max(this.#sure, through);
  }

  /** What was held is taken, repaired or not. False if too much came: then repair again. */
  resume(): boolean {
    if (this.#overflowed) {
      this.#overflowed = false;
      return false;
    }
    this.#isDoubtful = false;
    const held = this.#held;
    this.#forgetHeld();
    for (const words of held) this.#takeNew(words);
    return true;
  }

  #takeNew(words: Uint32Array): void {
    for (let at = 0; at < words.length; at += EVENT_WORDS) {
      const sequence = readWide(words, at + EVENT_WORD.sequence);
      if (sequence > this.#repaired) this.#takeOne(words, at, laneOf(words, at), sequence, false);
    }
  }

  #takeOne(words: Uint32Array, at: number, symbol: number, sequence: number, repaired: boolean): void {
    const place = this.#places.get(symbol);
    if (place === undefined) this.#places.set(symbol, { sequence, count: 1 });
    else if (place.sequence === sequence) place.count++;
    else {
      place.sequence = sequence;
      place.count = 1;
    }
    this.#listen(words, at, repaired);
  }

  #forgetHeld(): void {
    this.#held = [];
    this.#heldEvents = 0;
  }
}

/** What a report is of, among which reports come in their order: its instrument, or the account. */
function laneOf(words: Uint32Array, at: number): number {
  return isOfAccount(eventType(words, at)) ? ACCOUNT_LANE : (words[at + EVENT_WORD.symbol] as number);
}
