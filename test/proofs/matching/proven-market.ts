import { decodeEvent, EVENT_WORDS, type VenueEvent } from '../../../journal/events.ts';
import type { VenueLimits } from '../../../journal/genesis.ts';
import { checkEvents } from '../../../proofs/matching/event-check.ts';
import { type BookOrder, nameText } from '../../../proofs/matching/linked-books.ts';
import { viewMarket } from '../../../proofs/matching/replica-market.ts';
import { targetsOf } from '../../../proofs/matching/span.ts';
import { TapeReader } from '../../../proofs/matching/tape.ts';
import { UnprovableCommandError } from '../../../proofs/matching/unproven-rules.ts';
import { MarketWitness } from '../../../proofs/matching/witness.ts';
import { SpanFullError } from '../../../proofs/matching/witness-rows.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';

/** A replica and a witness that follow the same commands, span by span. */
export class ProvenMarket {
  readonly matcher: Matcher;
  witness: MarketWitness;
  /** Why commands are in no span, and how many for each reason. */
  readonly unprovable = new Map<string, number>();
  readonly #events = new EventBuffer(4);
  readonly #rows: number;
  readonly #instruments: number;
  readonly #onSpan: (witness: MarketWitness) => void;
  #tape: TapeReader;

  /** `onSpan` is given each witness when its span has ended, before it is finished. */
  constructor(limits: VenueLimits, rows: number, onSpan: (witness: MarketWitness) => void) {
    this.matcher = createMatcher(limits, this.#events);
    this.#rows = rows;
    this.#instruments = limits.instrumentsMax;
    this.#onSpan = onSpan;
    const view = viewMarket(this.matcher.state);
    this.#tape = new TapeReader(view);
    this.witness = new MarketWitness(rows, this.#instruments, view.books);
  }

  /** Applies a command to both, compares what they say of it, and gives the replica's events. */
  apply(words: Uint32Array, at: number): VenueEvent[] {
    this.matcher.apply(words, at);
    const events = this.#events;
    const end = events.next * EVENT_WORDS;
    const decoded = Array.from({ length: events.next }, (_, i) => decodeEvent(events.words, i * EVENT_WORDS));
    events.clear();
    try {
      this.#follow(words, at, end);
    } catch (error) {
      if (error instanceof UnprovableCommandError) this.#pass(error, decoded);
      else if (error instanceof SpanFullError) {
        this.#newSpan([...this.witness.orders()]);
        this.#follow(words, at, end);
      } else throw error;
    }
    return decoded;
  }

  /** What rests and waits by either, in one order. */
  books(): { readonly witness: readonly BookOrder[]; readonly replica: readonly BookOrder[] } {
    const sorted = (orders: Iterable<BookOrder>): BookOrder[] =>
      [...orders].sort((a, b) => (nameText(a) < nameText(b) ? -1 : 1));
    return { witness: sorted(this.witness.orders()), replica: sorted(viewMarket(this.matcher.state).books) };
  }

  /** Ends the last span. */
  end(): void {
    this.#onSpan(this.witness);
  }

  #follow(words: Uint32Array, at: number, end: number): void {
    const events = this.#events.words;
    const command = this.#tape.read(this.matcher.sequence(), words, at, events, 0, end);
    const reports = this.witness.apply(command, targetsOf(command, events, end));
    checkEvents(this.matcher.sequence(), command, reports, events, 0, end);
  }

  /** A command that was refused changed no book, and the span goes on as if it had not been. Behind others, a new one begins. */
  #pass(error: UnprovableCommandError, events: readonly VenueEvent[]): void {
    const why = error.message.replace(/^.*?: /, '');
    this.unprovable.set(why, (this.unprovable.get(why) ?? 0) + 1);
    if (events.every(({ type }) => type === 'rejected' || type === 'answer')) return;
    const view = viewMarket(this.matcher.state);
    this.#tape = new TapeReader(view);
    this.#newSpan(view.books);
  }

  #newSpan(books: readonly BookOrder[]): void {
    this.#onSpan(this.witness);
    this.witness = new MarketWitness(this.#rows, this.#instruments, books);
  }
}
