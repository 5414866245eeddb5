import { BlockView, blockPages, checkBlock, PAGE_BYTES } from './block.ts';
import { JournalError } from './findings.ts';
import { pointOf } from './segmentfile.ts';
import type { ChainPoint } from './segments.ts';

/**
 * Blocks that follow each other, checked against themselves and from the block before them on. Throws a
 * {@link JournalError} 'damaged' at the first one that does not fit.
 */
export function checkRun(blocks: readonly BlockView[], before: ChainPoint, shard: number): BlockView[] {
  let last = before;
  return blocks.map((block) => {
    const checked = checkBlock(block.bytes, {
      block: last.block + 1,
      firstSequence: last.sequence + 1,
      previousHash: last.hash,
      epochMin: last.epoch,
      shard,
    });
    if (!(checked instanceof BlockView)) throw JournalError.damaged(checked);
    // LMDB reads a value by its address, which goes wrong with shared memory.
    if (checked.bytes.buffer instanceof SharedArrayBuffer) throw new RangeError('block: must not be in shared memory');
    last = pointOf(checked);
    return checked;
  });
}

/** What a block takes of a segment, in whole pages. */
export function bytesInSegment(block: BlockView): number {
  return blockPages(block.count) * PAGE_BYTES;
}
