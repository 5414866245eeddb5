import { AMOUNT_MAX, Phase, PRICE_MAX, Setting } from './codes.ts';
import { settingOf } from './instruments.ts';
import { goTo } from './phases.ts';
import { Incoming } from './records.ts';
import { touchOf } from './touch.ts';

/** Volatility auctions: instead of a trade too far from the reference price, an auction of set duration. */

/** The worst key that the order at work may trade with, by its limit and the range; 0 if even the best is out of it. */
export function withinRange(order: Incoming, limitKey: u64): u64 {
  const ticks = settingOf(order.symbol, Setting.volatilityTicks);
  const reference = settingOf(order.symbol, Setting.referencePrice);
  if (ticks === 0 || reference === 0 || settingOf(order.symbol, Setting.volatilityNs) === 0) return limitKey;
  const lowest = reference > ticks ? reference - ticks : 1;
  const highest = min<u64>(reference + ticks, PRICE_MAX);
  const bestKey = order.side === 0 ? lowest : AMOUNT_MAX - highest;
  const worstKey = order.side === 0 ? highest : AMOUNT_MAX - lowest;
  return touchOf(order) < bestKey ? 0 : min<u64>(limitKey, worstKey);
}

/** An order would trade out of the range. */
export function interrupt(symbol: u32): void {
  goTo(symbol, Phase.volatilityAuction, 0, 0);
}
