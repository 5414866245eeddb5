import { parentPort, workerData } from 'node:worker_threads';
import { RingConsumer, type RingMemory } from '../../../sequencer/rings.ts';
import { isMarked } from '../marked-slots.ts';

/** Reads a number of slots and posts how many were not what the producer wrote there. */
const { memory, total, consumer } = workerData as { memory: RingMemory; total: number; consumer: number };
const ring = new RingConsumer(memory, consumer);
const pause = new Int32Array(new SharedArrayBuffer(4));
let wrong = 0;
for (let read = 0; read < total; ) {
  const count = ring.available();
  if (count === 0) {
    Atomics.wait(pause, 0, 0, 0.01);
    continue;
  }
  for (let index = 0; index < count; index++) {
    if (!isMarked(ring.words, ring.wordAt(index), (ring.next + index) | 0)) wrong++;
  }
  ring.release(count);
  read += count;
}
parentPort?.postMessage({ wrong });
