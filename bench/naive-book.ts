/** What happened to an order, as {@link NaiveBook} tells it. */
export type NaiveEvent =
  | { readonly type: 'accepted'; readonly order: NaiveOrder }
  | { readonly type: 'trade'; readonly maker: NaiveOrder; readonly taker: NaiveOrder; readonly quantity: number }
  | { readonly type: 'canceled'; readonly order: NaiveOrder }
  | { readonly type: 'rejected'; readonly id: number };

interface NaiveOrder {
  readonly id: number;
  readonly side: 'buy' | 'sell';
  price: number;
  quantity: number;
}

interface Level {
  readonly price: number;
  readonly orders: NaiveOrder[];
}

/**
 * An order book as one writes it on a first afternoon: objects, a map of orders, sorted arrays of levels, events as
 * objects. Correct, and a yardstick of what plain JavaScript does: it is not to be made faster.
 */
export class NaiveBook {
  /** Best first. */
  readonly #levels: Record<'buy' | 'sell', Level[]> = { buy: [], sell: [] };
  readonly #orders = new Map<number, NaiveOrder>();

  limit(id: number, side: 'buy' | 'sell', price: number, quantity: number, ioc: boolean): NaiveEvent[] {
    const order: NaiveOrder = { id, side, price, quantity };
    const events: NaiveEvent[] = [{ type: 'accepted', order: { ...order } }];
    this.#match(order, events);
    if (order.quantity > 0) {
      if (ioc) events.push({ type: 'canceled', order });
      else this.#rest(order);
    }
    return events;
  }

  cancel(id: number): NaiveEvent[] {
    const order = this.#orders.get(id);
    if (order === undefined) return [{ type: 'rejected', id }];
    this.#remove(order);
    return [{ type: 'canceled', order }];
  }

  modify(id: number, price: number, quantity: number): NaiveEvent[] {
    const order = this.#orders.get(id);
    if (order === undefined) return [{ type: 'rejected', id }];
    this.#remove(order);
    const changed: NaiveOrder = { id, side: order.side, price, quantity };
    const events: NaiveEvent[] = [];
    this.#match(changed, events);
    if (changed.quantity > 0) this.#rest(changed);
    events.push({ type: 'accepted', order: { ...changed, quantity } });
    return events;
  }

  #match(taker: NaiveOrder, events: NaiveEvent[]): void {
    const levels = this.#levels[taker.side === 'buy' ? 'sell' : 'buy'];
    while (taker.quantity > 0) {
      const level = levels[0];
      if (level === undefined) return;
      if (taker.side === 'buy' ? level.price > taker.price : level.price < taker.price) return;
      const maker = level.orders[0] as NaiveOrder;
      const quantity = Math.min(maker.quantity, taker.quantity);
      maker.quantity -= quantity;
      taker.quantity -= quantity;
      events.push({ type: 'trade', maker: { ...maker }, taker: { ...taker }, quantity });
      if (maker.quantity > 0) return;
      level.orders.shift();
      this.#orders.delete(maker.id);
      if (level.orders.length === 0) levels.shift();
    }
  }

  #rest(order: NaiveOrder): void {
    const levels = this.#levels[order.side];
    const at = this.#placeOf(levels, order);
    const level = levels[at];
    if (level !== undefined && level.price === order.price) level.orders.push(order);
    else levels.splice(at, 0, { price: order.price, orders: [order] });
    this.#orders.set(order.id, order);
  }

  #remove(order: NaiveOrder): void {
    const levels = this.#levels[order.side];
    const at = this.#placeOf(levels, order);
    const { orders } = levels[at] as Level;
    orders.splice(orders.indexOf(order), 1);
    if (orders.length === 0) levels.splice(at, 1);
    this.#orders.delete(order.id);
  }

  /** Where the order's level is, or would be. */
  #placeOf(levels: readonly Level[], order: NaiveOrder): number {
    let low = 0;
    let high = levels.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { price } = levels[middle] as Level;
      if (order.side === 'buy' ? price > order.price : price < order.price) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
