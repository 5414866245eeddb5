import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_HEADER_WORDS, BlockBuffer, blockOrdersIn } from '../journal/block.ts';
import { COMMAND_WORDS, decodeCommand } from '../journal/commands.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { JournalWriter } from '../journal/log.ts';
import { type BenchmarkOptions, check, type Figure, type Measured, median, playApart } from './benchmark.ts';
import { MarketFlow } from './market-flow.ts';
import { LINES_FILE, REPLAY_KINDS, type Replayed, type ReplayKind } from './replay-play.ts';

export const description = 'replay of a journal with every check, beside an event log of JSON lines';

const COMMANDS = 1_000_000;
const RESTING = 20_000;
const PAGES = 16;
const SEGMENT_BYTES = 2 ** 28;
const TITLES: Readonly<Record<ReplayKind, string>> = {
  audit: 'audit',
  replay: 'replay',
  check: 'reading and checking alone',
  lines: 'JSON lines',
};

export async function run({ directory, quick }: BenchmarkOptions): Promise<Measured> {
  const orders = blockOrdersIn(PAGES);
  const blocks = Math.ceil(COMMANDS / (quick ? 10 : 1) / orders);
  const count = blocks * orders;
  await write(directory, blocks, orders);
  const rates: Record<ReplayKind, number[]> = { audit: [], replay: [], check: [], lines: [] };
  const hashes = new Set<string>();
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    for (const kind of REPLAY_KINDS) {
      const { elapsedMs, stateHash } = await playApart<Replayed>('replay-play.ts', kind, directory);
      rates[kind].push((count * 1000) / elapsedMs);
      if (stateHash !== '') hashes.add(stateHash);
    }
  }
  check(hashes.size === 1, `replays do not end in the same state: ${[...hashes].join('; ')}`);
  return {
    figures: REPLAY_KINDS.flatMap((kind): Figure[] => [
      { name: TITLES[kind], value: median(rates[kind]), unit: 'commands/s' },
      { name: `${TITLES[kind]}, worst run`, value: Math.min(...rates[kind]), unit: 'commands/s' },
    ]),
    ratios: [{ name: 'replay / JSON lines', value: median(rates.replay) / median(rates.lines) }],
    notes: [
      `${count.toLocaleString('en')} commands in blocks of ${orders.toLocaleString('en')}, each run in a fresh process; all end with the same state hash: checked`,
      'audit is what `veritape audit` does: replay, and the counting of events; the file is in the cache of the system',
      'the JSON lines have no checksum and no chain, and go into the same matcher',
    ],
  };
}

/** The same commands as a journal and as JSON lines. */
async function write(directory: string, blocks: number, orders: number): Promise<void> {
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
    const commands = Array.from({ length: orders }, (_, place) => decodeCommand(words, place * COMMAND_WORDS));
    const lines = commands.map((command) => `${JSON.stringify({ ...command, time: undefined })}\n`);
    appendFileSync(join(directory, LINES_FILE), lines.join(''));
  }
  await writer.close();
}
