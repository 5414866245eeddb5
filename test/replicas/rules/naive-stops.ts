import type { Command } from '../../../journal/commands.ts';

/**
 * The rules of docs/rules-stops.md, told as plainly as can be: every order that waits is a member of one list that is searched from
 * end to end for each trade. One instrument, one account; limit and market orders, gtc, ioc and fok; no limits but those
 * of the lists. Its lines are those of RulesPlay.
 */
const LINKED_MAX = 8;
const ACCOUNT = 1;

interface NaiveOrder {
  id: number;
  side: 'buy' | 'sell';
  type: 'limit' | 'market' | 'stop' | 'stopLimit';
  tif: 'gtc' | 'ioc' | 'fok';
  price: number;
  open: number;
  stopPrice: number | undefined;
  trail: number | undefined;
  /** Best trade price since entry. */
  best: number | undefined;
  /** Counts entries and places at the end of a queue: a smaller one is older. */
  age: number;
  place: 'book' | 'stops' | 'after' | 'line' | 'gone';
  group: NaiveOrder[];
  parent: NaiveOrder | undefined;
  children: NaiveOrder[];
}

interface Doomed {
  readonly order: NaiveOrder;
  readonly reason: 'linked' | 'orphaned';
}

export class NaiveStops {
  readonly stopsMax: number;
  readonly refusesDue: boolean;
  #orders: NaiveOrder[] = [];
  #line: NaiveOrder[] = [];
  #doomed: Doomed[] = [];
  #lines: string[] = [];
  #last: number | undefined;
  #age = 0;
  #atWork: NaiveOrder | undefined;

  constructor(stopsMax: number, refusesDue: boolean) {
    this.stopsMax = stopsMax;
    this.refusesDue = refusesDue;
  }

  send(command: Command): string[] {
    this.#lines = [];
    const why = this.#perform(command);
    if (why !== undefined) this.#lines.push(`rejected ${why}`);
    return this.#lines;
  }

  ids(): number[] {
    return this.#orders.map(({ id }) => id);
  }

  bids(): number[][] {
    return this.#levels('buy');
  }

  asks(): number[][] {
    return this.#levels('sell');
  }

