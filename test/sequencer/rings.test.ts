import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DOORBELL_INTS, Doorbell, IDLE_STRATEGIES, Idle } from '../../sequencer/doorbell.ts';
import {
  allocateRing,
  copySlots,
  RingConsumer,
  RingFollower,
  type RingMemory,
  RingProducer,
  SLOT_WORDS,
} from '../../sequencer/rings.ts';
import { spinsFor, TunedBounds } from '../../sequencer/tuned-bounds.ts';
import { until } from '../until.ts';
import { isMarked, markSlot } from './marked-slots.ts';

/** Where cursors start: at zero, where int32 turns negative, where it comes back to zero. */
const STARTS = [0, 2 ** 31 - 5, -5];

function produce(producer: RingProducer, count: number): void {
  producer.claim(count);
  for (let index = 0; index < count; index++)
    markSlot(producer.words, producer.wordAt(index), (producer.next + index) | 0);
  producer.publish(count);
}

/** True if the next `count` slots are what belongs there. */
function isIntact(consumer: RingConsumer, count: number): boolean {
  for (let index = 0; index < count; index++) {
    if (!isMarked(consumer.words, consumer.wordAt(index), (consumer.next + index) | 0)) return false;
  }
  return true;
}

function program(name: string, workerData: object): { worker: Worker; result: Promise<unknown> } {
  const worker = new Worker(join(import.meta.dirname, 'programs', name), { workerData });
  const result = once(worker, 'message').then(([message]: unknown[]) => message);
  return { worker, result };
}

test.each([0, 1, 3, 100])('a ring of %d slots is refused', (slots) => {
  expect(() => allocateRing(slots, 1)).toThrow(`slots: ${slots} must be a power of two from 2`);
});

test('a consumer that the ring has no place for is refused', () => {
  expect(() => new RingConsumer(allocateRing(4, 2), 2)).toThrow('consumer: 2 is not below 2');
});

test.each(STARTS)('slots come out as they went in, across the turn of the cursor, from %d', (start) => {
  const memory = allocateRing(4, 1, start);
  const producer = new RingProducer(memory);
  const consumer = new RingConsumer(memory, 0);
  for (let round = 0; round < 20; round++) {
    expect(consumer.available()).toBe(0);
    expect(producer.room(3)).toBeGreaterThanOrEqual(3);
    produce(producer, 3);
    expect(consumer.available()).toBe(3);
    expect(isIntact(consumer, 3)).toBe(true);
    consumer.release(3);
    expect(producer.consumed()).toBe((start + (round + 1) * 3) | 0);
  }
  expect(consumer.next).toBe((start + 60) | 0);
});

test.each(STARTS)('a full ring has no room, and nothing in it is overwritten, from %d', (start) => {
  const memory = allocateRing(8, 1, start);
  const producer = new RingProducer(memory);
  const consumer = new RingConsumer(memory, 0);
  expect(producer.room(8)).toBe(8);
  produce(producer, 8);
  expect(producer.room(1)).toBe(0);
  expect(isIntact(consumer, consumer.available())).toBe(true);
  consumer.release(1);
  expect(producer.room(1)).toBe(1);
  expect(producer.room(2)).toBe(1);
  produce(producer, 1);
  expect(producer.room(1)).toBe(0);
  expect(isIntact(consumer, consumer.available())).toBe(true);
});

test('every consumer of a broadcast sees every slot, and the slowest one holds the producer back', () => {
  const memory = allocateRing(8, 3, 2 ** 31 - 4);
  const producer = new RingProducer(memory);
  const [fast, middle, slow] = [0, 1, 2].map((place) => new RingConsumer(memory, place)) as [
    RingConsumer,
    RingConsumer,
    RingConsumer,
  ];
  produce(producer, 8);
  expect(fast.available()).toBe(8);
  expect(isIntact(fast, 8)).toBe(true);
  fast.release(8);
  middle.release(middle.available() - 2);
  expect(producer.room(1)).toBe(0);
  slow.available();
  slow.release(1);
  expect(producer.room(8)).toBe(1);
  expect(producer.consumed()).toBe((2 ** 31 - 4 + 1) | 0);
  produce(producer, 1);
  expect(isIntact(middle, middle.available())).toBe(true);
  expect([fast, middle, slow].map((consumer) => consumer.available())).toEqual([1, 2, 7]);
  expect(isIntact(slow, 7)).toBe(true);
  slow.release(7);
  expect(slow.available()).toBe(1);
  expect(isIntact(slow, 1)).toBe(true);
});

