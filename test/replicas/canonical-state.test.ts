import { expect, test } from '@jest/globals';
import { hashOf } from '../../journal/chain.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { decodeEvent, EVENT_BYTES, type VenueEvent } from '../../journal/events.ts';
import { encodeState, restoreState, StateError, StateScratch, stateCodec } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { listInstruments } from '../../replicas/instrument-table.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { Flow, type FlowKind } from './flows.ts';

const COMMANDS = 6_000;
const SNAPSHOT_AT = [0, 1, 37, 1_500, 3_999];
const KINDS: readonly FlowKind[] = ['deep', 'tight', 'bounds', 'whales', 'sessions', 'mixed'];

/** One flow's commands, and the bytes of the events that each causes. */
function record(
  kind: FlowKind,
  seed: number,
): { flow: Flow; commands: Uint32Array; events: Buffer[]; states: Map<number, Buffer> } {
  const flow = new Flow(kind, seed);
  const sink = new EventBuffer(1 << 14);
  const matcher = createMatcher(flow.limits, sink, seed);
  const scratch = new StateScratch();
  const commands = new Uint32Array(COMMANDS * COMMAND_WORDS);
  const events: Buffer[] = [];
  const states = new Map<number, Buffer>();
  for (let place = 0; place < COMMANDS; place++) {
    if (SNAPSHOT_AT.includes(place)) states.set(place, Buffer.from(encodeState(matcher.state, scratch)));
    const at = place * COMMAND_WORDS;
    flow.next(commands, at);
    matcher.apply(commands, at);
    events.push(written(sink));
    sink.drain((words, from) => flow.observe(decodeEvent(words, from)));
  }
  states.set(COMMANDS, Buffer.from(encodeState(matcher.state, scratch)));
  return { flow, commands, events, states };
}

function written(sink: EventBuffer): Buffer {
  return Buffer.from(sink.words.buffer.slice(0, sink.next * EVENT_BYTES));
}

test.each(KINDS)('a restored state has the same bytes and behaves the same from there on: %s', (kind) => {
  for (const seed of [1, 2, 3]) {
    const { flow, commands, events, states } = record(kind, seed);
    for (const at of SNAPSHOT_AT) {
      const sink = new EventBuffer(1 << 14);
      // Another seed: where ids lie in memory must not show.
      const matcher: Matcher = createMatcher(flow.limits, sink, seed + 77);
      const state = states.get(at) as Buffer;
      restoreState(matcher.state, state);
      expect(Buffer.from(encodeState(matcher.state)).equals(state)).toBe(true);
      for (let place = at; place < COMMANDS; place++) {
        matcher.apply(commands, place * COMMAND_WORDS);
        if (!written(sink).equals(events[place] as Buffer))
          throw new Error(`${kind}, seed ${seed}: other events at command ${place}, restored at ${at}`);
        sink.clear();
      }
      expect(Buffer.from(encodeState(matcher.state)).equals(states.get(COMMANDS) as Buffer)).toBe(true);
    }
  }
});