  #levels(side: 'buy' | 'sell'): number[][] {
    const levels: number[][] = [];
    for (const { price, open } of this.#queue(side)) {
      const level = levels.at(-1);
      if (level?.[0] !== price) levels.push([price, open, 1]);
      else {
        level[1] = (level[1] as number) + open;
        level[2] = (level[2] as number) + 1;
      }
    }
    return levels;
  }

  #perform(command: Command): string | undefined {
    const order = this.#orders.find(({ id }) => id === command.id);
    switch (command.op) {
      case 'new':
        return this.#enter(command);
      case 'cancel':
        if (order === undefined) return 'unknownOrder';
        this.#remove(order, 'requested');
        return this.#cancelDoomed();
      case 'reduce':
        return order === undefined ? 'unknownOrder' : this.#reduce(order, command.quantity as number);
      default:
        return order === undefined ? 'unknownOrder' : this.#replace(order, command);
    }
  }

  // --- Entering ---

  #enter(command: Command): string | undefined {
    const { type = 'limit', cancels, after } = command;
    const isStop = type === 'stop' || type === 'stopLimit';
    const stopTerms = [command.stopPrice, command.trail].filter((term) => term !== undefined).length;
    const isTaken = this.#orders.some(({ id }) => id === command.id);
    // More terms than one are sent before the order, which is when its id is looked at first.
    const terms = [cancels, after].filter((term) => term !== undefined).length + stopTerms;
    if (terms > 1 && isTaken) return 'duplicateOrder';
    if (stopTerms !== (isStop ? 1 : 0)) return 'terms';
    const mayRest = (type === 'limit' || type === 'stopLimit') && (command.tif ?? 'gtc') === 'gtc';
    if (cancels !== undefined && (cancels === after || !(mayRest || isStop || after !== undefined))) return 'terms';
    if (isTaken) return 'duplicateOrder';
    const partner = this.#orders.find(({ id }) => id === cancels);
    const parent = this.#orders.find(({ id }) => id === after);
    if (cancels !== undefined && partner === undefined) return 'unknownOrder';
    if (partner !== undefined && partner.group.length >= LINKED_MAX) return 'listFull';
    if (after !== undefined && parent === undefined) return 'unknownOrder';
    if (parent?.place === 'after') return 'terms';
    if (parent !== undefined && parent.children.length >= LINKED_MAX) return 'listFull';
    const order: NaiveOrder = {
      id: command.id as number,
      side: command.side as 'buy' | 'sell',
      type,
      tif: (command.tif ?? 'gtc') as NaiveOrder['tif'],
      price: command.price ?? 0,
      open: command.quantity as number,
      stopPrice: command.stopPrice,
      trail: command.trail,
      best: undefined,
      age: this.#age++,
      place: 'gone',
      group: [],
      parent,
      children: [],
    };
    const isDue = isStop && parent === undefined && this.#isDue(order);
    const waits = parent !== undefined || (isStop && !isDue);
    if (isDue && this.refusesDue) return 'stopWouldTrigger';
    if (waits && this.#waiting() >= this.stopsMax) return 'stopsFull';
    this.#lines.push(`accepted ${this.#name(order)} ${order.side} ${order.open}@${order.price}`);
    if (partner !== undefined) this.#join(order, partner);
    if (parent !== undefined) {
      parent.children.push(order);
      order.place = 'after';
      this.#orders.push(order);
    } else if (waits) this.#waitAsStop(order);
    else if (isDue) this.#enterDue(order);
    else this.#execute(order);
    this.#enterLine();
    return undefined;
  }

  #waitAsStop(order: NaiveOrder): void {
    order.place = 'stops';
    order.best = this.#last;
    order.age = this.#age++;
    this.#orders.push(order);
  }

  #enterDue(order: NaiveOrder): void {
    this.#lines.push(`triggered ${this.#name(order)} ${order.open}@${this.#last}`);
    order.type = order.type === 'stop' ? 'market' : 'limit';
    this.#execute(order);
  }

  #enterLine(): void {
    for (let order = this.#line.shift(); order !== undefined; order = this.#line.shift()) {
      this.#orders.splice(this.#orders.indexOf(order), 1);
      if (order.type === 'limit' || order.type === 'market') this.#execute(order);
      else if (!this.#isDue(order)) this.#waitAsStop(order);
      else if (this.refusesDue) this.#dismiss(order, 'stopWouldTrigger');
      else this.#enterDue(order);
    }
  }

  #execute(order: NaiveOrder): void {
    order.place = 'gone';
    this.#atWork = order;
    const limit = order.type === 'limit' ? order.price : undefined;
    if (order.tif === 'fok' && !this.#couldFill(order, limit)) this.#dismiss(order, 'fok');
    else {
      for (
        let maker = this.#best(order, limit);
        order.open > 0 && maker !== undefined;
        maker = this.#best(order, limit)
      )
        this.#trade(order, maker);
      if (order.open === 0) this.#left(order);
      else if (order.type === 'limit' && order.tif === 'gtc') {
        order.place = 'book';
        order.age = this.#age++;
        this.#orders.push(order);
      } else this.#dismiss(order, 'ioc');
    }
    this.#atWork = undefined;
  }

  #dismiss(order: NaiveOrder, reason: string): void {
    this.#lines.push(`canceled ${this.#name(order)} ${reason} ${order.open} leaves 0`);
    this.#left(order);
    this.#cancelDoomed();
  }

  // --- Trading ---

  /** Orders of a side in the book, in the order in which they trade. */
  #queue(side: 'buy' | 'sell'): NaiveOrder[] {
    const sign = side === 'buy' ? -1 : 1;
    return this.#orders
      .filter((order) => order.place === 'book' && order.side === side)
      .sort((a, b) => sign * (a.price - b.price) || a.age - b.age);
  }

  #matching(order: NaiveOrder, limit: number | undefined): NaiveOrder[] {
    const reaches = ({ price }: NaiveOrder): boolean =>
      limit === undefined || (order.side === 'buy' ? price <= limit : price >= limit);
    return this.#queue(order.side === 'buy' ? 'sell' : 'buy').filter(reaches);
  }

  #best(order: NaiveOrder, limit: number | undefined): NaiveOrder | undefined {
    return this.#matching(order, limit)[0];
  }

  /** Whether it can trade whole, when those are left out that would be canceled on the way. */
  #couldFill(order: NaiveOrder, limit: number | undefined): boolean {
    let missing = order.open;
    const traded = new Set<NaiveOrder>([order]);
    const gone = new Set<NaiveOrder>();
    for (const maker of this.#matching(order, limit)) {
      if (gone.has(maker)) continue;
      missing -= maker.open;
      if (missing <= 0) return true;
      traded.add(maker);
      const line = [...maker.group, ...order.group];
      for (const other of line) {
        if (gone.has(other) || traded.has(other)) continue;
        gone.add(other);
        line.push(...other.group, ...other.children);
      }
    }
    return false;
  }

  #trade(order: NaiveOrder, maker: NaiveOrder): void {
    const quantity = Math.min(order.open, maker.open);
    order.open -= quantity;
    maker.open -= quantity;
    const { price } = maker;
    this.#lines.push(
      `trade ${this.#name(order)} with ${this.#name(maker)} ${quantity}@${price} leaves ${order.open} ${maker.open}`,
    );
    this.#dissolve(maker);
    this.#dissolve(order);
    if (maker.open === 0) this.#orders.splice(this.#orders.indexOf(maker), 1);
    this.#cancelDoomed();
    for (const one of [maker, order]) {
      if (one.open > 0) continue;
      for (const child of one.children.splice(0)) {
        child.parent = undefined;
        this.#trigger(child, price, child.type === 'stop' || child.type === 'stopLimit');
      }
    }
    this.#last = price;
    for (const stop of this.#orders) {
      if (stop.place !== 'stops') continue;
      if (stop.best === undefined) stop.best = price;
      stop.best = stop.side === 'sell' ? Math.max(stop.best, price) : Math.min(stop.best, price);
    }
    for (const side of ['buy', 'sell'] as const) {
      const due = this.#orders.filter((stop) => stop.place === 'stops' && stop.side === side && this.#isDue(stop));
      const sign = side === 'buy' ? 1 : -1;
      due.sort((a, b) => sign * (stopPriceOf(a) - stopPriceOf(b)) || a.age - b.age);
      for (const stop of due) this.#trigger(stop, price, false);
    }
  }

  #isDue(stop: NaiveOrder): boolean {
    if (this.#last === undefined || (stop.trail !== undefined && stop.best === undefined)) return false;
    const at = stopPriceOf(stop);
    return at > 0 && (stop.side === 'buy' ? this.#last >= at : this.#last <= at);
  }

  #trigger(order: NaiveOrder, price: number, staysStop: boolean): void {
    this.#lines.push(`triggered ${this.#name(order)} ${order.open}@${price}${staysStop ? ' kept' : ''}`);
    if (!staysStop) order.type = order.type === 'stop' ? 'market' : order.type === 'stopLimit' ? 'limit' : order.type;
    order.place = 'line';
    this.#line.push(order);
  }

  #waiting(): number {
    return this.#orders.filter(({ place }) => place === 'stops' || place === 'after').length;
  }

  // --- Leaving ---

  #join(order: NaiveOrder, partner: NaiveOrder): void {
    if (partner.group.length === 0) partner.group = [partner];
    partner.group.splice(partner.group.indexOf(partner), 0, order);
    order.group = partner.group;
  }

  #leaveGroup(order: NaiveOrder): void {
    const { group } = order;
    group.splice(group.indexOf(order), 1);
    order.group = [];
    if (group.length === 1) (group[0] as NaiveOrder).group = [];
  }

  #dissolve(order: NaiveOrder): void {
    const { group } = order;
    if (group.length === 0) return;
    const from = group.indexOf(order);
    const others = [...group.slice(from + 1), ...group.slice(0, from)];
    this.#leaveGroup(order);
    for (const other of others) if (other !== this.#atWork) this.#doom(other, 'linked');
    if (this.#atWork !== undefined && others.includes(this.#atWork) && this.#atWork.group.length > 0)
      this.#leaveGroup(this.#atWork);
  }

  #left(order: NaiveOrder): void {
    const { parent } = order;
    parent?.children.splice(parent.children.indexOf(order), 1);
    this.#dissolve(order);
    for (const child of order.children) this.#doom(child, 'orphaned');
  }

  #doom(order: NaiveOrder, reason: Doomed['reason']): void {
    if (!this.#doomed.some((one) => one.order === order)) this.#doomed.push({ order, reason });
  }

  #cancelDoomed(): undefined {
    for (let [first] = this.#doomed; first !== undefined; [first] = this.#doomed) {
      if (this.#orders.includes(first.order)) this.#remove(first.order, first.reason);
      this.#doomed.shift();
    }
  }

  #remove(order: NaiveOrder, reason: string): void {
    this.#lines.push(`canceled ${this.#name(order)} ${reason} ${order.open} leaves 0`);
    this.#orders.splice(this.#orders.indexOf(order), 1);
    if (this.#line.includes(order)) this.#line.splice(this.#line.indexOf(order), 1);
    this.#left(order);
  }

  #reduce(order: NaiveOrder, quantity: number): undefined {
    if (quantity >= order.open) {
      this.#remove(order, 'reduced');
      return this.#cancelDoomed();
    }
    order.open -= quantity;
    this.#lines.push(`canceled ${this.#name(order)} reduced ${quantity} leaves ${order.open}`);
  }

  #replace(order: NaiveOrder, command: Command): string | undefined {
    const { stopPrice, trail } = command;
    const price = command.price ?? order.price;
    const gone = command.open === undefined ? 0 : command.open - order.open;
    const open = command.quantity === undefined ? order.open : command.quantity - gone;
    if (gone < 0) return 'openChanged';
    if (open <= 0) return this.#reduce(order, order.open);
    const kept = (): undefined => {
      order.price = price;
      order.open = open;
      this.#lines.push(`replaced ${this.#name(order)} ${open}@${price} kept`);
    };
    if (order.place === 'book') {
      if (stopPrice !== undefined || trail !== undefined) return 'terms';
      if (price === order.price && open < order.open) return kept();
    } else {
      if (command.price !== undefined && (order.type === 'stop' || order.type === 'market')) return 'price';
      const isStop = order.type === 'stop' || order.type === 'stopLimit';
      if (stopPrice !== undefined && (!isStop || order.stopPrice === undefined)) return 'terms';
      if (trail !== undefined && (!isStop || order.trail === undefined)) return 'terms';
      if (order.place === 'after') {
        order.stopPrice = stopPrice ?? order.stopPrice;
        order.trail = trail ?? order.trail;
      }
      if (order.place === 'after' || (stopPrice === undefined && trail === undefined)) return kept();
      const isDue = stopPrice !== undefined && this.#isDue({ ...order, stopPrice });
      if (isDue && this.refusesDue) return 'stopWouldTrigger';
    }
    this.#orders.splice(this.#orders.indexOf(order), 1);
    order.price = price;
    order.open = open;
    this.#lines.push(`replaced ${this.#name(order)} ${open}@${price}`);
    if (order.place === 'book') this.#execute(order);
    else {
      order.stopPrice = stopPrice;
      order.trail = trail;
      if (stopPrice !== undefined && this.#isDue(order)) this.#enterDue(order);
      else this.#waitAsStop(order);
    }
    this.#enterLine();
    return undefined;
  }

  #name({ id }: NaiveOrder): string {
    return `${ACCOUNT}/${id}`;
  }
}

function stopPriceOf({ side, stopPrice, trail, best }: NaiveOrder): number {
  if (trail === undefined) return stopPrice as number;
  return side === 'sell' ? (best as number) - trail : (best as number) + trail;
}
