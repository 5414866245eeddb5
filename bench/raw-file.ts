import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs';

/** A file that is there in its full length; each write waits until the disk has it. */
export class RawFile {
  readonly #fd: number;
  #at = 0;

  constructor(path: string, bytes: number) {
    this.#fd = openSync(path, 'w');
    const zeros = Buffer.alloc(2 ** 20);
    for (let at = 0; at < bytes; at += zeros.length) writeSync(this.#fd, zeros, 0, zeros.length, at);
    fsyncSync(this.#fd);
  }

  write(bytes: Uint8Array): void {
    writeSync(this.#fd, bytes, 0, bytes.length, this.#at);
    fdatasyncSync(this.#fd);
    this.#at += bytes.length;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