test('a producer made on a ring in use begins behind what is there, and overwrites nothing', () => {
  const memory = allocateRing(4, 1);
  produce(new RingProducer(memory), 3);
  const producer = new RingProducer(memory);
  const consumer = new RingConsumer(memory, 0);
  expect(producer.room(4)).toBe(1);
  produce(producer, 1);
  expect(consumer.available()).toBe(4);
  expect(isIntact(consumer, 4)).toBe(true);
});

test('any interleaving of writes and reads of any number of consumers keeps order and loses nothing', () => {
  const action = fc.record({ who: fc.integer({ min: -1, max: 2 }), count: fc.integer({ min: 1, max: 9 }) });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), fc.constantFrom(...STARTS), (actions, start) => {
      const memory = allocateRing(8, 3, start);
      const producer = new RingProducer(memory);
      const consumers = [0, 1, 2].map((place) => new RingConsumer(memory, place));
      let written = 0;
      const read = [0, 0, 0];
      for (const { who, count } of actions) {
        const consumer = consumers[who];
        if (consumer === undefined) {
          const room = producer.room(count);
          expect(room >= Math.min(count, 8 - written + Math.min(...read))).toBe(true);
          expect(room).toBeLessThanOrEqual(8 - written + Math.min(...read));
          produce(producer, Math.min(count, room));
          written += Math.min(count, room);
        } else {
          const available = consumer.available();
          if (written > (read[who] as number)) expect(available).toBeGreaterThan(0);
          const taken = Math.min(count, available);
          expect(isIntact(consumer, taken)).toBe(true);
          consumer.release(taken);
          read[who] = (read[who] as number) + taken;
          expect(read[who]).toBeLessThanOrEqual(written);
        }
      }
    }),
  );
});

test('slots are copied across the end of the ring', () => {
  const memory = allocateRing(8, 1, 6);
  const producer = new RingProducer(memory);
  const consumer = new RingConsumer(memory, 0);
  produce(producer, 5);
  const target = new Uint32Array(7 * SLOT_WORDS).fill(1);
  copySlots(consumer.words, consumer.wordAt(0), 5, target, SLOT_WORDS);
  for (let index = 0; index < 5; index++) expect(isMarked(target, (1 + index) * SLOT_WORDS, 6 + index)).toBe(true);
  expect([...target.subarray(0, SLOT_WORDS), ...target.subarray(6 * SLOT_WORDS)].every((word) => word === 1)).toBe(
    true,
  );
});

test.each(STARTS)('a follower copies what is in the ring, and finds out that it was lapped, from %d', (start) => {
  const memory = allocateRing(8, 1, start);
  const producer = new RingProducer(memory);
  const consumer = new RingConsumer(memory, 0);
  const follower = new RingFollower(memory);
  const target = new Uint32Array(8 * SLOT_WORDS);
  const advance = (count: number): void => {
    consumer.available();
    consumer.release(count);
    produce(producer, count);
  };
  const isCopied = (from: number, count: number): boolean =>
    follower.copy((start + from) | 0, count, target, 0) &&
    Array.from({ length: count }, (_, index) => index).every((index) =>
      isMarked(target, index * SLOT_WORDS, (start + from + index) | 0),
    );
  expect(follower.ahead(start)).toBe(0);
  produce(producer, 8);
  expect(follower.ahead(start)).toBe(8);
  expect(isCopied(0, 8)).toBe(true);
  advance(3);
  expect(follower.ahead(start)).toBe(11);
  expect(follower.copy(start, 1, target, 0)).toBe(false);
  expect(follower.copy((start + 2) | 0, 6, target, 0)).toBe(false);
  // Across the end of the ring.
  expect(isCopied(3, 8)).toBe(true);
  // What is about to be overwritten is as good as overwritten.
  consumer.release(1);
  producer.claim(1);
  expect(follower.copy((start + 3) | 0, 1, target, 0)).toBe(false);
  expect(isCopied(4, 7)).toBe(true);
});

const TOTAL = 1_500_000;

