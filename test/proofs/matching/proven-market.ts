import { decodeEvent, EVENT_WORDS, type VenueEvent } from '../../../journal/events.ts';
import type { VenueLimits } from '../../../journal/genesis.ts';
import { checkEvents } from '../../../proofs/matching/event-check.ts';
import { canceledOrders, TapeReader, UnprovableCommandError } from '../../../proofs/matching/tape.ts';
import { MarketWitness, SpanFullError } from '../../../proofs/matching/witness.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { listInstruments } from '../../../replicas/instrument-table.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';

/** A replica and a witness that follow the same commands, span by span. */
export class ProvenMarket {
  readonly matcher: Matcher;
  witness: MarketWitness;
  /** Commands that no span covers. */
  unprovable = 0;
  readonly #events = new EventBuffer(4);
  readonly #rows: number;
  readonly #instruments: number;
  readonly #onSpan: (witness: MarketWitness) => void;
  #tape = new TapeReader(new Map());

  /** `onSpan` is given each witness when its span has ended, before it is finished. */
  constructor(limits: VenueLimits, rows: number, onSpan: (witness: MarketWitness) => void) {
    this.matcher = createMatcher(limits, this.#events);
    this.#rows = rows;
    this.#instruments = limits.instrumentsMax;
    this.#onSpan = onSpan;
    this.witness = new MarketWitness(rows, this.#instruments, []);
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
      // Such a command was refused: it changed no book, and the span goes on as if it had not been.
      if (error instanceof UnprovableCommandError) this.unprovable++;
      else if (error instanceof SpanFullError) {
        this.#newSpan();
        this.#follow(words, at, end);
      } else throw error;
    }
    return decoded;
  }

  /** Ends the last span. */
  end(): void {
    this.#onSpan(this.witness);
  }

  #follow(words: Uint32Array, at: number, end: number): void {
    const events = this.#events.words;
    const command = this.#tape.read(this.matcher.sequence(), words, at, events, 0, end);
    const targets = command.kind === 'mass cancel' ? canceledOrders(events, 0, end) : [];
    const reports = this.witness.apply(command, targets);
    checkEvents(this.matcher.sequence(), command, reports, events, 0, end);
  }

  #newSpan(): void {
    const books = [...this.witness.orders()];
    this.#onSpan(this.witness);
    const instruments = listInstruments(this.matcher.state.instruments).map((one) => [one.symbol, one] as const);
    this.#tape = new TapeReader(new Map(instruments));
    this.witness = new MarketWitness(this.#rows, this.#instruments, books);
  }
}
