import type { LatencyHistogram } from '../../sequencer/latency-histogram.ts';

/** From sending a command's message to its acknowledgement, in milliseconds. */
export interface AckTimes {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Percentiles over commands; the commands of a message share its latency. */
export function ackTimes(latencies: LatencyHistogram): AckTimes {
  const at = (share: number): number => Math.round(latencies.percentile(share) / 1000) / 1000;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

export function describeAckTimes({ p50, p99, p999, max }: AckTimes): string {
  return `acknowledgement: p50 ${p50} ms, p99 ${p99} ms, p99.9 ${p999} ms, worst ${max} ms`;
}
