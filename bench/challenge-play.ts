import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Blake3Hasher } from '@napi-rs/blake-hash';
import { COMMAND_WORDS } from '../journal/commands.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { createMatcher } from '../replicas/matcher.ts';
import { warmUp } from '../replicas/warm-up.ts';
import { DOORBELL_INTS, Doorbell } from '../sequencer/doorbell.ts';
import { allocateRing } from '../sequencer/rings.ts';
import { Stopwatch } from './benchmark.ts';
import type { DrainData, Drained } from './challenge-drain.ts';
import {
  challengeCreation,
  challengeLimits,
  challengeReports,
  encodeMessages,
  ruledCreation,
} from './challenge-run.ts';
import { generateWorkload, type Scenario, type Workload } from './challenge-workload.ts';
import { type PeerName, playPeer } from './peer-books.ts';
import { RingEvents } from './ring-events.ts';

/**
 * node challenge-play.ts PLAYER SCENARIO NEW-ORDERS: one run of the challenge in a fresh process, its outcome as JSON.
 *
 * - `matcher`: the matcher alone, events dropped.
 * - `ring`: every event goes into a ring that another thread drains and hashes; until the last one is drained.
 * - `ruled`, `ruled-matcher`: as `ring` and `matcher`, with a tick size set before, so that the instrument follows all rules.
 * - a name of peer-books.ts: that book.
 */
export interface Played {
  readonly messages: number;
  readonly elapsedMs: number;
  /** Of those, the milliseconds in which the thread that matches had a core. */
  readonly coreMs: number;
  /** SHA-256 of the reports in the challenge's canonical form. */
  readonly sha256: string;
  /** `ring`: whether the other thread got the events that the reports are made from. */
  readonly drained: boolean;
  /** Of a peer: what the matcher's reports come to. */
  readonly matcherSha256?: string;
}

const EVENT_SLOTS = 4096;
const RING_SLOTS = 1 << 16;
/** Commands whose events are made visible together, as the leader of a venue does. */
const BATCH_COMMANDS = 256;

async function play(player: string, workload: Workload): Promise<Played> {
  const messages = workload.count;
  const beginning = player.startsWith('ruled') ? ruledCreation() : challengeCreation();
  if (player === 'ring' || player === 'ruled') {
    const { digest, ...played } = await playIntoRing(workload, beginning);
    const hasher = new Blake3Hasher();
    const { sha256 } = challengeReports(workload, (events) => hasher.update(events), beginning);
    return { messages, ...played, sha256, drained: hasher.digestBuffer().toString('hex') === digest };
  }
  if (player === 'matcher' || player === 'ruled-matcher') {
    const played = playIntoNothing(workload, beginning);
    const { sha256 } = challengeReports(workload, undefined, beginning);
    return { messages, drained: true, ...played, sha256 };
  }
  const played = playPeer(player as PeerName, workload);
  return { messages, drained: true, ...played, matcherSha256: challengeReports(workload).sha256 };
}

function playIntoNothing(workload: Workload, beginning: Uint32Array): Pick<Played, 'elapsedMs' | 'coreMs'> {
  const commands = encodeMessages(workload);
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(challengeLimits(workload), events);
  matcher.applyMany(beginning, 0, beginning.length / COMMAND_WORDS);
  // As a replica does before it serves.
  warmUp();
  const stopwatch = new Stopwatch();
  for (let first = 0; first < workload.count; first += BATCH_COMMANDS) {
    matcher.applyMany(commands, first * COMMAND_WORDS, Math.min(BATCH_COMMANDS, workload.count - first));
    events.clear();
  }
  return stopwatch.read();
}

async function playIntoRing(
  workload: Workload,
  beginning: Uint32Array,
): Promise<Pick<Played, 'elapsedMs' | 'coreMs'> & { digest: string }> {
  const commands = encodeMessages(workload);
  const ring = allocateRing(RING_SLOTS, 1);
  const done = new SharedArrayBuffer(4);
  const bell = new SharedArrayBuffer(DOORBELL_INTS * 4);
  const events = new RingEvents(ring, new Doorbell(new Int32Array(bell), 0));
  const matcher = createMatcher(challengeLimits(workload), events);
  const worker = new Worker(new URL('./challenge-drain.ts', import.meta.url), {
    workerData: { ring, bell, done } satisfies DrainData,
  });
  await once(worker, 'message');
  const drained = once(worker, 'message') as Promise<[Drained]>;
  matcher.applyMany(beginning, 0, beginning.length / COMMAND_WORDS);
  events.publish();
  // As a replica does before it serves.
  warmUp();
  const stopwatch = new Stopwatch();
  for (let first = 0; first < workload.count; first += BATCH_COMMANDS) {
    matcher.applyMany(commands, first * COMMAND_WORDS, Math.min(BATCH_COMMANDS, workload.count - first));
    events.publish();
  }
  events.drained();
  const times = stopwatch.read();
  Atomics.store(new Int32Array(done), 0, 1);
  events.ring();
  const [{ digest }] = await drained;
  return { ...times, digest };
}

const [player = '', scenario, newOrders] = process.argv.slice(2);
const workload = generateWorkload({ scenario: scenario as Scenario, newOrders: Number(newOrders) });
process.stdout.write(JSON.stringify(await play(player, workload)));
