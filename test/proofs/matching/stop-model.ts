import type { BookOrder, OrderName } from '../../../proofs/matching/linked-books.ts';
import type { TapeCommand } from '../../../proofs/matching/tape.ts';

/** An order as the model has it: by value, in lists in order of arrival. */
interface ModelOrder {
  readonly name: string;
  readonly order: OrderName;
  readonly account: number;
  readonly symbol: number;
  readonly side: number;
  price: number;
  open: number;
  readonly market: boolean;
  readonly rests: boolean;
  readonly fillOrKill: boolean;
  readonly postOnly: boolean;
  readonly prevention: number;
  readonly stopPrice: number;
}

/**
 * A market with stops that is as simple as it can be, and says in words what happens: neither the replica's way of doing it nor the
 * witness's. Lists are searched from end to end.
 */
export class StopModel {
  readonly #resting: ModelOrder[] = [];
  readonly #waiting: ModelOrder[] = [];
  #line: ModelOrder[] = [];
  #usual = 0;
  #told: string[] = [];
  /** The price of the last trade, by instrument. */
  readonly last = new Map<number, number>();

  /** Orders that rest or wait. */
  get live(): readonly Readonly<ModelOrder>[] {
    return [...this.#resting, ...this.#waiting];
  }

  isWaiting(order: OrderName): boolean {
    return this.#waiting.some((one) => one.name === nameOf(order));
  }

  /** Whether a new stop would be triggered as it is entered. */
  isDue(symbol: number, side: number, stopPrice: number): boolean {
    const last = this.last.get(symbol);
    return last !== undefined && (side === 0 ? last >= stopPrice : last <= stopPrice);
  }

  apply(command: TapeCommand, targets: readonly OrderName[]): readonly string[] {
    this.#told = [];
    this.#usual = command.usualPrevention;
    const name = nameOf(command);
    if (command.kind === 'new') this.#new(command);
    else if (command.kind === 'mass cancel') for (const target of targets) this.#leave(nameOf(target), command.removal);
    else if (command.kind !== 'aside') {
      const live = this.live.find((one) => one.name === name && one.symbol === command.symbol);
      if (live === undefined) this.#told.push(`${name} is unknown`);
      else if (command.late) this.#told.push(`${name} is refused with ${command.reason}`);
      else if (command.kind === 'replace') this.#replace(command, live);
      else if (command.kind === 'cancel') this.#leave(name, 1);
      else if (command.quantity >= live.open) this.#leave(name, 2);
      else {
        (live as ModelOrder).open -= command.quantity;
        this.#told.push(`${name} ${live.price} is reduced by ${command.quantity} to ${live.open}`);
      }
    }
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) this.#work(next);
    return this.#told;
  }

  /** As the witness tells them: ladder by ladder, the best or those that are due first in front. */
  orders(): BookOrder[] {
    const told = (order: ModelOrder, waits: boolean): BookOrder => {
      const { stopPrice, market, rests, fillOrKill, prevention, symbol, side, price, open, postOnly } = order;
      const plain = { ...order.order, symbol, side, postOnly, prevention, price, open };
      const lastPrice = this.last.get(symbol) ?? 0;
      return waits ? { ...plain, stop: { stopPrice, lastPrice, market, rests, fillOrKill } } : plain;
    };
    const sorted = (orders: readonly ModelOrder[], rank: (order: ModelOrder) => number): ModelOrder[] =>
      orders.toSorted((a, b) => a.symbol - b.symbol || a.side - b.side || rank(a) - rank(b));
    const resting = sorted(this.#resting, ({ side, price }) => (side === 0 ? -price : price));
    const waiting = sorted(this.#waiting, ({ side, stopPrice }) => (side === 0 ? stopPrice : -stopPrice));
    return [...resting.map((order) => told(order, false)), ...waiting.map((order) => told(order, true))];
  }

  #new(command: TapeCommand): void {
    const name = nameOf(command);
    const { account, idLow, idHigh, symbol, side, price, quantity, market, rests, fillOrKill, postOnly } = command;
    const { prevention, stopPrice } = command;
    const order = {
      ...{ name, order: { account, idLow, idHigh }, account, symbol, side, price, open: quantity, market, rests },
      ...{ fillOrKill, postOnly, prevention, stopPrice },
    };
    if (this.live.some((one) => one.name === name)) this.#told.push(`${name} is taken`);
    else if (stopPrice !== 0 && command.late) this.#told.push(`${name} is refused with ${command.reason}`);
    else if (stopPrice !== 0) this.#come(order);
    else if (postOnly && this.#best(order) !== undefined) this.#told.push(`${name} would trade`);
    else this.#work(order);
  }

  #come(order: ModelOrder): void {
    const { symbol, side, stopPrice } = order;
    if (!this.isDue(symbol, side, stopPrice)) {
      this.#waiting.push(order);
      return;
    }
    this.#told.push(`${order.name} is due at ${this.last.get(symbol)}: ${order.open}`);
    this.#work(order);
  }

  #replace(command: TapeCommand, live: ModelOrder): void {
    const price = command.hasPrice ? command.price : live.price;
    const open = command.hasQuantity ? command.quantity : live.open;
    if (this.isWaiting(live.order)) {
      this.#told.push(`${live.name} is replaced: ${price} ${open}`);
      if (command.stopPrice === 0) Object.assign(live, { price, open });
      else {
        remove(this.#waiting, live);
        this.#come({ ...live, price, open, stopPrice: command.stopPrice });
      }
      return;
    }
    const keeps = price === live.price && open < live.open;
    const order = { ...live, price, open, rests: true, fillOrKill: false };
    if (!keeps && live.postOnly && this.#best(order) !== undefined) {
      this.#told.push(`${live.name} would trade`);
      return;
    }
    this.#told.push(`${live.name} is replaced: ${price} ${open}`);
    if (keeps) live.open = open;
    else {
      remove(this.#resting, live);
      this.#work(order);
    }
  }

  #leave(name: string, reason: number): void {
    const order = this.live.find((one) => one.name === name) as ModelOrder;
    remove(this.#resting, order);
    remove(this.#waiting, order);
    this.#told.push(`${name} ${order.price} leaves with ${order.open}: ${reason}`);
  }

  /** What the order meets next, if it trades at all. */
  #best({ symbol, side, price, market }: ModelOrder): ModelOrder | undefined {
    const good = this.#resting.filter(
      (one) =>
        one.symbol === symbol &&
        one.side !== side &&
        (market || (side === 0 ? one.price <= price : one.price >= price)),
    );
    return good.toSorted((a, b) => (side === 0 ? a.price - b.price : b.price - a.price))[0];
  }

  #preventionOf(order: ModelOrder, maker: ModelOrder): number {
    return order.account === maker.account ? order.prevention || this.#usual : 0;
  }

