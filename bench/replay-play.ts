import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashOf } from '../journal/chain.ts';
import { COMMAND_WORDS, type Command, encodeCommand } from '../journal/commands.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { JournalReader } from '../journal/reader.ts';
import { Interruption } from '../ops/cli/interruption.ts';
import { JournalAudit } from '../ops/journal-audit.ts';
import { encodeState } from '../replicas/canonical-state.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../replicas/matcher.ts';
import { applyBlock } from '../replicas/replay.ts';
import { Stopwatch } from './benchmark.ts';

/**
 * node replay-play.ts KIND FOLDER: one replay in a fresh process, its outcome as JSON.
 *
 * - `audit`: what `veritape audit` does: every check, replay, and the counting of events.
 * - `replay`: what a replica does when it starts: blocks are checked and applied.
 * - `check`: blocks are read and checked.
 * - `lines`: the same commands from JSON lines.
 */
export const REPLAY_KINDS = ['audit', 'replay', 'check', 'lines'] as const;
export type ReplayKind = (typeof REPLAY_KINDS)[number];
export const LINES_FILE = 'commands.jsonl';

export interface Replayed {
  readonly elapsedMs: number;
  /** Or what is wrong; empty if nothing was applied. */
  readonly stateHash: string;
}

const EVENT_SLOTS = 4096;

async function play(kind: ReplayKind, directory: string): Promise<Replayed> {
  const stopwatch = new Stopwatch();
  const stateHash = await PLAYERS[kind](directory);
  return { elapsedMs: stopwatch.read().elapsedMs, stateHash };
}

const PLAYERS: Readonly<Record<ReplayKind, (directory: string) => string | Promise<string>>> = {
  audit: async (directory) => {
    const audit = new JournalAudit(directory);
    using interruption = new Interruption();
    await audit.run(interruption);
    return audit.findings[0]?.text ?? audit.stateHash;
  },
  replay: (directory) => {
    const { matcher, events } = fresh();
    for (const block of JournalReader.open(directory).blocks()) applyBlock(matcher, block, () => events.clear());
    return stateHashOf(matcher);
  },
  check: (directory) => {
    let last = 0;
    for (const { lastSequence } of JournalReader.open(directory).blocks()) last = lastSequence;
    return last > 0 ? '' : 'the journal is empty';
  },
  lines: (directory) => {
    const { matcher, events } = fresh();
    const words = new Uint32Array(COMMAND_WORDS);
    for (const line of readFileSync(join(directory, LINES_FILE), 'utf8').split('\n')) {
      if (line === '') continue;
      encodeCommand(words, 0, JSON.parse(line) as Command);
      matcher.apply(words, 0);
      events.clear();
    }
    return stateHashOf(matcher);
  },
};

function fresh(): { matcher: Matcher; events: EventBuffer } {
  const events = new EventBuffer(EVENT_SLOTS);
  return { matcher: createMatcher(DEFAULT_LIMITS, events), events };
}

function stateHashOf(matcher: Matcher): string {
  return hashOf(encodeState(matcher.state)).toString('hex');
}

if (import.meta.main) {
  const [kind, directory = ''] = process.argv.slice(2);
  process.stdout.write(JSON.stringify(await play(kind as ReplayKind, directory)));
}
