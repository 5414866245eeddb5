import { type BenchmarkOptions, check, type Figure, type Measured, median, playApart } from './benchmark.ts';
import { REPLAY_BLOCK_ORDERS, writeReplayJournal } from './replay-journal.ts';
import { REPLAY_KINDS, type Replayed, type ReplayKind } from './replay-play.ts';

export const description = 'replay of a journal with every check, beside an event log of JSON lines';

const COMMANDS = 4_000_000;
const RATE_GOAL = 5_000_000;
const TITLES: Readonly<Record<ReplayKind, string>> = {
  audit: 'audit',
  replay: 'replay',
  check: 'reading and checking alone',
  lines: 'JSON lines',
};

export async function run({ directory, quick, yardstick }: BenchmarkOptions): Promise<Measured> {
  const count = await writeReplayJournal(directory, COMMANDS / (quick ? 8 : 1), true);
  const rates: Record<ReplayKind, number[]> = { audit: [], replay: [], check: [], lines: [] };
  const hashes = new Set<string>();
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    for (const kind of REPLAY_KINDS) {
      const { elapsedMs, stateHash } = await playApart<Replayed>('replay-play.ts', kind, directory);
      rates[kind].push((count * 1000) / elapsedMs);
      if (stateHash !== '') hashes.add(stateHash);
    }
    await yardstick();
  }
  check(hashes.size === 1, `replays do not end in the same state: ${[...hashes].join('; ')}`);
  return {
    figures: REPLAY_KINDS.flatMap((kind): Figure[] => [
      {
        name: TITLES[kind],
        value: median(rates[kind]),
        unit: 'commands/s',
        ...(kind === 'audit' ? { goal: { atLeast: RATE_GOAL } } : {}),
      },
      { name: `${TITLES[kind]}, worst run`, value: Math.min(...rates[kind]), unit: 'commands/s' },
    ]),
    ratios: [{ name: 'replay / JSON lines', value: median(rates.replay) / median(rates.lines) }],
    notes: [
      `${count.toLocaleString('en')} commands in blocks of ${REPLAY_BLOCK_ORDERS.toLocaleString('en')}, each run in a fresh process; all end with the same state hash: checked`,
      'audit is what `veritape audit` does: replay, and the counting of events; the file is in the cache of the system',
      'the JSON lines have no checksum and no chain, and go into the same matcher',
    ],
  };
}
