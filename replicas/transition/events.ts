import { counters, outboxAt, outboxEnd } from './memory.ts';
import { Command, EVENT_BYTES, Event } from './records.ts';

/** Takes all events out of the outbox, which is full; given by whoever made the matcher. */
declare function emptyOutbox(): void;

let next: usize = 0;

/** The outbox is empty. */
export function clearOutbox(): void {
  next = outboxAt;
}

/** Bytes of the events that are in the outbox. */
export function outboxBytes(): usize {
  return next - outboxAt;
}

/** The next event record, all of whose fields the caller sets. */
export function claimEvent(): Event {
  if (next === outboxEnd) {
    emptyOutbox();
    next = outboxAt;
  }
  const event = changetype<Event>(next);
  next += EVENT_BYTES;
  event.sequence = counters().sequence;
  return event;
}

/** An event about the command's own order, with the amounts of the command; open = quantity. */
export function emitCommand(command: Command, head: u32, slot: u32, generation: u32): void {
  const event = claimEvent();
  event.head = head;
  event.symbol = command.symbol;
  event.price = command.price;
  event.quantity = command.quantity;
  event.id = command.id;
  event.account = command.account;
  event.slot = slot;
  event.generation = generation;
  event.request = command.request;
  event.open = command.quantity;
}
