import { readU64, readWide } from '../../journal/amounts.ts';
import {
  EVENT_WORD,
  EVENT_WORDS,
  EventFlag,
  EventType,
  eventFlags,
  eventReason,
  eventType,
} from '../../journal/events.ts';
import { reasonName, reasonText } from '../../journal/reasons.ts';

/**
 * Published event records (sequencer/reports.ts) as JSON objects, with the names of the NDJSON events (ops/ndjson-events.ts).
 * A published record tells of one order, so what `veritape match` prints as one trade is a `fill` for each side here, and a
 * `trade` without names on the public channel.
 */
export type NameOf = (symbol: number) => string | number;

const SIDES = ['buy', 'sell'] as const;

/** What happened to an account's orders, one object a record. */
export function orderEvents(words: Uint32Array, nameOf: NameOf): object[] {
  return everyRecord(words, (at) => {
    const order = {
      account: words[at + EVENT_WORD.account],
      id: wide(words, at + EVENT_WORD.id),
      ...placeOf(words, at, nameOf),
    };
    const side = sideOf(words, at);
    const price = wide(words, at + EVENT_WORD.price);
    const qty = wide(words, at + EVENT_WORD.quantity);
    const open = wide(words, at + EVENT_WORD.open);
    const reason = reasonName(eventReason(words, at));
    switch (eventType(words, at)) {
      case EventType.accepted:
        return { ev: 'accepted', ...order, side, price, qty };
      case EventType.rejected:
        return { ev: 'rejected', ...order, reason, text: reasonText(eventReason(words, at)) };
      case EventType.tradeMaker:
        return { ev: 'fill', ...order, side, price, qty, open, role: 'maker' };
      case EventType.tradeTaker:
        return { ev: 'fill', ...order, side, price, qty, open, role: 'taker' };
      case EventType.canceled:
        return { ev: 'canceled', ...order, qty, reason, open };
      case EventType.replaced:
        return { ev: 'replaced', ...order, price, qty, kept: (eventFlags(words, at) & EventFlag.kept) !== 0 };
      case EventType.triggered:
        return { ev: 'triggered', ...order, price, open };
      default:
        return undefined;
    }
  });
}

/** Public trades; `side` is the taker's. */
export function tradeEvents(words: Uint32Array, nameOf: NameOf): object[] {
  return everyRecord(words, (at) => ({
    ev: 'trade',
    ...placeOf(words, at, nameOf),
    side: sideOf(words, at),
    price: wide(words, at + EVENT_WORD.price),
    qty: wide(words, at + EVENT_WORD.quantity),
  }));
}

/** Best of book; an empty side is null. */
export function topEvents(words: Uint32Array, nameOf: NameOf): object[] {
  const level = (price: number, at: number, quantityAt: number): object | null => {
    const qty = wide(words, at + quantityAt);
    return qty === 0 ? null : { price: wide(words, at + price), qty };
  };
  return everyRecord(words, (at) => ({
    ev: 'top',
    ...placeOf(words, at, nameOf),
    bid: level(at + EVENT_WORD.price, at, EVENT_WORD.quantity),
    ask: level(at + EVENT_WORD.id, at, EVENT_WORD.open),
  }));
}

function everyRecord(words: Uint32Array, tell: (at: number) => object | undefined): object[] {
  const told: object[] = [];
  for (let at = 0; at + EVENT_WORDS <= words.length; at += EVENT_WORDS) {
    const event = tell(at);
    if (event !== undefined) told.push(event);
  }
  return told;
}

function placeOf(
  words: Uint32Array,
  at: number,
  nameOf: NameOf,
): { readonly seq: number; readonly symbol: string | number } {
  return { seq: readWide(words, at + EVENT_WORD.sequence), symbol: nameOf(words[at + EVENT_WORD.symbol] as number) };
}

function sideOf(words: Uint32Array, at: number): string {
  return SIDES[((words[at] as number) >>> 8) & 1] as string;
}

/** A number of 64 bits: its digits where a JSON number would not be exact. */
function wide(words: Uint32Array, at: number): number | string {
  const value = readWide(words, at);
  return Number.isSafeInteger(value) ? value : String(readU64(words, at));
}
