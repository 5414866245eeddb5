import { COMMAND_WORDS, type Command, decodeCommand } from '../journal/commands.ts';
import type { InProcessSession } from '../ops/sessions/in-process-session.ts';
import { openVenue } from '../ops/venue/venue.ts';
import { check } from './benchmark.ts';
import { encodeMessages } from './challenge-run.ts';
import { generateWorkload, type Scenario } from './challenge-workload.ts';

const BATCH = 256;
/** As many commands in flight as the venue keeps answers for. */
const BATCHES_IN_FLIGHT = 4;
const SEGMENT_BYTES = 2 ** 26;

/** Plays a scenario of the challenge into a venue with sequencer, disk and two replicas, and so makes its journal. */
export async function writeScenario(directory: string, scenario: Scenario, newOrders: number): Promise<void> {
  const batches = batchesOf(encodeMessages(generateWorkload({ scenario, newOrders })));
  const venue = await openVenue({ directory, segmentBytesMax: SEGMENT_BYTES });
  try {
    const session = await venue.openSession(0, 1);
    await session.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'CHALLENGE' }]);
    await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, () => play(session, batches)));
  } finally {
    const { stateHashes } = await venue.close();
    check(new Set(stateHashes).size === 1, 'the replicas differ');
  }
}

async function play(session: InProcessSession, batches: Iterator<Command[]>): Promise<void> {
  for (let next = batches.next(); next.done !== true; next = batches.next()) await session.send(next.value);
}

function* batchesOf(words: Uint32Array): Generator<Command[], undefined> {
  for (let from = 0; from < words.length; from += BATCH * COMMAND_WORDS) {
    const batch: Command[] = [];
    const to = Math.min(words.length, from + BATCH * COMMAND_WORDS);
    for (let at = from; at < to; at += COMMAND_WORDS) batch.push(decodeCommand(words, at));
    yield batch;
  }
  return undefined;
}
