import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { systemCode } from '../exit-codes.ts';

/** Text is handed to the system in pieces of about this size: fewer writes, and a bound on what waits in memory. */
const PIECE_CHARACTERS = 1 << 17;

/** Text towards a file or the standard output that never runs ahead of its reader. */
export class TextOutput {
  readonly #stream: Writable;
  #text = '';
  #gone = false;
  #failure: Error | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', (error) => {
      const code = systemCode(error);
      // A terminal that was closed says the latter, and so does a bad disk.
      if (code === 'EPIPE' || (code === 'EIO' && stream === process.stdout && process.stdout.isTTY)) this.#gone = true;
      else this.#failure ??= error;
    });
  }

  static toFile(path: string): TextOutput {
    return new TextOutput(createWriteStream(path));
  }

  /** The reader has what it wanted and went away, as `head` does: nothing more needs to be made. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Time to {@link flush}. */
  get full(): boolean {
    return this.#text.length >= PIECE_CHARACTERS;
  }

  add(text: string): void {
    this.#text += text;
  }

  /** Hands on what was added. */
  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    await this.write(text);
  }

  /** Resolves when there is room for more. Throws what the disk said. */
  async write(piece: string | Uint8Array): Promise<void> {
    if (piece.length > 0 && !this.#gone && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        // The callback comes in every case, with an error too, which the listener has already noted.
        if (this.#stream.write(piece, () => resolve())) resolve();
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when everything is with the system. The standard streams stay open. */
  async end(): Promise<void> {
    await this.flush();
    const standard = this.#stream === process.stdout || this.#stream === process.stderr;
    if (!this.#gone) {
      await new Promise<void>((resolve) => {
        if (standard) this.#stream.write('', () => resolve());
        else this.#stream.once('close', resolve).end();
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
