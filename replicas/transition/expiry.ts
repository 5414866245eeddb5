import { Reason, TimeInForce } from './codes.ts';
import { remove } from './market.ts';
import { counters } from './memory.ts';
import { detailAt, orderAt, symbolOf } from './orders.ts';
import { advance } from './phases.ts';
import { Incoming } from './records.ts';
import { cancelAllOf } from './scheduled-cancel.ts';
import { isPendingSlot } from './terms.ts';
import { cancelTimer, setTimer, TimerKind, timerAt } from './timers.ts';
import { followTouched, touch } from './touched.ts';
import { enterTriggered } from './waiting.ts';

/** What happens because time has passed. The only time there is, is that of the command at work. */

/** Orders that leave because of time with one command; the others stay due, and go with the next one. */
const EXPIRED_PER_COMMAND_MAX: u32 = 4096;

/** No state: the time of the command at work; how many orders may still leave with the command of the sequence `countedAt`. */
let now: u64 = 0;
let allowance: u32 = 0;
let countedAt: u64 = 0;

export function timeOfCommand(): u64 {
  return now;
}

export function setTime(time: u64): void {
  now = time;
}

/** Does what is due at or before a time, in the order in which it is due. */
export function bringTime(time: u64): void {
  now = time;
  counters().brought++;
  while (counters().due - 1 < time && mayLeave()) {
    const timer = timerAt(1);
    const item = timer.item;
    if (timer.kind === TimerKind.instrument) {
      advance(item);
      enterTriggered();
      touch(item);
    } else if (timer.kind === TimerKind.order) expire(item, Reason.expired);
    else cancelAllOf(item);
  }
  followTouched();
}

/** Whether one more order may leave because of time with the command at work. */
export function mayLeave(): bool {
  const sequence = counters().sequence;
  if (countedAt !== sequence) {
    countedAt = sequence;
    allowance = EXPIRED_PER_COMMAND_MAX;
  }
  return allowance !== 0;
}

/** Takes an order off because of time. The caller has asked whether it {@link mayLeave}. */
export function expire(slot: u32, reason: u32): void {
  allowance--;
  touch(symbolOf(orderAt(slot)));
  remove(slot, reason, 0);
}

/** The order at work has come to rest in `slot`. */
export function startTimer(order: Incoming, slot: u32): void {
  if (order.tif !== TimeInForce.gtd) return;
  detailAt(slot).entered = counters().sequence;
  setTimer(TimerKind.order, slot, order.expires);
}

/** The order at work, which had come to rest or to wait before, does so no more, or anew. */
export function dropTimer(order: Incoming): void {
  if (order.tif === TimeInForce.gtd) cancelTimer(TimerKind.order, order.slot);
}

/** Of a restored order that has a detail. */
export function restoreTimer(slot: u32): void {
  const expires = detailAt(slot).expires;
  if (expires !== 0 && !isPendingSlot(slot)) setTimer(TimerKind.order, slot, expires);
}
