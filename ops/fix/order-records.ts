import type { Command, OrderTypeName, SideName } from '../../journal/commands.ts';
import { OrdStatus, type OrdStatusCode } from '../reports/order-state.ts';
import type { FixField } from './fix-codec.ts';
import type { GatewayStore } from './gateway-store.ts';

/** An order that came over FIX, as the last event about it left it. Prices in ticks, quantities in lots. */
export interface OrderRecord {
  /** OrderID, and the id of the order at the venue. */
  readonly id: number;
  readonly account: number;
  readonly symbol: string;
  readonly side: SideName;
  readonly type: OrderTypeName;
  /** What reports repeat of the order as it was entered. */
  echo: readonly FixField[];
  /** 0 for none. */
  price: number;
  /** OrderQty: what was traded, and what is open or was when the order ended. */
  quantity: number;
  cum: number;
  open: number;
  /** Sum of price times quantity over its trades, as decimal digits: it may have more than 53 bits. */
  notional: string;
  status: OrdStatusCode;
  /** Of the request that last changed the order. */
  clOrdId: string;
  /** How many ClOrdIDs the order has had, those of all requests about it; not of what an earlier version took. */
  names?: number | undefined;
  /** ClOrdID of a replace of which the first command was answered for both: the second one's refusal is not told, too. */
  failed?: string | undefined;
  /** What it becomes when all replaces under way are carried out; without a stop price the one in `echo`. */
  asked: { readonly price: number; readonly quantity: number; readonly stopPrice?: number | undefined };
  /** A replace to a larger total is under way. */
  isRaised?: boolean | undefined;
  /** Replaces that wait for what that one comes to, as their messages said it; oldest first. */
  waiting?: (readonly FixField[])[] | undefined;
}

/** Which message of the peer a command comes from. */
export interface CommandOrigin {
  readonly kind: 'new' | 'cancel' | 'reduce' | 'replace' | 'massCancel';
  readonly clOrdId: string;
  /** 0 for a mass cancel. */
  readonly orderId: number;
  /** Another command of the same message follows this one, or came before it. */
  readonly part?: 'first' | 'second' | undefined;
  /** Of a reduce: what it takes off. Of a replace to a larger total: below zero, what it adds. */
  readonly lots?: number | undefined;
  /** Of a replace that changes it: StopPx as it was written. */
  readonly stopPx?: string | undefined;
  /** MassCancelRequestType, and Symbol and Side if they were given. */
  readonly mass?:
    | { readonly type: string; readonly symbol?: string | undefined; readonly side?: string | undefined }
    | undefined;
}

/** A command whose outcome is not known. */
export interface PendingCommand {
  /** Counts on over all of its lane. */
  readonly number: number;
  /** When it came, in milliseconds since the Unix epoch. */
  readonly takenAt: number;
  readonly command: Command;
  readonly origin: CommandOrigin;
  /** The venue's session and its request; 0 until they are given. */
  readonly session: number;
  readonly request: number;
}

/** The orders of one FIX session. */
export class OrderRecords {
  readonly #peer: string;
  readonly #store: GatewayStore;
  readonly #live = new Map<number, OrderRecord>();

  constructor(peer: string, store: GatewayStore) {
    this.#peer = peer;
    this.#store = store;
    for (const order of store.liveOrders(peer)) this.#live.set(order.id, order);
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** Also an order that is done. */
  byId(id: number): OrderRecord | undefined {
    return this.#live.get(id) ?? this.#store.doneOrder(this.#peer, id);
  }

  /** By OrderID as it is written; also an order that is done. */
  byOrderId(text: string): OrderRecord | undefined {
    return /^[1-9]\d{0,15}$/.test(text) ? this.byId(Number(text)) : undefined;
  }

  /** Also an order that is done. */
  byClOrdId(clOrdId: string): OrderRecord | undefined {
    const id = this.#store.orderIdOf(this.#peer, clOrdId);
    return id === undefined ? undefined : this.byId(id);
  }

  isTaken(clOrdId: string): boolean {
    return this.#store.orderIdOf(this.#peer, clOrdId) !== undefined;
  }

  /** Remembers that a ClOrdID is of a request about an order. */
  name(clOrdId: string, order: OrderRecord): void {
    if (this.#store.orderIdOf(this.#peer, clOrdId) === order.id) return;
    const { names = 0 } = order;
    this.#store.keepClOrdId(this.#peer, clOrdId, order.id, names);
    order.names = names + 1;
  }

  keep(order: OrderRecord): void {
    if (isDone(order)) {
      this.#live.delete(order.id);
      this.#store.keepDone(this.#peer, order);
    } else {
      this.#live.set(order.id, order);
      this.#store.keepLive(this.#peer, order);
    }
  }
}

export function isDone({ status }: OrderRecord): boolean {
  return status !== OrdStatus.new && status !== OrdStatus.partiallyFilled && status !== OrdStatus.pendingNew;
}
