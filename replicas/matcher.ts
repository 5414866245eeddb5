import { AMOUNT_MAX, readWide } from '../journal/amounts.ts';
import { COMMAND_BYTES, COMMAND_WORDS } from '../journal/commands.ts';
import { EVENT_BYTES } from '../journal/events.ts';
import type { VenueLimits } from '../journal/genesis.ts';
import { type AccountTable, createAccountTable } from './account-table.ts';
import type { EventSink } from './event-buffer.ts';
import { createInstrumentTable, type InstrumentTable } from './instrument-table.ts';
import { createLadders, type Ladders, LEVEL, LEVEL_SHIFT } from './ladder.ts';
import { createDetailTable } from './order-details.ts';
import { createOrderTable, type OrderTable } from './order-table.ts';
import { createSessionTable, type SessionTable } from './session-table.ts';
import { COUNTER, INBOX_COMMANDS, OUTBOX_EVENTS, startTransition } from './transition.ts';

/** [price, quantity, orders], best first. */
export type BookLevel = [price: number, quantity: number, orders: number];

/** The state transition of the venue, fed with commands; replicas/transition/market.ts has its rules. */
export interface Matcher {
  /** Applies the command record at word `at`. Its sequence is the one after the last. */
  apply(words: Uint32Array, at: number): void;
  /** Applies `count` command records that stand one after another from word `at`: quicker than one by one. */
  applyMany(words: Uint32Array, at: number, count: number): void;
  /** Sequence of the last command applied. */
  sequence(): number;
  /** When the next thing is due that needs no command but time, in microseconds since the Unix epoch, rounded up; 0 for never. */
  dueMicros(): number;
  /** How many commands so far brought a time at which something was due, in whatever instrument. */
  timesBrought(): number;
  book(symbol: number, depth: number): { bids: BookLevel[]; asks: BookLevel[] };
  readonly state: MarketState;
}

/** What the transition remembers; canonical-state.ts turns it into bytes and back. */
export interface MarketState {
  readonly limits: VenueLimits;
  /** All of it. */
  readonly memory: Uint32Array;
  readonly orders: OrderTable;
  /** Of ruled orders: replicas/order-details.ts. */
  readonly details: Uint32Array;
  readonly ladders: Ladders;
  readonly instruments: InstrumentTable;
  readonly sessions: SessionTable;
  readonly accounts: AccountTable;
  /** Sequence of the last command: low and high word. */
  readonly sequence: Uint32Array;
  /** Puts the order in `slot`, whose fields are set, where it stood: at the end of its price's queue. */
  rest(slot: number): void;
  /** Before {@link details} are read: writes into them what is kept elsewhere. */
  straighten(): void;
}

/** So few events are copied word by word; for more, a call that copies bytes is quicker. */
const COPIED_BY_WORD_MAX = 3;

/** `hashSeed` places ids in the index; it changes no result, and an unguessable one keeps clients from crowding it. */
export function createMatcher(limits: VenueLimits, events: EventSink, hashSeed = 0): Matcher {
  const transition = startTransition(limits, hashSeed, () => passOn(OUTBOX_EVENTS * EVENT_BYTES));
  const { exports, words } = transition;
  const bytes = Buffer.from(words.buffer);
  const inboxAt = exports.inboxAt.value;
  const outboxAt = exports.outboxAt.value;
  const counters = exports.countersAt.value >> 2;
  const ladders = createLadders(transition, limits);
  let source = new Uint32Array(0);
  let sourceBytes = Buffer.alloc(0);
  let sink = events.words;
  let sinkBytes = Buffer.from(sink.buffer, sink.byteOffset, sink.byteLength);

  function copyIn(from: Uint32Array, at: number, count: number): void {
    if (from !== source) {
      source = from as Uint32Array<ArrayBuffer>;
      sourceBytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
    }
    sourceBytes.copy(bytes, inboxAt, at << 2, (at << 2) + count * COMMAND_BYTES);
  }

  /** Gives the events in the first `length` bytes of the outbox to the sink. */
  function passOn(length: number): void {
    const end = outboxAt + length;
    for (let from = outboxAt; from < end; ) {
      if (events.next === events.limit) events.makeRoom();
      const slot = events.next & events.mask;
      const run = Math.min((end - from) / EVENT_BYTES, (events.limit - events.next) | 0, events.mask + 1 - slot);
      if (run > COPIED_BY_WORD_MAX) copyOut(slot, from, run);
      else {
        const to = events.words;
        for (let word = 0; word < run << 4; word++) to[(slot << 4) + word] = words[(from >> 2) + word] as number;
      }
      events.next = (events.next + run) | 0;
      from += run * EVENT_BYTES;
    }
  }

  function copyOut(slot: number, from: number, count: number): void {
    if (events.words !== sink) {
      sink = events.words;
      sinkBytes = Buffer.from(sink.buffer, sink.byteOffset, sink.byteLength);
    }
    bytes.copy(sinkBytes, slot * EVENT_BYTES, from, from + count * EVENT_BYTES);
  }

  function apply(from: Uint32Array, at: number): void {
    const inbox = inboxAt >> 2;
    for (let word = 0; word < COMMAND_WORDS; word++) words[inbox + word] = from[at + word] as number;
    passOn(exports.applyInbox(1));
  }

  function applyMany(from: Uint32Array, at: number, count: number): void {
    for (let done = 0; done < count; done += INBOX_COMMANDS) {
      const taken = Math.min(INBOX_COMMANDS, count - done);
      copyIn(from, at + done * COMMAND_WORDS, taken);
      passOn(exports.applyInbox(taken));
    }
  }

  function bookSide(ladder: number, depth: number): BookLevel[] {
    const side: BookLevel[] = [];
    const { best, levels } = ladders;
    for (
      let level = best[ladder] as number;
      level !== 0 && side.length < depth;
      level = exports.nextLevel(level) >>> 0
    ) {
      const at = level << LEVEL_SHIFT;
      const key = readWide(levels, at + LEVEL.key);
      const price = (ladder & 1) === 0 ? AMOUNT_MAX - key : key;
      side.push([price, ladders.volume(level), levels[at + LEVEL.count] as number]);
    }
    return side;
  }

  return {
    apply,
    applyMany,
    sequence: () => readWide(words, counters + COUNTER.sequence),
    dueMicros: () => Math.ceil(readWide(words, counters + COUNTER.due) / 1000),
    timesBrought: () => words[counters + COUNTER.brought] as number,
    book: (symbol, depth) => ({ bids: bookSide(symbol * 2, depth), asks: bookSide(symbol * 2 + 1, depth) }),
    state: {
      limits,
      memory: words,
      orders: createOrderTable(transition, limits),
      details: createDetailTable(transition, limits),
      ladders,
      instruments: createInstrumentTable(transition, limits),
      sessions: createSessionTable(transition, limits),
      accounts: createAccountTable(transition, limits),
      sequence: words.subarray(counters, counters + 2),
      rest: (slot) => exports.restoreOrder(slot),
      straighten: () => exports.straighten(),
    },
  };
}
