import { COMMAND_WORDS, type Command, decodeCommand } from '../../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS, type VenueEvent } from '../../../journal/events.ts';
import type { FlowBatch, OrderFlow } from '../../../ops/marketdata/order-flow.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';

/** The bytes as a stream of pieces of the given size. */
export async function* pieces(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function batchesOf(flow: OrderFlow): Promise<FlowBatch[]> {
  const batches: FlowBatch[] = [];
  for await (const batch of flow.batches) batches.push(batch);
  return batches;
}

/** Every command of a flow. */
export async function commandsOf(flow: OrderFlow): Promise<Command[]> {
  const commands: Command[] = [];
  for (const { words, count } of await batchesOf(flow)) {
    for (let record = 0; record < count; record++) commands.push(decodeCommand(words, record * COMMAND_WORDS));
  }
  return commands;
}

/** A command of a flow as the tests write it: only what is not the same in all of them. */
function brief(command: Command): Record<string, unknown> {
  const { op, account, symbol, id, side, tif, price, quantity, name } = command;
  if (op === 'new') return { op: tif === 'ioc' ? 'take' : 'add', account, symbol, id, side, price, quantity };
  if (op === 'instrumentCreate') return { op: 'create', account, symbol, name };
  if (op === 'cancel') return { op, account, symbol, id };
  if (op === 'reduce') return { op, account, symbol, id, quantity };
  if (op === 'replace') return { op, account, symbol, id, price, quantity };
  return { op, account, symbol, side };
}

export async function briefs(flow: OrderFlow): Promise<Record<string, unknown>[]> {
  return (await commandsOf(flow)).map(brief);
}

/** What a matcher makes of a flow. */
export async function eventsOf(flow: OrderFlow): Promise<VenueEvent[]> {
  const events = new EventBuffer(64);
  const limits = {
    ordersMax: 1_000,
    levelPagesMax: 100,
    instrumentsMax: 16,
    sessionsMax: 1,
    answersPerSessionMax: 1,
  };
  const matcher = createMatcher(limits, events);
  const seen: VenueEvent[] = [];
  for (const { words, count } of await batchesOf(flow)) {
    for (let at = 0; at < count * COMMAND_WORDS; at += COMMAND_WORDS) matcher.apply(words, at);
  }
  events.drain((words, at) => seen.push(decodeEvent(words.slice(at, at + EVENT_WORDS), 0)));
  return seen;
}

/** Maker id, price and quantity of each trade. */
export function executions(events: readonly VenueEvent[]): [id: number | bigint, price: number, quantity: number][] {
  return events.filter(({ type }) => type === 'tradeMaker').map(({ id, price, quantity }) => [id, price, quantity]);
}
