import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { MarketFlow, type MarketFlowOptions } from '../../../bench/market-flow.ts';
import { readWide, TWO_32, writeWide } from '../../../journal/amounts.ts';
import {
  COMMAND_WORD,
  COMMAND_WORDS,
  encodeCommand,
  Op,
  OrderType,
  SelfTradePrevention,
  STP_SHIFT,
  TERM_SHIFT,
  Term,
} from '../../../journal/commands.ts';
import { EventType, eventType } from '../../../journal/events.ts';
import { DEFAULT_LIMITS } from '../../../journal/genesis.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import { SESSION } from '../../../replicas/session-table.ts';

/**
 * node --expose-gc allocation-probe.ts OPTIONS
 *
 * Tells by how many bytes the heap grows while a warm matcher applies commands, and how often the collector ran
 * meanwhile: if it did, the growth says nothing.
 */
export interface ProbeOptions {
  readonly flow: MarketFlowOptions;
  /** Last sequence before the first command. */
  readonly sequence: number;
  /** Send every command in a session, whose requests are counted from this on; 0 for no session. */
  readonly request: number;
  /** Make an object for each command, to see that the probe sees it. */
  readonly control: boolean;
  /** Apply commands in batches, as replicas do. */
  readonly batches?: boolean;
  /** Of an instrument that follows all rules; with `terms` every other order that can rest has some of its own. */
  readonly ruled?: 'plain' | 'terms';
}

export interface ProbeResult {
  /** In each measurement. */
  readonly commands: number;
  /** One figure a measurement. */
  readonly grownBytes: readonly number[];
  readonly collections: number;
}

/** Each round ends with an empty book, so the same commands can be played again. */
const ROUND_COMMANDS = 1 << 17;
const WARM_UP_ROUNDS = 6;
const MEASUREMENTS = 3;
/** Two million commands. */
const MEASURED_ROUNDS = 16;
const BATCH_COMMANDS = 256;
const SESSION_NUMBER = 1;
/** Commands before the rounds. */
const OPENING = 3;
/** An iceberg shows this part of its lots. */
const SHOWN_PART = 4;

const options = JSON.parse(process.argv[2] ?? '') as ProbeOptions;
const events = new EventBuffer(4096);
const matcher = createMatcher({ ...DEFAULT_LIMITS, ordersMax: 4096 }, events);
writeWide(matcher.state.sequence, 0, options.sequence);
const first = new Uint32Array(COMMAND_WORDS);
MarketFlow.create(first, 0);
matcher.apply(first, 0);
encodeCommand(first, 0, { op: 'sessionOpen', account: 0, id: 1 });
matcher.apply(first, 0);
if (options.ruled === undefined) encodeCommand(first, 0, { op: 'tick' });
else encodeCommand(first, 0, { op: 'instrumentSet', symbol: 0, setting: 'tick', value: 1 });
matcher.apply(first, 0);
// As if the session had sent this many requests.
matcher.state.sessions.words[SESSION.lastRequest] = Math.max(0, options.request - 1);

const words = new MarketFlow(options.flow).take(ROUND_COMMANDS);
if (options.ruled === 'terms') giveTerms();
encodeCommand(words, words.length - COMMAND_WORDS, { op: 'massCancel' });
// Numbers that outlive a command are kept in cells here as well: a double in a closure would be an object.
const counters = Uint32Array.of(options.request, 0);
const held: object[] = [{}];

/** Of eight orders that can rest one becomes an iceberg, one a stop limit, two prevent trades of their account with itself. */
function giveTerms(): void {
  let count = 0;
  for (let at = 0; at < words.length; at += COMMAND_WORDS) {
    const head = words[at] as number;
    if ((head & 255) !== Op.new || head >>> 16 !== 0) continue;
    const kind = count++ % 8;
    const flags = words[at + COMMAND_WORD.flags] as number;
    if (kind === 0) {
      words[at + COMMAND_WORD.flags] = flags | (Term.display << TERM_SHIFT);
      writeWide(words, at + COMMAND_WORD.extra, Math.ceil(readWide(words, at + COMMAND_WORD.quantity) / SHOWN_PART));
    } else if (kind === 1 && flags === 0) {
      words[at] = head | (OrderType.stopLimit << 16);
      words[at + COMMAND_WORD.flags] = Term.stopPrice << TERM_SHIFT;
      writeWide(words, at + COMMAND_WORD.extra, readWide(words, at + COMMAND_WORD.price));
    } else if (kind === 2 || kind === 3) {
      words[at + COMMAND_WORD.flags] = flags | (SelfTradePrevention.decrement << STP_SHIFT);
    }
  }
}

/** One round, to see that terms had their effect. */
function playSeen(): Set<number> {
  const seen = new Set<number>();
  for (let at = 0; at < words.length; at += COMMAND_WORDS) {
    matcher.apply(words, at);
    events.drain((told, from) => seen.add(eventType(told, from)));
  }
  return seen;
}

function play(): void {
  for (let at = 0; at < words.length; at += COMMAND_WORDS) {
    if (options.request !== 0) {
      words[at + COMMAND_WORD.session] = SESSION_NUMBER;
      words[at + COMMAND_WORD.request] = counters[0] as number;
      counters[0] = (counters[0] as number) + 1;
    }
    // Any time of day, its lower word above 2^31 half of the time.
    counters[1] = (counters[1] as number) + 1_000_003;
    words[at + COMMAND_WORD.time] = counters[1] as number;
    words[at + COMMAND_WORD.time + 1] = 400_000_000;
    if (!options.batches) {
      matcher.apply(words, at);
      events.clear();
    } else if ((at / COMMAND_WORDS) % BATCH_COMMANDS === BATCH_COMMANDS - 1) {
      matcher.applyMany(words, at - (BATCH_COMMANDS - 1) * COMMAND_WORDS, BATCH_COMMANDS);
      events.clear();
    }
    if (options.control) held[0] = { at };
  }
}

let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ['gc'] });
const seen = playSeen();
if (options.ruled === 'terms' && !(seen.has(EventType.refreshed) && seen.has(EventType.triggered)))
  throw new Error('no iceberg traded, or no stop was triggered');
for (let round = 0; round < WARM_UP_ROUNDS; round++) play();
globalThis.gc?.();
// Lets the observer tell of what came before, and code that is being compiled beside this thread arrive.
await delay(100);
collections = 0;
const used = new Float64Array(MEASUREMENTS + 1);
used[0] = process.memoryUsage().heapUsed;
for (let measurement = 1; measurement <= MEASUREMENTS; measurement++) {
  for (let round = 0; round < MEASURED_ROUNDS; round++) play();
  used[measurement] = process.memoryUsage().heapUsed;
}
await delay(100);

const applied = (matcher.state.sequence[1] as number) * TWO_32 + (matcher.state.sequence[0] as number);
const expected = options.sequence + OPENING + (1 + WARM_UP_ROUNDS + MEASUREMENTS * MEASURED_ROUNDS) * ROUND_COMMANDS;
if (applied !== expected) throw new Error(`sequence ${applied} after the commands, not ${expected}`);
const grownBytes = Array.from(used.subarray(1), (bytes, index) => bytes - (used[index] as number));
const result: ProbeResult = { commands: MEASURED_ROUNDS * ROUND_COMMANDS, grownBytes, collections };
process.stdout.write(JSON.stringify(result));
