import type { FlowRecorder, NotExpressed } from './flow-recorder.ts';
import { decodeFlow, type FlowDecoder, type FlowOptions, type FlowSource, type OrderFlow } from './order-flow.ts';

/**
 * Reads Nasdaq TotalView-ITCH 5.0 files as Nasdaq publishes them: each message behind its length, all integers
 * big-endian; a length of zero ends a session. (Nasdaq TotalView-ITCH 5.0 specification; BinaryFILE specification.)
 *
 * | byte | type | every message |
 * |-----:|------|---------------|
 * | -2 | u16 | length of what follows |
 * | 0 | char | message type |
 * | 1 | u16 | stock locate: the instrument, 0 if none |
 * | 3 | u16 | tracking number |
 * | 5 | u48 | nanoseconds since midnight |
 *
 * | type | message | bytes behind the common part | becomes |
 * |------|---------|------------------------------|---------|
 * | R | stock directory | 11 stock [8] … | the instrument's name |
 * | A | add order | 11 order u64, 19 side, 20 shares u32, 24 stock [8], 32 price u32 | new |
 * | F | add order, attributed | as A, 36 participant [4] | new |
 * | E | executed | 11 order u64, 19 shares u32, 23 match u64 | new order of the opposite side, immediate-or-cancel |
 * | C | executed at a price | as E, 31 printable, 32 price u32 | the same, at the resting order's own price |
 * | X | canceled in part | 11 order u64, 19 shares u32 | reduce |
 * | D | deleted | 11 order u64 | cancel |
 * | U | replaced | 11 order u64, 19 new order u64, 27 shares u32, 31 price u32 | cancel, and new under the new id |
 * | P | trade with a hidden order | 11 order u64, 19 side, 20 shares u32, 24 stock [8], 32 price u32, 36 match u64 | nothing |
 * | Q | cross trade | 11 shares u64, 19 stock [8], 27 price u32, 31 match u64, 39 kind | nothing |
 * | B | broken trade | 11 match u64 | nothing |
 * | H | trading action | 11 stock [8], 19 state (T: trading), 20 reserved, 21 reason [4] | nothing |
 * | h | operational halt | 11 stock [8], 19 market, 20 action (T: resumed) | nothing |
 *
 * The others (system events, short-sale and market-maker status, circuit breakers, auction imbalances, retail interest)
 * say nothing of an order. Prices are ten-thousandths of a dollar.
 */
export function readItch(source: FlowSource, file: string, options: FlowOptions = {}): OrderFlow {
  return decodeFlow('itch', file, source, options, (recorder) => new ItchDecoder(recorder));
}

/** Length of each type of message. */
export const ITCH_LENGTHS: Readonly<Record<string, number>> = {
  S: 12,
  R: 39,
  H: 25,
  Y: 20,
  L: 26,
  V: 35,
  W: 12,
  K: 28,
  J: 35,
  h: 21,
  A: 36,
  F: 40,
  E: 31,
  C: 36,
  X: 23,
  D: 19,
  U: 35,
  P: 44,
  Q: 40,
  B: 19,
  I: 50,
  N: 20,
  O: 48,
};

/** The type, locate, tracking number and time that every message begins with. */
const COMMON_BYTES = 11;
const LENGTH_BYTES = 2;
const STOCK_BYTES = 8;
const LOCATES = 65_536;
/** Instruments without an order yet. */
const UNKNOWN = -1;
const UNCHOSEN = -2;

const TYPE = {
  R: 82,
  A: 65,
  F: 70,
  E: 69,
  C: 67,
  X: 88,
  D: 68,
  U: 85,
  P: 80,
  Q: 81,
  B: 66,
  H: 72,
  h: 104,
} as const;
const BUY = 66;
const SELL = 83;
const TRADING = 84;

class ItchDecoder implements FlowDecoder {
  readonly #recorder: FlowRecorder;
  /** Length by type, 0 for types that are not known. */
  readonly #lengths = new Uint8Array(256);
  /** Instrument id by stock locate, or {@link UNKNOWN}, {@link UNCHOSEN}. */
  readonly #symbols = new Int32Array(LOCATES).fill(UNKNOWN);
  readonly #names = new Map<number, string>();
  /** File offset of the first byte of the piece being decoded. */
  #base = 0;
  #at = 0;

  constructor(recorder: FlowRecorder) {
    this.#recorder = recorder;
    for (const [type, length] of Object.entries(ITCH_LENGTHS)) this.#lengths[type.charCodeAt(0)] = length;
    recorder.place = () => `byte ${this.#base + this.#at - LENGTH_BYTES}`;
  }

