import { parentPort, workerData } from 'node:worker_threads';
import { type RingMemory, RingProducer } from '../../../sequencer/rings.ts';
import { markSlot } from '../marked-slots.ts';

/** Writes a number of marked slots in batches of changing size, as fast as the consumers let it. Posts how often it waited. */
const { memory, total, ended } = workerData as { memory: RingMemory; total: number; ended: SharedArrayBuffer };
const producer = new RingProducer(memory);
const pause = new Int32Array(new SharedArrayBuffer(4));
let waits = 0;
let dice = 1;
for (let written = 0; written < total; ) {
  dice = Math.imul(dice, 0x19660d) + 0x3c6ef35f;
  const wanted = Math.min(1 + ((dice >>> 16) % 200), total - written);
  const count = Math.min(wanted, producer.room(wanted));
  if (count === 0) {
    waits++;
    Atomics.wait(pause, 0, 0, 0.01);
    continue;
  }
  producer.claim(count);
  for (let index = 0; index < count; index++) {
    markSlot(producer.words, producer.wordAt(index), (producer.next + index) | 0);
  }
  producer.publish(count);
  written += count;
}
Atomics.store(new Int32Array(ended), 0, 1);
parentPort?.postMessage({ waits });
