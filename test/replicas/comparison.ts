import { COMMAND_WORD, COMMAND_WORDS, Op } from '../../journal/commands.ts';
import { decodeEvent, EVENT_WORD, EventType, eventType, type VenueEvent } from '../../journal/events.ts';
import type { VenueLimits } from '../../journal/genesis.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { ORDER, ORDER_SHIFT } from '../../replicas/order-table.ts';
import { readMarketCommand } from './reference-command.ts';
import { ReferenceMarket } from './reference-market.ts';

/** Words of a command, and where a rejected event repeats them. */
const REPEATED = [
  [COMMAND_WORD.price, EVENT_WORD.price],
  [COMMAND_WORD.price + 1, EVENT_WORD.price + 1],
  [COMMAND_WORD.quantity, EVENT_WORD.quantity],
  [COMMAND_WORD.quantity + 1, EVENT_WORD.quantity + 1],
] as const;

/** The matcher and the reference model side by side, given the same records. */
export interface Pair {
  readonly model: ReferenceMarket;
  /** Applies one record to both; the model's events, or what differs. */
  apply(words: Uint32Array, at: number): VenueEvent[] | Difference;
  /** Compares every book to its full depth. */
  compareBooks(): string | undefined;
}

export class Difference {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What the two are made of. */
export interface PairOptions {
  /** Where the matcher's tables put things; must not show. */
  readonly hashSeed: number;
  readonly limits: VenueLimits;
  /** Events that the matcher's buffer holds before it must grow, which may be in the middle of a command. */
  readonly eventSlots: number;
  /** Where the generations of all slots and the sequence start; above 0 they stand for a venue of great age. */
  readonly firstGeneration: number;
  readonly lastSequence: number;
}

export function createPair({ limits, eventSlots, firstGeneration, lastSequence, hashSeed }: PairOptions): Pair {
  const events = new EventBuffer(eventSlots);
  const matcher = createMatcher(limits, events, hashSeed);
  const model = new ReferenceMarket(limits, firstGeneration, lastSequence);
  matcher.state.sequence.set([lastSequence % 2 ** 32, Math.floor(lastSequence / 2 ** 32)]);
  const { words: slots } = matcher.state.orders;
  for (let slot = 1; slot <= limits.ordersMax; slot++)
    slots[(slot << ORDER_SHIFT) + ORDER.generation] = firstGeneration;
  return {
    model,
    apply(words, at) {
      const expected = model.apply(words, at);
      const given: VenueEvent[] = [];
      matcher.apply(words, at);
      let repeated = true;
      events.drain((eventWords, eventAt) => {
        given.push(decodeEvent(eventWords, eventAt));
        repeated &&= repeatsFields(words, at, eventWords, eventAt);
      });
      if (!repeated)
        return new Difference(`the rejected event does not repeat the bits of its command\n${lines(given)}`);
      const same = given.length === expected.length && given.every((event, place) => sameEvent(event, expected[place]));
      return same ? expected : new Difference(`model   ${lines(expected)}\nmatcher ${lines(given)}`);
    },
    compareBooks() {
      for (const symbol of model.symbols) {
        const expected = model.book(symbol, limits.ordersMax);
        const given = matcher.book(symbol, limits.ordersMax);
        if (JSON.stringify(given) !== JSON.stringify(expected)) {
          return `book ${symbol}\nmodel   ${JSON.stringify(expected)}\nmatcher ${JSON.stringify(given)}`;
        }
      }
      return undefined;
    },
  };
}

/** Whether a rejected event has the side, price and quantity of its command to the bit, which objects only round. */
function repeatsFields(words: Uint32Array, at: number, eventWords: Uint32Array, eventAt: number): boolean {
  if (eventType(eventWords, eventAt) !== EventType.rejected) return true;
  const op = (words[at] as number) & 255;
  const blank = op === Op.instrumentCreate || op === Op.instrumentUpdate;
  if ((((words[at] as number) ^ (eventWords[eventAt] as number)) & 0xff00) !== 0) return false;
  for (const [field, word] of REPEATED) {
    if (eventWords[eventAt + word] !== (blank ? 0 : words[at + field])) return false;
  }
  return true;
}

function sameEvent(a: VenueEvent, b: VenueEvent | undefined): boolean {
  return (
    b !== undefined &&
    a.type === b.type &&
    a.side === b.side &&
    a.reason === b.reason &&
    a.flags === b.flags &&
    a.symbol === b.symbol &&
    a.sequence === b.sequence &&
    a.price === b.price &&
    a.quantity === b.quantity &&
    a.id === b.id &&
    a.account === b.account &&
    a.slot === b.slot &&
    a.generation === b.generation &&
    a.request === b.request &&
    a.open === b.open &&
    a.name === b.name
  );
}

const shown = (value: unknown) =>
  JSON.stringify(value, (_key, field: unknown) => (typeof field === 'bigint' ? `${field}n` : field));
const lines = (events: readonly VenueEvent[]) =>
  events.map((event) => `\n    ${shown(event)}`).join('') || '(no events)';

/** The first difference over a history of records, with the place of its command. */
export function firstDifference(options: PairOptions, records: Uint32Array): { at: number; text: string } | undefined {
  const pair = createPair(options);
  for (let at = 0; at < records.length; at += COMMAND_WORDS) {
    const outcome = pair.apply(records, at);
    if (outcome instanceof Difference) return { at: at / COMMAND_WORDS, text: outcome.text };
  }
  const text = pair.compareBooks();
  return text === undefined ? undefined : { at: records.length / COMMAND_WORDS - 1, text };
}

/** Leaves commands out, in ever smaller runs, as long as the two still differ; the report of what is left. */
export function reportShrunk(options: PairOptions, records: Uint32Array): string {
  let shortest = records;
  let run = Math.ceil(shortest.length / COMMAND_WORDS / 2);
  for (;;) {
    const before = shortest.length;
    for (let from = 0; from * COMMAND_WORDS < shortest.length; ) {
      const shorter = without(shortest, from, run);
      const difference = firstDifference(options, shorter);
      if (difference === undefined) from += run;
      else shortest = shorter.slice(0, (difference.at + 1) * COMMAND_WORDS);
    }
    if (run === 1 && shortest.length === before) break;
    run = Math.max(1, Math.floor(run / 2));
  }
  const commands: string[] = [];
  for (let at = 0; at < shortest.length; at += COMMAND_WORDS) commands.push(shown(readMarketCommand(shortest, at)));
  return `${shown(options)}\n${commands.join('\n')}\n${firstDifference(options, shortest)?.text}`;
}

function without(records: Uint32Array, from: number, run: number): Uint32Array {
  const end = Math.min(records.length, (from + run) * COMMAND_WORDS);
  const kept = new Uint32Array(records.length - (end - from * COMMAND_WORDS));
  kept.set(records.subarray(0, from * COMMAND_WORDS));
  kept.set(records.subarray(end), from * COMMAND_WORDS);
  return kept;
}
