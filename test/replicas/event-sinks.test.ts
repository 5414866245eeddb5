import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EVENT_WORD, EVENT_WORDS } from '../../journal/events.ts';
import { claimEvent, type EventSink } from '../../replicas/event-buffer.ts';
import { DIGEST_EVERY } from '../../replicas/event-digest.ts';
import { DigestSink, RingSink, SinkClosed } from '../../replicas/event-sinks.ts';
import { allocatePipeline, type PipelineMemory, STATUS } from '../../sequencer/pipeline.ts';
import { allocateRing, RingConsumer } from '../../sequencer/rings.ts';

const SLOTS = 8;

/** A venue's memory with a small event ring. */
function memoryWithSmallRing(): PipelineMemory {
  return { ...allocatePipeline(1, 1, 0, 0), events: allocateRing(SLOTS, 1, -3) };
}

function writeEvent(sink: EventSink, mark: number): void {
  const at = claimEvent(sink);
  for (let word = 0; word < EVENT_WORDS; word++) sink.words[at + word] = Math.imul(mark + 1, 0x9e37_79b1) + word;
}

/** Reads all there is in the ring and gives it back; the marks of the events. */
function drain(consumer: RingConsumer): number[] {
  const marks: number[] = [];
  for (let left = consumer.available(); left > 0; left--) {
    const word = consumer.words[consumer.wordAt(0) + EVENT_WORD.price] as number;
    marks.push(word);
    consumer.release(1);
  }
  return marks;
}

test('a leader and a follower come to one digest, wherever the ring was full and whatever the leader adds of its own', () => {
  // Runs of events of the state transition, and of the leader's own, as between two batches.
  const batch = fc.record({ events: fc.integer({ min: 0, max: 20 }), derived: fc.integer({ min: 0, max: 20 }) });
  fc.assert(
    fc.property(fc.array(batch, { minLength: 1, maxLength: 12 }), fc.nat(SLOTS), (batches, lag) => {
      const memory = memoryWithSmallRing();
      const gateway = new RingConsumer(memory.events, 0);
      const leader = new RingSink(memory, 0);
      const follower = new DigestSink();
      leader.begin(0);
      follower.begin(0);
      const out: number[] = [];
      let mark = 0;
      const expected: number[] = [];
      const write = (sinks: readonly EventSink[]): void => {
        // The gateway looks only now and then, but never so late that the leader would wait for it.
        if (mark % (SLOTS - lag + 1) === 0 || ((leader.next - gateway.next) | 0) >= SLOTS - 1) {
          if (sinks.length > 1) leader.takeDigest();
          leader.publish();
          out.push(...drain(gateway));
        }
        for (const sink of sinks) writeEvent(sink, mark);
        expected.push(Math.imul(mark + 1, 0x9e37_79b1) + EVENT_WORD.price);
        mark++;
      };
      for (const { events, derived } of batches) {
        for (let event = 0; event < events; event++) write([leader, follower]);
        leader.beginDerived();
        follower.takeDigest();
        for (let event = 0; event < derived; event++) write([leader]);
        leader.endDerived();
        leader.publish();
      }
      out.push(...drain(gateway));
      expect(out).toEqual(expected.map((word) => word >>> 0));
      leader.takeDigest();
      follower.takeDigest();
      const value = leader.digest.finish(DIGEST_EVERY);
      expect(value).toBeDefined();
      expect(follower.digest.finish(DIGEST_EVERY)).toBe(value);
    }),
  );
});

test('events of the leader alone do not enter the digest when the ring fills up in the middle of them', () => {
  const memory = memoryWithSmallRing();
  const gateway = new RingConsumer(memory.events, 0);
  const leader = new RingSink(memory, 0);
  const follower = new DigestSink();
  leader.begin(0);
  follower.begin(0);
  for (let mark = 0; mark < SLOTS - 2; mark++) for (const sink of [leader, follower]) writeEvent(sink, mark);
  leader.beginDerived();
  leader.publish();
  // There is room again, of which the leader does not know until it looks: which it does at the third of these.
  drain(gateway);
  for (let mark = 100; mark < 105; mark++) writeEvent(leader, mark);
  leader.endDerived();
  for (const sink of [leader, follower]) writeEvent(sink, 7);
  leader.takeDigest();
  follower.takeDigest();
  expect(leader.digest.finish(DIGEST_EVERY)).toBe(follower.digest.finish(DIGEST_EVERY));
});

test('events are in the digest before their slots are used again, also those of one command that fills the ring', () => {
  const memory = memoryWithSmallRing();
  const gateway = new RingConsumer(memory.events, 0);
  const leader = new RingSink(memory, 0);
  const follower = new DigestSink();
  leader.begin(0);
  follower.begin(0);
  for (let mark = 0; mark < 3 * SLOTS; mark++) {
    // What the leader has published so far is taken out, and it comes to know of that when it asks for room.
    if (mark % (SLOTS / 2) === SLOTS / 2 - 1) drain(gateway);
    if (mark === SLOTS / 2) leader.takeDigest();
    if (mark === SLOTS / 2) leader.publish();
    for (const sink of [leader, follower]) writeEvent(sink, mark);
  }
  leader.takeDigest();
  follower.takeDigest();
  expect(leader.digest.finish(DIGEST_EVERY)).toBe(follower.digest.finish(DIGEST_EVERY));
});

test('one bit of one event, or its place, changes the digest', () => {
  const digestOf = (marks: readonly number[], spoil = false): number | undefined => {
    const sink = new DigestSink();
    sink.begin(0);
    for (const mark of marks) writeEvent(sink, mark);
    if (spoil)
      sink.words[EVENT_WORDS + EVENT_WORD.open + 1] = (sink.words[EVENT_WORDS + EVENT_WORD.open + 1] as number) ^ 1;
    sink.takeDigest();
    return sink.digest.finish(DIGEST_EVERY);
  };
  const whole = digestOf([1, 2, 3]);
  expect(digestOf([1, 2, 3])).toBe(whole);
  expect(digestOf([1, 2, 3], true)).not.toBe(whole);
  expect(digestOf([1, 3, 2])).not.toBe(whole);
  expect(digestOf([1, 2])).not.toBe(whole);
});

test('a digest that began in the middle is not told', () => {
  const sink = new DigestSink();
  sink.begin(100);
  expect(sink.digest.finish(DIGEST_EVERY - 1)).toBeUndefined();
  expect(sink.digest.finish(DIGEST_EVERY)).toBeUndefined();
  expect(sink.digest.finish(2 * DIGEST_EVERY)).toBeDefined();
});

test('what is replayed from the journal is not let out', () => {
  const memory = memoryWithSmallRing();
  const gateway = new RingConsumer(memory.events, 0);
  const leader = new RingSink(memory, 0);
  for (let mark = 0; mark < 5 * SLOTS; mark++) writeEvent(leader, mark);
  expect(gateway.available()).toBe(0);
  leader.begin(0);
  writeEvent(leader, 77);
  leader.publish();
  expect(drain(gateway)).toEqual([(Math.imul(78, 0x9e37_79b1) + EVENT_WORD.price) >>> 0]);
});

test('a leader that waits for room gives up when the venue has failed', () => {
  const memory = memoryWithSmallRing();
  const leader = new RingSink(memory, 0);
  leader.begin(0);
  for (let mark = 0; mark < SLOTS; mark++) writeEvent(leader, mark);
  Atomics.store(new Int32Array(memory.status), STATUS.failed, 1);
  expect(() => writeEvent(leader, SLOTS)).toThrow(SinkClosed);
  expect(new RingConsumer(memory.events, 0).available()).toBe(SLOTS);
});
