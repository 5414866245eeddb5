import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_HEADER_WORDS, BlockBuffer, blockOrdersIn } from '../journal/block.ts';
import { COMMAND_WORDS, decodeCommand } from '../journal/commands.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { JournalWriter } from '../journal/log.ts';
import { MarketFlow } from './market-flow.ts';
import { LINES_FILE } from './replay-play.ts';

const RESTING = 20_000;
const PAGES = 16;
const SEGMENT_BYTES = 2 ** 28;
/** Commands in each block of the journal. */
export const REPLAY_BLOCK_ORDERS = blockOrdersIn(PAGES);

/** Writes a journal to replay, and with `lines` the same commands as JSON lines; returns how many commands it holds. */
export async function writeReplayJournal(directory: string, commands: number, lines: boolean): Promise<number> {
  const orders = REPLAY_BLOCK_ORDERS;
  const blocks = Math.ceil(commands / orders);
  const writer = JournalWriter.open(directory, {
    genesis: { shard: 0, createdAt: 0n, limits: DEFAULT_LIMITS },
    segmentBytesMax: SEGMENT_BYTES,
    preallocate: false,
  });
  const flow = new MarketFlow({ resting: RESTING });
  const block = new BlockBuffer();
  for (let index = 0; index < blocks; index++) {
    const words = flow.take(orders);
    if (index === 0) MarketFlow.create(words, 0);
    block.words.set(words, BLOCK_HEADER_WORDS);
    writer.append(block, orders, index * orders + 1, 0, 1);
    if (lines) appendFileSync(join(directory, LINES_FILE), linesOf(words, orders));
  }
  await writer.close();
  return blocks * orders;
}

function linesOf(words: Uint32Array, orders: number): string {
  const commands = Array.from({ length: orders }, (_, place) => decodeCommand(words, place * COMMAND_WORDS));
  return commands.map((command) => `${JSON.stringify({ ...command, time: undefined })}\n`).join('');
}
