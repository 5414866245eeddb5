import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS } from '../../../journal/events.ts';
import type { VenueLimits } from '../../../journal/genesis.ts';
import { checkEvents } from '../../../proofs/matching/event-check.ts';
import type { BookOrder } from '../../../proofs/matching/linked-books.ts';
import { canceledOrders, type Instruments, TapeReader, UnprovableCommandError } from '../../../proofs/matching/tape.ts';
import { MarketWitness } from '../../../proofs/matching/witness.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { listInstruments } from '../../../replicas/instrument-table.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { ORDER, ORDER_AMOUNT, ORDER_FLAG } from '../../../replicas/order-table.ts';

/** A replica and a witness that follow the same commands: the witness of one span, whose rows are checked at its end. */
export class ProvenMarket {
  readonly matcher: Matcher;
  readonly #events = new EventBuffer(4);
  readonly #rows: number;
  readonly #instruments: number;
  #tape: TapeReader;
  witness: MarketWitness;

  constructor(limits: VenueLimits, rows: number) {
    this.matcher = createMatcher(limits, this.#events);
    this.#rows = rows;
    this.#instruments = limits.instrumentsMax;
    this.witness = new MarketWitness(rows, this.#instruments, []);
    this.#tape = new TapeReader(new Map());
  }

  /** Applies a command to both; whether it could be proven. */
  apply(words: Uint32Array, at: number): ReturnType<typeof decodeEvent>[] | undefined {
    this.matcher.apply(words, at);
    const events = this.#events;
    const end = events.next * EVENT_WORDS;
    const decoded = Array.from({ length: events.next }, (_, i) => decodeEvent(events.words, i * EVENT_WORDS));
    events.clear();
    try {
      const command = this.#tape.read(words, at, events.words, 0, end);
      const targets = command.kind === 'mass cancel' ? canceledOrders(events.words, 0, end) : [];
      const reports = this.witness.apply(command, targets);
      checkEvents(this.matcher.sequence(), command, reports, events.words, 0, end);
    } catch (error) {
      if (error instanceof UnprovableCommandError) this.newSpan();
      else throw error;
    }
    return decoded;
  }

  /** Begins another span with the replica's books. */
  newSpan(): void {
    const { instruments } = this.matcher.state;
    const table: Instruments = new Map(listInstruments(instruments).map((one) => [one.symbol, one]));
    this.#tape = new TapeReader(table);
    this.witness = new MarketWitness(this.#rows, this.#instruments, restingOrders(this.matcher));
  }
}

/** The orders of a replica, in the order of their places in time. */
export function restingOrders({ state }: Matcher): BookOrder[] {
  const { ints, amounts } = state.orders;
  const found: { at: number; order: BookOrder }[] = [];
  for (let slot = 1; slot <= state.orders.highWater(); slot++) {
    const word = slot << 4;
    const flags = ints[word + ORDER.flags] as number;
    if ((flags & ORDER_FLAG.live) === 0) continue;
    const amount = slot << 3;
    found.push({
      at: amounts[amount + ORDER_AMOUNT.sequence] as number,
      order: {
        account: (ints[word + ORDER.account] as number) >>> 0,
        idLow: (ints[word + ORDER.id] as number) >>> 0,
        idHigh: (ints[word + ORDER.id + 1] as number) >>> 0,
        symbol: ints[word + ORDER.symbol] as number,
        side: flags & ORDER_FLAG.sell,
        postOnly: (flags & ORDER_FLAG.postOnly) !== 0,
        price: amounts[amount + ORDER_AMOUNT.price] as number,
        open: amounts[amount + ORDER_AMOUNT.open] as number,
      },
    });
  }
  return found.sort((a, b) => a.at - b.at).map(({ order }) => order);
}

/** Commands of a flow, from word 0 on. */
export function recordsOf(flow: { next(words: Uint32Array, at: number): void }, commands: number): Uint32Array {
  const words = new Uint32Array(commands * COMMAND_WORDS);
  for (let i = 0; i < commands; i++) flow.next(words, i * COMMAND_WORDS);
  return words;
}
