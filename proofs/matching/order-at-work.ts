import { AMOUNT_MAX } from '../../journal/amounts.ts';
import { SelfTradePrevention } from '../../journal/commands.ts';
import { type Cell, isPostOnly, preventionIn } from './book-cells.ts';
import type { Step } from './market-columns.ts';
import type { TapeCommand } from './tape.ts';

/** The order at work, as the circuit sees it. */
export interface Taker {
  readonly symbol: number;
  readonly side: number;
  readonly postOnly: boolean;
  /** Its own self-trade prevention, and the one that applies. */
  readonly prevention: number;
  readonly applies: number;
  readonly account: number;
  /** The worst price key of the other side at which it trades. */
  readonly limit: number;
  left: number;
}

/** What an order that meets others would come to. */
interface Prospect {
  /** That it would meet. */
  readonly orders: number;
  readonly open: number;
  /** It meets one of its account that ends it, or takes of it what is missing then. */
  readonly isCut: boolean;
}

/** The limit of an order without one. */
export const MARKET_LIMIT: number = AMOUNT_MAX - 1;

/** By {@link SelfTradePrevention}. */
export const PREVENTING_STEPS: readonly (Step | undefined)[] = [
  undefined,
  'newest ends',
  'oldest ends',
  'both end',
  'decrement',
];

/** A new order. */
export function entering(command: TapeCommand): Taker {
  const applies = command.prevention === 0 ? command.usualPrevention : command.prevention;
  return { ...command, applies, limit: limitOf(command, command.side), left: command.quantity };
}

function limitOf(command: TapeCommand, side: number): number {
  if (command.market) return MARKET_LIMIT;
  return side === 0 ? command.price : AMOUNT_MAX - command.price;
}

/** The order that a command names, as the command would have it. */
export function amended(command: TapeCommand, own: Cell, side: number): Taker {
  const { kind, symbol } = command;
  const replaces = kind === 'replace';
  const namesQuantity = kind === 'reduce' || command.hasQuantity;
  const prevention = replaces ? preventionIn(own) : 0;
  return {
    symbol,
    side,
    account: command.account,
    prevention,
    applies: prevention === 0 && replaces ? command.usualPrevention : prevention,
    postOnly: replaces && isPostOnly(own),
    limit: !replaces ? 0 : command.hasPrice ? limitOf(command, side) : AMOUNT_MAX - own.priceKey,
    left: namesQuantity ? command.quantity : replaces ? own.open : 0,
  };
}

/** What keeps the order from trading with another one; 0 for nothing. */
export function preventionOf({ account, applies }: Taker, { name }: Cell): number {
  return name.account === account ? applies : 0;
}

/** What an order could meet at once, of a list from its best on, and trade up to what is left. */
export function prospectOf(taker: Taker, best: Cell): Prospect {
  let orders = 0;
  let open = 0;
  let left = taker.left;
  let isCut = false;
  for (let cell = best; left > 0 && cell.priceKey <= taker.limit; cell = cell.next as Cell) {
    orders++;
    const prevention = preventionOf(taker, cell);
    if (prevention === SelfTradePrevention.cancelOldest) continue;
    if (prevention === 0) open += cell.open;
    else isCut = true;
    left -= cell.open;
  }
  return { orders, open, isCut };
}
