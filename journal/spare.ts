import { closeSync, fdatasyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, mapBytesOf, openEnvironment, segmentPath, sparePath, syncFolder } from './segments.ts';

/**
 * The next segment, made ready while the current one fills up: an empty LMDB environment whose file is already written
 * to its full length with zeros. A flush that does not lengthen the file does not wait for the file system's own
 * journal, which made appends of 1,021 orders 1.7 times as fast here. It also means that a disk without room for a
 * segment is noticed before the segment is needed.
 *
 * The folder gets its final name by one rename after its contents are on disk, so a segment is never half made.
 */
const ZERO_BYTES = 2 ** 20;
const ZEROS = Buffer.alloc(ZERO_BYTES);

export class SpareSegment {
  readonly #root: string;
  readonly #path: string;
  readonly #bytesMax: number;
  readonly #fd: number;
  #bytes = 0;

  /** Makes an empty segment that has no number yet. */
  constructor(root: string, segmentBytesMax: number) {
    this.#root = root;
    this.#path = sparePath(root);
    this.#bytesMax = segmentBytesMax;
    makeFolder(this.#path);
    const environment = openEnvironment(this.#path, mapBytesOf(segmentBytesMax));
    void environment.close();
    // Appending puts the zeros behind whatever LMDB wrote, also when a writer that lost its epoch wakes up here.
    this.#fd = openSync(join(this.#path, 'data.mdb'), 'a');
  }

  get bytesLeft(): number {
    return this.#bytesMax - this.#bytes;
  }

  /** Lengthens the file. The pages go to the system's cache; a full disk ends the lengthening, not the writer. */
  grow(bytes: number): void {
    const wanted = Math.min(bytes, this.bytesLeft, ZERO_BYTES);
    if (wanted <= 0) return;
    try {
      this.#bytes += writeSync(this.#fd, ZEROS, 0, wanted);
    } catch {
      this.#bytes = this.#bytesMax;
    }
  }

  fill(): void {
    while (this.bytesLeft > 0) this.grow(ZERO_BYTES);
  }

  /**
   * Makes the contents durable and gives the folder the name of `segment`. If another writer made that segment first,
   * its own is left alone and this one dropped.
   */
  become(segment: number): void {
    fdatasyncSync(this.#fd);
    closeSync(this.#fd);
    syncFolder(this.#path);
    try {
      renameSync(this.#path, segmentPath(this.#root, segment));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      rmSync(this.#path, { recursive: true, force: true });
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error;
    }
    syncFolder(this.#root);
  }

  discard(): void {
    closeSync(this.#fd);
    rmSync(this.#path, { recursive: true, force: true });
  }
}
