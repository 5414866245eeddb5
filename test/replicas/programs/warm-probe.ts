import { MarketFlow } from '../../../bench/market-flow.ts';
import { COMMAND_WORDS } from '../../../journal/commands.ts';
import { DEFAULT_LIMITS } from '../../../journal/genesis.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import { warmUp } from '../../../replicas/warm-up.ts';

/** node --trace-deopt warm-probe.ts [deoptimize]: warms up as a replica does, then applies a market's commands. */
const BATCH = 256;
const BATCHES = 4_000;
/** What a thread does in its first moments is compiled, too; this many batches belong to the warm-up of a benchmark. */
const FIRST_BATCHES = 400;
const MARK = 'the measured part begins\n';

warmUp();
const events = new EventBuffer(4096);
const matcher = createMatcher({ ...DEFAULT_LIMITS, ordersMax: 4096 }, events);
const flow = new MarketFlow({ resting: 1000 });
const words = new Uint32Array((BATCHES + FIRST_BATCHES) * BATCH * COMMAND_WORDS);
MarketFlow.create(words, 0);
for (let at = COMMAND_WORDS; at < words.length; at += COMMAND_WORDS) flow.next(words, at);

let source = words;

function play(from: number, to: number): void {
  for (let batch = from; batch < to; batch++) {
    matcher.applyMany(source, batch * BATCH * COMMAND_WORDS, BATCH);
    events.clear();
  }
}

play(0, FIRST_BATCHES);
process.stdout.write(MARK);
const middle = FIRST_BATCHES + BATCHES / 2;
play(FIRST_BATCHES, middle);
// An array of another kind where there was always the same: what the check must see.
if (process.argv[2] === 'deoptimize') source = new Int32Array(words.buffer) as unknown as typeof words;
play(middle, FIRST_BATCHES + BATCHES);
process.stdout.write(`${matcher.sequence()} commands\n`);
