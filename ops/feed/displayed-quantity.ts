import { AMOUNT_MAX, readWide } from '../../journal/amounts.ts';
import { EVENT_WORD } from '../../journal/events.ts';
import { ORDER } from '../../replicas/order-table.ts';

/**
 * What of an order everybody may see: the one place that decides it. Every order is displayed in full in this version of
 * the rules; orders that are hidden, in full or but for a tranche, are told here by their events and their records.
 */

/** Stands for an order of which everything that is open is displayed. */
const ALL = AMOUNT_MAX;

/** The most that is displayed at a time of the order that an `accepted` event is about. */
export function displayMaxOfAccepted(_events: Uint32Array, _at: number): number {
  return ALL;
}

/** The same of an order in the replica's table, from its word `order` on. */
export function displayMaxOfResting(_orders: Uint32Array, _order: number): number {
  return ALL;
}

/** What is displayed now of an order in the replica's table. */
export function displayedOfResting(orders: Uint32Array, order: number): number {
  return Math.min(readWide(orders, order + ORDER.open), displayMaxOfResting(orders, order));
}

/** What a `refreshed` event says is displayed from here on. */
export function displayedOfRefreshed(events: Uint32Array, at: number): number {
  return readWide(events, at + EVENT_WORD.quantity);
}
