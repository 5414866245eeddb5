import { readFileSync } from 'node:fs';

// Preloaded into a process whose wall clock a drill sets: every thread then reads a time that is as many milliseconds off as
// a file says. Monotonic time is left alone, as by an operator who sets the clock of a host.

const LOOK_MS = 10;

const file = process.env['VERITAPE_DRILL_CLOCK'];
const elapsed = performance.now.bind(performance);
const wallClock = Date.now.bind(Date);
const { timeOrigin } = performance;
let shiftMs = 0;
let lookedAt = Number.NEGATIVE_INFINITY;

function shift(): number {
  const now = elapsed();
  if (file !== undefined && now - lookedAt >= LOOK_MS) {
    lookedAt = now;
    try {
      shiftMs = Number(readFileSync(file, 'utf8')) || 0;
    } catch {
      // It is being written.
    }
  }
  return shiftMs;
}

Object.defineProperty(performance, 'timeOrigin', { get: () => timeOrigin + shift() });
Date.now = () => wallClock() + shift();
