import { parentPort, workerData } from 'node:worker_threads';
import { RingFollower, type RingMemory, SLOT_WORDS } from '../../../sequencer/rings.ts';
import { isMarked } from '../marked-slots.ts';

/**
 * Follows a ring where it is most likely to be overwritten: as far behind as it may be. Posts how many copies were good, how
 * many of those were not what the producer wrote, and how many were refused.
 */
const { memory, start, slots, ended } = workerData as {
  memory: RingMemory;
  start: number;
  slots: number;
  ended: SharedArrayBuffer;
};
const follower = new RingFollower(memory);
const end = new Int32Array(ended);
const target = new Uint32Array(slots * SLOT_WORDS);
const outcome = { good: 0, torn: 0, refused: 0, refusedAndTorn: 0 };
let cursor = start | 0;
let dice = 7;
while (Atomics.load(end, 0) === 0) {
  const ahead = follower.ahead(cursor);
  if (ahead > slots) cursor = (cursor + ahead - slots) | 0;
  else if (ahead < slots) continue;
  dice = Math.imul(dice, 0x19660d) + 0x3c6ef35f;
  const count = 1 + ((dice >>> 16) % (slots / 4));
  const whole = follower.copy(cursor, count, target, 0);
  let torn = false;
  for (let index = 0; index < count; index++) {
    if (!isMarked(target, index * SLOT_WORDS, (cursor + index) | 0)) torn = true;
  }
  if (whole) outcome.good++;
  else outcome.refused++;
  if (torn && whole) outcome.torn++;
  if (torn && !whole) outcome.refusedAndTorn++;
}
parentPort?.postMessage(outcome);