  decode(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at + LENGTH_BYTES <= bytes.length) {
      const length = view.getUint16(at);
      if (at + LENGTH_BYTES + length > bytes.length) break;
      this.#at = at + LENGTH_BYTES;
      if (length > 0) this.#message(view, this.#at, length);
      at += LENGTH_BYTES + length;
    }
    this.#base += at;
    this.#at = LENGTH_BYTES;
    return at;
  }

  finish(rest: Uint8Array): string | undefined {
    if (rest.length === 0) return undefined;
    const wanted =
      rest.length < LENGTH_BYTES ? 'its length' : `${(rest[0] as number) * 256 + (rest[1] as number)} bytes`;
    return `the message at byte ${this.#base} is cut off: ${wanted} expected, the file ends at byte ${this.#base + rest.length}`;
  }

  #message(view: DataView, at: number, length: number): void {
    const type = view.getUint8(at);
    const expected = this.#lengths[type] as number;
    if (expected !== 0 && length !== expected) {
      throw this.#recorder.error(`length of message "${String.fromCharCode(type)}"`, length, String(expected));
    }
    if (expected === 0 && length < COMMON_BYTES) {
      throw this.#recorder.error('length', length, `at least ${COMMON_BYTES}`);
    }
    this.#recorder.message(view.getUint16(at + 5), view.getUint32(at + 7));
    if (expected === 0) return this.#recorder.notExpressed('unknown message type');

    switch (type) {
      case TYPE.A:
      case TYPE.F:
        return this.#add(view, at);
      case TYPE.E:
      case TYPE.C:
      case TYPE.X:
      case TYPE.D:
      case TYPE.U:
        if (this.#symbols[view.getUint16(at + 1)] === UNCHOSEN) return this.#recorder.unchosen();
        return this.#change(view, at, type);
      case TYPE.R:
        return this.#directory(view, at);
      case TYPE.P:
        return this.#about(view, at, 24, 'hidden execution');
      case TYPE.Q:
        return this.#about(view, at, 19, 'cross trade');
      case TYPE.B:
        if (this.#symbols[view.getUint16(at + 1)] === UNCHOSEN) return this.#recorder.unchosen();
        return this.#recorder.notExpressed('broken trade');
      case TYPE.H:
        return view.getUint8(at + 19) === TRADING ? this.#recorder.quiet() : this.#about(view, at, 11, 'trading halt');
      case TYPE.h:
        return view.getUint8(at + 20) === TRADING ? this.#recorder.quiet() : this.#about(view, at, 11, 'trading halt');
      default:
        return this.#recorder.quiet();
    }
  }

  #add(view: DataView, at: number): void {
    const locate = view.getUint16(at + 1);
    let symbol = this.#symbols[locate] as number;
    if (symbol === UNKNOWN) symbol = this.#open(view, at, locate);
    if (symbol === UNCHOSEN) return this.#recorder.unchosen();
    const side = view.getUint8(at + 19);
    if (side !== BUY && side !== SELL) {
      throw this.#recorder.error('side', JSON.stringify(String.fromCharCode(side)), '"B" or "S"');
    }
    this.#recorder.add(
      view.getUint32(at + 11),
      view.getUint32(at + 15),
      symbol,
      side === BUY ? 0 : 1,
      view.getUint32(at + 32),
      view.getUint32(at + 20),
    );
  }

  /** E, C, X, D and U: about an order that was added before. */
  #change(view: DataView, at: number, type: number): void {
    const recorder = this.#recorder;
    const high = view.getUint32(at + 11);
    const low = view.getUint32(at + 15);
    if (type === TYPE.D) return recorder.deleted(high, low);
    if (type === TYPE.X) return recorder.reduced(high, low, view.getUint32(at + 19));
    if (type === TYPE.U) return this.#replaced(view, at, high, low);
    if (type === TYPE.C) this.#comparePrice(view.getUint32(at + 32), high, low);
    recorder.executed(high, low, view.getUint32(at + 19));
  }

  /** A replaced order goes on under a new id, so it can not keep its id here either. */
  #replaced(view: DataView, at: number, high: number, low: number): void {
    const { orders } = this.#recorder;
    const place = orders.find(high, low);
    if (place < 0) return this.#recorder.notExpressed('change of an order not seen', high, low);
    const symbol = orders.symbol(place);
    const side = orders.side(place);
    this.#recorder.cancel(place, high, low);
    this.#recorder.add(
      view.getUint32(at + 19),
      view.getUint32(at + 23),
      symbol,
      side,
      view.getUint32(at + 31),
      view.getUint32(at + 27),
    );
  }

  #comparePrice(price: number, high: number, low: number): void {
    const place = this.#recorder.orders.find(high, low);
    if (place >= 0 && !this.#recorder.isPrice(price, this.#recorder.orders.price[place] as number)) {
      this.#recorder.approximated('execution at another price than the order', high, low);
    }
  }

  #directory(view: DataView, at: number): void {
    const locate = view.getUint16(at + 1);
    const name = stockName(view, at + 11);
    this.#names.set(locate, name);
    if (!this.#recorder.isChosen(name)) this.#symbols[locate] = UNCHOSEN;
    this.#recorder.quiet();
  }

  /** The instrument of a locate without an order yet: named by the directory, or by the order if there was none. */
  #open(view: DataView, at: number, locate: number): number {
    const name = this.#names.get(locate) ?? stockName(view, at + 24);
    const symbol = this.#recorder.isChosen(name) ? this.#recorder.instrument(name) : UNCHOSEN;
    this.#symbols[locate] = symbol;
    return symbol;
  }

  /** A message about an instrument that can not become a command. */
  #about(view: DataView, at: number, stockAt: number, reason: NotExpressed): void {
    if (this.#recorder.isChosen(stockName(view, at + stockAt))) this.#recorder.notExpressed(reason);
    else this.#recorder.unchosen();
  }
}

/** Stock symbols are padded with spaces on the right. */
function stockName(view: DataView, at: number): string {
  let name = '';
  for (let byte = 0; byte < STOCK_BYTES; byte++) name += String.fromCharCode(view.getUint8(at + byte));
  return name.trimEnd();
}
