import { parentPort, workerData } from 'node:worker_threads';
import { DOORBELL_INTS, Doorbell } from '../../../sequencer/doorbell.ts';

/** Sleeps on the first bell, and answers each ringing on the second, a number of times. */
const { memory, rounds, sleepMs } = workerData as { memory: SharedArrayBuffer; rounds: number; sleepMs: number };
const words = new Int32Array(memory);
const own = new Doorbell(words, 0);
const other = new Doorbell(words, DOORBELL_INTS);
let answered = 0;
while (answered < rounds) {
  const seen = own.count();
  if (seen === answered) {
    own.sleep(seen, sleepMs);
    continue;
  }
  answered = seen;
  other.ring();
}
parentPort?.postMessage({ answered });
