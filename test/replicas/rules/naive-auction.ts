/** Call auctions as docs/rules-sessions.md tells of them, with no thought for speed: every price is tried against every order. */

export interface AuctionOrder {
  readonly id: number;
  readonly side: 'buy' | 'sell';
  /** Undefined for a market order. */
  readonly price: number | undefined;
  open: bigint;
  readonly hidden: boolean;
  /** By which of two at one price goes first. */
  readonly time: number;
}

export interface AuctionPrice {
  readonly price: number;
  readonly volume: bigint;
  readonly imbalance: bigint;
  readonly side: 'buy' | 'sell';
}

const NOTHING: AuctionPrice = { price: 0, volume: 0n, imbalance: 0n, side: 'buy' };

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const larger = (a: bigint, b: bigint): bigint => (a < b ? b : a);
const sum = (orders: readonly AuctionOrder[]): bigint => orders.reduce((lots, { open }) => lots + open, 0n);

function isWilling(order: AuctionOrder, price: number): boolean {
  if (order.price === undefined) return true;
  return order.side === 'buy' ? order.price >= price : order.price <= price;
}

function at(orders: readonly AuctionOrder[], price: number): { demand: bigint; supply: bigint } {
  const willing = orders.filter((order) => isWilling(order, price));
  return {
    demand: sum(willing.filter(({ side }) => side === 'buy')),
    supply: sum(willing.filter(({ side }) => side === 'sell')),
  };
}

/** @param reference 0 for none; so is a tick. */
export function priceOf(orders: readonly AuctionOrder[], reference: number, tick: number): AuctionPrice {
  const limits = [...new Set(orders.flatMap(({ price }) => price ?? []))].sort((a, b) => a - b);
  const tried = limits.map((price) => {
    const { demand, supply } = at(orders, price);
    return { price, volume: smaller(demand, supply), surplus: demand - supply };
  });
  const most = tried.reduce((volume, one) => larger(one.volume, volume), 0n);
  if (limits.length > 0 && most === 0n) return NOTHING;
  const traded = tried.filter(({ volume }) => volume === most);
  const size = (lots: bigint): bigint => (lots < 0n ? -lots : lots);
  const least = traded.reduce((lots, { surplus }) => smaller(lots, size(surplus)), 1n << 100n);
  const left = traded.filter(({ surplus }) => size(surplus) === least);
  const lowest = left[0]?.price ?? 0;
  const highest = left.at(-1)?.price ?? 0;
  let price: number;
  if (limits.length === 0) price = reference;
  else if (left.every(({ surplus }) => surplus > 0n)) price = highest;
  else if (left.every(({ surplus }) => surplus < 0n)) price = lowest;
  else {
    price = reference === 0 ? Math.floor((lowest + highest) / 2) : reference;
    if (price <= lowest) price = lowest;
    else if (price >= highest) price = highest;
    else if (tick !== 0) price = Math.max(lowest, price - (price % tick));
  }
  const { demand, supply } = at(orders, price);
  const volume = smaller(demand, supply);
  if (price === 0 || volume === 0n) return NOTHING;
  return { price, volume, imbalance: size(demand - supply), side: supply > demand ? 'sell' : 'buy' };
}

export interface AuctionTrade {
  readonly buy: number;
  readonly sell: number;
  readonly quantity: bigint;
}

/** What trades at a price, in order; takes it off what is open. */
export function trade(orders: readonly AuctionOrder[], price: number): AuctionTrade[] {
  const line = (side: 'buy' | 'sell'): AuctionOrder[] =>
    orders
      .filter((order) => order.side === side && isWilling(order, price))
      .sort((a, b) => rank(a) - rank(b) || Number(a.hidden) - Number(b.hidden) || a.time - b.time);
  const buys = line('buy');
  const sells = line('sell');
  const trades: AuctionTrade[] = [];
  for (;;) {
    const buy = buys.find(({ open }) => open > 0n);
    const sell = sells.find(({ open }) => open > 0n);
    if (buy === undefined || sell === undefined) return trades;
    const quantity = smaller(buy.open, sell.open);
    buy.open -= quantity;
    sell.open -= quantity;
    trades.push({ buy: buy.id, sell: sell.id, quantity });
  }
}

/** Smaller goes first. */
function rank({ side, price }: AuctionOrder): number {
  if (price === undefined) return Number.NEGATIVE_INFINITY;
  return side === 'buy' ? -price : price;
}
