import { writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { COMMAND_WORDS } from '../journal/commands.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../replicas/matcher.ts';
import { median } from './benchmark.ts';
import { type BookFlow, generateBookFlow } from './book-flow.ts';
import { challengeCreation, challengeLimits, encodeMessages } from './challenge-run.ts';
import { createPeerBook, type PeerName } from './peer-books.ts';
import { clockCostNs, lostTime } from './thread-gaps.ts';

/**
 * node book-play.ts PLAYER RESTING COMMANDS [FILE]: a book of so many resting orders under the mix of book-flow.ts in a
 * fresh process, its outcome as JSON.
 *
 * - `matcher`: nanoseconds a command, the median of rounds; events are written and forgotten.
 * - `service`: the time of each command with its events, less the clock's cost, to FILE as float32 nanoseconds.
 * - a name of peer-books.ts: nanoseconds a command; at most {@link PEER_MS_MAX}.
 */
export interface PlayedBook {
  readonly nsPerCommand: number;
  readonly commands: number;
}

export interface PlayedService {
  /** What a reading of the clock costs; it is taken off each sample. */
  readonly clockNs: number;
  /** Share of the time that a thread which does nothing but read the clock does not have its core. */
  readonly lostShare: number;
  /** Collections of garbage while samples were taken: the matcher makes none. */
  readonly collections: number;
}

const EVENT_SLOTS = 4096;
/** Commands applied together, as a venue's replicas do. */
const BATCH_COMMANDS = 256;
const EVENTS_WAITING_MAX = EVENT_SLOTS / 2;
const ROUNDS = 15;
/** Of the commands, before anything is timed: it compiles, and the book's memory takes the shape of long use. */
const WARM_UP_SHARE = 0.2;
const TOLD_MS = 50;
const PEER_MS_MAX = 2_000;
const PEER_CHUNK = 64;

interface Filled {
  readonly matcher: Matcher;
  readonly events: EventBuffer;
  readonly words: Uint32Array;
  /** First message that is timed. */
  readonly from: number;
}

/** A matcher that has played all that comes before the timed part. */
function fill(flow: BookFlow): Filled {
  const words = encodeMessages(flow);
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(challengeLimits(flow), events);
  matcher.apply(challengeCreation(), 0);
  const from = flow.resting + Math.floor((flow.count - flow.resting) * WARM_UP_SHARE);
  playAll(matcher, events, words, 0, from);
  return { matcher, events, words, from };
}

function playAll(matcher: Matcher, events: EventBuffer, words: Uint32Array, from: number, to: number): void {
  for (let first = from; first < to; first += BATCH_COMMANDS) {
    matcher.applyMany(words, first * COMMAND_WORDS, Math.min(BATCH_COMMANDS, to - first));
    events.clear();
  }
}

function playMatcher(flow: BookFlow): PlayedBook {
  const { matcher, events, words, from } = fill(flow);
  const each = Math.floor((flow.count - from) / ROUNDS);
  const rounds = Array.from({ length: ROUNDS }, (_, round) => {
    const started = performance.now();
    playAll(matcher, events, words, from + round * each, from + (round + 1) * each);
    return ((performance.now() - started) * 1e6) / each;
  });
  return { nsPerCommand: median(rounds), commands: each * ROUNDS };
}

async function playService(flow: BookFlow, file: string): Promise<PlayedService> {
  const { matcher, events, words, from } = fill(flow);
  const stamps = new Float64Array(flow.count - from + 1);
  const clockNs = clockCostNs();
  stampAll(matcher, events, words, from, stamps.subarray(0, 1_000));
  const lostBefore = lostTime();
  const collected: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime } of list.getEntries()) collected.push(startTime);
  });
  observer.observe({ entryTypes: ['gc'] });
  stampAll(matcher, events, words, from + 999, stamps.subarray(999));
  // They are told of in later turns of the event loop.
  await setTimeout(TOLD_MS);
  observer.disconnect();
  const first = stamps[999] as number;
  const last = stamps[stamps.length - 1] as number;
  const lostAfter = lostTime();
  const samples = new Float32Array(stamps.length - 1_000);
  for (let index = 0; index < samples.length; index++) {
    const ms = (stamps[index + 1_000] as number) - (stamps[index + 999] as number);
    samples[index] = Math.max(0, ms * 1e6 - clockNs);
  }
  writeFileSync(file, new Uint8Array(samples.buffer));
  return {
    clockNs,
    lostShare: (lostBefore.share + lostAfter.share) / 2,
    collections: collected.filter((ms) => ms >= first && ms <= last).length,
  };
}

/** A reading of the clock before the first command and after each. */
function stampAll(matcher: Matcher, events: EventBuffer, words: Uint32Array, from: number, stamps: Float64Array): void {
  let at = from * COMMAND_WORDS;
  stamps[0] = performance.now();
  for (let index = 1; index < stamps.length; index++) {
    if (events.next > EVENTS_WAITING_MAX) events.clear();
    matcher.apply(words, at);
    stamps[index] = performance.now();
    at += COMMAND_WORDS;
  }
}

function playPeerBook(name: PeerName, flow: BookFlow): PlayedBook {
  const book = createPeerBook(name, flow);
  const from = flow.resting + Math.min(2_000, Math.floor((flow.count - flow.resting) * WARM_UP_SHARE));
  for (let k = 0; k < from; k++) book.play(k, undefined);
  const started = performance.now();
  let elapsedMs = 0;
  let next = from;
  while (next < flow.count && elapsedMs < PEER_MS_MAX) {
    const end = Math.min(flow.count, next + PEER_CHUNK);
    for (; next < end; next++) book.play(next, undefined);
    elapsedMs = performance.now() - started;
  }
  return { nsPerCommand: (elapsedMs * 1e6) / (next - from), commands: next - from };
}

const [player = '', resting, commands, file = ''] = process.argv.slice(2);
const flow = generateBookFlow(Number(resting), Number(commands));
const outcome: PlayedBook | PlayedService =
  player === 'matcher'
    ? playMatcher(flow)
    : player === 'service'
      ? await playService(flow, file)
      : playPeerBook(player as PeerName, flow);
process.stdout.write(JSON.stringify(outcome));
