import { createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';

export type Compression = 'gzip' | 'zstd';

/**
 * The uncompressed bytes of a gzip or zstd stream of one or many members. Back-pressure reaches the source: what is not
 * asked for is neither read nor inflated.
 *
 * Node's decompressors drop what they have when the input ends early, and the one for zstd stops for good after a first
 * frame. So the input is fed piece by piece, each piece read empty before the next, and a new decompressor takes over
 * where one stopped.
 */
export class InflatedBytes {
  /** Set when all is read and the stream ended inside a member; what came before it was given. */
  cutOff: string | undefined;
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #compression: Compression;

  constructor(source: AsyncIterable<Uint8Array>, compression: Compression) {
    this.#source = source;
    this.#compression = compression;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const compression = this.#compression;
    let member: Member | undefined;
    try {
      for await (const piece of this.#source) {
        let rest = piece;
        while (rest.length > 0) {
          // Tools pad gzip files with zeros, which belong to no member.
          if (member === undefined && compression === 'gzip' && rest[0] === 0) return;
          member ??= new Member(compression);
          const used = yield* member.feed(rest);
          rest = rest.subarray(used);
          if (member.over) member = undefined;
        }
      }
      if (member !== undefined && !(yield* member.finish())) this.cutOff = `the ${compression} stream is cut off`;
    } finally {
      member?.destroy();
    }
  }
}

class Member {
  readonly #stream: Gunzip | ZstdDecompress;
  /** The member ended within the last piece; bytes behind it belong to the next one. */
  over = false;
  #ended = false;
  #error: NodeJS.ErrnoException | undefined;
  #wake: () => void = () => {};

  constructor(compression: Compression) {
    this.#stream = compression === 'gzip' ? createGunzip() : createZstdDecompress();
    this.#stream.on('readable', () => this.#wake());
    this.#stream.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    this.#stream.on('error', (error) => {
      this.#error = error;
      this.#wake();
    });
  }

  /** Gives what the piece inflates to; returns how many bytes of it were taken. */
  async *feed(piece: Uint8Array): AsyncGenerator<Uint8Array, number> {
    const before = this.#stream.bytesWritten;
    let taken = false;
    this.#stream.write(piece, () => {
      taken = true;
      this.#wake();
    });
    yield* this.#read(() => taken);
    if (this.#error !== undefined) throw this.#error;
    const used = this.#stream.bytesWritten - before;
    this.over = used < piece.length;
    return used;
  }

  /** Gives what is left; returns whether the member was whole. */
  async *finish(): AsyncGenerator<Uint8Array, boolean> {
    this.#stream.end();
    yield* this.#read(() => false);
    if (this.#error !== undefined && this.#error.code !== 'Z_BUF_ERROR') throw this.#error;
    return this.#error === undefined;
  }

  destroy(): void {
    this.#stream.destroy();
  }

  async *#read(done: () => boolean): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const finished = done() || this.#ended || this.#error !== undefined;
      for (let bytes = this.#stream.read(); bytes !== null; bytes = this.#stream.read()) yield bytes;
      if (finished) return;
      await woken;
    }
  }
}
