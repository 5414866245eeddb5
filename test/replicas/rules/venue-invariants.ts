import { EventFlag, type VenueEvent } from '../../../journal/events.ts';
import type { Funds } from './ruled-market.ts';

/** What must hold of the events of every command, whatever the rules are: nothing is made up, and nothing is lost. */
export class VenueInvariants {
  /** Lots open of every live order, by account and id. */
  readonly #open = new Map<string, number>();
  /** Deposited less withdrawn, by asset. */
  readonly #deposited = new Map<number, bigint>();

  /** What is wrong with the events of a command. */
  take(events: readonly VenueEvent[]): string | undefined {
    let traded = 0;
    for (const event of events) {
      const wrong = this.#takeOne(event);
      if (wrong !== undefined) return wrong;
      if (event.type === 'tradeMaker') traded += event.quantity;
      else if (event.type === 'tradeTaker') traded -= event.quantity;
    }
    return traded === 0 ? outOfPriority(events) : `${traded} lots were sold that nobody bought`;
  }

  #takeOne(event: VenueEvent): string | undefined {
    const { type, account, id, quantity, open, flags, symbol } = event;
    const key = `${account}/${id}`;
    const before = this.#open.get(key) ?? 0;
    if (type === 'accepted' || type === 'replaced') this.#open.set(key, open);
    else if (type === 'balance') {
      const amount = BigInt(event.amounts?.[0] ?? 0);
      const sum = this.#deposited.get(symbol) ?? 0n;
      this.#deposited.set(symbol, sum + ((flags & EventFlag.done) === 0 ? amount : -amount));
    } else if (type === 'tradeMaker' || type === 'tradeTaker' || (type === 'canceled' && quantity > 0)) {
      if (before - quantity !== open) return `${type} of ${key}: ${before} less ${quantity} is not ${open}`;
      if ((open === 0) !== ((flags & EventFlag.done) !== 0)) return `${type} of ${key}: done is wrong`;
      if (open === 0) this.#open.delete(key);
      else this.#open.set(key, open);
    } else if (type === 'refreshed' && (open !== before || quantity > open || quantity < 1))
      return `${key} shows ${quantity} of ${open}, it had ${before}`;
    else if (type === 'triggered' && open !== before) return `${key} was triggered with ${open} of ${before}`;
    return undefined;
  }

  /** Orders that should be live, as account/id and lots open. */
  list(): string[] {
    return [...this.#open].map(([key, open]) => `${key} ${open}`).sort();
  }

  get live(): number {
    return this.#open.size;
  }

  /** Whether what all accounts have is what was deposited. */
  whyNotConserved(funds: ReadonlyMap<string, Funds>): string | undefined {
    const sums = new Map<number, bigint>();
    for (const [key, { available, held }] of funds) {
      const asset = Number(key.split('/')[1]);
      sums.set(asset, (sums.get(asset) ?? 0n) + available + held);
    }
    for (const [asset, sum] of sums) {
      const deposited = this.#deposited.get(asset) ?? 0n;
      if (sum !== deposited) return `asset ${asset}: ${sum} where ${deposited} was deposited`;
    }
    return undefined;
  }
}

/** One incoming order never trades at a better price after a worse one, and all of an auction at one price. */
function outOfPriority(events: readonly VenueEvent[]): string | undefined {
  const worst = new Map<string, number>();
  for (const event of events) {
    const { type, account, id, price, side, flags } = event;
    const key = `${account}/${id}`;
    // It may be entered anew: replaced, or triggered.
    if (type === 'replaced' || type === 'triggered') worst.delete(key);
    if (type !== 'tradeTaker' || (flags & EventFlag.auction) !== 0) continue;
    const before = worst.get(key) ?? price;
    if (side === 'buy' ? price < before : price > before) return `${key} traded at ${price} after ${before}`;
    worst.set(key, price);
  }
  return undefined;
}
