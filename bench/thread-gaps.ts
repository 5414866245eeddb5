/**
 * When a thread does not have its core, it reads the clock late, whatever it does. A thread that does nothing but read
 * the clock shows how often that is.
 */

/** Two readings further apart than this are a gap; a reading takes some 30 ns, a switch of threads over 1 µs. */
export const GAP_NS_MIN = 2_000;
const SPIN_MS = 100;
const CLOCK_READINGS = 100_000;

/** Median nanoseconds between two readings that follow each other. */
export function clockCostNs(): number {
  const readings = new Float64Array(CLOCK_READINGS);
  readClock(readings);
  readClock(readings);
  const steps = new Float64Array(CLOCK_READINGS - 1);
  for (let index = 0; index < steps.length; index++) {
    steps[index] = (readings[index + 1] as number) - (readings[index] as number);
  }
  return (steps.sort()[steps.length >> 1] as number) * 1e6;
}

function readClock(readings: Float64Array): void {
  for (let index = 0; index < readings.length; index++) readings[index] = performance.now();
}

/** Spins for {@link SPIN_MS}: how many gaps there were, and what share of the time they took. */
export function lostTime(): { gaps: number; share: number } {
  const started = performance.now();
  let last = started;
  let lostMs = 0;
  let gaps = 0;
  while (last - started < SPIN_MS) {
    const now = performance.now();
    if ((now - last) * 1e6 > GAP_NS_MIN) {
      lostMs += now - last;
      gaps++;
    }
    last = now;
  }
  return { gaps, share: lostMs / (last - started) };
}
