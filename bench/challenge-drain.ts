import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { Blake3Hasher } from '@napi-rs/blake-hash';
import { Doorbell, Idle } from '../sequencer/doorbell.ts';
import { copySlots, RingConsumer, type RingMemory, SLOT_WORDS } from '../sequencer/rings.ts';
import { spinsFor, TunedBounds } from '../sequencer/tuned-bounds.ts';

/** The thread that drains the ring of a challenge run: hashes the events, as whoever writes reports would read them. */
export interface DrainData {
  readonly ring: RingMemory;
  /** The thread's doorbell. */
  readonly bell: SharedArrayBuffer;
  /** One word, not 0 when nothing more comes. */
  readonly done: SharedArrayBuffer;
}

export interface Drained {
  /** BLAKE3 of all events. */
  readonly digest: string;
}

/** Hashing a few at a time would spend more on the calls than on the events. */
const TAKEN_MAX = 1024;
const BUSY_THREADS = 2;

const data = workerData as DrainData;
const done = new Int32Array(data.done);
const bell = new Doorbell(new Int32Array(data.bell), 0);
const ring = new RingConsumer(data.ring, 0);
const bounds = new TunedBounds(TunedBounds.allocate());
bounds.set('spins', spinsFor(availableParallelism(), BUSY_THREADS));
const idle = new Idle('adaptive', bounds);
const hasher = new Blake3Hasher();
const taken = new Uint32Array(TAKEN_MAX * SLOT_WORDS);
parentPort?.postMessage('ready');
for (;;) {
  const seen = bell.count();
  const count = Math.min(ring.available(), TAKEN_MAX);
  if (count > 0) {
    idle.reset();
    copySlots(ring.words, ring.wordAt(0), count, taken, 0);
    ring.release(count);
    hasher.update(new Uint8Array(taken.buffer, 0, count * SLOT_WORDS * 4));
  } else if (Atomics.load(done, 0) !== 0) break;
  else idle.wait(bell, seen);
}
parentPort?.postMessage({ digest: hasher.digestBuffer().toString('hex') } satisfies Drained);
