import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS, BlockBuffer } from '../../../journal/block.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../../../journal/commands.ts';
import { JournalWriter } from '../../../journal/log.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { type Span, SpanReader } from '../../../proofs/matching/span.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';

const ROWS = 2 ** 16;
const BLOCK_COMMANDS = 500;
const BLOCKS = 140;
const LIMITS = { ordersMax: 16, levelPagesMax: 4, instrumentsMax: 2, sessionsMax: 4, answersPerSessionMax: 4 };

let directory = '';

/** Commands of one row each: cancels of an order that is not there. */
beforeAll(async () => {
  directory = temporaryFolder();
  const writer = JournalWriter.open(directory, { genesis: { shard: 1, createdAt: 1n, limits: LIMITS } });
  const buffer = new BlockBuffer();
  for (let block = 0; block < BLOCKS; block++) {
    for (let place = 0; place < BLOCK_COMMANDS; place++) {
      const first = block + place === 0;
      const cancel: Command = { op: 'cancel', symbol: 0, account: 1, id: 1 };
      const command: Command = first ? { op: 'instrumentCreate', symbol: 0, name: 'ACME' } : cancel;
      encodeCommand(buffer.words, BLOCK_HEADER_WORDS + place * COMMAND_WORDS, command);
    }
    writer.append(buffer, BLOCK_COMMANDS, block * BLOCK_COMMANDS + 1, block, 0);
  }
  await writer.close();
}, 120_000);
afterAll(removeTemporaryFolders);

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
