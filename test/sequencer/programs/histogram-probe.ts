import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { HISTOGRAM_CELLS, LatencyHistogram } from '../../../sequencer/latency-histogram.ts';

/**
 * node --expose-gc histogram-probe.ts [control]
 *
 * Tells by how many bytes the heap grows while a warm histogram records, and how often the collector ran meanwhile. With
 * `control` an object is made for each recording, to see that the probe sees it.
 */
const RECORDINGS = 1 << 20;
const WARM_UP_ROUNDS = 8;
const MEASUREMENTS = 3;

const control = process.argv[2] === 'control';
const cells = new Float64Array(new SharedArrayBuffer(HISTOGRAM_CELLS * 8));
const histogram = new LatencyHistogram(cells);
const values = Float64Array.from({ length: 4096 }, (_, index) => 1.5 ** (index % 64) + 0.25);
const held: object[] = [{}];

function record(): void {
  for (let index = 0; index < RECORDINGS; index++) {
    histogram.record(values[index & 4095] as number, 1 + (index & 255));
    if (control) held[0] = { index };
  }
}

let collections = 0;
const observer = new PerformanceObserver((list) => {
  collections += list.getEntries().length;
});
for (let round = 0; round < WARM_UP_ROUNDS; round++) record();
await delay(100);
const grownBytes: number[] = [];
observer.observe({ entryTypes: ['gc'] });
for (let measurement = 0; measurement < MEASUREMENTS; measurement++) {
  const before = process.memoryUsage().heapUsed;
  record();
  grownBytes.push(process.memoryUsage().heapUsed - before);
}
await delay(10);
observer.disconnect();
process.stdout.write(JSON.stringify({ recordings: RECORDINGS, grownBytes, collections }));
