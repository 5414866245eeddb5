import { readU64, readWide } from '../journal/amounts.ts';
import {
  type Command,
  MovedSetting,
  nameOf,
  OrderType,
  Phase,
  SelfTradePrevention,
  Setting,
  TimeInForce,
} from '../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, eventFlags, MovePart } from '../journal/events.ts';
import { ORDER_FLAG } from '../replicas/order-table.ts';

/**
 * All that a shard knows of an instrument, as a move status tells it, and the commands that make it known to another shard. Slots,
 * handles and sequences are each shard's own: orders are named by account and id, and told in the order of their places in time.
 */

export interface InstrumentImage {
  readonly isRuled: boolean;
  /** What is known of the instrument, in a fixed order. */
  readonly settings: readonly Command[];
  /** In the order in which they are to be entered: those that wait for others last. */
  readonly orders: readonly ImageOrder[];
  /** Those that expire, in the order in which they would if all did at one time. */
  readonly expiring: readonly ImageOrder[];
  /** Terms that wait for their order. */
  readonly pending: readonly ImageOrder[];
}

/** Nothing is known of it that would be lost. */
export function isBlank({ settings, orders, pending }: InstrumentImage): boolean {
  return (
    orders.length + pending.length === 0 &&
    settings.every(({ movedSetting, value }) => movedSetting === 'last' && value === 0n)
  );
}

/** Whether its trades are settled between balances of its shard. */
export function isSettled({ settings }: InstrumentImage): boolean {
  return (['baseAsset', 'quoteAsset'] as const).every((asset) => settings.some(({ setting }) => setting === asset));
}

/** An order, or terms that wait for one, as the parts of a slot tell it: MovePart has what they mean. */
export interface ImageOrder {
  readonly slot: number;
  readonly account: number;
  readonly id: bigint;
  readonly price: number;
  readonly open: number;
  readonly flags: number;
  readonly sequence: number;
  terms: number;
  turn: number;
  stopPrice: bigint;
  trail: bigint;
  expires: bigint;
  display: bigint;
  shown: bigint;
  minQty: bigint;
  entered: bigint;
  partner: number;
  next: number;
  parent: number;
  cancels: bigint;
  after: bigint;
  /** Ids for the three slots above, zero for none; and of the one of its group in front of which it is entered. */
  partnerId: bigint;
  nextId: bigint;
  parentId: bigint;
  successorId: bigint;
  /** Among those that are entered. */
  place: number;
}

/** By which two orders are compared. */
const SAME = [
  ...(['account', 'id', 'price', 'open', 'terms', 'stopPrice', 'trail', 'expires', 'display', 'shown'] as const),
  ...(['minQty', 'cancels', 'after', 'partnerId', 'nextId', 'parentId'] as const),
] as const;

/** Type, time in force, self-trade prevention, and whether that regards groups, in the terms of a detail. */
const BYTE = 255;
const BY_GROUP = 1 << 24;
const NOTHING = {
  ...{ terms: 0, turn: 0, partner: 0, next: 0, parent: 0, place: -1 },
  ...{ stopPrice: 0n, trail: 0n, expires: 0n, display: 0n, shown: 0n, minQty: 0n, entered: 0n, cancels: 0n, after: 0n },
  ...{ partnerId: 0n, nextId: 0n, parentId: 0n, successorId: 0n },
} as const;

/** Puts together what a move status told of instrument `symbol`: its `part` events, in their order. */
export function imageOf(symbol: number, words: Uint32Array): InstrumentImage {
  const settings: Command[] = [];
  const bySlot = new Map<number, ImageOrder>();
  let isRuled = false;
  for (let at = 0; at < words.length; at += EVENT_WORDS) {
    const kind = eventFlags(words, at);
    const slot = words[at + EVENT_WORD.slot] as number;
    const value = readU64(words, at + EVENT_WORD.price);
    if (kind === MovePart.last) {
      isRuled = true;
      settings.push({ op: 'moveSet', account: 0, symbol, movedSetting: 'last', value });
    } else if (kind === MovePart.setting) {
      const place = { setting: nameOf(Setting, slot), movedSetting: nameOf(MovedSetting, slot) };
      settings.push({ op: 'moveSet', account: 0, symbol, ...place, value });
    } else if (kind === MovePart.scheduled) {
      const phase = nameOf(Phase, slot);
      settings.push({ op: 'moveSet', account: 0, symbol, movedSetting: 'scheduled', phase, value });
    } else takeOrderPart(bySlot, kind, slot, words, at);
  }
  const all = [...bySlot.values()];
  const orders = all.filter(({ flags }) => isLive(flags)).sort(byPlace);
  for (const [place, order] of orders.entries()) order.place = place;
  for (const order of orders) nameLinks(order, bySlot);
  return {
    isRuled,
    settings,
    orders,
    expiring: orders.filter(({ expires }) => expires !== 0n).sort(byEntry),
    pending: all
      .filter(({ flags }) => !isLive(flags))
      .sort((one, other) => one.account - other.account || compare(one.id, other.id)),
  };
}

