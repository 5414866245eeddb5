/**
 * A fixed piece of integer and memory work, to measure a machine by: what a matcher does, without being one. It probes a
 * hash table of {@link NEAR_BYTES}, copies 64-byte records in it, takes branches that depend on the data, and every
 * {@link FAR_EVERY} steps makes a dependent load in a table of {@link FAR_BYTES}.
 *
 * Recorded ratios are ratios to this. It must never change: a change makes every recorded ratio worthless. The test pins
 * its checksum.
 */
const NEAR_SLOTS = 1 << 12;
const NEAR_BYTES = NEAR_SLOTS * 64;
const FAR_WORDS = 1 << 23;
const FAR_BYTES = FAR_WORDS * 4;
const FAR_EVERY = 8;
const PROBES_MAX = 4;
const STEPS = 1_000_000;
/** The first ones compile. */
const WARM_UP_ROUNDS = 2;
const ROUNDS = 5;
const SEED = 0x2545_f491;
const GOLDEN = 0x9e37_79b1 | 0;
const RECORD_WORDS = 16;
const ID_BITS = 13;

export interface ReferenceTaken {
  /** One step, the median of the rounds. */
  readonly stepNs: number;
  /** What the work came to, over all rounds. */
  readonly checksum: number;
}

export function takeReference(): ReferenceTaken {
  const near = new Int32Array(NEAR_BYTES / 4);
  const far = new Int32Array(FAR_BYTES / 4);
  // One cycle through all words, in an order that no prefetcher follows (Hull and Dobell 1962: full period).
  for (let at = 0; at < FAR_WORDS; at++) far[at] = (Math.imul(at, 1_664_525) + 1_013_904_223) & (FAR_WORDS - 1);
  const state = Int32Array.of(SEED, 0, 0);
  const nsOfRounds: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    const started = performance.now();
    playRound(near, far, state);
    nsOfRounds.push(((performance.now() - started) * 1e6) / STEPS);
  }
  const sorted = nsOfRounds.slice(WARM_UP_ROUNDS).sort((a, b) => a - b);
  return { stepNs: sorted[ROUNDS >> 1] as number, checksum: (state[2] as number) >>> 0 };
}

/** `state`: the random word, the place in the far table, the checksum. */
function playRound(near: Int32Array, far: Int32Array, state: Int32Array): void {
  let random = state[0] as number;
  let place = state[1] as number;
  let sum = state[2] as number;
  for (let step = 0; step < STEPS; step++) {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    const id = (random & ((1 << ID_BITS) - 1)) + 1;
    let slot = Math.imul(id, GOLDEN) >>> 20;
    let probes = 0;
    let found = near[slot * RECORD_WORDS] as number;
    while (found !== id && found !== 0 && ++probes < PROBES_MAX) {
      slot = (slot + 1) & (NEAR_SLOTS - 1);
      found = near[slot * RECORD_WORDS] as number;
    }
    const at = slot * RECORD_WORDS;
    if (found === id) {
      const to = ((random >>> ID_BITS) & (NEAR_SLOTS - 1)) * RECORD_WORDS;
      for (let word = 1; word < RECORD_WORDS; word++) near[to + word] = near[at + word] as number;
      near[at] = 0;
      sum = (sum + probes) | 0;
    } else {
      near[at] = id;
      for (let word = 1; word < RECORD_WORDS; word++) near[at + word] = (random + word) | 0;
      if ((random & 0x40000) !== 0) sum ^= near[at + 5] as number;
      else sum = (sum + (near[at + 9] as number)) | 0;
    }
    if (step % FAR_EVERY === 0) {
      place = far[place] as number;
      sum = (Math.imul(sum, 31) + place) | 0;
    }
  }
  state[0] = random;
  state[1] = place;
  state[2] = sum;
}
