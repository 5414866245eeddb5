import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { BLOCK_HEADER_WORDS } from '../../journal/block.ts';
import { COMMAND_WORD, COMMAND_WORDS } from '../../journal/commands.ts';
import { JournalReader } from '../../journal/reader.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { replayJournal, restoreNewest } from '../../replicas/replay.ts';
import { threadId } from '../../sequencer/linux.ts';
import type { DaySoFarAsked, DaySoFarTold } from './day-so-far.ts';
import { applyAndCount, dayOf, daysAfter, startOfDay } from './day-statistics.ts';

/** Replays the trading days of a command from their beginning, and tells what traded. */

/** Of a venue's own process: the block may not be flushed to where others see it. */
const READ_ALL = { unflushed: true };
const EVENT_SLOTS = 4096;
/** It gives way to whatever else wants a core. */
const NICENESS = 10;

async function read({ directory, upTo, daysBefore }: DaySoFarAsked): Promise<DaySoFarTold> {
  const day = dayAt(directory, upTo);
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(JournalReader.open(directory, READ_ALL).genesis.limits, events);
  const restored = await restoreNewest(directory, matcher, upTo, {
    ...READ_ALL,
    before: startOfDay(day - daysBefore),
  });
  const days = daysAfter(matcher.state.instruments, restored);
  for (const block of replayJournal(directory, restored.sequence + 1, READ_ALL)) {
    applyAndCount(matcher, events, block, days, { upTo });
    if (block.lastSequence >= upTo) break;
  }
  return { traded: days.soFar, replayed: upTo - restored.sequence };
}

/** The day of the command with a sequence. */
function dayAt(directory: string, sequence: number): number {
  for (const { words, firstSequence } of replayJournal(directory, sequence, READ_ALL)) {
    const at = BLOCK_HEADER_WORDS + (sequence - firstSequence) * COMMAND_WORDS + COMMAND_WORD.time;
    return dayOf(words[at] as number, words[at + 1] as number);
  }
  throw new Error(`the journal in ${directory} does not hold sequence ${sequence}`);
}

try {
  setPriority(threadId(), NICENESS);
} catch {
  // Where the system has no such priority for a thread, it has that of all.
}
parentPort?.postMessage(await read(workerData as DaySoFarAsked));
