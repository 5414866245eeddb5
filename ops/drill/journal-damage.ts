import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { BLOCK_HEADER_BYTES } from '../../journal/block.ts';
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

/**
 * The file that holds a block, and the bytes at which the block begins: more than one if pages that are not in use any more
 * hold it, too.
 */
export function placesOfBlock(directory: string, block: number): { readonly path: string; readonly places: number[] } {
  const reader = JournalReader.open(directory);
  const path = dataPath(journalPath(directory), reader.segmentOf(block));
  let header = Buffer.alloc(0);
  for (const view of reader.blocks(block)) {
    header = Buffer.from(view.bytes.subarray(0, BLOCK_HEADER_BYTES));
    break;
  }
  const bytes = readFileSync(path);
  const places: number[] = [];
  for (let at = bytes.indexOf(header); at !== -1; at = bytes.indexOf(header, at + 1)) places.push(at);
  return { path, places };
}

/** Flips a bit of a block, at a byte counted from its begin. Gives what undoes it. */
export function flipInBlock(directory: string, block: number, byte: number): () => void {
  const { path, places } = placesOfBlock(directory, block);
  const flip = (): void => {
    for (const at of places) flipBit(path, at + byte);
  };
  flip();
  return flip;
}
