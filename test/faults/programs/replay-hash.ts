import { hashOf } from '../../../journal/chain.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { encodeState } from '../../../replicas/canonical-state.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import { applyBlock, replayJournal, restoreNewest } from '../../../replicas/replay.ts';

/**
 * Brings a matcher to the end of a journal as a replica does, from the newest snapshot or, with `whole`, from the first
 * block, and prints the Node that it ran on, the sequence and the state hash.
 */
const [dir = '', from = ''] = process.argv.slice(2);
const events = new EventBuffer(1024);
const matcher = createMatcher(JournalReader.open(dir).genesis.limits, events, Number(process.hrtime.bigint() % 4096n));
if (from !== 'whole') await restoreNewest(dir, matcher);
const restored = matcher.sequence();
for (const block of replayJournal(dir, restored + 1)) applyBlock(matcher, block, () => events.clear());
const stateHash = hashOf(encodeState(matcher.state)).toString('hex');
const result = { node: process.version, restored, sequence: matcher.sequence(), stateHash };
process.stdout.write(`${JSON.stringify(result)}\n`);
