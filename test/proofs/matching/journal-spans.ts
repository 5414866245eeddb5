import { BLOCK_HEADER_WORDS, BlockBuffer } from '../../../journal/block.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { JournalWriter } from '../../../journal/log.ts';
import { SEGMENT_BYTES_MIN } from '../../../journal/segments.ts';
import { type Span, type SpanLimits, SpanReader } from '../../../proofs/matching/span.ts';
import { temporaryFolder } from '../../journal/temporary-journal.ts';

const ROWS = 2 ** 7;
const LIMITS = { ordersMax: 64, levelPagesMax: 8, instrumentsMax: 4, sessionsMax: 4, answersPerSessionMax: 4 };

/** A journal of these commands, in one block. */
export async function journalOf(commands: readonly Command[]): Promise<string> {
  const directory = temporaryFolder();
  const genesis = { shard: 1, createdAt: 1n, limits: LIMITS };
  const writer = JournalWriter.open(directory, { genesis, segmentBytesMax: SEGMENT_BYTES_MIN, preallocate: false });
  const buffer = new BlockBuffer();
  for (const [place, command] of commands.entries())
    encodeCommand(buffer.words, BLOCK_HEADER_WORDS + place * COMMAND_WORDS, command);
  writer.append(buffer, commands.length, 1, 1, 0);
  await writer.close();
  return directory;
}

/** Every span of a journal, and why commands are in none. */
export async function spansOf(
  directory: string,
  limits: Partial<SpanLimits> = {},
): Promise<{ spans: Span[]; unprovable: string[] }> {
  // A span that ends before such a command, and the one that would begin with it, both meet it.
  const unprovable = new Set<string>();
  const onUnprovable = (error: Error): unknown => unprovable.add(error.message);
  const reader = new SpanReader(directory, { rows: ROWS, ...limits, onUnprovable });
  const spans: Span[] = [];
  for (let from = 1; ; from = (spans.at(-1)?.lastSequence ?? 0) + 1) {
    const span = await reader.next(from);
    if (span === undefined) return { spans, unprovable: [...unprovable] };
    spans.push(span);
  }
}
