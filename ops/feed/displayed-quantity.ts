import { readWide } from '../../journal/amounts.ts';
import type { MarketState } from '../../replicas/matcher.ts';
import { DETAIL, DETAIL_SHIFT } from '../../replicas/order-details.ts';
import { ORDER, ORDER_FLAG, ORDER_SHIFT, SYMBOL_SHIFT } from '../../replicas/order-table.ts';

/**
 * What of an order everybody may see: the one place that decides it. An order with a flag that is not known here is not
 * displayed, so that a rule made later shows nothing by mistake.
 */

/** Flags of orders that stand in the book that everybody sees. */
const SHOWN_FLAGS = ORDER_FLAG.sell | ORDER_FLAG.postOnly | ORDER_FLAG.live | ORDER_FLAG.ruled;
const FLAGS_MASK = (1 << SYMBOL_SHIFT) - 1;

/** Whether something of the order in a slot may be seen. */
export function isDisplayed({ orders: { words } }: MarketState, slot: number): boolean {
  const flags = (words[(slot << ORDER_SHIFT) + ORDER.terms] as number) & FLAGS_MASK;
  return (flags & ORDER_FLAG.live) !== 0 && (flags & ~SHOWN_FLAGS) === 0;
}

/** Displayed lots of the order in a slot; 0 if there is none, or nothing of it may be seen. */
export function displayedOf(state: MarketState, slot: number): number {
  if (!isDisplayed(state, slot)) return 0;
  const at = slot << ORDER_SHIFT;
  const open = readWide(state.orders.words, at + ORDER.open);
  if (displayMaxOf(state, slot) === 0) return open;
  return Math.min(open, readWide(state.details, (slot << DETAIL_SHIFT) + DETAIL.shown));
}

/** Lots of the order in a slot, of which something may be seen, that are displayed at a time; 0 for all of it. */
export function displayMaxOf({ orders: { words }, details }: MarketState, slot: number): number {
  if (((words[(slot << ORDER_SHIFT) + ORDER.terms] as number) & ORDER_FLAG.ruled) === 0) return 0;
  return readWide(details, (slot << DETAIL_SHIFT) + DETAIL.display);
}
