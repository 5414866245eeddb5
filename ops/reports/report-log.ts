import { readWide } from '../../journal/amounts.ts';
import { EVENT_BYTES, EVENT_WORD, EVENT_WORDS, eventType } from '../../journal/events.ts';
import type { CopyObserver } from '../../replicas/journal-copy.ts';
import { isExecution } from '../../sequencer/reports.ts';
import { SLOT_SHIFT } from '../../sequencer/rings.ts';

/** Where somebody is in the reports of an account. */
export interface ReportCursor {
  /** All reports of commands before this sequence are had, ... */
  readonly after: number;
  /** ... and so many of those of the command itself. */
  readonly had: number;
}

export interface ReportPage {
  /** Event records (journal/events.ts), oldest first. */
  readonly records: Uint8Array;
  readonly next: ReportCursor;
  /** Whether there are none after these. */
  readonly complete: boolean;
  /** The first sequence of which all reports are kept. */
  readonly first: number;
}

/** Of all accounts together, 64 bytes each; the oldest give way. A power of two. */
const KEPT_DEFAULT = 2 ** 18;
/** Records looked at for one page, beside those of the command that it begins with. */
const LOOKED_AT_MAX = 131_072;
/** Keeps the last execution reports in the order of the sequence, so that whoever missed some can have them again. */
export class ReportLog implements CopyObserver {
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #mask: number;
  /** Records ever kept. */
  #count = 0;
  #first = 1;

  constructor(kept = KEPT_DEFAULT) {
    this.#words = new Uint32Array(kept * EVENT_WORDS);
    this.#bytes = new Uint8Array(this.#words.buffer);
    this.#mask = kept - 1;
  }

  readonly begin: NonNullable<CopyObserver['begin']> = (matcher) => {
    this.#first = matcher.sequence() + 1;
  };

  readonly take = (words: Uint32Array, mask: number, from: number, count: number): void => {
    for (let index = 0; index < count; index++) {
      const at = ((from + index) & mask) << SLOT_SHIFT;
      if (!isExecution(eventType(words, at))) continue;
      const place = this.#count & this.#mask;
      // What gives way is the oldest, so its command is not whole any more.
      if (this.#count > this.#mask) this.#first = this.#sequenceAt(place) + 1;
      const to = place * EVENT_WORDS;
      for (let word = 0; word < EVENT_WORDS; word++) this.#words[to + word] = words[at + word] as number;
      this.#count++;
    }
  };

  /** Up to `limit` reports of an account from a cursor on. */
  page(account: number, { after, had }: ReportCursor, limit: number): ReportPage {
    const begin = this.#placeOf(after);
    // All of one command is looked at, or a page that ends within it might never get beyond.
    const end = Math.min(this.#count, this.#placeOf(after + 1) + LOOKED_AT_MAX);
    const found: number[] = [];
    let sequence = after;
    let count = 0;
    let index = begin;
    for (; index < end && found.length < limit; index++) {
      const place = index & this.#mask;
      const here = this.#sequenceAt(place);
      if (here !== sequence) {
        sequence = here;
        count = 0;
      }
      if (this.#words[place * EVENT_WORDS + EVENT_WORD.account] !== account) continue;
      count++;
      if (here > after || count > had) found.push(place);
    }
    const records = new Uint8Array(found.length * EVENT_BYTES);
    for (const [at, place] of found.entries())
      records.set(this.#bytes.subarray(place * EVENT_BYTES, (place + 1) * EVENT_BYTES), at * EVENT_BYTES);
    const next = sequence === after ? { after, had: Math.max(had, count) } : { after: sequence, had: count };
    return { records, next, complete: index === this.#count, first: this.#first };
  }

  /** How many records had been kept before the first one of `sequence` or a later one. */
  #placeOf(sequence: number): number {
    let low = Math.max(0, this.#count - this.#mask - 1);
    let high = this.#count;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#sequenceAt(middle & this.#mask) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sequenceAt(place: number): number {
    return readWide(this.#words, place * EVENT_WORDS + EVENT_WORD.sequence);
  }
}
