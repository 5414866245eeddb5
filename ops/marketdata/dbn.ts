import { TWO_32 } from '../../journal/amounts.ts';
import {
  DBN_PRELUDE_BYTES,
  DBN_SCHEMA_AT,
  type DbnMetadata,
  DbnSchema,
  dbnMetadataLength,
  decodeDbnMetadata,
} from './dbn-metadata.ts';
import type { FlowError } from './flow-error.ts';
import { type FlowRecorder, isQuantity } from './flow-recorder.ts';
import { decodeFlow, type FlowDecoder, type FlowOptions, type FlowSource, type OrderFlow } from './order-flow.ts';

/**
 * Reads Databento DBN files of the market-by-order schema, versions 1 to 3 (Databento, "Databento Binary Encoding" and
 * "Market by order"). Behind the metadata (dbn-metadata.ts) the file is a row of records, little-endian. Records of other
 * kinds are counted and skipped.
 *
 * | byte | type | field |
 * |-----:|------|-------|
 * | 0 | u8 | length of the record in 32-bit words: 14, with a send time 16 |
 * | 1 | u8 | kind: 160 is market-by-order |
 * | 2 | u16 | publisher |
 * | 4 | u32 | instrument id |
 * | 8 | u64 | time of the event at the venue, nanoseconds since the Unix epoch |
 * | 16 | u64 | order id |
 * | 24 | i64 | price, billionths; the largest value is "none" |
 * | 32 | u32 | size; the largest value is "none" |
 * | 36 | u8 | flags: 128 last of its event, 64 top of book, 32 snapshot, 16 price level, 4 possibly bad book |
 * | 37 | u8 | channel |
 * | 38 | char | action |
 * | 39 | char | side: A sell, B buy, N none |
 * | 40 | u64 | time of reception, nanoseconds since the Unix epoch |
 * | 48 | i32 | nanoseconds from sending to reception |
 * | 52 | u32 | sequence at the venue |
 *
 * | action | meaning | becomes |
 * |--------|---------|---------|
 * | A | add | new |
 * | C | size was taken off an order | reduce, or cancel if it was all |
 * | M | new price and size; of an order not seen, an add | replace with the open quantity wanted, or new |
 * | R | clear the instrument's book | mass cancel, if it has orders |
 * | T | an aggressor traded | nothing: the fills beside it say with whom |
 * | F | a resting order was filled | new order of the opposite side, immediate-or-cancel |
 * | N | none | nothing |
 *
 * T and F leave the file's book alone: a C or M after them says what is left. Here the fill itself takes the lots off, so
 * the C or M that follows becomes a command only for what goes beyond the fill. A trade without any fill (hidden orders,
 * auctions, spreads) can not be expressed.
 *
 * One file may hold several publishers, whose books and order ids are apart; one of them is read.
 */
export function readDbn(source: FlowSource, file: string, options: FlowOptions = {}): OrderFlow {
  return decodeFlow('dbn', file, source, options, (recorder) => new DbnDecoder(recorder, options.publisher));
}

const HEADER_BYTES = 16;
const MBO_BYTES = 56;
const SEND_TIME_BYTES = 8;
const KIND_MBO = 0xa0;
const FLAG_LAST = 128;
const FLAG_TOP_OF_BOOK = 64;
const FLAG_PRICE_LEVEL = 16;
const FLAG_MAYBE_BAD_BOOK = 4;
const ACTION = { add: 65, cancel: 67, modify: 77, clear: 82, trade: 84, fill: 70, none: 78 } as const;
const SIDE_BUY = 66;
const SIDE_SELL = 65;
const SIDE_NONE = 78;
/** High words of prices at or beyond 2^53 billionths, which no double holds exactly. */
const PRICE_HIGH_LIMIT = 0x20_0000;
/** Instruments without an order yet. */
const UNOPENED = -1;
const UNCHOSEN = -2;

class DbnDecoder implements FlowDecoder {
  readonly #recorder: FlowRecorder;
  #publisher: number | undefined;
  #metadata: DbnMetadata | undefined;
  /** Venue symbol by instrument id, or {@link UNOPENED}, {@link UNCHOSEN}. */
  readonly #symbols = new Map<number, number>();
  readonly #namesTaken = new Set<string>();
  /** File offset of the first byte of the piece being decoded. */
  #base = 0;
  #at = 0;
  /** Instrument of the last trade, until a fill belongs to it or its event is over. */
  #openTrade = -1;

  constructor(recorder: FlowRecorder, publisher: number | undefined) {
    this.#recorder = recorder;
    this.#publisher = publisher;
    recorder.place = () => `byte ${this.#base + this.#at}`;
  }

