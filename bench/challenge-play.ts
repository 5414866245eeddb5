import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Blake3Hasher } from '@napi-rs/blake-hash';
import { COMMAND_WORDS, encodeCommand } from '../journal/commands.ts';
import { EVENT_WORDS } from '../journal/events.ts';
import { EventBuffer, type EventSink } from '../replicas/event-buffer.ts';
import { createMatcher } from '../replicas/matcher.ts';
import { DOORBELL_INTS, Doorbell } from '../sequencer/doorbell.ts';
import { allocateRing, type RingMemory, RingProducer } from '../sequencer/rings.ts';
import { Stopwatch } from './benchmark.ts';
import type { DrainData, Drained } from './challenge-drain.ts';
import { playPeer } from './challenge-peer.ts';
import { challengeLimits, encodeMessages, runChallenge } from './challenge-run.ts';
import { generateWorkload, type Scenario, type Workload } from './challenge-workload.ts';

/**
 * node challenge-play.ts PLAYER SCENARIO NEW-ORDERS: one run of the challenge in a fresh process, its outcome as JSON.
 *
 * - `matcher`: the matcher alone, events dropped.
 * - `ring`: every event goes into a ring that another thread drains and hashes; until the last one is drained.
 * - `peer`: nodejs-order-book.
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
}

const EVENT_SLOTS = 4096;
const RING_SLOTS = 1 << 16;
/** Commands whose events are made visible together, as the leader of a venue does. */
const PUBLISH_COMMANDS = 256;

async function play(player: string, workload: Workload): Promise<Played> {
  const messages = workload.count;
  if (player === 'peer') return { messages, drained: true, ...playPeer(workload) };
  if (player === 'matcher') {
    const played = playIntoNothing(workload);
    return { messages, drained: true, ...played, sha256: runChallenge(workload).sha256 };
  }
  const { digest, ...played } = await playIntoRing(workload);
  const drained = digest === digestOfEvents(workload);
  return { messages, drained, ...played, sha256: runChallenge(workload).sha256 };
}

function playIntoNothing(workload: Workload): Pick<Played, 'elapsedMs' | 'coreMs'> {
  const commands = encodeMessages(workload);
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(challengeLimits(workload), events);
  matcher.apply(creation(), 0);
  const stopwatch = new Stopwatch();
  for (let at = 0; at < commands.length; at += COMMAND_WORDS) {
    if (events.next > EVENT_SLOTS / 2) events.clear();
    matcher.apply(commands, at);
  }
  return stopwatch.read();
}

async function playIntoRing(workload: Workload): Promise<Pick<Played, 'elapsedMs' | 'coreMs'> & { digest: string }> {
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
  matcher.apply(creation(), 0);
  events.publish();
  const stopwatch = new Stopwatch();
  let waiting = 0;
  for (let at = 0; at < commands.length; at += COMMAND_WORDS) {
    matcher.apply(commands, at);
    if (++waiting < PUBLISH_COMMANDS) continue;
    events.publish();
    waiting = 0;
  }
  events.publish();
  events.drained();
  const times = stopwatch.read();
  Atomics.store(new Int32Array(done), 0, 1);
  events.ring();
  const [{ digest }] = await drained;
  return { ...times, digest };
}

/** The same events from a plain pass. */
function digestOfEvents(workload: Workload): string {
  const commands = encodeMessages(workload);
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(challengeLimits(workload), events);
  const hasher = new Blake3Hasher();
  const take = (): void => {
    hasher.update(new Uint8Array(events.words.buffer, 0, events.next * EVENT_WORDS * 4));
    events.clear();
  };
  matcher.apply(creation(), 0);
  for (let at = 0; at < commands.length; at += COMMAND_WORDS) {
    if (events.next > EVENT_SLOTS / 2) take();
    matcher.apply(commands, at);
  }
  take();
  return hasher.digestBuffer().toString('hex');
}

function creation(): Uint32Array {
  const words = new Uint32Array(COMMAND_WORDS);
  encodeCommand(words, 0, { op: 'instrumentCreate', symbol: 0, name: 'CHALLENGE' });
  return words;
}

/** Events straight into a ring, without the digest that replicas of a venue compare. */
class RingEvents implements EventSink {
  readonly words: Uint32Array;
  readonly mask: number;
  next: number;
  limit: number;
  readonly #ring: RingProducer;
  readonly #bell: Doorbell;

  constructor(memory: RingMemory, bell: Doorbell) {
    this.#ring = new RingProducer(memory);
    this.#bell = bell;
    this.words = this.#ring.words;
    this.mask = this.#ring.mask;
    this.next = this.#ring.next;
    this.limit = this.next;
    this.publish();
  }

  makeRoom(): void {
    this.publish();
    while (this.next === this.limit) {
      giveWay();
      this.#refresh();
    }
  }

  publish(): void {
    const count = (this.next - this.#ring.next) | 0;
    if (count > 0) {
      this.#ring.publish(count);
      this.#bell.ring();
    }
    this.#refresh();
  }

  ring(): void {
    this.#bell.ring();
  }

  /** Returns when the other thread has taken everything. */
  drained(): void {
    while (this.#ring.consumed() !== this.#ring.next) giveWay();
  }

  #refresh(): void {
    this.limit = (this.#ring.next + this.#ring.room(this.#ring.slots)) | 0;
  }
}

/** Lets another thread have the core for the shortest time there is. */
function giveWay(): void {
  Atomics.wait(NEVER_RUNG, 0, 0, 0.01);
}

const NEVER_RUNG = new Int32Array(new SharedArrayBuffer(4));

const [player = '', scenario, newOrders] = process.argv.slice(2);
const workload = generateWorkload({ scenario: scenario as Scenario, newOrders: Number(newOrders) });
process.stdout.write(JSON.stringify(await play(player, workload)));
