import { BLOCK_HEADER_WORDS } from '../../../journal/block.ts';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { decodeEvent, type VenueEvent } from '../../../journal/events.ts';
import { JournalReader } from '../../../journal/reader.ts';
import type { Order } from '../../../ops/client/order.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';

/** What a journal says of an order. */
export interface JournalOrder {
  readonly status: string;
  readonly price: number;
  readonly open: number;
  readonly traded: number;
  readonly notional: bigint;
  readonly entrySequence: number;
  /** Of the last event about it. */
  readonly sequence: number;
}

/** Every order that a journal's replay accepts, by account and id. Ids must be used once. */
export function ordersOfJournal(directory: string): Map<string, JournalOrder> {
  const reader = JournalReader.open(directory);
  const events = new EventBuffer(1024);
  const matcher = createMatcher(reader.genesis.limits, events);
  const orders = new Map<string, JournalOrder>();
  for (const block of reader.blocks()) {
    for (let index = 0; index < block.count; index++) {
      matcher.apply(block.words, BLOCK_HEADER_WORDS + index * COMMAND_WORDS);
      events.drain((words, at) => note(orders, decodeEvent(words, at)));
    }
  }
  return orders;
}

function note(orders: Map<string, JournalOrder>, event: VenueEvent): void {
  const { type, account, id, sequence, price, quantity, open } = event;
  const key = `${account}/${id}`;
  if (type === 'accepted') {
    if (orders.has(key)) throw new Error(`order ${key} was accepted twice`);
    const entry = { status: 'new', price, open, traded: 0, notional: 0n, entrySequence: sequence, sequence };
    orders.set(key, entry);
    return;
  }
  const order = orders.get(key);
  if (order === undefined) return;
  if (type === 'tradeMaker' || type === 'tradeTaker') {
    const traded = order.traded + quantity;
    const notional = order.notional + BigInt(price) * BigInt(quantity);
    orders.set(key, { ...order, status: open === 0 ? 'filled' : 'partiallyFilled', open, traded, notional, sequence });
  } else if (type === 'triggered' || type === 'refreshed') orders.set(key, { ...order, sequence });
  else if (type === 'canceled')
    orders.set(key, { ...order, status: open === 0 ? 'canceled' : order.status, open, sequence });
  else if (type === 'replaced')
    orders.set(key, { ...order, status: order.traded > 0 ? order.status : 'replaced', price, open, sequence });
}

/** The same of an order as its client knows it. */
export function asInJournal({
  status,
  price,
  open,
  traded,
  tradedAmount,
  entrySequence,
  reportSequence,
}: Order): JournalOrder {
  return { status, price, open, traded, notional: tradedAmount.notional, entrySequence, sequence: reportSequence };
}