  decode(bytes: Uint8Array): number {
    let at = 0;
    if (this.#metadata === undefined) {
      if (bytes.length < DBN_PRELUDE_BYTES) return 0;
      const fault = (place: number, field: string, value: string | number, rule: string): FlowError => {
        this.#at = place;
        return this.#recorder.error(field, value, rule);
      };
      at = dbnMetadataLength(bytes, fault);
      if (bytes.length < at) return 0;
      this.#metadata = decodeDbnMetadata(bytes.subarray(0, at), fault);
      const { schema } = this.#metadata;
      if (schema !== DbnSchema.marketByOrder && schema !== DbnSchema.several) {
        const rule = `${DbnSchema.marketByOrder} (market-by-order) or ${DbnSchema.several} (several)`;
        throw fault(DBN_SCHEMA_AT, 'schema', schema, rule);
      }
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (at < bytes.length) {
      const length = (bytes[at] as number) * 4;
      this.#at = at;
      if (length < HEADER_BYTES) throw this.#recorder.error('record length', length, `at least ${HEADER_BYTES} bytes`);
      if (at + length > bytes.length) break;
      this.#record(view, at, length);
      at += length;
    }
    this.#base += at;
    this.#at = 0;
    return at;
  }

  finish(rest: Uint8Array): string | undefined {
    this.#endTrade();
    if (rest.length === 0 && this.#metadata !== undefined) return undefined;
    const what = this.#metadata === undefined ? 'the metadata' : 'the record';
    return `${what} at byte ${this.#base} is cut off: the file ends at byte ${this.#base + rest.length}`;
  }

  #record(view: DataView, at: number, length: number): void {
    const recorder = this.#recorder;
    if (view.getUint8(at + 1) !== KIND_MBO) {
      recorder.message(0, 0);
      return recorder.notExpressed('record of another schema');
    }
    const expected = MBO_BYTES + (this.#metadata?.sendTimes === true ? SEND_TIME_BYTES : 0);
    if (length !== expected) throw recorder.error('record length', length, `${expected} bytes`);
    recorder.message(view.getUint32(at + 44, true), view.getUint32(at + 40, true));

    const publisher = view.getUint16(at + 2, true);
    this.#publisher ??= publisher;
    if (publisher !== this.#publisher) return recorder.notExpressed('another publisher');
    const instrument = view.getUint32(at + 4, true);
    const action = view.getUint8(at + 38);
    const flags = view.getUint8(at + 36);
    if (this.#openTrade >= 0) {
      if (action === ACTION.trade) this.#endTrade();
      else if (action === ACTION.fill && instrument === this.#openTrade) this.#tradeHasFill();
    }
    if (this.#symbolOf(instrument, view, at) === UNCHOSEN) recorder.unchosen();
    else this.#act(view, at, action, instrument, flags);
    if ((flags & FLAG_LAST) !== 0 && instrument === this.#openTrade) this.#endTrade();
  }

  #act(view: DataView, at: number, action: number, instrument: number, flags: number): void {
    const recorder = this.#recorder;
    const high = view.getUint32(at + 20, true);
    const low = view.getUint32(at + 16, true);
    const size = view.getUint32(at + 32, true);
    if ((flags & FLAG_MAYBE_BAD_BOOK) !== 0) recorder.approximated('book marked as possibly bad', high, low);
    switch (action) {
      case ACTION.add:
        return this.#add(view, at, instrument, flags, high, low, size);
      case ACTION.modify:
        return this.#modify(view, at, instrument, flags, high, low, size);
      case ACTION.cancel:
        return this.#cancel(high, low, size);
      case ACTION.fill:
        return this.#fill(high, low, size);
      case ACTION.trade:
        this.#openTrade = instrument;
        return;
      case ACTION.clear:
        if (!this.#clear(instrument)) recorder.quiet();
        return;
      case ACTION.none:
        return recorder.quiet();
      default:
        throw recorder.error('action', JSON.stringify(String.fromCharCode(action)), 'one of A, C, M, R, T, F, N');
    }
  }

  #add(view: DataView, at: number, instrument: number, flags: number, high: number, low: number, size: number): void {
    const recorder = this.#recorder;
    if ((flags & FLAG_TOP_OF_BOOK) !== 0) return recorder.notExpressed('top-of-book quote', high, low);
    if ((flags & FLAG_PRICE_LEVEL) !== 0) return recorder.notExpressed('aggregated price level', high, low);
    const side = view.getUint8(at + 39);
    if (side === SIDE_NONE) return recorder.notExpressed('no side', high, low);
    if (side !== SIDE_BUY && side !== SIDE_SELL) {
      throw recorder.error('side', JSON.stringify(String.fromCharCode(side)), 'one of A, B, N');
    }
    // An order that was filled whole is gone from the venue, even if the file never says so.
    const place = recorder.orders.find(high, low);
    if (place >= 0 && recorder.orders.open[place] === 0) recorder.orders.remove(place);
    recorder.add(high, low, this.#open(instrument, view, at), side === SIDE_BUY ? 0 : 1, priceAt(view, at + 24), size);
  }

  #modify(
    view: DataView,
    at: number,
    instrument: number,
    flags: number,
    high: number,
    low: number,
    size: number,
  ): void {
    const recorder = this.#recorder;
    const { orders } = recorder;
    const place = orders.find(high, low);
    if (place < 0 || orders.open[place] === 0) return this.#add(view, at, instrument, flags, high, low, size);
    if (!isQuantity(size)) return recorder.notExpressed('quantity out of range', high, low);
    const price = recorder.ticks(priceAt(view, at + 24), high, low);
    if (price === 0) return;
    orders.filled[place] = 0;
    if (price === orders.price[place] && size === orders.open[place]) recorder.quiet();
    else recorder.replace(place, high, low, price, size);
  }

  #cancel(high: number, low: number, size: number): void {
    const recorder = this.#recorder;
    const { orders } = recorder;
    const place = orders.find(high, low);
    if (place < 0) return recorder.notExpressed('cancel of an order not seen', high, low);
    const open = orders.open[place] as number;
    const shown = open + (orders.filled[place] as number);
    const left = Math.max(0, shown - size);
    if (left === 0 && open > 0) return recorder.cancel(place, high, low);
    if (left < open) {
      recorder.reduce(place, high, low, open - left);
      orders.filled[place] = 0;
      return;
    }
    orders.filled[place] = left - open;
    if (left === 0) orders.remove(place);
    recorder.quiet();
  }

  #fill(high: number, low: number, size: number): void {
    const recorder = this.#recorder;
    const { orders } = recorder;
    const place = orders.find(high, low);
    if (place < 0 || orders.open[place] === 0) {
      return recorder.notExpressed('execution of an order not seen', high, low);
    }
    if (!isQuantity(size)) return recorder.notExpressed('quantity out of range', high, low);
    const open = orders.open[place] as number;
    recorder.execute(place, high, low, size);
    orders.filled[place] = (orders.filled[place] as number) + open - (orders.open[place] as number);
  }

  /** The trade is told by its fills. */
  #tradeHasFill(): void {
    this.#openTrade = -1;
    this.#recorder.quiet();
  }

  #endTrade(): void {
    if (this.#openTrade < 0) return;
    this.#openTrade = -1;
    this.#recorder.notExpressed('trade without a fill');
  }

  #clear(instrument: number): boolean {
    const symbol = this.#symbols.get(instrument) ?? UNOPENED;
    return symbol >= 0 && this.#recorder.clear(symbol);
  }

  /** The instrument's venue symbol, if it has one yet. */
  #symbolOf(instrument: number, view: DataView, at: number): number {
    const known = this.#symbols.get(instrument);
    if (known !== undefined) return known;
    const name = this.#metadata?.nameOf(instrument, dayOf(view, at + 40));
    const chosen = (name !== undefined && this.#recorder.isChosen(name)) || this.#recorder.isChosen(`#${instrument}`);
    const symbol = chosen ? UNOPENED : UNCHOSEN;
    this.#symbols.set(instrument, symbol);
    return symbol;
  }

  /** The venue symbol of a chosen instrument, which is created with its first order. */
  #open(instrument: number, view: DataView, at: number): number {
    const known = this.#symbols.get(instrument) ?? UNOPENED;
    if (known >= 0) return known;
    let name = this.#metadata?.nameOf(instrument, dayOf(view, at + 40)) ?? '';
    // Longer names, names with spaces and names that an earlier instrument had give way to the number.
    if (!/^[!-~]{1,16}$/.test(name) || this.#namesTaken.has(name)) name = `#${instrument}`;
    this.#namesTaken.add(name);
    const symbol = this.#recorder.instrument(name);
    this.#symbols.set(instrument, symbol);
    return symbol;
  }
}

/** A price in billionths; one too large to be exact is given as infinite, which no tick range holds. */
function priceAt(view: DataView, at: number): number {
  const high = view.getInt32(at + 4, true);
  if (high >= PRICE_HIGH_LIMIT || high < -PRICE_HIGH_LIMIT) return Number.POSITIVE_INFINITY;
  return high * TWO_32 + view.getUint32(at, true);
}

/** The UTC day of a time, YYYYMMDD. */
function dayOf(view: DataView, at: number): number {
  const date = new Date(Number(view.getBigUint64(at, true) / 1_000_000n));
  if (Number.isNaN(date.getTime())) return 0;
  return date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate();
}
