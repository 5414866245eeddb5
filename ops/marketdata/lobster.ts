import { basename } from 'node:path';
import { TWO_32 } from '../../journal/amounts.ts';
import { FlowError } from './flow-error.ts';
import type { FlowRecorder } from './flow-recorder.ts';
import { decodeFlow, type FlowDecoder, type FlowOptions, type FlowSource, type OrderFlow } from './order-flow.ts';

/** A line is far shorter; a longer one is no LOBSTER file. */
const LINE_BYTES_MAX = 1_024;
const FIELDS_MIN = 6;
/** Digits after the decimal point of the time that make nanoseconds. */
const NANOSECOND_DIGITS = 9;

/**
 * Reads LOBSTER message files (lobsterdata.com, "output structure"): one line a message, no header, fields separated by
 * commas. Later columns, if any, are ignored.
 *
 * | column | field | meaning |
 * |-------:|-------|---------|
 * | 1 | time | seconds after midnight, with decimals to nanoseconds |
 * | 2 | type | see below |
 * | 3 | order id | |
 * | 4 | size | shares |
 * | 5 | price | ten-thousandths of a dollar |
 * | 6 | direction | 1 the limit order is a buy, -1 it is a sell |
 *
 * | type | meaning | becomes |
 * |-----:|---------|---------|
 * | 1 | a limit order was entered | new |
 * | 2 | part of it was canceled | reduce, or cancel if it was all |
 * | 3 | it was deleted | cancel |
 * | 4 | it was executed | new order of the opposite side, immediate-or-cancel |
 * | 5 | a hidden order was executed | nothing: it was never in the book |
 * | 6 | cross trade of an auction | nothing |
 * | 7 | trading halt: price -1 begins, 0 quotes resume, 1 trading resumes | nothing |
 *
 * A file begins in the middle of the day and does not hold the book of that moment, so orders entered before it are not
 * known: their cancels and executions are counted as not expressed.
 */
export function readLobster(source: FlowSource, file: string, options: FlowOptions = {}): OrderFlow {
  const name = options.name ?? tickerOf(file);
  return decodeFlow('lobster', file, source, options, (recorder) => new LobsterDecoder(recorder, name));
}