  #work(order: ModelOrder): void {
    if (order.fillOrKill && !this.#fills({ ...order })) {
      this.#told.push(`${order.name} is killed`);
      return;
    }
    for (let maker = this.#best(order); maker !== undefined && order.open > 0; maker = this.#best(order)) {
      const prevention = this.#preventionOf(order, maker);
      const quantity = Math.min(order.open, maker.open);
      if (prevention === 0) {
        maker.open -= quantity;
        order.open -= quantity;
        this.#told.push(
          `${order.name} trades with ${maker.name}: ${quantity} at ${maker.price}, left ${order.open} and ${maker.open}`,
        );
        if (maker.open === 0) remove(this.#resting, maker);
        this.#trigger(order.symbol, maker.price);
        continue;
      }
      const taken = prevention === 1 || prevention === 3 ? order.open : prevention === 4 ? quantity : 0;
      const made = prevention === 2 || prevention === 3 ? maker.open : prevention === 4 ? quantity : 0;
      order.open -= taken;
      maker.open -= made;
      if (made > 0) this.#told.push(`${maker.name} loses ${made} to itself, left ${maker.open}`);
      if (taken > 0) this.#told.push(`${order.name} loses ${taken} to itself, left ${order.open}`);
      if (maker.open === 0) remove(this.#resting, maker);
    }
    if (order.open === 0) return;
    if (order.rests) this.#resting.push({ ...order, stopPrice: 0 });
    else this.#told.push(`${order.name} expires with ${order.open}`);
  }

  /** Whether a fill or kill finds enough before it meets one that ends it. */
  #fills(order: ModelOrder): boolean {
    const passed: ModelOrder[] = [];
    let fills = true;
    while (order.open > 0 && fills) {
      const maker = this.#best(order);
      const prevention = maker === undefined ? 0 : this.#preventionOf(order, maker);
      if (maker === undefined || (prevention !== 0 && prevention !== 2)) fills = false;
      else {
        if (prevention === 0) order.open -= Math.min(order.open, maker.open);
        passed.push(maker);
        remove(this.#resting, maker);
      }
    }
    // In the order in which they were: those of one price come back as they came.
    this.#resting.unshift(...passed);
    return fills;
  }

  #trigger(symbol: number, price: number): void {
    this.last.set(symbol, price);
    for (const side of [0, 1]) {
      const due = this.#waiting.filter((one) => one.symbol === symbol && one.side === side);
      const first = due.toSorted((a, b) => (side === 0 ? a.stopPrice - b.stopPrice : b.stopPrice - a.stopPrice));
      for (const stop of first) {
        if (!this.isDue(symbol, side, stop.stopPrice)) continue;
        remove(this.#waiting, stop);
        this.#told.push(`${stop.name} ${side} is triggered at ${price}: ${stop.open}`);
        this.#line.push(stop);
      }
    }
  }
}

export function nameOf({ account, idLow, idHigh }: OrderName): string {
  return `${account}/${idHigh}:${idLow}`;
}

function remove(orders: ModelOrder[], order: ModelOrder): void {
  const place = orders.indexOf(order);
  if (place >= 0) orders.splice(place, 1);
}