test('a million slots through threads: consumers see each one whole and in order, a lapped follower never a torn one', async () => {
  const slots = 1024;
  // The cursor turns negative half-way.
  const start = 2 ** 31 - TOTAL / 2;
  const memory: RingMemory = allocateRing(slots, 2, start);
  const ended = new SharedArrayBuffer(4);
  const running = [
    program('ring-consumer.ts', { memory, total: TOTAL, consumer: 0 }),
    program('ring-consumer.ts', { memory, total: TOTAL, consumer: 1 }),
    program('ring-follower.ts', { memory, start, slots, ended }),
    program('ring-producer.ts', { memory, total: TOTAL, ended }),
  ];
  const [first, second, follower, producer] = await Promise.all(running.map(({ result }) => result));
  await Promise.all(running.map(({ worker }) => worker.terminate()));
  expect(first).toEqual({ wrong: 0 });
  expect(second).toEqual({ wrong: 0 });
  // The producer was held back, so room was tested; the follower was lapped, so the claim was.
  expect(producer).toEqual({ waits: expect.any(Number) });
  expect((producer as { waits: number }).waits).toBeGreaterThan(0);
  const { good, torn, refused } = follower as { good: number; torn: number; refused: number };
  expect(torn).toBe(0);
  expect(good).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(0);
});

/** For so long sleeps whoever is not woken: no machine is so busy that others take as long. */
const LONG_MS = 20_000;
const LIMIT_MS = 300_000;

test(
  'a sleeper is woken by each ringing, whether it was asleep or about to be',
  async () => {
    const rounds = 20_000;
    const memory = new SharedArrayBuffer(2 * DOORBELL_INTS * 4);
    const words = new Int32Array(memory);
    const other = new Doorbell(words, 0);
    const own = new Doorbell(words, DOORBELL_INTS);
    const { worker, result } = program('bell-answerer.ts', { memory, rounds, sleepMs: LONG_MS });
    try {
      // One word is set when somebody sleeps: here it is certain that it does.
      await until('a sleeper', () => words.some((word) => word !== 0), { lookMs: 1 });
      for (let round = 1; round <= rounds; round++) {
        const since = performance.now();
        other.ring();
        for (let seen = own.count(); seen < round; seen = own.count()) {
          if (round % 2 === 0) own.sleep(seen, LONG_MS);
          else await own.sleepAsync(seen, LONG_MS);
        }
        if (performance.now() - since >= LONG_MS) throw new Error(`somebody was not woken in round ${round}`);
      }
      expect(await result).toEqual({ answered: rounds });
    } finally {
      await worker.terminate();
    }
  },
  LIMIT_MS,
);

test(
  'sleeping ends at once when the bell was rung since it was looked at, and at the timeout when nobody rings',
  async () => {
    const bell = new Doorbell(new Int32Array(new SharedArrayBuffer(DOORBELL_INTS * 4)), 0);
    const seen = bell.count();
    const since = performance.now();
    bell.ring();
    bell.sleep(seen, LONG_MS);
    await bell.sleepAsync(seen, LONG_MS);
    expect(performance.now() - since).toBeLessThan(LONG_MS);
    bell.sleep(bell.count(), 1);
    await bell.sleepAsync(bell.count(), 1);
    expect(bell.count()).toBe(seen + 1);
  },
  LIMIT_MS,
);

test('a thread without work spins as its strategy says before it sleeps', () => {
  class Counted extends Doorbell {
    sleeps = 0;
    override sleep(): void {
      this.sleeps++;
    }
  }
  const looks = (strategy: (typeof IDLE_STRATEGIES)[number], cores: number): number => {
    const bell = new Counted(new Int32Array(DOORBELL_INTS), 0);
    const bounds = new TunedBounds(TunedBounds.allocate());
    bounds.set('spins', spinsFor(cores, 4));
    const idle = new Idle(strategy, bounds);
    for (let wait = 0; wait < 30_000; wait++) idle.wait(bell, 0);
    const before = bell.sleeps;
    idle.reset();
    idle.wait(bell, 0);
    // Work resets the count, so that the next look without work does not sleep, if the strategy spins at all.
    expect(bell.sleeps - before).toBe(before === 30_000 ? 1 : 0);
    return 30_000 - before;
  };
  expect(
    Object.fromEntries(IDLE_STRATEGIES.map((strategy) => [strategy, [looks(strategy, 2), looks(strategy, 16)]])),
  ).toEqual({
    spin: [30_000, 30_000],
    yield: [0, 0],
    park: [0, 0],
    adaptive: [50, 20_000],
  });
});
