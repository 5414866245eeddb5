import { TWO_32 } from '../../journal/amounts.ts';
import { COMMAND_WORD, COMMAND_WORDS, encodeName, Flag, Op, SIDE_ANY, TimeInForce } from '../../journal/commands.ts';
import { FlowError } from './flow-error.ts';
import { KNOWN_ORDERS_MAX, KNOWN_SYMBOLS_MAX, KnownOrders } from './known-orders.ts';
import type { FlowBatch, FlowFormat, FlowOptions } from './order-flow.ts';
import { NoTicks, TICK_DEFAULT, TickScale } from './tick-scale.ts';

const FLOW_BATCH_RECORDS_MAX = 256;
/** Examples kept for each reason. */
const FLOW_EXAMPLES_MAX = 3;
const U32_MAX = TWO_32 - 1;
/** Instruments are created by the administrator's account. */
const ADMINISTRATOR = 0;

/** Decimals of a file's price unit. */
const PRICE_DECIMALS: Readonly<Record<FlowFormat, number>> = { lobster: 4, itch: 4, dbn: 9 };

/** Why a message of a file could not become a command. */
export type NotExpressed =
  | 'execution of an order not seen'
  | 'cancel of an order not seen'
  | 'change of an order not seen'
  | 'order id already live'
  | 'price out of range'
  | 'price not a multiple of the tick'
  | 'quantity out of range'
  | 'no side'
  | 'hidden execution'
  | 'trade without a fill'
  | 'cross trade'
  | 'broken trade'
  | 'trading halt'
  | 'top-of-book quote'
  | 'aggregated price level'
  | 'record of another schema'
  | 'another publisher'
  | 'unknown message type';

/** What is different about a message that did become a command. */
type Approximated =
  | 'execution at another price than the order'
  | 'execution larger than what was open'
  | 'book marked as possibly bad';

interface Tally {
  count: number;
  /** The first few: place in the file and order. */
  readonly examples: string[];
}

/** messages = messages that became commands + quiet + unchosen + notExpressed. */
export interface FlowSummary {
  readonly format: FlowFormat;
  readonly messages: number;
  readonly commands: number;
  readonly instruments: number;
  /** Messages that ask nothing of the order book. */
  readonly quiet: number;
  /** Messages about instruments that were not chosen. */
  readonly unchosen: number;
  readonly notExpressed: number;
  readonly notExpressedBy: Readonly<Partial<Record<NotExpressed, Tally>>>;
  readonly approximatedBy: Readonly<Partial<Record<Approximated, Tally>>>;
  /** Executions of resting orders that became commands, and their lots. */
  readonly executions: number;
  readonly executedQuantity: number;
  /** Uncompressed. */
  readonly bytes: number;
  /** What was cut off, if the file ends in the middle of a message. */
  readonly truncated: string | undefined;
  /** A tick that would have expressed the prices that were no multiples of the one asked for. */
  readonly fittingTick: string | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Where a decoder writes commands and counts, and what the commands so far have left open. */
export class FlowRecorder {
  readonly summary: Mutable<FlowSummary>;
  readonly orders = new KnownOrders();
  readonly names: string[] = [];
  /** Says where in the file the decoder is. */
  place: () => string = () => 'byte 0';

  readonly #file: string;
  readonly #scale: TickScale;
  readonly #chosen: ReadonlySet<string> | undefined;
  readonly #account: number;
  readonly #takerAccount: number;
  readonly #firstSymbol: number;
  readonly #createInstruments: boolean;
  readonly #ordersMax: number;
  readonly #full: FlowBatch[] = [];
  #words = new Uint32Array(FLOW_BATCH_RECORDS_MAX * COMMAND_WORDS);
  #count = 0;
  #takerId = 0;
  #timeLow = 0;
  #timeHigh = 0;

  constructor(format: FlowFormat, file: string, options: FlowOptions) {
    this.#file = file;
    this.#scale = new TickScale(PRICE_DECIMALS[format], options.tick ?? TICK_DEFAULT);
    this.#chosen = options.instruments === undefined ? undefined : new Set(options.instruments);
    this.#account = integerOption('account', options.account ?? 1, 1, U32_MAX);
    this.#takerAccount = integerOption('takerAccount', options.takerAccount ?? 2, 1, U32_MAX);
    this.#firstSymbol = integerOption('firstSymbol', options.firstSymbol ?? 0, 0, KNOWN_SYMBOLS_MAX - 1);
    this.#createInstruments = options.createInstruments ?? true;
    this.#ordersMax = integerOption('ordersMax', options.ordersMax ?? KNOWN_ORDERS_MAX, 1, KNOWN_ORDERS_MAX);
    this.summary = {
      format,
      messages: 0,
      commands: 0,
      instruments: 0,
      quiet: 0,
      unchosen: 0,
      notExpressed: 0,
      notExpressedBy: {},
      approximatedBy: {},
      executions: 0,
      executedQuantity: 0,
      bytes: 0,
      truncated: undefined,
      fittingTick: undefined,
    };
  }

