import { AccountSetting, nameOf } from '../../journal/commands.ts';
import { EventFlag, EventType, type EventTypeName, type VenueEvent } from '../../journal/events.ts';
import { isOfAccount } from '../../sequencer/reports.ts';
import type { Order, Outcome } from './order.ts';

/** What a trade moved: units of the assets, exact. A buyer paid quote and fee and got base; a seller gave base and got quote less fee. */
export interface SettledAmounts {
  readonly quote: bigint;
  readonly base: bigint;
  /** Below zero it is a rebate. */
  readonly fee: bigint;
}

/** A deposit, or a withdrawal: units of the asset, exact, and what the account has after it. */
export interface BalanceChange {
  readonly asset: number;
  readonly isWithdrawn: boolean;
  readonly amount: bigint;
  readonly available: bigint;
  readonly held: bigint;
}

/** An execution report (FIX 8) about an order of the account, or a report about the account itself. */
export interface Report {
  readonly type: EventTypeName;
  readonly shard: number;
  readonly sequence: number;
  /** Name of the instrument; empty in reports about the account itself. */
  readonly symbol: string;
  readonly id: number | bigint;
  readonly side: 'buy' | 'sell';
  /** Limit, or price of the trade; ticks. */
  readonly price: number;
  /** Entered, traded or taken off; lots. */
  readonly qty: number;
  /** Lots open after it. */
  readonly open: number;
  readonly reason: Outcome['reason'];
  /** Nothing of the order is left. */
  readonly isDone: boolean;
  /** It traded in an auction: `tradeMaker` is the buyer's report then, `tradeTaker` the seller's, and nobody is the taker. */
  readonly isAuction: boolean;
  /** The order's handle, which market data names, too. */
  readonly slot: number;
  readonly generation: number;
  /** Of type `settled`, which has no price, quantity and open lots. */
  readonly settled?: SettledAmounts | undefined;
  /** Of type `balance`, which has no price, quantity and open lots; `id` is that of the deposit or withdrawal. */
  readonly balance?: BalanceChange | undefined;
  /** Of type `account`: the setting that it has now. */
  readonly setting?: { readonly name: string; readonly value: number } | undefined;
  /** Of type `kill`: whom the kill switch stopped, or lets trade again. */
  readonly kill?: { readonly scope: 'all' | 'account' | 'group'; readonly isLifted: boolean } | undefined;
  /** It was lost and told again by the venue. */
  readonly isRepaired: boolean;
  /** The client's order that it is about, if it is one. */
  readonly order: Order | undefined;
}

/** Where a report comes from, and how it came. */
export interface ReportPlace {
  readonly shard: number;
  readonly isRepaired: boolean;
  readonly nameOf: (symbol: number) => string;
  /** The client's order that it names, of those that the client has. */
  readonly order: Order | undefined;
}

/** By `slot` of a kill's event. */
const KILL_SCOPES = ['all', 'account', 'group'] as const;

/** Whether an event is about the account itself, and so about no order and no instrument. */
export function isAboutAccount({ type }: VenueEvent): boolean {
  return isOfAccount(EventType[type]);
}

/** The report that an event of the account is. */
export function reportOf(event: VenueEvent, { shard, isRepaired, nameOf: symbolName, order }: ReportPlace): Report {
  const { type, sequence, id, side, flags, slot, generation } = event;
  const ofAccount = isAboutAccount(event);
  const hasLots = !ofAccount && type !== 'settled';
  return {
    ...{ type, shard, sequence, symbol: ofAccount ? '' : symbolName(event.symbol), id, side },
    ...(hasLots
      ? { price: event.price, qty: event.quantity, open: event.open }
      : { price: 0, qty: 0, open: 0, ...amountsOf(event) }),
    reason: event.reason as Outcome['reason'],
    isDone: !ofAccount && (flags & EventFlag.done) !== 0,
    isAuction: (flags & EventFlag.auction) !== 0 && (type === 'tradeMaker' || type === 'tradeTaker'),
    ...(ofAccount ? { slot: 0, generation: 0 } : { slot, generation }),
    ...{ isRepaired, order: ofAccount ? undefined : order },
  };
}

function amountsOf(event: VenueEvent): Pick<Report, 'settled' | 'balance' | 'setting' | 'kill'> {
  const { type, flags, slot, price, symbol, amounts = [] } = event;
  const [first = 0n, second = 0n, third = 0n] = amounts.map(BigInt);
  switch (type) {
    case 'settled':
      return { settled: { quote: first, base: second, fee: third } };
    case 'balance': {
      const isWithdrawn = (flags & EventFlag.done) !== 0;
      return { balance: { asset: symbol, isWithdrawn, amount: first, available: second, held: third } };
    }
    case 'account':
      return { setting: { name: nameOf(AccountSetting, slot) ?? `setting${slot}`, value: price } };
    default:
      return { kill: { scope: KILL_SCOPES[slot] ?? 'all', isLifted: (flags & EventFlag.closed) === 0 } };
  }
}
