import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { decodeEvent, EventFlag, type VenueEvent } from '../../../journal/events.ts';
import type { VenueLimits } from '../../../journal/genesis.ts';
import { recordsOf } from '../../../journal/order-terms.ts';
import { encodeState, restoreState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../../replicas/matcher.ts';
import { listOrders } from '../../../replicas/order-table.ts';

const LIMITS: VenueLimits = {
  ordersMax: 4096,
  levelPagesMax: 256,
  instrumentsMax: 4,
  sessionsMax: 2,
  answersPerSessionMax: 4,
};

/** A matcher with an instrument 0, whose events are told in short lines, and which can be put away and restored. */
export class RulesPlay {
  readonly limits: VenueLimits;
  readonly #events = new EventBuffer(1 << 12);
  readonly #words = new Uint32Array(COMMAND_WORDS);
  #matcher: Matcher;
  #seed = 1;

  constructor(limits: Partial<VenueLimits> = {}) {
    this.limits = { ...LIMITS, ...limits };
    this.#matcher = createMatcher(this.limits, this.#events, this.#seed);
    for (let symbol = 0; symbol < 2; symbol++) this.events({ op: 'instrumentCreate', symbol, name: `PLAY${symbol}` });
  }

  /** The events of a command, however many records it takes. */
  events(command: Command): VenueEvent[] {
    const told: VenueEvent[] = [];
    for (const record of recordsOf({ symbol: 0, account: 1, ...command })) {
      encodeCommand(this.#words, 0, record);
      this.#matcher.apply(this.#words, 0);
      this.#events.drain((words, at) => told.push(decodeEvent(words, at)));
    }
    return told;
  }

  /** As {@link events}, in lines: a trade is one. */
  send(command: Command): string[] {
    return linesOf(this.events(command));
  }

  /** A new order in words: side, quantity, price (0: market), and whatever else it has. */
  order(side: 'buy' | 'sell', id: number, quantity: number, price: number, rest: Partial<Command> = {}): string[] {
    const type = price === 0 ? 'market' : 'limit';
    return this.send({ op: 'new', id, side, quantity, price, type, ...rest });
  }

  set(setting: NonNullable<Command['setting']>, value: number): string[] {
    return this.send({ op: 'instrumentSet', account: 0, setting, value });
  }

  book(symbol = 0): { bids: number[][]; asks: number[][] } {
    return this.#matcher.book(symbol, 100);
  }

  /** Live orders in words: account/id, shown of open, at price. */
  orders(): string[] {
    const { orders, details } = this.#matcher.state;
    return listOrders(orders, details).map(
      ({ account, id, shown, open, price }) => `${account}/${id} ${shown ?? open} of ${open}@${price}`,
    );
  }

  /** Live orders, those that wait included. */
  live(): number {
    return this.#matcher.state.orders.live();
  }

  state(): Buffer {
    return Buffer.from(encodeState(this.#matcher.state));
  }

  /** Goes on with another matcher, which was restored from the state of this one; both must encode alike. */
  restore(): void {
    const state = this.state();
    this.#seed++;
    const restored = createMatcher(this.limits, this.#events, this.#seed);
    restoreState(restored.state, state);
    if (!Buffer.from(encodeState(restored.state)).equals(state))
      throw new Error('the restored state encodes otherwise');
    this.#matcher = restored;
  }
}

function linesOf(events: readonly VenueEvent[]): string[] {
  const lines: string[] = [];
  for (const [index, event] of events.entries()) {
    const line = lineOf(event, events[index - 1]);
    if (line !== undefined) lines.push(line);
  }
  return lines;
}

function lineOf(event: VenueEvent, before: VenueEvent | undefined): string | undefined {
  const { type, account, id, side, quantity, price, open, reason, flags } = event;
  const kept = (flags & EventFlag.kept) === 0 ? '' : ' kept';
  switch (type) {
    case 'accepted':
      return `accepted ${account}/${id} ${side} ${quantity}@${price}`;
    case 'tradeTaker':
      return `trade ${account}/${id} with ${before?.account}/${before?.id} ${quantity}@${price} leaves ${open} ${before?.open}`;
    case 'canceled':
      return `canceled ${account}/${id} ${reason} ${quantity} leaves ${open}`;
    case 'replaced':
      return `replaced ${account}/${id} ${quantity}@${price}${kept}`;
    case 'triggered':
      return `triggered ${account}/${id} ${open}@${price}${kept}`;
    case 'refreshed':
      return `refreshed ${account}/${id} ${quantity}@${price} of ${open}`;
    case 'rejected':
      return `rejected ${reason}`;
    default:
      return undefined;
  }
}
