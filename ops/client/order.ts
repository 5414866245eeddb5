import type { OrderTypeName, SideName, TimeInForceName } from '../../journal/commands.ts';
import { EventFlag, EventType, type EventTypeName, type VenueEvent } from '../../journal/events.ts';
import { Reason, type ReasonName, reasonName } from '../../journal/reasons.ts';
import { applyEvent, type OrderAmounts, type OrderStatus, statusOf } from '../reports/order-state.ts';
import type { RoutedAnswer } from '../sessions/routing-client.ts';
import type { NewOrder, Replacement } from './order-terms.ts';

/** What became of a command: as the venue answered it. */
export interface Outcome {
  /** Where it was handled. */
  readonly sequence: number;
  /** `none` unless it was refused. */
  readonly reason: ReasonName | `reason${number}`;
  /** Lots that it traded as the taker. */
  readonly traded: number;
  /** Of a mass cancel: orders that were canceled. Of others: lots open after it. */
  readonly open: number;
}

/** What an order asks of the client that it belongs to. */
export interface OrderDesk {
  cancel(order: Order): Promise<Outcome>;
  reduce(order: Order, qty: number): Promise<Outcome>;
  replace(order: Order, replacement: Replacement): Promise<Outcome>;
}

/** An answer that the reports have not caught up with. */
interface AnsweredCommand {
  readonly shard: number | undefined;
  readonly sequence: number;
  readonly open: number;
  readonly traded: number;
  readonly change: OrderChange;
}

/** What a command does to its order. */
export type OrderChange =
  | { readonly kind: 'new' | 'cancel' }
  | { readonly kind: 'reduce'; readonly qty: number }
  | ({ readonly kind: 'replace'; readonly open?: number | undefined } & Partial<Replacement>);

/** What the reports tell, or the answers on top of them. */
interface Terms extends OrderAmounts {
  price: number;
  quantity: number;
  open: number;
  traded: number;
  isReplaced: boolean;
}

/** Reports that tell what became of an order's quantity. */
const TOLD: ReadonlySet<EventTypeName> = new Set([
  ...(['accepted', 'tradeMaker', 'tradeTaker', 'replaced', 'canceled', 'triggered', 'refreshed'] as const),
]);

/** Sum of prices times quantities of what traded, exact, and the lots that it is of. */
export interface TradedAmount {
  /** Ticks times lots. */
  readonly notional: bigint;
  readonly lots: number;
}

/**
 * An order of one's own, and its state. Two sources tell of it, each with a sequence: the answers to its commands, of which each
 * comes once and for certain, and the execution reports. Reports tell everything; where an answer is ahead of them, what it tells
 * counts, until they have caught up.
 */
export class Order {
  readonly id: number | bigint;
  /** Name of the instrument. */
  readonly symbol: string;
  readonly side: SideName;
  readonly type: OrderTypeName;
  readonly tif: TimeInForceName;
  readonly #desk: OrderDesk;
  /** By the reports alone. */
  readonly #reported: Terms;
  #isAccepted = false;
  /** That the last report came from: another one after the instrument was moved. */
  #shard: number | undefined;
  #reportSequence = 0;
  /** Lots traded as the taker, of those that the reports of the last sequence tell. */
  #takenLast = 0;
  #notional = 0n;
  /** Oldest first. */
  #ahead: AnsweredCommand[] = [];
  #answerSequence = 0;
  #isAnswered = false;
  #entrySequence = 0;
  #reason: Outcome['reason'] = 'none';
  #isRejected = false;
  #isTriggered = false;
  #failure: Error | undefined;
  #underWay = 0;
  #waiting: (() => void)[] = [];

  constructor(desk: OrderDesk, terms: NewOrder, id: number | bigint) {
    this.#desk = desk;
    this.id = id;
    this.symbol = terms.symbol;
    this.side = terms.side;
    this.type = terms.type ?? 'limit';
    this.tif = terms.tif ?? 'gtc';
    this.#reported = { price: terms.price ?? 0, quantity: terms.qty, open: terms.qty, traded: 0, isReplaced: false };
  }

