import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { JournalReader } from '../../journal/reader.ts';
import { dataPath, journalPath } from '../../journal/segments.ts';

const BIT = 0x10;

/** Flips one bit of one byte, where it is: of a file that is in use, nothing else is touched. Twice is as before. */
export function flipBit(path: string, at: number): void {
  const file = openSync(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    if (readSync(file, byte, 0, 1, at) !== 1) throw new RangeError(`byte ${at} is after the end of ${path}`);
    byte[0] = (byte[0] as number) ^ BIT;
    writeSync(file, byte, 0, 1, at);
  } finally {
    closeSync(file);
  }
}

/** A block in the file that holds it. */
interface BlockInFile {
  readonly path: string;
  /** All of the block. */
  readonly bytes: Buffer;
  /** Where it begins: more than one place if pages that are not in use any more hold it, too. */
  readonly places: readonly number[];
}

export function placesOfBlock(directory: string, block: number): BlockInFile {
  const reader = JournalReader.open(directory);
  const path = dataPath(journalPath(directory), reader.segmentOf(block));
  for (const view of reader.blocks(block)) {
    const bytes = Buffer.from(view.bytes);
    return { path, bytes, places: placesOf(path, bytes) };
  }
  throw new RangeError(`${directory} has no block ${block}`);
}

/** Bytes of a file at which something begins. */
export function placesOf(path: string, bytes: Buffer | string): number[] {
  const file = readFileSync(path);
  const places: number[] = [];
  for (let at = file.indexOf(bytes); at !== -1; at = file.indexOf(bytes, at + 1)) places.push(at);
  return places;
}

/**
 * Flips a bit of a block, at a byte counted from its begin. Gives what undoes it. Both look for the whole block: a page that
 * is not in use holds a part of it, or is in use again by then for something else, which must stay as it is.
 */
export function flipInBlock(directory: string, block: number, byte: number): () => void {
  const { path, bytes, places } = placesOfBlock(directory, block);
  const damaged = Buffer.from(bytes);
  damaged[byte] = (damaged[byte] as number) ^ BIT;
  for (const at of places) flipBit(path, at + byte);
  return () => {
    for (const at of placesOf(path, damaged)) flipBit(path, at + byte);
  };
}
