import { areOfOneGroup } from './accounts.ts';
import { EventType, Flag, Reason, SelfTradePrevention, Setting } from './codes.ts';
import { claimEvent } from './events.ts';
import { shrink } from './icebergs.ts';
import { settingOf } from './instruments.ts';
import { describe, remove } from './market.ts';
import { orderAt } from './orders.ts';
import { Incoming } from './records.ts';
import { takeOff } from './ruled.ts';

/**
 * Self-trade prevention: two orders of one owner do not trade with each other (FIX 2964). The incoming order's instruction
 * rules; it is one of {@link SelfTradePrevention}, and with {@link BY_GROUP} it regards groups of accounts.
 */

const BY_GROUP: u32 = 8;

/** Whether a value of the instrument's setting is an instruction, or none. */
export function isPrevention(value: u64): bool {
  return (value & ~(BY_GROUP as u64)) <= SelfTradePrevention.decrement && value !== BY_GROUP;
}

/** The order's own instruction, or the instrument's for orders without one. */
export function preventionOf(order: Incoming): u32 {
  if (order.stp === SelfTradePrevention.none) return settingOf(order.symbol, Setting.stp) as u32;
  return order.stp | ((order.flags & Flag.byGroup) === 0 ? 0 : BY_GROUP);
}

/** Whether an instruction applies to two orders of these accounts. */
export function isPrevented(prevention: u32, account: u32, other: u32): bool {
  if (prevention === SelfTradePrevention.none) return false;
  return account === other || ((prevention & BY_GROUP) !== 0 && areOfOneGroup(account, other));
}

/** Whether the incoming order ends where it meets one of its owner's. */
export function endsIncoming(prevention: u32): bool {
  const instruction = prevention & ~BY_GROUP;
  return instruction === SelfTradePrevention.cancelNewest || instruction === SelfTradePrevention.cancelBoth;
}

/** Whether lots go off the incoming order where it meets one of its owner's. */
export function decrements(prevention: u32): bool {
  return (prevention & ~BY_GROUP) === SelfTradePrevention.decrement;
}

/** The incoming order has met the one in `slot`, which is its owner's. */
export function prevent(order: Incoming, slot: u32, prevention: u32): void {
  if (decrements(prevention)) return decrement(order, slot);
  if ((prevention & ~BY_GROUP) !== SelfTradePrevention.cancelNewest) remove(slot, Reason.selfTrade, 0);
  if (endsIncoming(prevention)) takeOff(order, Reason.selfTrade, order.open);
}

function decrement(order: Incoming, slot: u32): void {
  const resting = orderAt(slot);
  const quantity = min<u64>(resting.open, order.open);
  if (quantity === resting.open) remove(slot, Reason.selfTrade, 0);
  else {
    shrink(resting, slot, quantity);
    const event = claimEvent();
    describe(event, resting, slot, EventType.canceled | (Reason.selfTrade << 16), 0, 0);
    event.price = resting.price;
    event.quantity = quantity;
    event.open = resting.open;
  }
  takeOff(order, Reason.selfTrade, quantity);
}
