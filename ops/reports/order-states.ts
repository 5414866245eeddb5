import { PRICE_MAX, readWide } from '../../journal/amounts.ts';
import { decodeId } from '../../journal/commands.ts';
import { EVENT_WORD, EventFlag, EventType, eventFlags, eventReason, eventType } from '../../journal/events.ts';
import type { CopyObserver } from '../../replicas/journal-copy.ts';
import { listOrders } from '../../replicas/order-table.ts';
import { SLOT_SHIFT } from '../../sequencer/rings.ts';
import { applyEvent, endStage, type OrderAmounts, type OrderStage } from './order-state.ts';

/** What has become of one order, as far as events tell. */
export interface OrderState extends OrderAmounts {
  readonly account: number;
  readonly id: number | bigint;
  symbol: number;
  side: 'buy' | 'sell';
  stage: OrderStage;
  /** Where it stands while it is open; 0 of one that can not stay. */
  slot: number;
  /** Of the last event. */
  sequence: number;
  /** Why it was canceled or reduced last: journal/reasons.ts. */
  reason: number;
}

/** What is known of an order whose beginning was not seen. */
export type KnownOrder = Pick<
  OrderState,
  'account' | 'id' | 'symbol' | 'side' | 'price' | 'open' | 'slot' | 'sequence'
>;

/** Orders remembered after they ended, of all accounts; the oldest give way. */
const ENDED_MAX = 65_536;

/** Follows orders from their events: by account and id, the live ones and those that ended last. */
export class OrderStates implements CopyObserver {
  readonly #live = new Map<number, Map<number | bigint, OrderState>>();
  readonly #ended = new Map<string, OrderState>();

  /** Of live orders that were entered before, what is open is known, and not what was traded. */
  readonly begin: NonNullable<CopyObserver['begin']> = ({ state }) => {
    // What stands for the price of a market order that waits for an auction is none.
    for (const order of listOrders(state.orders))
      this.know({ ...order, price: order.price > PRICE_MAX ? 0 : order.price });
  };

  know({ account, id, symbol, side, price, open, slot, sequence }: KnownOrder): OrderState {
    const unknown = { quantity: undefined, traded: undefined };
    const state: OrderState = {
      account,
      id,
      symbol,
      side,
      price,
      ...unknown,
      open,
      stage: 'open',
      slot,
      sequence,
      reason: 0,
    };
    this.#ordersOf(account).set(id, state);
    return state;
  }

  readonly take = (words: Uint32Array, mask: number, from: number, count: number): void => {
    for (let index = 0; index < count; index++) this.note(words, ((from + index) & mask) << SLOT_SHIFT);
  };

  /** The state of the order after the event at word `at`; undefined if the event is of no order that lives or ends. */
  note(words: Uint32Array, at: number): OrderState | undefined {
    switch (eventType(words, at)) {
      case EventType.accepted: {
        const state = this.#enter(words, at);
        state.quantity = state.open;
        state.traded = 0;
        return state;
      }
      case EventType.tradeMaker:
      case EventType.tradeTaker:
      case EventType.triggered:
        return this.#settle(this.#find(words, at, false), words, at);
      case EventType.canceled: {
        const state = this.#find(words, at);
        state.reason = eventReason(words, at);
        return this.#settle(state, words, at);
      }
      case EventType.replaced:
        return this.#settle(this.#find(words, at), words, at);
      default:
        return undefined;
    }
  }

  /** The live order with this id or, if there is none, the one that ended last with it. */
  find(account: number, id: number | bigint): OrderState | undefined {
    return this.#live.get(account)?.get(id) ?? this.#ended.get(endedKey(account, id));
  }

  /** Forgets the live orders of an account. */
  forget(account: number): void {
    this.#live.delete(account);
  }

  #settle(state: OrderState, words: Uint32Array, at: number): OrderState {
    const type = eventType(words, at);
    applyEvent(state, type, state.reason, {
      price: readWide(words, at + EVENT_WORD.price),
      quantity: readWide(words, at + EVENT_WORD.quantity),
      open: readWide(words, at + EVENT_WORD.open),
    });
    state.sequence = readWide(words, at + EVENT_WORD.sequence);
    if ((eventFlags(words, at) & EventFlag.done) === 0) return state;
    state.stage = endStage(type);
    const orders = this.#live.get(state.account);
    orders?.delete(state.id);
    if (orders?.size === 0) this.#live.delete(state.account);
    const key = endedKey(state.account, state.id);
    // As the newest, also if an order before it had the same id.
    this.#ended.delete(key);
    this.#ended.set(key, state);
    if (this.#ended.size > ENDED_MAX) this.#ended.delete(this.#ended.keys().next().value ?? '');
    return state;
  }

  /** @param hasLimit whether the price in the event is the order's own */
  #find(words: Uint32Array, at: number, hasLimit = true): OrderState {
    const account = words[at + EVENT_WORD.account] as number;
    const known = this.#live.get(account)?.get(decodeId(words, at + EVENT_WORD.id));
    if (known !== undefined) return known;
    const state = this.#enter(words, at);
    if (!hasLimit) state.price = undefined;
    return state;
  }

  #enter(words: Uint32Array, at: number): OrderState {
    return this.know({
      account: words[at + EVENT_WORD.account] as number,
      id: decodeId(words, at + EVENT_WORD.id),
      symbol: words[at + EVENT_WORD.symbol] as number,
      side: (((words[at] as number) >>> 8) & 1) === 0 ? 'buy' : 'sell',
      price: readWide(words, at + EVENT_WORD.price),
      open: readWide(words, at + EVENT_WORD.open),
      slot: words[at + EVENT_WORD.slot] as number,
      sequence: readWide(words, at + EVENT_WORD.sequence),
    });
  }

  #ordersOf(account: number): Map<number | bigint, OrderState> {
    let orders = this.#live.get(account);
    if (orders === undefined) {
      orders = new Map();
      this.#live.set(account, orders);
    }
    return orders;
  }
}

function endedKey(account: number, id: number | bigint): string {
  return `${account}.${id}`;
}
