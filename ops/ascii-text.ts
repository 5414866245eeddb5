/** Text is handed on in pieces of about this size: few writes, and a bound on what waits in memory. */
const PIECE_BYTES = 1 << 17;
const BILLION = 1_000_000_000;
const INT_MAX = 2_147_483_647;
const ZERO = 48;

/** Bytes of a text that is put many times. */
export function ascii(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/**
 * ASCII text put together byte by byte, without the garbage that joining strings leaves: printing events this way took
 * `match` an eighth less processor time.
 */
export class AsciiText {
  #bytes = Buffer.allocUnsafeSlow(PIECE_BYTES * 2);
  #length = 0;

  /** Time to {@link take}. */
  get full(): boolean {
    return this.#length >= PIECE_BYTES;
  }

  /** Makes room for `bytes` more; what is put next must not be longer. */
  reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(this.#bytes.length * 2 + bytes);
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }

  put(text: Uint8Array): void {
    const bytes = this.#bytes;
    let length = this.#length;
    for (let index = 0; index < text.length; index++) bytes[length++] = text[index] as number;
    this.#length = length;
  }

  /** The digits of a whole number up to 2^53 - 1. */
  whole(value: number): void {
    if (value <= INT_MAX) this.#int(value);
    else {
      const high = Math.floor(value / BILLION);
      this.#int(high);
      let left = value - high * BILLION;
      this.#length += 9;
      for (let at = this.#length - 1; at >= this.#length - 9; at--) {
        const tenth = (left / 10) | 0;
        this.#bytes[at] = ZERO + left - tenth * 10;
        left = tenth;
      }
    }
  }

  /** Text that is not worth being kept as bytes. Reserves its room. */
  text(text: string): void {
    this.reserve(text.length);
    this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  /** All that was put since the last time. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.allocUnsafeSlow(PIECE_BYTES * 2);
    this.#length = 0;
    return taken;
  }

  #int(value: number): void {
    const bytes = this.#bytes;
    let digits = 1;
    for (let bound = 10; bound <= value; bound *= 10) digits++;
    let left = value | 0;
    this.#length += digits;
    for (let at = this.#length - 1; digits > 0; digits--) {
      const tenth = (left / 10) | 0;
      bytes[at--] = ZERO + left - tenth * 10;
      left = tenth;
    }
  }
}