function isLive(flags: number): boolean {
  return (flags & ORDER_FLAG.live) !== 0;
}

/** Finds the ids behind an order's slots. */
function nameLinks(order: ImageOrder, bySlot: ReadonlyMap<number, ImageOrder>): void {
  const idOf = (slot: number): bigint => bySlot.get(slot)?.id ?? 0n;
  order.partnerId = idOf(order.partner);
  order.nextId = idOf(order.next);
  order.parentId = idOf(order.parent);
  // Who stands behind it in its group of those that are entered before.
  for (let slot = order.partner; slot !== 0 && slot !== order.slot; ) {
    const member = bySlot.get(slot) as ImageOrder;
    slot = member.partner;
    if (member.place >= order.place) continue;
    order.successorId = member.id;
    return;
  }
}

function takeOrderPart(
  bySlot: Map<number, ImageOrder>,
  kind: number,
  slot: number,
  words: Uint32Array,
  at: number,
): void {
  const wide = (word: number): bigint => readU64(words, at + word);
  const word = (of: number): number => words[at + of] as number;
  const parts = bySlot.get(slot);
  if (kind === MovePart.order) {
    bySlot.set(slot, {
      ...{ slot, account: word(EVENT_WORD.account), id: wide(EVENT_WORD.id), flags: word(EVENT_WORD.generation) },
      ...{ price: readWide(words, at + EVENT_WORD.price), open: readWide(words, at + EVENT_WORD.open) },
      ...{ sequence: readWide(words, at + EVENT_WORD.quantity), ...NOTHING },
    });
  } else if (parts === undefined) throw new Error(`slot ${slot}: a part of an order came before the order`);
  else if (kind === MovePart.terms) {
    parts.stopPrice = wide(EVENT_WORD.price);
    parts.trail = wide(EVENT_WORD.quantity);
    parts.expires = wide(EVENT_WORD.open);
    parts.terms = word(EVENT_WORD.generation);
    parts.turn = word(EVENT_WORD.account);
  } else if (kind === MovePart.sizes) {
    parts.display = wide(EVENT_WORD.price);
    parts.shown = wide(EVENT_WORD.quantity);
    parts.minQty = wide(EVENT_WORD.open);
    parts.entered = wide(EVENT_WORD.id);
  } else if (kind === MovePart.links) {
    parts.partner = word(EVENT_WORD.account);
    parts.next = word(EVENT_WORD.generation);
    parts.parent = readWide(words, at + EVENT_WORD.price);
  } else if (kind === MovePart.named) {
    parts.cancels = wide(EVENT_WORD.price);
    parts.after = wide(EVENT_WORD.open);
  }
}

/**
 * Places in time; of one command's orders those of call and closing book stand behind the others, and else the turn decides.
 * Those that wait for others come when these are there.
 */
function byPlace(one: ImageOrder, other: ImageOrder): number {
  const isLate = ({ parent }: ImageOrder): number => (parent === 0 ? 0 : 1);
  const isForAuction = ({ flags }: ImageOrder): number =>
    (flags & (ORDER_FLAG.call | ORDER_FLAG.closing)) === 0 ? 0 : 1;
  return (
    isLate(one) - isLate(other) ||
    one.sequence - other.sequence ||
    isForAuction(one) - isForAuction(other) ||
    one.turn - other.turn
  );
}

/** As timers that are due at the same time: replicas/transition/timers.ts. */
function byEntry(one: ImageOrder, other: ImageOrder): number {
  return compare(one.entered, other.entered) || one.slot - other.slot;
}

