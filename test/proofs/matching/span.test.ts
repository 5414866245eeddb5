import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS, BlockBuffer } from '../../../journal/block.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { JournalWriter } from '../../../journal/log.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { SEGMENT_BYTES_MIN } from '../../../journal/segments.ts';
import { type Span, SpanReader } from '../../../proofs/matching/span.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';

const ROWS = 2 ** 16;
const BLOCK_COMMANDS = 500;
const BLOCKS = 140;
const LIMITS = { ordersMax: 16, levelPagesMax: 4, instrumentsMax: 2, sessionsMax: 4, answersPerSessionMax: 4 };

let directory = '';

function begin(folder: string): JournalWriter {
  const genesis = { shard: 1, createdAt: 1n, limits: LIMITS };
  return JournalWriter.open(folder, { genesis, segmentBytesMax: SEGMENT_BYTES_MIN, preallocate: false });
}

/** Blocks of commands of one row each: cancels of an order that is not there. */
function append(writer: JournalWriter, from: number, to: number): void {
  const buffer = new BlockBuffer();
  for (let block = from; block < to; block++) {
    for (let place = 0; place < BLOCK_COMMANDS; place++) {
      const first = block + place === 0;
      const cancel: Command = { op: 'cancel', symbol: 0, account: 1, id: 1 };
      const command: Command = first ? { op: 'instrumentCreate', symbol: 0, name: 'ACME' } : cancel;
      encodeCommand(buffer.words, BLOCK_HEADER_WORDS + place * COMMAND_WORDS, command);
    }
    writer.append(buffer, BLOCK_COMMANDS, block * BLOCK_COMMANDS + 1, block, 0);
  }
}

beforeAll(async () => {
  directory = temporaryFolder();
  const writer = begin(directory);
  append(writer, 0, BLOCKS);
  await writer.close();
}, 120_000);
afterAll(removeTemporaryFolders);

function bytesOf(column: ArrayBufferView | undefined): Uint8Array {
  return column === undefined ? Buffer.of() : new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}

async function spans(blockEnds: boolean): Promise<[Span, Span]> {
  const reader = new SpanReader(directory, { rows: ROWS, blockEnds });
  const first = (await reader.next(1)) as Span;
  return [first, (await reader.next(first.lastSequence + 1)) as Span];
}

test('a span that is nearly full ends with its block, so that the next one begins with the hash it ended with', async () => {
  const [first, second] = await spans(true);
  const [full, behind] = await spans(false);
  const last = JournalReader.open(directory).cursor(first.lastBlock).next();
  expect(first.lastSequence).toBe(last?.lastSequence);
  expect(second).toMatchObject({ firstSequence: first.lastSequence + 1, firstBlock: first.lastBlock + 1 });
  expect(second.chainBefore).toEqual(first.chainAfter);
  expect(first.lastSequence).toBe(Math.ceil((ROWS * 0.98) / BLOCK_COMMANDS) * BLOCK_COMMANDS);

  // Else it takes all that fits, and shares a block with the next one.
  expect(full.lastSequence).toBeGreaterThan(ROWS - 3);
  expect(behind).toMatchObject({ firstSequence: full.lastSequence + 1, firstBlock: full.lastBlock });
}, 120_000);

test('a reader at the end of a journal that grows goes on with what was appended, and is no other reader for it', async () => {
  const growing = temporaryFolder();
  const writer = begin(growing);
  append(writer, 0, 2);
  const reader = new SpanReader(growing, { rows: ROWS, blockEnds: true });
  expect(await reader.next(1)).toMatchObject({ firstSequence: 1, lastSequence: 1_000 });
  expect(await reader.next(1_001)).toBeUndefined();
  append(writer, 2, 3);
  const span = (await reader.next(1_001)) as Span;
  expect(span).toMatchObject({ firstSequence: 1_001, lastSequence: 1_500, firstBlock: 3 });
  await writer.close();
  const anew = (await new SpanReader(growing, { rows: ROWS, blockEnds: true }).next(1_001)) as Span;
  expect(span.chainBefore).toEqual(anew.chainBefore);
  const same = span.witness.trace.map((column, at) =>
    Buffer.from(bytesOf(column)).equals(bytesOf(anew.witness.trace[at])),
  );
  expect(new Set(same)).toEqual(new Set([true]));
}, 120_000);
