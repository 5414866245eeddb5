import { EventFlag } from '../../../../journal/events.ts';
import type { ModelEvents } from './model-events.ts';
import { firstOf, type ModelInstrument, type ModelOrder, opposite, reaches } from './model-order.ts';

/** What `stp` stands for. */
const STP = { none: 0, cancelNewest: 1, cancelOldest: 2, cancelBoth: 3, decrement: 4 } as const;

export interface Matching {
  readonly instrument: ModelInstrument;
  readonly order: ModelOrder;
  /** Undefined: any price. */
  readonly limit: number | undefined;
  /** Whether two accounts are the same owner, by group or not. */
  readonly isSameOwner: (one: number, other: number, byGroup: boolean) => boolean;
}

/** What an order shows of what is open of it, and so can trade at a time. */
function shownOf(order: ModelOrder): number {
  return order.display === 0 ? order.open : order.shown;
}

/** The instruction that applies when the order at work meets an own one. */
function instructionOf({ order, instrument }: Matching): { readonly stp: number; readonly byGroup: boolean } {
  if (order.stp !== STP.none) return { stp: order.stp, byGroup: order.byGroup };
  const setting = instrument.settings.get(3) ?? 0;
  return { stp: setting & 7, byGroup: setting > 8 };
}

function nextMet({ instrument, order, limit }: Matching): ModelOrder | undefined {
  return firstOf(
    instrument.resting,
    opposite(order.side),
    (other) => reaches(order.side, limit, other.price) && !(other.allOrNone && other.open > order.open),
  );
}

/** Told of what matching does to resting orders. */
export interface MatchingEffects {
  readonly events: ModelEvents;
  /** Puts a resting order at the back of its price's queue. */
  readonly toBack: (order: ModelOrder) => void;
  /** A resting order of which nothing is open leaves the book. */
  readonly gone: (order: ModelOrder) => void;
  /** Of so many lots, those that the order at work can pay for. */
  readonly payable: (price: number, lots: number) => number;
  /** Right behind the events of a trade: what is paid for it. */
  readonly settle: (maker: ModelOrder, quantity: number) => void;
  /** After a trade and what it refreshed. */
  readonly traded: (maker: ModelOrder, price: number) => void;
  /** After an order was taken off in part or in whole by self-trade prevention. */
  readonly leftByPrevention: (order: ModelOrder) => void;
}

/** Trades what can trade, with events. */
export function match(matching: Matching, effects: MatchingEffects): void {
  const { order, instrument } = matching;
  const { stp, byGroup } = instructionOf(matching);
  const { events } = effects;
  while (order.open > 0) {
    const maker = nextMet(matching);
    if (maker === undefined) return;
    if (stp !== STP.none && matching.isSameOwner(order.account, maker.account, byGroup)) {
      prevent(matching, effects, maker, stp);
      continue;
    }
    const quantity = effects.payable(maker.price, Math.min(order.open, shownOf(maker)));
    if (quantity === 0) return;
    order.open -= quantity;
    order.traded += quantity;
    maker.open -= quantity;
    const done = (open: number): number => (open === 0 ? EventFlag.done : 0);
    const { price } = maker;
    events.about('tradeMaker', maker, { price, quantity, open: maker.open }, { flags: done(maker.open) });
    const taker = { flags: done(order.open), request: order.request };
    events.about('tradeTaker', order, { price, quantity, open: order.open }, taker);
    effects.settle(maker, quantity);
    if (instrument.ruled) instrument.last = price;
    if (maker.open === 0) effects.gone(maker);
    else if (maker.display > 0) {
      maker.shown -= quantity;
      if (maker.shown === 0) {
        maker.shown = Math.min(maker.display, maker.open);
        effects.toBack(maker);
        events.about('refreshed', maker, { price: maker.price, quantity: maker.shown, open: maker.open });
      }
    }
    effects.traded(maker, price);
  }
}

