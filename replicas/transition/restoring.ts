import { accountAt, indexAccount } from './accounts.ts';
import { noteRules } from './bare-orders.ts';
import { restoreTimer } from './expiry.ts';
import { isElsewhere } from './instruments.ts';
import { countLinks } from './links.ts';
import { hashOf, indexOrder, OrderFlag, orderAt, symbolOf } from './orders.ts';
import { arm } from './phases.ts';
import { stand } from './queues.ts';
import { scheduleCancel } from './scheduled-cancel.ts';
import { isPendingSlot } from './terms.ts';

/** What follows from a state that was put back: places in queues, in the index, among the timers. */

/** Puts the order in `slot`, whose fields are set, where it stood. */
export function restoreOrder(slot: u32): void {
  if (isPendingSlot(slot)) return;
  countLinks(slot);
  stand(slot);
  const order = orderAt(slot);
  if ((order.terms & OrderFlag.ruled) !== 0 && !isElsewhere(symbolOf(order))) restoreTimer(slot);
}

/** Makes the order in `slot`, whose account and id are set, findable. */
export function indexRestored(slot: u32): void {
  const order = orderAt(slot);
  indexOrder(slot, hashOf(order.account, order.id));
}

/** What is due of an instrument is due again, and what applies to its orders is noted. */
export function restoreInstrument(symbol: u32): void {
  noteRules(symbol);
  arm(symbol);
}

/** Makes the account at a place, whose fields are set, findable, and what is due of it due again. */
export function restoreAccount(place: u32): void {
  indexAccount(place);
  scheduleCancel(place, accountAt(place).cancelAt);
}
