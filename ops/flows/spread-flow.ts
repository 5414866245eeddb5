import { readWide, TWO_32 } from '../../journal/amounts.ts';
import { COMMAND_WORD, COMMAND_WORDS, Flag, Op } from '../../journal/commands.ts';
import { Reason, reasonName } from '../../journal/reasons.ts';
import { LatencyHistogram } from '../../sequencer/latency-histogram.ts';
import { ANSWER_WORD, ANSWER_WORDS } from '../../sequencer/messages.ts';
import type { VenueClient } from '../sessions/venue-client.ts';
import { isNewOrder } from './flow-source.ts';

/**
 * Sends one flow over several sessions. All commands of an account go through one session, in their order, so an order is
 * never cancelled before it is placed; commands of different accounts meet in whatever order they arrive. A command that
 * concerns more than its account (instruments, a mass cancel of everybody) waits until all before it are acknowledged, and
 * all after it wait for its own acknowledgement.
 *
 * Which session a command goes to depends on nothing but the flow, so a session that had handled some of it before, under
 * the same key, is sent the rest.
 */
export class SpreadFlow {
  readonly batchMax: number;
  readonly latencies = new LatencyHistogram();
  readonly rejected: Record<string, number> = {};
  acknowledged = 0;
  newOrders = 0;
  traded = 0;
  /** Lowest and highest place of what was acknowledged; 0 if nothing was. */
  firstSequence = 0;
  lastSequence = 0;
  /** Why no more is sent, once a session has given up. */
  failure: unknown;
  readonly #lanes: readonly Lane[];
  readonly #onAnswers: () => void;
  readonly #underWay = new Set<Promise<void>>();
  /** Commands by the reason of their answer. */
  readonly #reasons = new Float64Array(REASON_CODES);

  /** @param batchMax commands in a message, at most */
  constructor(clients: readonly VenueClient[], batchMax: number, onAnswers: () => void) {
    this.batchMax = Math.min(batchMax, ...clients.map((client) => client.batchMax));
    this.#onAnswers = onAnswers;
    this.#lanes = clients.map((client) => ({
      client,
      words: new Uint32Array(this.batchMax * COMMAND_WORDS),
      count: 0,
      handled: client.handled,
    }));
  }

  /** Takes the record at word `at`. More may be given at once, or, if a promise is returned, when it has resolved. */
  add(words: Uint32Array, at: number): Promise<void> | undefined {
    if (this.#lanes.length > 1 && concernsMany(words, at)) return this.#addAlone(words, at);
    return this.#put(this.#lanes[this.#laneOf(words, at)] as Lane, words, at);
  }

  /** Sends what is waiting for more. */
  async flush(): Promise<void> {
    for (const lane of this.#lanes) await this.#send(lane);
  }

  /** Resolves when everything sent is acknowledged or given up. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  #laneOf(words: Uint32Array, at: number): number {
    if (this.#lanes.length === 1) return 0;
    const mixed = Math.imul(words[at + COMMAND_WORD.account] as number, ACCOUNT_MULTIPLIER) >>> 0;
    return Math.floor((mixed / TWO_32) * this.#lanes.length);
  }

  async #addAlone(words: Uint32Array, at: number): Promise<void> {
    await this.flush();
    await this.settled();
    await this.#put(this.#lanes[0] as Lane, words, at);
    await this.flush();
    await this.settled();
  }

  #put(lane: Lane, words: Uint32Array, at: number): Promise<void> | undefined {
    if (lane.handled > 0) {
      lane.handled--;
      return undefined;
    }
    const to = lane.count * COMMAND_WORDS;
    for (let word = 0; word < COMMAND_WORDS; word++) lane.words[to + word] = words[at + word] as number;
    lane.count++;
    if (isNewOrder(words, at)) this.newOrders++;
    return lane.count === this.batchMax ? this.#send(lane) : undefined;
  }

  async #send(lane: Lane): Promise<void> {
    const { count } = lane;
    if (count === 0) return;
    await lane.client.room(count);
    lane.count = 0;
    const sentAt = performance.now();
    // The records are copied before the call returns.
    const answered = lane.client.sendRecords(lane.words, count).then((answers) => {
      this.latencies.record((performance.now() - sentAt) * 1e6, count);
      this.#take(answers);
    });
    const settled: Promise<void> = answered
      .catch((error: unknown) => {
        this.failure ??= error;
      })
      .finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
  }

  #take(answers: Uint32Array): void {
    for (let at = 0; at < answers.length; at += ANSWER_WORDS) {
      this.traded += readWide(answers, at + ANSWER_WORD.traded);
      const reason = (answers[at + ANSWER_WORD.tail] as number) & 255;
      this.#reasons[reason] = (this.#reasons[reason] as number) + 1;
      if (reason !== Reason.none) this.rejected[reasonName(reason)] = this.#reasons[reason] as number;
      const sequence = readWide(answers, at + ANSWER_WORD.sequence);
      if (this.firstSequence === 0 || sequence < this.firstSequence) this.firstSequence = sequence;
      if (sequence > this.lastSequence) this.lastSequence = sequence;
    }
    this.acknowledged += answers.length / ANSWER_WORDS;
    this.#onAnswers();
  }
}

/** A session and the commands that wait to go there together. */
interface Lane {
  readonly client: VenueClient;
  readonly words: Uint32Array;
  count: number;
  /** Commands of the flow that the session had handled before and that are not met yet. */
  handled: number;
}

const REASON_CODES = 256;
/** 2^32 over the golden ratio: neighbouring accounts go to different sessions. */
const ACCOUNT_MULTIPLIER = 0x9e37_79b1;

const OF_ONE_ACCOUNT: ReadonlySet<number> = new Set([Op.new, Op.terms, Op.cancel, Op.reduce, Op.replace]);

function concernsMany(words: Uint32Array, at: number): boolean {
  const op = (words[at] as number) & 255;
  if (op === Op.massCancel) return ((words[at + COMMAND_WORD.flags] as number) & Flag.byAccount) === 0;
  return !OF_ONE_ACCOUNT.has(op);
}
