import { parentPort, workerData } from 'node:worker_threads';
import type { VenueLimits } from '../journal/genesis.ts';
import { createMatcher } from '../replicas/matcher.ts';
import { Doorbell } from '../sequencer/doorbell.ts';
import { RingConsumer, type RingMemory, RingProducer, SLOT_SHIFT } from '../sequencer/rings.ts';
import { RingEvents } from './ring-events.ts';
import { GapLog } from './thread-gaps.ts';

/**
 * The other thread of the ring benchmark, by what it does with what comes:
 *
 * - `drain`: reads four words of each slot and adds them up.
 * - `echo`: puts a slot into the ring back for each, without ever sleeping.
 * - `parked`: the same, and sleeps on its doorbell while nothing comes.
 * - `match`: applies each command, and its events go into the ring back.
 */
export type RingJob = 'drain' | 'echo' | 'parked' | 'match';

export interface RingPeerData {
  readonly job: RingJob;
  readonly there: RingMemory;
  readonly back: RingMemory;
  /** Words: 0 stops the thread when not 0. */
  readonly stop: SharedArrayBuffer;
  /** Doorbells of this thread and of the other one, at their first words. */
  readonly bells: readonly [SharedArrayBuffer, SharedArrayBuffer];
  readonly limits: VenueLimits;
}

const PARK_MS_MAX = 50;

const data = workerData as RingPeerData;
const stop = new Int32Array(data.stop);
const there = new RingConsumer(data.there, 0);

const JOBS: Readonly<Record<RingJob, () => unknown>> = { drain, echo, parked, match };
parentPort?.postMessage('ready');
parentPort?.postMessage(JOBS[data.job]());

function drain(): number {
  const { words, mask } = there;
  let sum = 0;
  for (;;) {
    const count = there.available();
    if (count === 0) {
      if (Atomics.load(stop, 0) !== 0) return sum;
      continue;
    }
    const first = there.next;
    for (let ahead = 0; ahead < count; ahead++) {
      const at = ((first + ahead) & mask) << SLOT_SHIFT;
      sum =
        (sum +
          (words[at] as number) +
          (words[at + 3] as number) +
          (words[at + 7] as number) +
          (words[at + 15] as number)) |
        0;
    }
    there.release(count);
  }
}

function echo(): number {
  const back = new RingProducer(data.back);
  for (let echoed = 0; ; ) {
    const count = there.available();
    if (count > 0) {
      there.release(count);
      back.publish(count);
      echoed += count;
    } else if (Atomics.load(stop, 0) !== 0) return echoed;
  }
}

function parked(): number {
  const back = new RingProducer(data.back);
  const own = new Doorbell(new Int32Array(data.bells[0]), 0);
  const other = new Doorbell(new Int32Array(data.bells[1]), 0);
  for (let echoed = 0; ; ) {
    const seen = own.count();
    const count = there.available();
    if (count > 0) {
      there.release(count);
      back.publish(count);
      other.ring();
      echoed += count;
    } else if (Atomics.load(stop, 0) !== 0) return echoed;
    else own.sleep(seen, PARK_MS_MAX);
  }
}

/** Returns the gaps of this thread. */
function match(): Float64Array {
  const events = new RingEvents(data.back);
  const matcher = createMatcher(data.limits, events);
  const gaps = new GapLog();
  for (;;) {
    gaps.look(performance.now());
    const count = there.available();
    if (count === 0) {
      if (Atomics.load(stop, 0) !== 0) return gaps.intervals();
      continue;
    }
    // One after another: the events of a command are let out before the next one is looked at.
    for (let taken = 0; taken < count; taken++) {
      matcher.apply(there.words, there.wordAt(0));
      events.publish();
      there.release(1);
    }
  }
}
