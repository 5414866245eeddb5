import { readWide } from '../../journal/amounts.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType } from '../../journal/events.ts';
import { Reason } from '../../journal/reasons.ts';
import type { OrderName } from './linked-books.ts';

interface CanceledOrder {
  readonly name: OrderName;
  readonly reason: number;
  readonly quantity: number;
}

/** The events of one command, as the tape reads them. */
export class ToldEvents {
  readonly words: Uint32Array;
  /** Of those that are about an order or a refusal, or about the session: the first, or undefined if there is none. */
  readonly first: number | undefined;
  readonly #from: number;
  readonly #to: number;
  /** Which types there are, as bits. */
  readonly #types: number;

  /** From word `from` to `to`. */
  constructor(words: Uint32Array, from: number, to: number) {
    this.words = words;
    this.#from = from;
    this.#to = to;
    let types = 0;
    let first: number | undefined;
    for (let at = from; at < to; at += EVENT_WORDS) {
      const type = typeAt(words, at);
      types |= 1 << type;
      if (first === undefined && !INFORMATION.includes(type)) first = at;
    }
    this.#types = types;
    this.first = first;
  }

  /** 0 if nothing was told. */
  get type(): number {
    return this.first === undefined ? 0 : typeAt(this.words, this.first);
  }

  get isRefusal(): boolean {
    return this.type === EventType.rejected;
  }

  get reason(): number {
    return this.first === undefined ? Reason.none : reasonAt(this.words, this.first);
  }

  get flags(): number {
    return this.first === undefined ? 0 : (this.words[this.first] as number) >>> 24;
  }

  get price(): number {
    return this.first === undefined ? 0 : readWide(this.words, this.first + EVENT_WORD.price);
  }

  get quantity(): number {
    return this.first === undefined ? 0 : readWide(this.words, this.first + EVENT_WORD.quantity);
  }

  has(type: number): boolean {
    return (this.#types & (1 << type)) !== 0;
  }

  /** Places of the events of a type. */
  of(type: number): readonly number[] {
    return this.has(type) ? this.#places((one) => one === type) : [];
  }

  #places(wanted: (type: number) => boolean): number[] {
    const places: number[] = [];
    for (let at = this.#from; at < this.#to; at += EVENT_WORDS) if (wanted(typeAt(this.words, at))) places.push(at);
    return places;
  }

  /** Orders that were taken off, or in part, and why, in the order in which it is told. */
  canceled(): readonly CanceledOrder[] {
    return this.of(EventType.canceled).map((at) => ({
      name: this.#nameAt(at),
      reason: reasonAt(this.words, at),
      quantity: readWide(this.words, at + EVENT_WORD.quantity),
    }));
  }

  /** Orders that were triggered, each with the price of the trade. */
  triggered(): readonly { readonly name: OrderName; readonly price: number }[] {
    return this.of(EventType.triggered).map((at) => ({
      name: this.#nameAt(at),
      price: readWide(this.words, at + EVENT_WORD.price),
    }));
  }

  /** Every order that an event names. */
  orders(): readonly OrderName[] {
    return this.#places((type) => ABOUT_ORDERS.includes(type)).map((at) => this.#nameAt(at));
  }

  #nameAt(at: number): OrderName {
    return {
      account: this.words[at + EVENT_WORD.account] as number,
      idLow: this.words[at + EVENT_WORD.id] as number,
      idHigh: this.words[at + EVENT_WORD.id + 1] as number,
    };
  }

  /** Instruments that are in another phase now, and in which. */
  phases(): readonly { readonly symbol: number; readonly phase: number }[] {
    return this.of(EventType.state)
      .filter((at) => (((this.words[at] as number) >>> 24) & EventFlag.scheduled) === 0)
      .map((at) => ({
        symbol: this.words[at + EVENT_WORD.symbol] as number,
        phase: this.words[at + EVENT_WORD.slot] as number,
      }));
  }
}

/** Of these the books hear nothing. */
export const INFORMATION: readonly number[] = [
  ...[EventType.state, EventType.indicative, EventType.setting, EventType.account, EventType.balance, EventType.kill],
];

const ABOUT_ORDERS: readonly number[] = [
  ...[EventType.accepted, EventType.tradeMaker, EventType.tradeTaker, EventType.canceled, EventType.replaced],
  ...[EventType.triggered, EventType.refreshed],
];

function typeAt(words: Uint32Array, at: number): number {
  return (words[at] as number) & 255;
}

export function reasonAt(words: Uint32Array, at: number): number {
  return ((words[at] as number) >>> 16) & 255;
}