  /** Starts a message: the commands that follow carry its time. */
  message(timeHigh: number, timeLow: number): void {
    this.summary.messages++;
    this.#timeHigh = timeHigh;
    this.#timeLow = timeLow;
  }

  quiet(): void {
    this.summary.quiet++;
  }

  unchosen(): void {
    this.summary.unchosen++;
  }

  /** The message could not be expressed; `order` is shown in the examples. */
  notExpressed(reason: NotExpressed, high = 0, low = 0): void {
    this.summary.notExpressed++;
    this.#tally(this.summary.notExpressedBy, reason, high, low);
  }

  approximated(reason: Approximated, high = 0, low = 0): void {
    this.#tally(this.summary.approximatedBy, reason, high, low);
  }

  error(field: string, value: string | number, rule: string): FlowError {
    return new FlowError(this.#file, this.place(), field, value, rule);
  }

  /** Whether orders of this instrument are wanted. */
  isChosen(name: string): boolean {
    return this.#chosen === undefined || this.#chosen.has(name);
  }

  /** The id of a new instrument, which is created in the flow. */
  instrument(name: string): number {
    if (!/^[!-~]{1,16}$/.test(name)) {
      throw this.error('instrument', `"${name}"`, '1 to 16 printable ASCII characters without spaces');
    }
    const symbol = this.#firstSymbol + this.names.length;
    if (symbol >= KNOWN_SYMBOLS_MAX) throw this.error('instruments', symbol + 1, `at most ${KNOWN_SYMBOLS_MAX}`);
    this.names.push(name);
    this.summary.instruments = this.names.length;
    if (this.#createInstruments) {
      const at = this.#command(Op.instrumentCreate, ADMINISTRATOR, symbol, 0, 0);
      encodeName(this.#words, at + COMMAND_WORD.id, name);
      this.#emit();
    }
    return symbol;
  }

  /** Ticks of a price in the file's units; 0 if the message can not be expressed, which is then counted. */
  ticks(price: number, high: number, low: number): number {
    const ticks = this.#scale.ticks(price);
    if (ticks > 0) return ticks;
    if (ticks === NoTicks.notMultiple) {
      this.summary.fittingTick = this.#scale.fittingTick();
      this.notExpressed('price not a multiple of the tick', high, low);
    } else this.notExpressed('price out of range', high, low);
    return 0;
  }

  /** Whether a price in the file's units is this many ticks. */
  isPrice(price: number, ticks: number): boolean {
    return this.#scale.price(ticks) === price;
  }

  /** A new order that rests. `price` is in the file's units. */
  add(high: number, low: number, symbol: number, side: number, price: number, quantity: number): void {
    if (this.orders.find(high, low) >= 0) return this.notExpressed('order id already live', high, low);
    if (!isQuantity(quantity)) return this.notExpressed('quantity out of range', high, low);
    const ticks = this.ticks(price, high, low);
    if (ticks === 0) return;
    if (this.orders.count >= this.#ordersMax) {
      throw this.error('live orders', this.orders.count + 1, `at most ${this.#ordersMax} at once`);
    }
    this.orders.add(high, low, symbol, side, ticks, quantity);
    const at = this.#command(Op.new | (side << 8), this.#account, symbol, high, low);
    this.#amount(at + COMMAND_WORD.price, ticks);
    this.#words[at + COMMAND_WORD.quantity] = quantity;
    this.#emit();
  }

  /** Lots of a resting order were executed; with nothing left it is gone. */
  executed(high: number, low: number, quantity: number): void {
    const place = this.orders.find(high, low);
    if (place < 0) return this.notExpressed('execution of an order not seen', high, low);
    if (!isQuantity(quantity)) return this.notExpressed('quantity out of range', high, low);
    this.execute(place, high, low, quantity);
    if (this.orders.open[place] === 0) this.orders.remove(place);
  }

  /** Lots of a resting order were canceled; with nothing left it is gone. */
  reduced(high: number, low: number, quantity: number): void {
    const place = this.orders.find(high, low);
    if (place < 0) return this.notExpressed('cancel of an order not seen', high, low);
    if (!isQuantity(quantity)) return this.notExpressed('quantity out of range', high, low);
    if (quantity >= (this.orders.open[place] as number)) this.cancel(place, high, low);
    else this.reduce(place, high, low, quantity);
  }

  /** A resting order was canceled. */
  deleted(high: number, low: number): void {
    const place = this.orders.find(high, low);
    if (place < 0) this.notExpressed('cancel of an order not seen', high, low);
    else this.cancel(place, high, low);
  }

  /** Takes the order at `place` off the book and out of the table. */
  cancel(place: number, high: number, low: number): void {
    this.#command(Op.cancel, this.#account, this.orders.symbol(place), high, low);
    this.#emit();
    this.orders.remove(place);
  }

  /** Takes lots off the order at `place`, which is less than what is open. */
  reduce(place: number, high: number, low: number, quantity: number): void {
    const at = this.#command(Op.reduce, this.#account, this.orders.symbol(place), high, low);
    this.#words[at + COMMAND_WORD.quantity] = quantity;
    this.#emit();
    this.orders.open[place] = (this.orders.open[place] as number) - quantity;
  }

  /** Gives the order at `place` a new price, in ticks, and open quantity. */
  replace(place: number, high: number, low: number, price: number, quantity: number): void {
    const at = this.#command(Op.replace, this.#account, this.orders.symbol(place), high, low);
    this.#words[at + COMMAND_WORD.flags] = Flag.hasPrice | Flag.hasQuantity;
    this.#amount(at + COMMAND_WORD.price, price);
    this.#words[at + COMMAND_WORD.quantity] = quantity;
    this.#emit();
    this.orders.price[place] = price;
    this.orders.open[place] = quantity;
  }

  /** Executes lots of the order at `place` by an order of the opposite side. The order stays in the table. */
  execute(place: number, high: number, low: number, quantity: number): void {
    const open = this.orders.open[place] as number;
    const executed = Math.min(quantity, open);
    if (executed < quantity) this.approximated('execution larger than what was open', high, low);
    const side = this.orders.side(place) ^ 1;
    const id = ++this.#takerId;
    const at = this.#command(
      Op.new | (side << 8) | (TimeInForce.ioc << 24),
      this.#takerAccount,
      this.orders.symbol(place),
      Math.floor(id / TWO_32),
      id % TWO_32,
    );
    this.#amount(at + COMMAND_WORD.price, this.orders.price[place] as number);
    this.#words[at + COMMAND_WORD.quantity] = executed;
    this.#emit();
    this.orders.open[place] = open - executed;
    this.summary.executions++;
    this.summary.executedQuantity += executed;
  }

  /** Takes every order of an instrument off the book. Says whether there was one. */
  clear(symbol: number): boolean {
    if (this.orders.removeAll(symbol) === 0) return false;
    const at = this.#command(Op.massCancel | (SIDE_ANY << 8), this.#account, symbol, 0, 0);
    this.#words[at + COMMAND_WORD.flags] = Flag.byAccount | Flag.bySymbol;
    this.#emit();
    return true;
  }

  /** The batches that are full; they are given once. */
  fullBatches(): FlowBatch[] {
    return this.#full.splice(0);
  }

  /** The batches that are left, the last one perhaps not full. */
  allBatches(): FlowBatch[] {
    if (this.#count > 0) this.#seal();
    return this.#full.splice(0);
  }

  /** Starts a record and gives its first word; {@link #emit} ends it. */
  #command(head: number, account: number, symbol: number, high: number, low: number): number {
    const words = this.#words;
    const at = this.#count * COMMAND_WORDS;
    words[at] = head;
    words[at + COMMAND_WORD.account] = account;
    words[at + COMMAND_WORD.symbol] = symbol;
    words[at + COMMAND_WORD.id] = low;
    words[at + COMMAND_WORD.id + 1] = high;
    words[at + COMMAND_WORD.time] = this.#timeLow;
    words[at + COMMAND_WORD.time + 1] = this.#timeHigh;
    return at;
  }

  #emit(): void {
    this.summary.commands++;
    this.#count++;
    if (this.#count === FLOW_BATCH_RECORDS_MAX) this.#seal();
  }

  #seal(): void {
    this.#full.push({ words: this.#words, count: this.#count });
    this.#words = new Uint32Array(FLOW_BATCH_RECORDS_MAX * COMMAND_WORDS);
    this.#count = 0;
  }

  #amount(at: number, value: number): void {
    const high = Math.floor(value / TWO_32);
    this.#words[at] = value - high * TWO_32;
    this.#words[at + 1] = high;
  }

  #tally<K extends string>(by: Partial<Record<K, Tally>>, reason: K, high: number, low: number): void {
    let tally = by[reason];
    if (tally === undefined) {
      tally = { count: 0, examples: [] };
      by[reason] = tally;
    }
    tally.count++;
    if (tally.examples.length >= FLOW_EXAMPLES_MAX) return;
    const id = (BigInt(high) << 32n) | BigInt(low);
    tally.examples.push(id === 0n ? this.place() : `${this.place()}: order ${id}`);
  }
}

export function isQuantity(quantity: number): boolean {
  return quantity >= 1 && quantity < U32_MAX;
}

function integerOption(name: string, value: number, minimum: number, maximum: number): number {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(`${name}: ${value} must be an integer from ${minimum} to ${maximum}`);
  }
  return value;
}
