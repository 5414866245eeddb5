import { expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS, EventType, eventType, type VenueEvent } from '../../../journal/events.ts';
import {
  entryOf,
  firstDifference,
  type InstrumentImage,
  imageOf,
  preparationOf,
} from '../../../ops/instrument-image.ts';
import { encodeState, restoreState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { ORDER_FLAG } from '../../../replicas/order-table.ts';
import { putTime, type RawCommand, writeRaw } from '../raw-commands.ts';
import { VenueFlow } from './venue-flow.ts';

/** More by VERITAPE_RULES_COMMANDS, with other seeds by VERITAPE_RULES_SEED. */
const COMMANDS = Number(process.env['VERITAPE_RULES_COMMANDS'] ?? 16_000);
const SEED = Number(process.env['VERITAPE_RULES_SEED'] ?? 1);
const COMMANDS_PER_FLOW = 2_000;
const MOVE_EVERY = 97;
const LIMITS = {
  ordersMax: 300,
  levelPagesMax: 256,
  instrumentsMax: 3,
  sessionsMax: 1,
  answersPerSessionMax: 1,
};
/** Pages so small that a read of an instrument takes several. */
const PARTS = 7;
const OTHER = 1;
const STRANGERS = 6;
const STRANGER = 99;
/** They wait, are for an auction, or trade as a whole. */
const NEVER_MET = ORDER_FLAG.stop | ORDER_FLAG.call | ORDER_FLAG.closing | ORDER_FLAG.allOrNone;

/** A matcher of one shard. */
class Shard {
  readonly #words = new Uint32Array(COMMAND_WORDS);
  readonly #events = new EventBuffer(1 << 13);
  #seed: number;
  #matcher: Matcher;

  constructor(seed: number) {
    this.#seed = seed;
    this.#matcher = createMatcher(LIMITS, this.#events, seed);
  }

  raw(command: RawCommand, time: bigint): Uint32Array {
    writeRaw(this.#words, 0, command);
    putTime(this.#words, 0, time);
    return this.#apply();
  }

  /** Of a command that nothing refuses. */
  do(command: Command, time: bigint): Uint32Array {
    encodeCommand(this.#words, 0, { account: 0, ...command, time });
    const told = this.#apply();
    for (let at = 0; at < told.length; at += EVENT_WORDS)
      if (eventType(told, at) === EventType.rejected)
        throw new Error(`${command.op} ${JSON.stringify(command, readable)}: ${decodeEvent(told, at).reason}`);
    return told;
  }

  image(time: bigint): InstrumentImage {
    const told: number[] = [];
    for (let behind = 0; ; ) {
      // What is known of the instrument itself is told at once.
      const quantity = behind === 0 ? 1024 : PARTS;
      const page = this.do({ op: 'moveStatus', symbol: 0, id: behind, quantity }, time);
      for (const word of page) told.push(word);
      for (let at = 0; at < page.length; at += EVENT_WORDS) {
        const { flags, slot } = decodeEvent(page, at);
        if (flags === 4) behind = slot;
      }
      if (page.length < quantity * EVENT_WORDS) return imageOf(0, Uint32Array.from(told));
    }
  }

  /** Goes on from a snapshot, which it must be one of. */
  restore(): void {
    const state = Buffer.from(encodeState(this.#matcher.state));
    this.#seed += 7;
    const restored = createMatcher(LIMITS, this.#events, this.#seed);
    restoreState(restored.state, state);
    if (!Buffer.from(encodeState(restored.state)).equals(state)) throw new Error('restored to another state');
    this.#matcher = restored;
  }

  /** What a command would come to, and nothing comes of it. */
  wouldTell(command: Command, time: bigint): VenueEvent[] {
    const scratch = createMatcher(LIMITS, this.#events, this.#seed);
    restoreState(scratch.state, Buffer.from(encodeState(this.#matcher.state)));
    encodeCommand(this.#words, 0, { account: 0, ...command, time });
    scratch.apply(this.#words, 0);
    const told: VenueEvent[] = [];
    this.#events.drain((words, at) => told.push(decodeEvent(words, at)));
    return told;
  }

  #apply(): Uint32Array {
    this.#matcher.apply(this.#words, 0);
    const told: number[] = [];
    this.#events.drain((words, at) => told.push(...words.subarray(at, at + EVENT_WORDS)));
    return Uint32Array.from(told);
  }
}

/** Moves instrument 0 as a mover does; what is compared then. */
function move(from: Shard, to: Shard, shard: number, time: bigint): void {
  to.do({ op: 'instrumentAssign', symbol: 0, shard }, time);
  to.do({ op: 'moveOut', symbol: 0 }, time);
  from.do({ op: 'instrumentAssign', symbol: 0, shard }, time);
  // Time stands still for it on both shards, whatever they come to meanwhile.
  for (const shard of [from, to]) shard.raw({ op: 27 }, time + 3_600_000_000_000n);
  from.restore();
  const image = from.image(time);
  for (const command of preparationOf(0, image)) to.do(command, time);
  for (const order of image.orders) to.do(entryOf(0, order), time);
  to.raw({ op: 27 }, time + 3_600_000_000_000n);
  to.restore();
  const difference = firstDifference(image, to.image(time));
  if (difference !== undefined) throw new Error(`there is another: ${difference}`);
  for (let tries = 0; tries < STRANGERS; tries++) enterStranger(to, image, time, tries);
  from.do({ op: 'moveOut', symbol: 0 }, time);
  to.do({ op: 'instrumentAssign', symbol: 0 }, time);
}

/**
 * Another order, which was on no shard: it may not stand where it would trade. Whether it would is looked for among all orders of
 * the image, one by one.
 */
function enterStranger(shard: Shard, { settings, orders }: InstrumentImage, time: bigint, turn: number): void {
  const side = turn % 2 === 0 ? 'buy' : 'sell';
  const near = orders[(turn * 7) % Math.max(1, orders.length)]?.price ?? 0;
  const isPriced = near > 0 && near < 2 ** 48 - 1;
  const allOrNone = turn % 5 === 4;
  const order = { account: STRANGER, symbol: 0, id: 1, side, price: isPriced ? near : 10, quantity: 1 + turn } as const;
  const isContinuous = settings.every(
    ({ setting, movedSetting, value }) => (movedSetting !== 'phase' && setting !== 'batchNs') || value === 0n,
  );
  const meets = orders.some(({ flags, price }) => {
    if ((flags & (NEVER_MET | ORDER_FLAG.sell)) !== (side === 'buy' ? ORDER_FLAG.sell : 0)) return false;
    return side === 'buy' ? price <= order.price : price >= order.price;
  });
  const [told] = shard.wouldTell({ op: 'moveIn', ...order, ...(allOrNone ? { allOrNone } : {}) }, time);
  const outcome = told?.type === 'rejected' ? told.reason : told?.type;
  const expected = isContinuous && meets && !allOrNone ? 'postOnlyWouldTrade' : 'accepted';
  // A full shard takes nobody.
  if (outcome === expected || outcome === 'ordersFull' || outcome === 'levelsFull') {
    reached.set(`stranger ${outcome}`, (reached.get(`stranger ${outcome}`) ?? 0) + 1);
    return;
  }
  throw new Error(`${JSON.stringify(order)}: ${outcome}, not ${expected}`);
}

/** What an event tells of, without what is each shard's own. */
function linesOf(words: Uint32Array, op: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < words.length; at += EVENT_WORDS) {
    const { sequence, generation, slot, ...event } = decodeEvent(words, at);
    const isOfOrder = event.type !== 'state' && event.type !== 'setting';
    lines.push(JSON.stringify({ ...event, ...(isOfOrder ? {} : { slot, generation }) }, readable));
  }
  // A mass cancel goes by slot; what hangs on two that leave goes for the one that left last.
  return op === 5 ? lines.map((line) => line.replace(/"(linked|orphaned)"/, '"follows"')).sort() : lines;
}

function readable(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}

const reached = new Map<string, number>();
let movedOrders = 0;

function compare(seed: number, commands: number): void {
  const flow = new VenueFlow(seed, 'all');
  const unmoved = new Shard(seed);
  const shards = [new Shard(seed + 1), new Shard(seed + 2)] as const;
  let here = 0;
  for (const [index, shard] of shards.entries()) {
    // Slots and sequences of the two are not alike.
    shard.do({ op: 'instrumentCreate', symbol: OTHER, name: 'OTHER' }, 1n);
    for (let id = 1; id <= 20 + 30 * index; id++)
      shard.do({ op: 'new', symbol: OTHER, account: 9, id, side: 'buy', price: id, quantity: 1 }, 1n);
  }
  shards[1].do({ op: 'instrumentCreate', symbol: 0, name: 'I0', shard: 1 }, 1n);
  for (let place = 0; place < commands; place++) {
    const command = { ...flow.next(), symbol: 0 };
    // There is one instrument, whose limits a mover copies by other means; a mass cancel is of it, not of a shard.
    if ((command.op === 16 && place > 0) || command.op === 17) continue;
    if (command.op === 5) command.flags = (command.flags ?? 0) | 16;
    const where = `seed ${seed}, command ${place}: ${JSON.stringify(command, readable)}`;
    try {
      const both = (of: RawCommand): Uint32Array => {
        const expected = unmoved.raw(of, flow.time);
        const given = (shards[here] as Shard).raw(of, flow.time);
        const [one, other] = [linesOf(expected, command.op), linesOf(given, command.op)];
        if (JSON.stringify(one) === JSON.stringify(other)) return expected;
        throw new Error(`\nunmoved\n  ${one.join('\n  ')}\nmoved\n  ${other.join('\n  ')}`);
      };
      const observe = (told: Uint32Array): void => {
        for (let at = 0; at < told.length; at += EVENT_WORDS) note(decodeEvent(told, at), flow);
      };
      if (place % MOVE_EVERY === MOVE_EVERY - 1) {
        // What is due by now happens before the move.
        observe(both({ op: 27 }));
        const to = 1 - here;
        move(shards[here] as Shard, shards[to] as Shard, to, flow.time);
        here = to;
      }
      observe(both(command));
      if (place % MOVE_EVERY !== 0) continue;
      const image = unmoved.image(flow.time);
      movedOrders += image.orders.length;
      const difference = firstDifference(image, (shards[here] as Shard).image(flow.time));
      if (difference !== undefined) throw new Error(`the moved one is another: ${difference}`);
    } catch (error) {
      throw new Error(`${where}: ${error instanceof Error ? error.message : error}`);
    }
  }
}

function note(event: VenueEvent, flow: VenueFlow): void {
  flow.observe(event);
  const key = `${event.type} ${event.reason}`;
  reached.set(key, (reached.get(key) ?? 0) + 1);
}

test(`an instrument that is moved again and again does what one does that is not, on ${COMMANDS} commands`, () => {
  // Odd seeds have no accounts with limits and funds, which a move does not carry.
  for (let done = 0, seed = SEED; done < COMMANDS; done += COMMANDS_PER_FLOW, seed += 2)
    compare(seed, COMMANDS_PER_FLOW);
  if (process.env['VERITAPE_RULES_COUNTS'] !== undefined)
    process.stderr.write(`${JSON.stringify(Object.fromEntries([...reached].sort()), null, 1)}\n`);
  expect([...reached.keys()]).toEqual(
    expect.arrayContaining([
      ...['auction none', 'indicative none', 'refreshed none', 'triggered none', 'state none', 'canceled selfTrade'],
      ...['canceled auctionOver', 'canceled expired', 'canceled linked', 'canceled orphaned'],
      ...['stranger accepted', 'stranger postOnlyWouldTrade'],
    ]),
  );
  expect(movedOrders).toBeGreaterThan(100);
}, 120_000);
