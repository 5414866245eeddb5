/** `held`: everything that was promised. `could not run`: this machine lacks something, or refused. */
export type Outcome = 'held' | 'broken' | 'could not run' | 'interrupted';

export interface Spread {
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Percentiles by nearest rank, rounded to milliseconds. */
export function spreadOf(samples: readonly number[]): Spread | undefined {
  if (samples.length === 0) return undefined;
  const sorted = samples.toSorted((a, b) => a - b).map(Math.round);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
  return { samples: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
