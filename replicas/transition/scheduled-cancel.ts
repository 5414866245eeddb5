import { emitAccount } from './account-settings.ts';
import { accountAt } from './accounts.ts';
import { AccountSetting, Reason } from './codes.ts';
import { expire, mayLeave } from './expiry.ts';
import { isElsewhere } from './instruments.ts';
import { holdFollowers, releaseFollowers } from './links.ts';
import { counters } from './memory.ts';
import { OrderFlag, orderAt, symbolOf } from './orders.ts';
import { Account } from './records.ts';
import { cancelTimer, setTimer, TimerKind } from './timers.ts';

/** Orders that are canceled at a time unless their account puts it off: a dead man's switch. */

/** Sets when the orders of the account at a place are canceled, 0 for never. */
export function scheduleCancel(place: u32, time: u64): void {
  accountAt(place).cancelAt = time;
  if (time === 0) cancelTimer(TimerKind.account, place);
  else setTimer(TimerKind.account, place, time);
}

/** It is due: takes the orders off. If there are more than may leave with one command, it stays due for the rest. */
export function cancelAllOf(place: u32): void {
  const account = accountAt(place);
  if (!takeOffAllOf(account)) return;
  scheduleCancel(place, 0);
  emitAccount(account.owner as u32, AccountSetting.cancelAllAfter, 0, 0);
}

/** Returns whether none is left. What hangs on those that leave goes behind the last of them. */
function takeOffAllOf(account: Account): bool {
  const highWater = counters().highWater;
  let isDone = true;
  holdFollowers();
  for (let slot: u32 = 1; slot <= highWater; slot++) {
    const order = orderAt(slot);
    if ((order.terms & (OrderFlag.live | OrderFlag.pending)) === 0 || (order.account as u64) !== account.owner)
      continue;
    if (isElsewhere(symbolOf(order))) continue;
    isDone = mayLeave();
    if (!isDone) break;
    expire(slot, Reason.cancelAllAfter);
  }
  releaseFollowers();
  return isDone;
}
