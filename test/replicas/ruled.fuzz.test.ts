import { expect, test } from '@jest/globals';
import { COMMAND_WORDS, encodeCommand, Flag, Op, OrderType, TimeInForce } from '../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../journal/events.ts';
import { encodeState, restoreState, stateCodec } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { expectSame } from '../expect-same.ts';
import { Flow, type FlowKind } from './flows.ts';

const COMMANDS = 20_000;
const KINDS: readonly FlowKind[] = ['deep', 'tight', 'bounds', 'whales', 'sessions', 'mixed'];

/** What one matcher makes of a record. */
function apply(matcher: Matcher, events: EventBuffer, words: Uint32Array, at: number): VenueEvent[] {
  const told: VenueEvent[] = [];
  matcher.apply(words, at);
  events.drain((eventWords, eventAt) => told.push(decodeEvent(eventWords, eventAt)));
  return told;
}

/**
 * Whether an order comes from another shard that the plain rules do not know. What is wrong with it, a plain instrument says by
 * what makes it none of its own; a ruled one has such orders, and looks for other mistakes.
 */
function isRuledMove(words: Uint32Array): boolean {
  const head = words[0] as number;
  const isKnown = head >>> 16 === (OrderType.limit | (TimeInForce.gtc << 8));
  const isPlain = isKnown && ((words[1] as number) & ~Flag.postOnly) === 0;
  return (head & 255) === Op.moveIn && !isPlain;
}

/** Settings change nothing for orders that they allow, so the rules of a ruled instrument must do what the plain ones do. */
test.each(KINDS)('plain %s flows have the same events and books on ruled instruments', (kind) => {
  const flow = new Flow(kind, 11);
  const events = new EventBuffer(1 << 16);
  const plain = createMatcher(flow.limits, events, 1);
  const ruled = createMatcher(flow.limits, events, 2);
  const set = new Uint32Array(COMMAND_WORDS);
  const words = new Uint32Array(COMMAND_WORDS);
  let ruledCount = 0;
  for (let place = 0; place < COMMANDS; place++) {
    flow.next(words, 0);
    // A move is refused for a ruled instrument.
    if (((words[0] as number) & 255) === Op.instrumentAssign || isRuledMove(words)) continue;
    const expected = apply(plain, events, words, 0);
    expectSame(apply(ruled, events, words, 0), expected);
    for (const event of expected) {
      flow.observe(event);
      if (event.type !== 'instrument') continue;
      ruledCount++;
      encodeCommand(set, 0, { op: 'instrumentSet', symbol: event.symbol, setting: 'tick', value: 1 });
      apply(ruled, events, set, 0);
      // It takes its place in the sequence, so the other one must, too.
      encodeCommand(set, 0, { op: 'tick' });
      apply(plain, events, set, 0);
    }
    if (place % 500 !== 0) continue;
    for (let symbol = 0; symbol < flow.limits.instrumentsMax; symbol++)
      expect(ruled.book(symbol, 1000)).toEqual(plain.book(symbol, 1000));
  }
  expect(ruledCount).toBeGreaterThan(0);
  const state = Buffer.from(encodeState(ruled.state));
  expect([stateCodec(encodeState(plain.state)), stateCodec(state)]).toEqual([expect.any(Number), 3]);
  const restored = createMatcher(flow.limits, events, 3);
  restoreState(restored.state, state);
  expect(Buffer.from(encodeState(restored.state))).toEqual(state);
});