function prevent(matching: Matching, effects: MatchingEffects, maker: ModelOrder, stp: number): void {
  const { order } = matching;
  const takeOff = (one: ModelOrder, quantity: number): void => {
    one.open -= quantity;
    effects.events.takenOff(one, quantity, 'selfTrade', one === order ? order.request : 0);
    if (one === maker) {
      if (one.open === 0) effects.gone(one);
      else if (one.display > 0) one.shown = Math.min(one.shown, one.open);
    }
    effects.leftByPrevention(one);
  };
  const smaller = Math.min(order.open, maker.open);
  if (stp === STP.cancelOldest || stp === STP.cancelBoth) takeOff(maker, maker.open);
  else if (stp === STP.decrement) takeOff(maker, smaller);
  if (stp === STP.cancelNewest || stp === STP.cancelBoth) takeOff(order, order.open);
  else if (stp === STP.decrement) takeOff(order, smaller);
}

/** How many lots it would trade, and for how many ticks times lots, with nothing happening. */
export function couldTrade(matching: Matching): { readonly lots: number; readonly ticks: bigint } {
  const { resting } = matching.instrument;
  const copies = resting.map((one) => ({ ...one }));
  const order = { ...matching.order };
  const { stp, byGroup } = instructionOf(matching);
  const virtual: Matching = { ...matching, order, instrument: { ...matching.instrument, resting: copies } };
  let arrival = Number.MAX_SAFE_INTEGER / 2;
  let lots = 0;
  let ticks = 0n;
  const drop = (one: ModelOrder): void => {
    const at = copies.findIndex(({ slot }) => slot === one.slot);
    if (at >= 0) copies.splice(at, 1);
  };
  const left = new Set<number>();
  /** One of a group that trades or leaves takes the others with it, and those what hangs on them; but never the order itself. */
  const takeOthers = (first: ModelOrder, hasTraded: boolean): void => {
    const queue = [first];
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
      left.add(one.slot);
      const { slot, group = [] } = one;
      const waiters =
        one === first && hasTraded ? [] : matching.instrument.waiting.filter(({ waitsFor }) => waitsFor?.slot === slot);
      for (const other of [...group, ...waiters]) {
        if (left.has(other.slot) || other.slot === order.slot) continue;
        drop(other);
        queue.push(other);
      }
    }
  };
  while (order.open > 0) {
    const maker = nextMet(virtual);
    if (maker === undefined) break;
    if (stp !== STP.none && matching.isSameOwner(order.account, maker.account, byGroup)) {
      if (stp === STP.cancelNewest || stp === STP.cancelBoth) break;
      if (stp === STP.cancelOldest) {
        drop(maker);
        takeOthers(maker, false);
      } else {
        const smaller = Math.min(order.open, maker.open);
        order.open -= smaller;
        maker.open -= smaller;
        if (maker.open === 0) {
          drop(maker);
          takeOthers(maker, false);
        }
      }
      continue;
    }
    const quantity = Math.min(order.open, shownOf(maker));
    order.open -= quantity;
    maker.open -= quantity;
    lots += quantity;
    ticks += BigInt(maker.price) * BigInt(quantity);
    takeOthers(maker, true);
    takeOthers(order, true);
    if (maker.open === 0) drop(maker);
    else if (maker.display > 0) {
      maker.shown -= quantity;
      if (maker.shown === 0) {
        maker.shown = Math.min(maker.display, maker.open);
        maker.arrival = arrival++;
      }
    }
  }
  return { lots, ticks };
}

/** The best price at which an opposite order rests that it would trade with, whoever owns it. */
export function bestToTrade(
  instrument: ModelInstrument,
  order: ModelOrder,
  limit: number | undefined,
): number | undefined {
  return firstOf(
    instrument.resting,
    opposite(order.side),
    (other) => reaches(order.side, limit, other.price) && !(other.allOrNone && other.open > order.open),
  )?.price;
}
