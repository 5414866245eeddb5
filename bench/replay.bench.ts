import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_HEADER_WORDS, BlockBuffer, blockOrdersIn } from '../journal/block.ts';
import { hashOf } from '../journal/chain.ts';
import { COMMAND_WORDS, type Command, decodeCommand, encodeCommand } from '../journal/commands.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { JournalWriter } from '../journal/log.ts';
import { JournalReader } from '../journal/reader.ts';
import { Interruption } from '../ops/cli/interruption.ts';
import { JournalAudit } from '../ops/journal-audit.ts';
import { encodeState } from '../replicas/canonical-state.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { createMatcher } from '../replicas/matcher.ts';
import { applyBlock } from '../replicas/replay.ts';
import { type BenchmarkOptions, check, type Figure, type Measured, median } from './benchmark.ts';
import { MarketFlow } from './market-flow.ts';

export const description = 'replay of a journal with every check, beside an event log of JSON lines';

const COMMANDS = 1_000_000;
const RESTING = 20_000;
const PAGES = 16;
const SEGMENT_BYTES = 2 ** 28;
const EVENT_SLOTS = 4096;

export async function run({ directory, quick }: BenchmarkOptions): Promise<Measured> {
  const orders = blockOrdersIn(PAGES);
  const blocks = Math.ceil(COMMANDS / (quick ? 10 : 1) / orders);
  const count = blocks * orders;
  const lines = join(directory, 'commands.jsonl');
  await write(directory, lines, blocks, orders);
  const rates: Record<string, number[]> = {};
  const hashes = new Set<string>();
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    const kinds: Record<string, () => Promise<string | undefined>> = {
      audit: () => audit(directory),
      replay: async () => replay(directory),
      'reading and checking alone': async () => read(directory),
      'JSON lines': async () => replayLines(lines),
    };
    for (const [name, action] of Object.entries(kinds)) {
      const started = performance.now();
      const hash = await action();
      rates[name] = [...(rates[name] ?? []), (count * 1000) / (performance.now() - started)];
      if (hash !== undefined) hashes.add(hash);
    }
  }
  check(hashes.size === 1, `replays end in ${hashes.size} different states`);
  const rate = (name: string): number => median(rates[name] ?? []);
  const figures = Object.keys(rates).flatMap((name): Figure[] => [
    { name, value: rate(name), unit: 'commands/s' },
    { name: `${name}, worst round`, value: Math.min(...(rates[name] ?? [])), unit: 'commands/s' },
  ]);
  return {
    figures,
    ratios: [{ name: 'replay / JSON lines', value: rate('replay') / rate('JSON lines') }],
    notes: [
      `${count.toLocaleString('en')} commands in blocks of ${orders.toLocaleString('en')}; every kind ends with the same state hash: checked`,
      'audit is what `veritape audit` does: replay, and the counting of events; the file is in the cache of the system',
      'the JSON lines are read at once, have no checksum or chain, and go into the same matcher',
    ],
  };
}

/** The same commands as a journal and as JSON lines. */
async function write(directory: string, lines: string, blocks: number, orders: number): Promise<void> {
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
    appendFileSync(lines, commands.map((command) => `${JSON.stringify({ ...command, time: undefined })}\n`).join(''));
  }
  await writer.close();
}

async function audit(directory: string): Promise<string> {
  const job = new JournalAudit(directory);
  using interruption = new Interruption();
  await job.run(interruption);
  check(job.findingCount === 0, `the audit finds ${job.findings[0]?.text}`);
  return job.stateHash;
}

function replay(directory: string): string {
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(DEFAULT_LIMITS, events);
  for (const block of JournalReader.open(directory).blocks()) applyBlock(matcher, block, () => events.clear());
  return hashOf(encodeState(matcher.state)).toString('hex');
}

function read(directory: string): undefined {
  for (const block of JournalReader.open(directory).blocks()) check(block.count > 0, 'an empty block');
}

function replayLines(lines: string): string {
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(DEFAULT_LIMITS, events);
  const words = new Uint32Array(COMMAND_WORDS);
  for (const line of readFileSync(lines, 'utf8').split('\n')) {
    if (line === '') continue;
    encodeCommand(words, 0, JSON.parse(line) as Command);
    matcher.apply(words, 0);
    events.clear();
  }
  return hashOf(encodeState(matcher.state)).toString('hex');
}
