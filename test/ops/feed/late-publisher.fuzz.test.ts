import { expect, test } from '@jest/globals';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS } from '../../../journal/events.ts';
import { DayStatistics } from '../../../ops/feed/day-statistics.ts';
import { FEED_DEFAULTS, FeedPublisher } from '../../../ops/feed/feed-publisher.ts';
import { MESSAGE_BYTES, PACKET_HEADER_BYTES, readMessage } from '../../../ops/feed/feed-records.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { PublishMemory } from '../../../sequencer/publish-memory.ts';
import { FundedFlow, RuledFlow } from './ruled-flow.ts';

const SEED = Number(process.env['VERITAPE_FUZZ_SEED'] ?? 5);
const COMMANDS = 700;
const BEGINS_EVERY = 90;

/** A publisher that begins now, and what it tells by subject, without numbers. */
class Telling {
  readonly publisher: FeedPublisher;
  readonly after: number;
  readonly told = new Map<string, string[]>();

  constructor(matcher: Matcher) {
    this.after = matcher.sequence();
    const place = { sequence: this.after, timeLow: 0, timeHigh: 0 };
    const settings = { ...FEED_DEFAULTS, prefix: 'market', shard: 7, epoch: 1, memory: new PublishMemory() };
    const days = new DayStatistics();
    const publish = (subject: string, packet: Uint8Array): void => this.#note(subject, packet);
    this.publisher = new FeedPublisher({ ...settings, state: matcher.state, place, days, publish }, 0);
  }

  /** Of commands behind a sequence. */
  since(subject: string, sequence: number): string[] {
    return (this.told.get(subject) ?? []).filter((told) => Number(told.slice(0, told.indexOf(' '))) > sequence);
  }

  #note(subject: string, packet: Uint8Array): void {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
    const told = this.told.get(subject) ?? [];
    this.told.set(subject, told);
    for (let at = PACKET_HEADER_BYTES; at < packet.length; at += MESSAGE_BYTES) {
      const message = readMessage(view, at, 0);
      // Of the trading day each of them has seen another part.
      if (message === undefined || message.kind === 'statistics') continue;
      const { timeNs, last: _last, ...rest } = message;
      told.push(`${message.sequence} ${timeNs} ${JSON.stringify(rest)}`);
    }
  }
}

test('a publisher that begins later tells of every command what one tells that was there from the beginning', () => {
  let compared = 0;
  for (const flow of [new RuledFlow(SEED), new RuledFlow(SEED + 1), new FundedFlow(SEED)]) {
    const events = new EventBuffer(64);
    const matcher = createMatcher(flow.limits, events);
    const publishers = [new Telling(matcher)];
    const words = new Uint32Array(COMMAND_WORDS);
    for (let done = 1; done <= COMMANDS; done++) {
      flow.next(words, 0);
      matcher.apply(words, 0);
      for (const { publisher } of publishers) {
        publisher.take(events.words, events.mask, 0, events.next, words, 0);
        publisher.flush(0);
      }
      for (let slot = 0; slot < events.next; slot++) flow.observe(decodeEvent(events.words, slot * EVENT_WORDS));
      events.clear();
      if (done % BEGINS_EVERY === 0) publishers.push(new Telling(matcher));
    }
    const [first, ...late] = publishers as [Telling, ...Telling[]];
    for (const one of late)
      for (const subject of first.told.keys()) {
        const [wanted, told] = [first.since(subject, one.after), one.since(subject, 0)];
        const other = wanted.findIndex((message, place) => message !== told[place]);
        expect([subject, one.after, told.length, told[other]]).toEqual([
          subject,
          one.after,
          wanted.length,
          wanted[other],
        ]);
        compared += told.length;
      }
  }
  expect(compared).toBeGreaterThan(3_000);
});