test('every difference in state is a difference in the hash', () => {
  const limits = { ordersMax: 16, levelPagesMax: 8, instrumentsMax: 2, sessionsMax: 2, answersPerSessionMax: 4 };
  const base = [
    { op: 'instrumentCreate', symbol: 0, name: 'ACME' },
    { op: 'new', account: 1, symbol: 0, id: 5, side: 'buy', price: 100, quantity: 7 },
  ] as const;
  const variants = [
    [],
    [{ op: 'new', account: 1, symbol: 0, id: 6, side: 'buy', price: 100, quantity: 7 }],
    [{ op: 'new', account: 2, symbol: 0, id: 6, side: 'buy', price: 100, quantity: 7 }],
    [{ op: 'new', account: 1, symbol: 0, id: 6n + (1n << 40n), side: 'buy', price: 100, quantity: 7 }],
    [{ op: 'new', account: 1, symbol: 0, id: 6, side: 'sell', price: 101, quantity: 7 }],
    [{ op: 'new', account: 1, symbol: 0, id: 6, side: 'buy', price: 100, quantity: 8 }],
    [{ op: 'new', account: 1, symbol: 0, id: 6, side: 'buy', price: 99, quantity: 7 }],
    [{ op: 'new', account: 1, symbol: 0, id: 6, side: 'buy', price: 99, quantity: 7, postOnly: true }],
    [{ op: 'cancel', account: 1, symbol: 0, id: 5 }],
    [{ op: 'reduce', account: 1, symbol: 0, id: 5, quantity: 1 }],
    [{ op: 'instrumentUpdate', symbol: 0, closed: true }],
    [{ op: 'instrumentUpdate', symbol: 0, quantity: 9 }],
    [{ op: 'instrumentUpdate', symbol: 0, priceMax: 900 }],
    [{ op: 'instrumentCreate', symbol: 1, name: 'OTHER' }],
    [{ op: 'instrumentCreate', symbol: 1, name: 'OTHER', shard: 0 }],
    [{ op: 'instrumentAssign', symbol: 0, shard: 0 }],
    [{ op: 'instrumentAssign', symbol: 0, shard: 1 }],
    [{ op: 'instrumentAssign', symbol: 0 }],
    [{ op: 'sessionOpen', account: 3, id: 9, time: 5n }],
    [{ op: 'sessionOpen', account: 3, id: 9, time: 6n }],
    [{ op: 'sessionOpen', account: 3, id: 10, time: 5n }],
  ] as const;
  const hashes = variants.map((more) => {
    const matcher = createMatcher(limits, new EventBuffer(64));
    const words = new Uint32Array(COMMAND_WORDS);
    // A rejected command fills up, so that the sequence is the same everywhere and can not be what differs.
    for (const command of [
      ...base,
      ...more,
      ...(more.length === 0 ? [{ op: 'cancel', account: 9, symbol: 0, id: 1 } as const] : []),
    ]) {
      encodeCommand(words, 0, command);
      matcher.apply(words, 0);
    }
    return hashOf(encodeState(matcher.state)).toString('hex');
  });
  expect(new Set(hashes).size).toBe(variants.length);
});

test('a state has its older format as long as no instrument was assigned to a shard', () => {
  const limits = { ordersMax: 16, levelPagesMax: 8, instrumentsMax: 2, sessionsMax: 2, answersPerSessionMax: 4 };
  const events = new EventBuffer(64);
  const matcher = createMatcher(limits, events);
  const words = new Uint32Array(COMMAND_WORDS);
  const apply = (command: Command, of = matcher): VenueEvent[] => {
    encodeCommand(words, 0, command);
    of.apply(words, 0);
    const told: VenueEvent[] = [];
    events.drain((from, at) => told.push(decodeEvent(from, at)));
    return told;
  };
  apply({ op: 'instrumentCreate', symbol: 0, name: 'ACME' });
  apply({ op: 'instrumentCreate', symbol: 1, name: 'OTHER', quantity: 9 });
  apply({ op: 'new', account: 1, symbol: 1, id: 5, side: 'buy', price: 100, quantity: 7 });
  expect(stateCodec(encodeState(matcher.state))).toBe(1);
  apply({ op: 'instrumentAssign', symbol: 1, shard: 4_294_967_295 });
  const state = Buffer.from(encodeState(matcher.state));
  expect(stateCodec(state)).toBe(2);

  // The table of shards comes back with the state, and so does what it decides.
  const restored = createMatcher(limits, events);
  restoreState(restored.state, state);
  expect(listInstruments(restored.state.instruments)).toEqual([
    { symbol: 0, name: 'ACME', closed: false, quantityMax: 0, priceMax: 0, elsewhere: undefined, assignments: 0 },
    { symbol: 1, name: 'OTHER', closed: false, quantityMax: 9, priceMax: 0, elsewhere: 4_294_967_295, assignments: 1 },
  ]);
  expect(apply({ op: 'massCancel', account: 1 }, restored)).toMatchObject([
    { type: 'rejected', reason: 'otherShard', open: 4_294_967_295 },
  ]);
});

test('a state that is cut off, too long or of other limits is refused', () => {
  const { flow, states } = record('mixed', 9);
  const state = states.get(3_999) as Buffer;
  const restore = (bytes: Buffer, limits = flow.limits): void =>
    restoreState(createMatcher(limits, new EventBuffer(64)).state, bytes);
  for (let length = 0; length < state.length; length += 97) {
    expect(() => restore(state.subarray(0, length))).toThrow(StateError);
  }
  const longer = Buffer.concat([state, Buffer.from([0])]);
  expect(() => restore(longer)).toThrow(/the state is \d+ bytes long, but \d+ were given/);
  const newer = Buffer.from(state);
  newer[0] = 4;
  expect(() => restore(newer)).toThrow('version: state format 4 is not one that this release reads');
  const other = { ...flow.limits, ordersMax: flow.limits.ordersMax + 1 };
  expect(() => restore(state, other)).toThrow(/ordersMax: the state was made with/);
});
