import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { COMMAND_WORD, COMMAND_WORDS } from '../journal/commands.ts';
import { EVENT_WORD, EventType } from '../journal/events.ts';
import { DOORBELL_INTS, Doorbell } from '../sequencer/doorbell.ts';
import {
  allocateRing,
  RingConsumer,
  type RingMemory,
  RingProducer,
  SLOT_SHIFT,
  SLOT_WORDS,
} from '../sequencer/rings.ts';
import { generateBookFlow } from './book-flow.ts';
import { challengeCreation, challengeLimits, encodeMessages } from './challenge-run.ts';
import type { RingJob, RingPeerData } from './ring-peer.ts';
import { GapLog, joinGaps, overlapsGap } from './thread-gaps.ts';

/**
 * node ring-play.ts throughput BATCH SLOTS | round-trip echo|parked COUNT FILE | trade RATE SECONDS FILE
 *
 * One measurement between two threads in a fresh process, its outcome as JSON. RATE 0 is as fast as the rings take it.
 * Samples go to FILE as float32 nanoseconds; those of `trade` in pairs: the time, and 1 if it overlaps a gap of either
 * thread.
 */
export interface PlayedThroughput {
  readonly perSecond: number;
}

export interface PlayedTrades {
  /** Commands a second that were really sent. */
  readonly perSecond: number;
  readonly commands: number;
  readonly trades: number;
}

/** 512 KiB: fits the second cache of a core. */
const RING_SLOTS = 1 << 13;
const RESTING = 10_000;
const FLOOD_COMMANDS = 1_000_000;
/** Before anything is timed: it compiles, on both sides. */
const WARM_UP_COMMANDS = 300_000;
const PARK_MS_MAX = 50;
/** What is due is sent a little after both threads are known to run. */
const LEAD_MS = 1;

class RingPair {
  readonly there = allocateRing(RING_SLOTS, 1);
  readonly back = allocateRing(RING_SLOTS, 1);
  readonly bell: Doorbell;
  readonly #stop = new SharedArrayBuffer(4);
  readonly #bells = [bellMemory(), bellMemory()] as const;
  readonly peerBell: Doorbell;
  readonly #worker: Worker;

