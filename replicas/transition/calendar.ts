import { CALENDAR_MAX, calendarsAt } from './memory.ts';
import { SCHEDULED_BYTES, Scheduled } from './records.ts';

/** Changes of phase to come, of each instrument by time, the first one first. */

export function scheduledAt(symbol: u32, place: u32): Scheduled {
  return changetype<Scheduled>(calendarsAt + ((symbol * CALENDAR_MAX + place) as usize) * SCHEDULED_BYTES);
}

/** Time of the first change; 0 if there is none. */
export function nextScheduled(symbol: u32): u64 {
  return scheduledAt(symbol, 0).time;
}

/** How many come before a time. */
function placeOf(symbol: u32, time: u64): u32 {
  let place: u32 = 0;
  while (place < CALENDAR_MAX && scheduledAt(symbol, place).time - 1 < time - 1) place++;
  return place;
}

/** Whether there is one at this time. */
export function isScheduled(symbol: u32, time: u64): bool {
  const place = placeOf(symbol, time);
  return place < CALENDAR_MAX && scheduledAt(symbol, place).time === time;
}

export function isCalendarFull(symbol: u32): bool {
  return scheduledAt(symbol, CALENDAR_MAX - 1).time !== 0;
}

/** The caller has checked that there is room, or one at the same time, which gives way. */
export function putScheduled(symbol: u32, time: u64, phase: u32): void {
  const place = placeOf(symbol, time);
  if (scheduledAt(symbol, place).time !== time) shift(symbol, place, place + 1, CALENDAR_MAX - 1 - place);
  scheduledAt(symbol, place).time = time;
  scheduledAt(symbol, place).phase = phase;
}

/** Takes away the one at this time, which is there. */
export function dropScheduled(symbol: u32, time: u64): void {
  const place = placeOf(symbol, time);
  shift(symbol, place + 1, place, CALENDAR_MAX - 1 - place);
  memory.fill(changetype<usize>(scheduledAt(symbol, CALENDAR_MAX - 1)), 0, SCHEDULED_BYTES);
}

export function clearCalendar(symbol: u32): void {
  memory.fill(changetype<usize>(scheduledAt(symbol, 0)), 0, (CALENDAR_MAX as usize) * SCHEDULED_BYTES);
}

function shift(symbol: u32, from: u32, to: u32, count: u32): void {
  const source = changetype<usize>(scheduledAt(symbol, from));
  memory.copy(changetype<usize>(scheduledAt(symbol, to)), source, (count as usize) * SCHEDULED_BYTES);
}