function compare(one: bigint, other: bigint): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** What is sent before an order, but its expiry. */
function termsOf(symbol: number, order: ImageOrder): Command[] {
  const { account, id, flags } = order;
  const sent: Command[] = [];
  const send = (term: Partial<Command>, value: bigint): void => {
    if (value !== 0n) sent.push({ op: 'moveTerms', account, symbol, id, ...term, value });
  };
  send({ term: 'stopPrice' }, order.stopPrice);
  send({ term: 'trail' }, order.trail);
  send({ term: 'display' }, order.display);
  send({ term: 'minQty' }, order.minQty);
  send({ term: 'cancels' }, isLive(flags) ? order.successorId : order.cancels);
  send({ term: 'after' }, isLive(flags) ? order.parentId : order.after);
  send({ movedTerm: 'shown' }, order.display === 0n ? 0n : order.shown);
  send({ movedTerm: 'book' }, (flags & ORDER_FLAG.call) !== 0 ? 1n : (flags & ORDER_FLAG.closing) !== 0 ? 2n : 0n);
  return sent;
}

/** The command that enters an order. */
export function entryOf(symbol: number, order: ImageOrder): Command {
  const { account, id, open, flags, terms, price } = order;
  const type = nameOf(OrderType, terms & BYTE);
  return {
    ...{ op: 'moveIn', account, symbol, id, quantity: open, type, tif: nameOf(TimeInForce, (terms >>> 8) & BYTE) },
    side: (flags & ORDER_FLAG.sell) === 0 ? 'buy' : 'sell',
    // A market order's record has a stand-in for a price.
    price: type === 'limit' || type === 'stopLimit' ? price : 0,
    stp: nameOf(SelfTradePrevention, (terms >>> 16) & BYTE),
    byGroup: (terms & BY_GROUP) !== 0,
    postOnly: (flags & ORDER_FLAG.postOnly) !== 0,
    hidden: (flags & ORDER_FLAG.hidden) !== 0,
    allOrNone: (flags & ORDER_FLAG.allOrNone) !== 0,
    hasTerms: order.expires !== 0n || termsOf(symbol, order).length > 0,
  };
}

/** What makes the instrument known, before its orders come: settings, then terms, of which expiries come first and in order. */
export function preparationOf(symbol: number, { settings, orders, expiring, pending }: InstrumentImage): Command[] {
  const expiryOf = ({ account, id, expires }: ImageOrder): Command => {
    return { op: 'moveTerms', account, symbol, id, term: 'expires', value: expires };
  };
  return [
    ...settings,
    ...[...expiring, ...pending.filter(({ expires }) => expires !== 0n)].map(expiryOf),
    ...[...orders, ...pending].flatMap((order) => termsOf(symbol, order)),
  ];
}

/** What differs first between two images of one instrument, or undefined. */
export function firstDifference(one: InstrumentImage, other: InstrumentImage): string | undefined {
  if (one.isRuled && !other.isRuled) return 'it is not ruled';
  if (textOf(one.settings) !== textOf(other.settings)) return 'it has other settings';
  return (
    firstOther(one.orders, other.orders) ??
    firstOther(one.expiring, other.expiring) ??
    firstOther(one.pending, other.pending)
  );
}

/** What differs first between two lists of orders, or undefined. */
export function firstOther(orders: readonly ImageOrder[], others: readonly ImageOrder[]): string | undefined {
  if (orders.length !== others.length) return `${others.length} of ${orders.length}`;
  for (const [index, order] of orders.entries()) {
    const other = others[index] as ImageOrder;
    const { account, id, flags } = order;
    for (const field of SAME)
      if (order[field] !== other[field]) return `order ${id} of account ${account} has another ${field}`;
    // An order may have a detail with nothing in it.
    if (((flags ^ other.flags) & ~ORDER_FLAG.ruled) !== 0) return `order ${id} of account ${account} has other flags`;
  }
  return undefined;
}

/** Settings that are compared: with accounts' rules in force every instrument is ruled. */
function textOf(settings: readonly Command[]): string {
  const told = settings.filter(({ movedSetting, value }) => movedSetting !== 'last' || value !== 0n);
  return JSON.stringify(told, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
}