  constructor(job: RingJob, limits: RingPeerData['limits']) {
    this.peerBell = new Doorbell(new Int32Array(this.#bells[0]), 0);
    this.bell = new Doorbell(new Int32Array(this.#bells[1]), 0);
    const { there, back } = this;
    const workerData: RingPeerData = { job, there, back, stop: this.#stop, bells: this.#bells, limits };
    this.#worker = new Worker(new URL('./ring-peer.ts', import.meta.url), { workerData });
  }

  async ready(): Promise<void> {
    await once(this.#worker, 'message');
  }

  /** Ends the other thread and gives what it found. */
  async end<T>(): Promise<T> {
    const message = once(this.#worker, 'message') as Promise<[T]>;
    Atomics.store(new Int32Array(this.#stop), 0, 1);
    this.peerBell.ring();
    return (await message)[0];
  }
}

function bellMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(DOORBELL_INTS * 4);
}

const NO_LIMITS = { ordersMax: 1, levelPagesMax: 2, instrumentsMax: 1, sessionsMax: 1, answersPerSessionMax: 1 };

async function throughput(batch: number, slots: number): Promise<PlayedThroughput> {
  const pair = new RingPair('drain', NO_LIMITS);
  await pair.ready();
  const ring = new RingProducer(pair.there);
  produce(ring, batch, slots / 4);
  const started = performance.now();
  produce(ring, batch, slots);
  while (ring.consumed() !== ring.next);
  const elapsedMs = performance.now() - started;
  await pair.end();
  return { perSecond: (slots * 1000) / elapsedMs };
}

function produce(ring: RingProducer, batch: number, slots: number): void {
  const { words, mask } = ring;
  for (let sent = 0; sent < slots; sent += batch) {
    while (ring.room(batch) < batch);
    const first = ring.next;
    for (let ahead = 0; ahead < batch; ahead++) {
      const at = ((first + ahead) & mask) << SLOT_SHIFT;
      for (let word = 0; word < SLOT_WORDS; word++) words[at + word] = sent + word;
    }
    ring.publish(batch);
  }
}

/** Each after the one before. */
async function roundTrip(job: 'echo' | 'parked', count: number, file: string): Promise<PlayedThroughput> {
  const pair = new RingPair(job, NO_LIMITS);
  await pair.ready();
  const there = new RingProducer(pair.there);
  const back = new RingConsumer(pair.back, 0);
  const samples = new Float32Array(count);
  const goThere = (index: number): void => {
    const started = performance.now();
    there.room(1);
    there.publish(1);
    if (job === 'echo') while (back.available() === 0);
    else {
      pair.peerBell.ring();
      for (let seen = pair.bell.count(); back.available() === 0; seen = pair.bell.count()) {
        if (back.available() === 0) pair.bell.sleep(seen, PARK_MS_MAX);
      }
    }
    back.release(1);
    if (index >= 0) samples[index] = (performance.now() - started) * 1e6;
  };
  for (let index = -Math.ceil(count / 4); index < 0; index++) goThere(index);
  const started = performance.now();
  for (let index = 0; index < count; index++) goThere(index);
  const elapsedMs = performance.now() - started;
  await pair.end();
  writeFileSync(file, new Uint8Array(samples.buffer));
  return { perSecond: (count * 1000) / elapsedMs };
}

/** Sends the flow and takes the events. Times are this thread's performance.now(). */
class TradeClient {
  readonly gaps = new GapLog();
  readonly #commands: Uint32Array;
  readonly #there: RingProducer;
  readonly #back: RingConsumer;
  /** When each command was to be sent, by its sequence number. */
  readonly #due = new Float64Array(1 << 16);
  /** Due and seen, of each trade. */
  readonly #trades: Float64Array;
  /** Cells: next command's due time, now, trades kept, whether they are kept. */
  readonly #cells = new Float64Array(4);
  #sent = 0;
  /** Sequence number of the next command. */
  #sequence = 1;

  constructor(commands: Uint32Array, there: RingMemory, back: RingMemory) {
    this.#commands = commands;
    this.#there = new RingProducer(there);
    this.#back = new RingConsumer(back, 0);
    this.#trades = new Float64Array(commands.length / COMMAND_WORDS);
  }

  get sent(): number {
    return this.#sent;
  }

  get left(): number {
    return this.#commands.length / COMMAND_WORDS - this.#sent;
  }

  /** Due and seen, of each trade that was kept. */
  trades(): Float64Array {
    return this.#trades.subarray(0, this.#cells[2]);
  }

  flood(count: number): void {
    for (let index = 0; index < count; index++) {
      this.#cells[1] = 0;
      this.#send(0);
      this.#take();
    }
    this.drain();
  }

  /** Open loop: each command is due at its time, whatever became of those before. */
  paced(betweenMs: number, seconds: number): void {
    const started = performance.now() + LEAD_MS;
    const end = started + seconds * 1000;
    this.#cells[0] = started;
    this.#cells[3] = 1;
    this.gaps.forget();
    while (this.left > 0 && this.#turn(betweenMs, end));
    this.drain();
    this.#cells[3] = 0;
  }

  #turn(betweenMs: number, end: number): boolean {
    const now = performance.now();
    this.gaps.look(now);
    this.#cells[1] = now;
    const due = this.#cells[0] as number;
    if (due >= end) return false;
    if (now >= due) {
      this.#send(due);
      this.#cells[0] = due + betweenMs;
    }
    this.#take();
    return true;
  }

  drain(): void {
    while (this.#there.consumed() !== this.#there.next || this.#back.available() > 0) {
      this.#cells[1] = performance.now();
      this.#take();
    }
  }

  #send(due: number): void {
    const ring = this.#there;
    while (ring.room(1) < 1) {
      this.#cells[1] = performance.now();
      this.#take();
    }
    const at = ring.wordAt(0);
    const from = this.#sent * COMMAND_WORDS;
    for (let word = 0; word < COMMAND_WORD.time; word++) ring.words[at + word] = this.#commands[from + word] as number;
    this.#due[this.#sequence & (this.#due.length - 1)] = due;
    this.#sequence++;
    this.#sent++;
    ring.publish(1);
  }

  #take(): void {
    const ring = this.#back;
    const count = ring.available();
    if (count === 0) return;
    const first = ring.next;
    for (let ahead = 0; ahead < count; ahead++) {
      const at = ((first + ahead) & ring.mask) << SLOT_SHIFT;
      if (((ring.words[at] as number) & 255) !== EventType.tradeTaker || this.#cells[3] === 0) continue;
      const kept = this.#cells[2] as number;
      if (kept + 2 > this.#trades.length) continue;
      const sequence = ring.words[at + EVENT_WORD.sequence] as number;
      this.#trades[kept] = this.#due[sequence & (this.#due.length - 1)] as number;
      this.#trades[kept + 1] = this.#cells[1] as number;
      this.#cells[2] = kept + 2;
    }
    ring.release(count);
  }
}

async function trade(rate: number, seconds: number, file: string): Promise<PlayedTrades> {
  const paced = Math.ceil(rate * seconds);
  const flow = generateBookFlow(RESTING, WARM_UP_COMMANDS + (rate === 0 ? FLOOD_COMMANDS : paced + paced / 4));
  const messages = encodeMessages(flow);
  const commands = new Uint32Array(messages.length + COMMAND_WORDS);
  commands.set(challengeCreation());
  commands.set(messages, COMMAND_WORDS);
  const pair = new RingPair('match', challengeLimits(flow));
  await pair.ready();
  const client = new TradeClient(commands, pair.there, pair.back);
  client.flood(1 + RESTING + WARM_UP_COMMANDS);
  if (rate === 0) {
    const started = performance.now();
    client.flood(FLOOD_COMMANDS);
    const elapsedMs = performance.now() - started;
    await pair.end();
    return { perSecond: (FLOOD_COMMANDS * 1000) / elapsedMs, commands: FLOOD_COMMANDS, trades: 0 };
  }
  // The way that keeps times is compiled, too.
  client.paced(1000 / rate, seconds / 5);
  const kept = client.trades().length;
  const sentBefore = client.sent;
  const started = performance.now();
  client.paced(1000 / rate, seconds);
  const elapsedMs = performance.now() - started;
  const sent = client.sent - sentBefore;
  const theirs = await pair.end<Float64Array>();
  const trades = client.trades().subarray(kept);
  const gaps = joinGaps([client.gaps.intervals(), theirs]);
  const { offsetMs } = client.gaps;
  const samples = new Float32Array(trades.length);
  for (let at = 0; at < trades.length; at += 2) {
    const due = trades[at] as number;
    const seen = trades[at + 1] as number;
    samples[at] = (seen - due) * 1e6;
    samples[at + 1] = overlapsGap(gaps, due + offsetMs, seen + offsetMs) ? 1 : 0;
  }
  writeFileSync(file, new Uint8Array(samples.buffer));
  return { perSecond: (sent * 1000) / elapsedMs, commands: sent, trades: trades.length / 2 };
}

const [what = '', first = '', second = '', file = ''] = process.argv.slice(2);
const outcome =
  what === 'throughput'
    ? await throughput(Number(first), Number(second))
    : what === 'round-trip'
      ? await roundTrip(first as 'echo' | 'parked', Number(second), file)
      : await trade(Number(first), Number(second), file);
process.stdout.write(JSON.stringify(outcome));
