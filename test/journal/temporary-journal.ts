import { BLOCK_HEADER_WORDS, BlockBuffer, type BlockView } from '../../journal/block.ts';
import { COMMAND_WORDS } from '../../journal/commands.ts';
import { DEFAULT_LIMITS, type Genesis } from '../../journal/genesis.ts';
import { JournalWriter, type WriterOptions } from '../../journal/log.ts';
import { SEGMENT_BYTES_MIN } from '../../journal/segments.ts';
import { temporaryFolder } from '../temporary-folders.ts';

export { removeTemporaryFolders, temporaryFolder } from '../temporary-folders.ts';

export const GENESIS: Genesis = { shard: 7, createdAt: 1_700_000_000_000_000_000n, limits: DEFAULT_LIMITS };
export const SMALL: WriterOptions = { genesis: GENESIS, segmentBytesMax: SEGMENT_BYTES_MIN * 2, preallocate: false };

const buffer = new BlockBuffer();

/** Appends one block whose words follow from its sequence numbers, so that a reader can tell it from any other. */
export function appendBlock(writer: JournalWriter, count: number): void {
  const first = writer.last.sequence + 1;
  for (let i = 0; i < count; i++) fillCommand(buffer.words, BLOCK_HEADER_WORDS + i * COMMAND_WORDS, first + i);
  writer.append(buffer, count, first, first, 1);
}

export function appendBlocks(writer: JournalWriter, counts: readonly number[]): void {
  for (const count of counts) appendBlock(writer, count);
}

/** True if every word of the block is what `appendBlock` wrote for its sequence numbers. */
export function isIntact(block: BlockView): boolean {
  const expected = buffer.words;
  for (let i = 0; i < block.count; i++) fillCommand(expected, block.wordOf(i), block.firstSequence + i);
  const end = block.wordOf(block.count) * 4;
  return block.bytes.subarray(block.wordOf(0) * 4, end).equals(buffer.bytes.subarray(block.wordOf(0) * 4, end));
}

export async function createJournal(counts: readonly number[], options: WriterOptions = SMALL): Promise<string> {
  const dir = temporaryFolder();
  const writer = JournalWriter.open(dir, options);
  appendBlocks(writer, counts);
  await writer.close();
  return dir;
}

function fillCommand(words: Uint32Array, at: number, sequence: number): void {
  const seed = Math.imul(sequence, 0x9e37_79b1);
  for (let word = 0; word < COMMAND_WORDS; word++) words[at + word] = seed + word;
}