  get status(): OrderStatus {
    if (this.#isRejected) return 'rejected';
    if (!this.#isAccepted && !this.#isAnswered) return 'pendingNew';
    const { quantity, open, traded, isReplaced } = this.#now();
    const stage = open > 0 ? 'open' : traded === quantity ? 'filled' : 'canceled';
    const status = statusOf(stage, Reason[this.#reason as ReasonName] ?? Reason.none, traded);
    return status === 'new' && isReplaced ? 'replaced' : status;
  }

  /** Nothing of it is left, or it was never in the book. */
  get isDone(): boolean {
    return this.#isRejected || ((this.#isAccepted || this.#isAnswered) && this.open === 0);
  }

  /** Limit in ticks; 0 of a market order. */
  get price(): number {
    return this.#now().price;
  }

  /** Lots entered, or traded and open after the last replace or reduce (FIX 38). */
  get quantity(): number {
    return this.#now().quantity;
  }

  /** Lots that may still trade (FIX 151). */
  get open(): number {
    return this.#isRejected ? 0 : this.#now().open;
  }

  /** Lots traded (FIX 14). */
  get traded(): number {
    return this.#now().traded;
  }

  /** Lots taken off without a trade. */
  get canceled(): number {
    const { quantity, traded } = this.#now();
    return this.#isRejected ? 0 : quantity - traded - this.open;
  }

  /**
   * What traded at which price, as far as reports tell: its `lots` are below {@link traded} while an answer is ahead. The average
   * price (FIX 6) is `notional / lots` ticks, and nothing is rounded here.
   */
  get tradedAmount(): TradedAmount {
    return { notional: this.#notional, lots: this.#reported.traded };
  }

  /** It waits no more: for its stop price, or for the order that it comes after. */
  get isTriggered(): boolean {
    return this.#isTriggered;
  }

  /** Why it was rejected, or quantity was taken off it last; `none` otherwise. */
  get reason(): Outcome['reason'] {
    return this.#reason;
  }

  /** Where it was entered: 0 as long as that is not known. */
  get entrySequence(): number {
    return this.#entrySequence;
  }

  /** Of the last report that was taken. */
  get reportSequence(): number {
    return this.#reportSequence;
  }

  /** Of the last answer that was taken. */
  get answerSequence(): number {
    return this.#answerSequence;
  }

  /** Commands of this order that are not answered: as long as there are, it may change. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Every report up to the last answer was taken, and so all of it is known. */
  get isReported(): boolean {
    return this.#ahead.length === 0 && (this.#isAccepted || this.#isRejected);
  }

  /** Resolves when the venue has answered it, by which it was accepted or rejected. Rejects if the client gave up, was closed or withdrew it. */
  async acknowledged(): Promise<this> {
    return this.#when(() => this.#isAnswered);
  }

  /** Resolves when it is done, and every trade's price is known. Rejects like {@link acknowledged}. */
  async done(): Promise<this> {
    return this.#when(() => this.isDone && this.isReported && this.#isAnswered);
  }

  /** Resolves when anything of it changes. Rejects like {@link acknowledged}. */
  async changed(): Promise<this> {
    let isFirst = true;
    return this.#when(() => {
      const before = isFirst;
      isFirst = false;
      return !before;
    });
  }

  /** Its state as plain values, for logs; sums that JSON has no number for are text. */
  toJSON(): object {
    const { id, symbol, side, type, tif, status, price, quantity, open, traded, canceled, reason } = this;
    const { entrySequence, reportSequence, answerSequence, tradedAmount } = this;
    const notional = String(tradedAmount.notional);
    const terms = { id: typeof id === 'bigint' ? String(id) : id, symbol, side, type, tif, status, price, quantity };
    return { ...terms, open, traded, canceled, notional, reason, entrySequence, reportSequence, answerSequence };
  }

  cancel(): Promise<Outcome> {
    return this.#desk.cancel(this);
  }

  /** Takes lots off and keeps the priority. */
  reduce(qty: number): Promise<Outcome> {
    return this.#desk.reduce(this, qty);
  }

  replace(replacement: Replacement): Promise<Outcome> {
    return this.#desk.replace(this, replacement);
  }

  /**
   * Makes it an order for so many lots in all, those that traded included ({@link quantity}), at another price if one is given:
   * exact, whatever trades meanwhile. Waits until its other commands are answered and reported. With a total that has traded
   * already, what is open is taken off. Rejects like {@link acknowledged}.
   */
  async changeTotal(total: number, price?: number): Promise<Outcome> {
    while (!this.#isSettled) await this.#when(() => this.#isSettled);
    const less = this.quantity - total;
    if (less > 0 && (price === undefined || less >= this.open)) return this.reduce(less);
    // The venue says of an order that is done that it is.
    const open = Math.max(1, this.open);
    return this.replace({ price, qty: open - less, open });
  }

  /** What is open, traded and asked for is of one moment. */
  get #isSettled(): boolean {
    return this.#underWay === 0 && this.isReported;
  }

  /** It was in the book already: of what it did before nothing is known but what is left. */
  restored({ sequence }: VenueEvent, shard: number): this {
    this.#isAccepted = true;
    this.#isAnswered = true;
    this.#shard = shard;
    this.#entrySequence = sequence;
    this.#reportSequence = sequence;
    return this;
  }

  /** A command was given to the client. */
  begin(): void {
    this.#underWay++;
  }

  /** The venue answered a command. @returns whether reports are missing that should have come before the answer. */
  answered(change: OrderChange, answer: RoutedAnswer): boolean {
    this.#underWay--;
    const { shard, sequence, open, traded, reason } = answer;
    this.#answerSequence = sequence;
    if (change.kind === 'new') {
      this.#isAnswered = true;
      this.#entrySequence = sequence;
      if (reason !== 0) {
        this.#isRejected = true;
        this.#reason = reasonName(reason) as Outcome['reason'];
      }
    }
    // Of a command that was refused the order has nothing; and what it says of the order's quantity is zero.
    const ahead = { shard, sequence, open, traded, change };
    if (reason === 0 && !this.#isRejected && !this.#hasReportsOf(ahead)) this.#ahead.push(ahead);
    this.#wake();
    return this.#ahead.length > 0;
  }

  /** A command was not carried out and has no answer: it was withdrawn before it was sent, or the client gave up. */
  failed(change: OrderChange, error: Error): void {
    this.#underWay--;
    if (change.kind === 'new' && !this.#isAccepted) this.#failure = error;
    this.#wake();
  }

  /** The client does nothing more for it. */
  abandon(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** Takes a report of a shard. @returns whether one before it is missing. */
  reported(event: VenueEvent, shard: number): boolean {
    const { type, sequence, quantity, open } = event;
    // What moves with its instrument is taken off one shard and accepted on another one, in whatever order that is heard.
    if (!TOLD.has(type) || this.#isRejected || (type === 'canceled' && event.reason === 'moved')) return false;
    if (this.#shard !== shard || sequence > this.#reportSequence) this.#takenLast = 0;
    this.#shard = shard;
    this.#reportSequence = sequence;
    const terms = this.#reported;
    let isMissing = !this.#isAccepted && type !== 'accepted';
    if (type === 'accepted') {
      if (!this.#isAccepted) this.#entrySequence = sequence;
      this.#isAccepted = true;
    } else if (type === 'tradeMaker' || type === 'tradeTaker') {
      this.#notional += BigInt(event.price) * BigInt(quantity);
      if (type === 'tradeTaker') this.#takenLast += quantity;
    } else if (type === 'replaced') terms.isReplaced = true;
    else if (type === 'triggered') this.#isTriggered = (event.flags & EventFlag.kept) === 0;
    else if (type === 'canceled') this.#reason = event.reason as Outcome['reason'];
    const { quantity: before } = terms;
    applyEvent(terms, EventType[type], Reason[this.#reason as ReasonName] ?? Reason.none, event);
    // Here also a reduce that leaves nothing counts as canceled.
    if (type === 'canceled' && open === 0) terms.quantity = before;
    if (this.#ahead.length > 0) {
      isMissing ||= this.#ahead.some((answer) => answer.shard === shard && answer.sequence < sequence);
      this.#ahead = this.#ahead.filter((answer) => !this.#hasReportsOf(answer));
    }
    this.#wake();
    return isMissing;
  }

  #hasReportsOf({ shard, sequence, open, traded }: AnsweredCommand): boolean {
    if (this.#shard !== shard || this.#reportSequence < sequence) return false;
    return this.#reportSequence > sequence || (this.#reported.open === open && this.#takenLast === traded);
  }

  /** What the reports tell, and the answers that are ahead of them. */
  #now(): Terms {
    if (this.#ahead.length === 0) return this.#reported;
    const now = { ...this.#reported };
    for (const { shard, sequence, open, traded, change } of this.#ahead) {
      const isBegun = this.#shard === shard && this.#reportSequence === sequence;
      // Of one that tells what was open, what traded before came off; with nothing left the order was canceled.
      if (change.kind === 'replace' && !isBegun && (change.open === undefined || open + traded > 0)) {
        now.price = change.price ?? now.price;
        now.quantity = now.traded + (change.open === undefined ? (change.qty ?? now.open) : open + traded);
        now.isReplaced = true;
      } else if (change.kind === 'reduce' && !isBegun && open > 0) now.quantity = now.traded + open;
      now.traded += isBegun ? traded - this.#takenLast : traded;
      now.open = open;
    }
    return now;
  }

  #when(holds: () => boolean): Promise<this> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (holds()) resolve(this);
        else if (this.#failure !== undefined) reject(this.#failure);
        else this.#waiting.push(look);
      };
      look();
    });
  }

  #wake(): void {
    for (const look of this.#waiting.splice(0)) look();
  }
}
