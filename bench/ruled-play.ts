import { COMMAND_WORDS } from '../journal/commands.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { createMatcher } from '../replicas/matcher.ts';
import { median, Stopwatch } from './benchmark.ts';
import { challengeCreation, challengeLimits, encodeMessages, ruledCreation } from './challenge-run.ts';
import { generateWorkload, type Scenario, type Workload } from './challenge-workload.ts';

/**
 * node ruled-play.ts SCENARIO NEW-ORDERS PAIRS: the challenge's orders, which use no rule, in an instrument that follows all rules and in
 * one that does not: the matcher alone, in turns in one process, the outcome as JSON. Both suffer from whatever else the machine does.
 */
export interface RuledPlayed {
  /** Messages a second: ruled by plain, the median of the pairs. */
  readonly ratio: number;
  /** The same of each pair. */
  readonly pairs: readonly number[];
  /** Median nanoseconds a message. */
  readonly plainNs: number;
  readonly ruledNs: number;
}

const EVENT_SLOTS = 4096;
const BATCH_COMMANDS = 256;
/** Until all is compiled. */
const WARM_UP_PAIRS = 3;

class RuledPlay {
  readonly #commands: Uint32Array;
  readonly #workload: Workload;

  constructor(scenario: Scenario, newOrders: number) {
    this.#workload = generateWorkload({ scenario, newOrders });
    this.#commands = encodeMessages(this.#workload);
  }

  /** Nanoseconds a message. */
  time(beginning: Uint32Array): number {
    const events = new EventBuffer(EVENT_SLOTS);
    const matcher = createMatcher(challengeLimits(this.#workload), events);
    matcher.applyMany(beginning, 0, beginning.length / COMMAND_WORDS);
    const { count } = this.#workload;
    const stopwatch = new Stopwatch();
    for (let first = 0; first < count; first += BATCH_COMMANDS) {
      matcher.applyMany(this.#commands, first * COMMAND_WORDS, Math.min(BATCH_COMMANDS, count - first));
      events.clear();
    }
    // Not the time with a core, which some kernels count in steps of 10 ms: as long as a turn takes.
    return (stopwatch.read().elapsedMs * 1e6) / count;
  }
}

function play(scenario: Scenario, newOrders: number, pairs: number): RuledPlayed {
  const flow = new RuledPlay(scenario, newOrders);
  const plain: number[] = [];
  const ruled: number[] = [];
  for (let pair = -WARM_UP_PAIRS; pair < pairs; pair++) {
    const isPlainFirst = (pair & 1) === 0;
    const one = flow.time(isPlainFirst ? challengeCreation() : ruledCreation());
    const other = flow.time(isPlainFirst ? ruledCreation() : challengeCreation());
    if (pair < 0) continue;
    plain.push(isPlainFirst ? one : other);
    ruled.push(isPlainFirst ? other : one);
  }
  const ratios = plain.map((ns, pair) => ns / (ruled[pair] as number));
  return { ratio: median(ratios), pairs: ratios, plainNs: median(plain), ruledNs: median(ruled) };
}

const [scenario = '', newOrders = '', pairs = ''] = process.argv.slice(2);
process.stdout.write(JSON.stringify(play(scenario as Scenario, Number(newOrders), Number(pairs))));
