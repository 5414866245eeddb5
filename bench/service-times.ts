import { readFileSync } from 'node:fs';
import type { Figure } from './benchmark.ts';
import { percentileFigures, sorted } from './benchmark.ts';
import { GAP_NS_MIN } from './thread-gaps.ts';

/**
 * Times of single commands, from several passes over the same flow. What a command has to do is the same in each pass, so
 * a time beyond {@link GAP_NS_MIN} that another pass does not have is not the command's: the thread had no core.
 */
export interface ServiceTimes {
  /** Sorted, ns: every sample of every pass. */
  readonly all: Float32Array;
  /** Sorted, ns: without the samples that overlap a gap. */
  readonly withoutGaps: Float32Array;
}

export function readServiceTimes(files: readonly string[]): ServiceTimes {
  return serviceTimesOf(files.map((file) => new Float32Array(new Uint8Array(readFileSync(file)).buffer)));
}

export function serviceTimesOf(passes: readonly Float32Array[]): ServiceTimes {
  const count = Math.min(...passes.map((pass) => pass.length));
  const all = new Float32Array(count * passes.length);
  const kept = new Float32Array(count * passes.length);
  let taken = 0;
  let index = 0;
  for (let command = 0; command < count; command++) {
    let least = Number.POSITIVE_INFINITY;
    for (const pass of passes) least = Math.min(least, pass[command] as number);
    for (const pass of passes) {
      const ns = pass[command] as number;
      all[index++] = ns;
      if (ns < GAP_NS_MIN || least >= GAP_NS_MIN) kept[taken++] = ns;
    }
  }
  return { all: sorted(all), withoutGaps: sorted(kept.subarray(0, taken)) };
}

/** Percentiles as they are, again without the gaps, and the share of samples that this leaves out. */
export function serviceFigures(name: string, { all, withoutGaps }: ServiceTimes): Figure[] {
  return [
    ...percentileFigures(name, 'ns', all),
    ...percentileFigures(`${name}, gaps left out`, 'ns', withoutGaps),
    { name: `${name}: samples left out`, value: (1 - withoutGaps.length / all.length) * 100, unit: '%' },
  ];
}
