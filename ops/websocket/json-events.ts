import { readSigned, readU64, readWide } from '../../journal/amounts.ts';
import { AccountSetting, nameOf } from '../../journal/commands.ts';
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
 * Published event records (sequencer/reports.ts) as JSON objects, with the names of the NDJSON events (ops/ndjson/ndjson-events.ts).
 * A published record tells of one order, so what `veritape match` prints as one trade is a `fill` for each side here, and a
 * `trade` without names on the public channel.
 */
type NameOf = (symbol: number) => string | number | undefined;

const SIDES = ['buy', 'sell'] as const;
/** Whom a kill is about: `slot` of its event. */
const KILL_SCOPES = ['all', 'account', 'group'] as const;

/** What happened to an account's orders, one object a record. */
export function orderEvents(words: Uint32Array, symbolName: NameOf): object[] {
  return everyRecord(words, (at) => {
    const order = {
      account: words[at + EVENT_WORD.account],
      id: wide(words, at + EVENT_WORD.id),
      ...placeOf(words, at, symbolName),
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
        return { ev: 'fill', ...order, side, price, qty, open, role: isInAuction(words, at) ? 'auction' : 'maker' };
      case EventType.tradeTaker:
        return { ev: 'fill', ...order, side, price, qty, open, role: isInAuction(words, at) ? 'auction' : 'taker' };
      case EventType.canceled:
        return { ev: 'canceled', ...order, qty, reason, open };
      case EventType.replaced:
        return { ev: 'replaced', ...order, price, qty, kept: (eventFlags(words, at) & EventFlag.kept) !== 0 };
      case EventType.triggered:
        return { ev: 'triggered', ...order, price, open };
      case EventType.refreshed:
        return { ev: 'refreshed', ...order, price, qty, open };
      case EventType.settled:
        return { ev: 'settled', ...order, side, quote: price, base: qty, fee: signed(words, at + EVENT_WORD.open) };
      default:
        return undefined;
    }
  });
}

/** Public trades; `side` is the taker's, of whom there is none in an auction. */
export function tradeEvents(words: Uint32Array, symbolName: NameOf): object[] {
  return everyRecord(words, (at) => ({
    ev: 'trade',
    ...placeOf(words, at, symbolName),
    side: sideOf(words, at),
    price: wide(words, at + EVENT_WORD.price),
    qty: wide(words, at + EVENT_WORD.quantity),
    ...(isInAuction(words, at) ? { auction: true } : {}),
  }));
}

/** What becomes of an account beside its orders. A kill of a group or of all is told to the account that asked for it. */
export function accountEvents(words: Uint32Array): object[] {
  return everyRecord(words, (at) => {
    const place = { seq: readWide(words, at + EVENT_WORD.sequence), account: words[at + EVENT_WORD.account] };
    const flags = eventFlags(words, at);
    const code = words[at + EVENT_WORD.slot] as number;
    const price = wide(words, at + EVENT_WORD.price);
    switch (eventType(words, at)) {
      case EventType.account:
        return { ev: 'account', ...place, setting: nameOf(AccountSetting, code) ?? `setting${code}`, value: price };
      case EventType.balance: {
        const id = wide(words, at + EVENT_WORD.id);
        const asset = words[at + EVENT_WORD.symbol];
        const available = wide(words, at + EVENT_WORD.quantity);
        const held = wide(words, at + EVENT_WORD.open);
        const ev = (flags & EventFlag.done) === 0 ? 'deposited' : 'withdrawn';
        return { ev, ...place, id, asset, amount: price, available, held };
      }
      case EventType.kill: {
        const ev = (flags & EventFlag.closed) === 0 ? 'reinstated' : 'killed';
        return { ev, ...place, scope: KILL_SCOPES[code], ...(KILL_SCOPES[code] === 'group' ? { group: price } : {}) };
      }
      default:
        return undefined;
    }
  });
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
  symbolName: NameOf,
): { readonly seq: number; readonly symbol: string | number | undefined } {
  return {
    seq: readWide(words, at + EVENT_WORD.sequence),
    symbol: symbolName(words[at + EVENT_WORD.symbol] as number),
  };
}

function isInAuction(words: Uint32Array, at: number): boolean {
  return (eventFlags(words, at) & EventFlag.auction) !== 0;
}

function sideOf(words: Uint32Array, at: number): string {
  return SIDES[((words[at] as number) >>> 8) & 1] as string;
}

/** A number of 64 bits that may be below zero, as {@link wide} has others. */
function signed(words: Uint32Array, at: number): number | string {
  const value = readSigned(words, at);
  return typeof value === 'number' ? value : String(value);
}

/** A number of 64 bits: its digits where a JSON number would not be exact. */
function wide(words: Uint32Array, at: number): number | string {
  const value = readWide(words, at);
  return Number.isSafeInteger(value) ? value : String(readU64(words, at));
}
