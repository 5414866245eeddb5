import { accountAt } from './accounts.ts';
import { accountTimersAt, counters, instrumentTimersAt, timersAt } from './memory.ts';
import { detailAt } from './orders.ts';
import { Detail, TIMER_BYTES, Timer } from './records.ts';

/**
 * When what is due: a binary heap (Williams 1964), with the place of each in it noted where it belongs, so that one can be taken
 * out from the middle. It is no state: orders, accounts and instruments tell when they are due, and a restored replica sets the
 * timers anew. So what decides between timers that are due at the same time must be state, too.
 */
export class TimerKind {
  static readonly order: u32 = 0;
  static readonly account: u32 = 1;
  static readonly instrument: u32 = 2;
}

/** The timer at a place, from 1; the first one is due first. */
export function timerAt(place: u32): Timer {
  return changetype<Timer>(timersAt + (place as usize) * TIMER_BYTES);
}

/** Makes a slot, the place of an account, or the number of an instrument, due at a time, not 0; one that is due already, at that time instead. */
export function setTimer(kind: u32, item: u32, due: u64): void {
  let place = placeOf(kind, item);
  if (place === 0) {
    place = ++counters().timers;
    const timer = timerAt(place);
    timer.kind = kind;
    timer.item = item;
  }
  timerAt(place).due = due;
  sink(rise(place));
  counters().due = timerAt(1).due;
}

/** Does nothing if it has no timer. */
export function cancelTimer(kind: u32, item: u32): void {
  const place = placeOf(kind, item);
  if (place === 0) return;
  putPlace(kind, item, 0);
  const last = counters().timers--;
  if (place !== last) {
    move(last, place);
    sink(rise(place));
  }
  counters().due = last === 1 ? 0 : timerAt(1).due;
}

function placeAddress(kind: u32, item: u32): usize {
  if (kind === TimerKind.order) return changetype<usize>(detailAt(item)) + offsetof<Detail>('timer');
  return (kind === TimerKind.account ? accountTimersAt : instrumentTimersAt) + ((item as usize) << 2);
}

function placeOf(kind: u32, item: u32): u32 {
  return load<u32>(placeAddress(kind, item));
}

function putPlace(kind: u32, item: u32, place: u32): void {
  store<u32>(placeAddress(kind, item), place);
}

/** Moves the timer at a place up to where it belongs; returns where that is. */
function rise(from: u32): u32 {
  let place = from;
  while (place > 1 && isBefore(timerAt(place), timerAt(place >> 1))) {
    swap(place, place >> 1);
    place >>= 1;
  }
  putPlace(timerAt(place).kind, timerAt(place).item, place);
  return place;
}

/** Moves the timer at a place down to where it belongs. */
function sink(from: u32): void {
  const count = counters().timers;
  let place = from;
  for (let child = place << 1; child <= count; child = place << 1) {
    if (child < count && isBefore(timerAt(child + 1), timerAt(child))) child++;
    if (!isBefore(timerAt(child), timerAt(place))) return;
    swap(place, child);
    place = child;
  }
}

function swap(one: u32, other: u32): void {
  const timer = timerAt(one);
  const due = timer.due;
  const item = timer.item;
  const kind = timer.kind;
  move(other, one);
  const freed = timerAt(other);
  freed.due = due;
  freed.item = item;
  freed.kind = kind;
  putPlace(kind, item, other);
}

function move(from: u32, to: u32): void {
  const timer = timerAt(from);
  memory.copy(changetype<usize>(timerAt(to)), changetype<usize>(timer), TIMER_BYTES);
  putPlace(timer.kind, timer.item, to);
}

function isBefore(one: Timer, other: Timer): bool {
  if (one.due !== other.due) return one.due < other.due;
  if (one.kind !== other.kind) return one.kind < other.kind;
  if (one.kind === TimerKind.order) {
    const entered = detailAt(one.item).entered;
    const otherEntered = detailAt(other.item).entered;
    if (entered !== otherEntered) return entered < otherEntered;
  }
  if (one.kind === TimerKind.account) return accountAt(one.item).owner < accountAt(other.item).owner;
  return one.item < other.item;
}