/** Files are named TICKER_YYYY-MM-DD_START_END_message_LEVEL.csv. */
function tickerOf(file: string): string {
  return /^([!-^`-~]{1,16})_\d{4}-\d{2}-\d{2}_/.exec(basename(file))?.[1] ?? 'LOBSTER';
}

const COMMA = 44;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

class LobsterDecoder implements FlowDecoder {
  readonly #recorder: FlowRecorder;
  readonly #name: string;
  readonly #chosen: boolean;
  #symbol = -1;
  #line = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #lineStart = 0;
  #idLow = 0;
  #idHigh = 0;

  constructor(recorder: FlowRecorder, name: string) {
    this.#recorder = recorder;
    this.#name = name;
    this.#chosen = recorder.isChosen(name);
    recorder.place = () => `line ${this.#line}`;
  }

  decode(bytes: Uint8Array): number {
    const end = bytes.lastIndexOf(LINE_FEED) + 1;
    this.#bytes = bytes;
    this.#at = 0;
    while (this.#at < end) {
      this.#line++;
      this.#lineStart = this.#at;
      this.#message();
    }
    if (bytes.length - end > LINE_BYTES_MAX) {
      this.#line++;
      throw this.#recorder.error('line', `${bytes.length - end} bytes`, `at most ${LINE_BYTES_MAX} bytes`);
    }
    return end;
  }

  /** The last line needs no line feed; one that does not parse was cut off. */
  finish(rest: Uint8Array): string | undefined {
    if (rest.length === 0) return undefined;
    try {
      this.decode(Buffer.concat([rest, Buffer.from('\n')]));
      return undefined;
    } catch (error) {
      if (!(error instanceof FlowError)) throw error;
      return `line ${this.#line} is cut off after ${rest.length} bytes`;
    }
  }

  #message(): void {
    const first = this.#bytes[this.#at];
    if (first === LINE_FEED || first === CARRIAGE_RETURN) return this.#endLine(0);
    const time = this.#time();
    const type = this.#integer(1, 'type', 7);
    if (type === 0) throw this.#fieldError(1, 'type', 'from 1 to 7');
    if (type > 4) {
      this.#endLine(2);
      this.#begin(time);
      this.#unexpressed(type);
      return;
    }
    this.#id();
    const size = this.#integer(3, 'size', Number.MAX_SAFE_INTEGER);
    const price = this.#integer(4, 'price', Number.MAX_SAFE_INTEGER);
    const side = this.#direction();
    this.#endLine(FIELDS_MIN);
    this.#begin(time);
    if (!this.#chosen) return this.#recorder.unchosen();
    if (type === 1) {
      if (this.#symbol < 0) this.#symbol = this.#recorder.instrument(this.#name);
      this.#recorder.add(this.#idHigh, this.#idLow, this.#symbol, side, price, size);
    } else if (type === 2) this.#recorder.reduced(this.#idHigh, this.#idLow, size);
    else if (type === 3) this.#recorder.deleted(this.#idHigh, this.#idLow);
    else this.#recorder.executed(this.#idHigh, this.#idLow, size);
  }

  #begin(time: number): void {
    const high = Math.floor(time / TWO_32);
    this.#recorder.message(high, time - high * TWO_32);
  }

  #unexpressed(type: number): void {
    if (!this.#chosen) this.#recorder.unchosen();
    else if (type === 5) this.#recorder.notExpressed('hidden execution');
    else if (type === 6) this.#recorder.notExpressed('cross trade');
    else this.#recorder.notExpressed('trading halt');
  }

  /** Nanoseconds after midnight. */
  #time(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    let seconds = 0;
    while (isDigit(bytes[at])) seconds = seconds * 10 + (bytes[at++] as number) - 48;
    let nanoseconds = 0;
    let digits = 0;
    if (at > this.#at && bytes[at] === 46) {
      at++;
      for (; isDigit(bytes[at]); at++) {
        if (digits === NANOSECOND_DIGITS) continue;
        nanoseconds = nanoseconds * 10 + (bytes[at] as number) - 48;
        digits++;
      }
    }
    if (at === this.#at || bytes[at] !== COMMA || seconds > 86_400) {
      throw this.#fieldError(0, 'time', 'seconds after midnight, from 0 to 86400');
    }
    this.#at = at + 1;
    for (; digits < NANOSECOND_DIGITS; digits++) nanoseconds *= 10;
    return seconds * 1e9 + nanoseconds;
  }

  /** A whole number and the comma behind it. */
  #integer(index: number, field: string, maximum: number): number {
    const bytes = this.#bytes;
    let at = this.#at;
    let value = 0;
    while (isDigit(bytes[at])) value = value * 10 + (bytes[at++] as number) - 48;
    if (at === this.#at || bytes[at] !== COMMA || value > maximum) {
      throw this.#fieldError(index, field, `a whole number up to ${maximum}`);
    }
    this.#at = at + 1;
    return value;
  }

  /** An order id of up to 64 bits, exactly. */
  #id(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    let low = 0;
    let high = 0;
    while (isDigit(bytes[at])) {
      low = low * 10 + (bytes[at++] as number) - 48;
      const carry = Math.floor(low / TWO_32);
      low -= carry * TWO_32;
      high = high * 10 + carry;
    }
    if (at === this.#at || bytes[at] !== COMMA || high >= TWO_32) {
      throw this.#fieldError(2, 'order id', 'a whole number below 2^64');
    }
    this.#at = at + 1;
    this.#idLow = low;
    this.#idHigh = high;
  }

  /** 0 buy, 1 sell. Leaves the end of the field to {@link #endLine}. */
  #direction(): number {
    const bytes = this.#bytes;
    const sell = bytes[this.#at] === 45;
    const at = this.#at + (sell ? 1 : 0);
    const after = bytes[at + 1];
    if (bytes[at] !== 49 || (after !== COMMA && after !== LINE_FEED && after !== CARRIAGE_RETURN)) {
      throw this.#fieldError(5, 'direction', '1 or -1');
    }
    this.#at = at + 1;
    return sell ? 1 : 0;
  }

  /** Skips the rest of the line, of which `fields` fields were read; a line has six at least, an empty one none. */
  #endLine(fields: number): void {
    const bytes = this.#bytes;
    let found = fields === 0 || fields === FIELDS_MIN ? FIELDS_MIN : fields + 1;
    let at = this.#at;
    for (; bytes[at] !== LINE_FEED; at++) if (bytes[at] === COMMA) found++;
    if (found < FIELDS_MIN) throw this.#recorder.error('fields', found, `at least ${FIELDS_MIN}`);
    this.#at = at + 1;
  }

  #fieldError(index: number, field: string, rule: string): FlowError {
    const end = this.#bytes.indexOf(LINE_FEED, this.#lineStart);
    const line = Buffer.from(this.#bytes.subarray(this.#lineStart, end)).toString('latin1');
    const value = line.replace(/\r$/, '').split(',')[index] ?? '';
    return this.#recorder.error(field, `"${value.slice(0, 32)}"`, rule);
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 48 && byte <= 57;
}
