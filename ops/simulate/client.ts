import { COMMAND_WORDS, type Command, encodeCommand } from '../../journal/commands.ts';
import { recordsOf } from '../../journal/order-terms.ts';
import { type Answer, decodeAnswers, encodeRequest, readReply } from '../../sequencer/messages.ts';
import { meaningOf, RequestWindow } from '../sessions/request-window.ts';
import type { FaultStream, Faults } from './faults.ts';
import type { Invariants } from './invariants.ts';
import type { Network } from './network.ts';
import { OrderFlow } from './order-flow.ts';
import type { Parts } from './parts.ts';
import { type Host, Process } from './process.ts';
import { Random } from './random.ts';

export interface ClientTraits {
  /** Answers that the venue keeps for a session. */
  readonly answersPerSessionMax: number;
  /** An answer that takes longer is asked for again, in microseconds. */
  readonly answerMicrosMax: number;
  /** Commands in a batch, at most. */
  readonly batchMax: number;
  /** Microseconds between batches, at most. */
  readonly restMicrosMax: number;
  readonly symbols: number;
  /** Prices are within so many ticks of the middle. */
  readonly priceReach: number;
}

export interface ClientSurroundings {
  readonly network: Network;
  readonly faults: Faults;
  readonly invariants: Invariants;
  readonly parts: Parts;
  readonly seed: number;
  readonly traits: ClientTraits;
  /** Microseconds since the simulation began, after which nothing new is undertaken. */
  readonly until: number;
}

interface Batch {
  readonly first: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  /** The highest sequence that the client had seen when it first sent this. */
  seen: number;
  sent: boolean;
}

/** A request that waits for its reply. */
interface Ask {
  /** Called with what was answered, or with undefined if nothing was in time. */
  readonly done: (reply: ReturnType<typeof readReply> | undefined) => void;
}

const CODE_CLIENT = 0x400;

/** A client of the venue: the request window of ops/sessions/venue-client.ts, its timeouts and retries, and a flow of orders. */
export class Client {
  readonly process: Process;
  /** Highest sequence among the answers it got. */
  seen = 0;
  answered = 0;
  /** Batches undertaken. */
  batches = 0;
  /** What ended the session for good, if anything did. */
  failure: string | undefined;
  readonly #around: ClientSurroundings;
  readonly #account: number;
  readonly #random: Random;
  readonly #work: FaultStream;
  /** Oldest first. */
  readonly #asks = new Set<Ask>();
  readonly #orders: OrderFlow;
  readonly #subject: string;
  #window: RequestWindow<Batch>;
  #session = 0;
  #next = 1;
  #resting = false;

  constructor(around: ClientSurroundings, index: number, host: Host, subject: string, kernel: Process['kernel']) {
    this.#around = around;
    this.#account = index;
    this.#subject = subject;
    this.process = new Process(kernel, host, `client${index}`);
    this.#random = new Random(around.seed, `times of client${index}`);
    this.#orders = new OrderFlow(new Random(around.seed, `orders of client${index}`), index, around.traits);
    this.#work = around.faults.at(this.process.name);
    this.#window = new RequestWindow(around.traits.answersPerSessionMax);
  }

  get idle(): boolean {
    return this.#session !== 0 && this.#window.length === 0;
  }

  /** Batches that are not answered. */
  get waiting(): number {
    return this.#window.length;
  }

  start(): void {
    this.#open();
  }

  /** Opens the session, or opens it again: the same number and account give the same one. */
  #open(): void {
    const words = new Uint32Array(COMMAND_WORDS);
    encodeCommand(words, 0, { op: 'sessionOpen', account: this.#account, id: 1_000 + this.#account });
    this.#ask(encodeRequest(0, 0, new Uint8Array(words.buffer)), (reply) => {
      const meaning = reply === undefined ? undefined : meaningOf(reply);
      if (meaning?.kind === 'final') this.failure = meaning.why;
      if (meaning?.kind !== 'answered' || !(reply instanceof Uint32Array))
        return this.#later(20_000, () => this.#open());
      const [answer] = decodeAnswers(reply, 0, 1) as [Answer];
      if (answer.reason !== 0) {
        this.failure = `the session was refused with reason ${answer.reason}`;
        return;
      }
      this.#session = answer.open;
      this.#next = answer.traded + 1;
      if (this.#account === 0) this.#createInstruments();
      this.#undertake();
    });
  }

  #createInstruments(): void {
    this.#send(this.#orders.first());
  }

  #undertake(): void {
    const { traits, until } = this.#around;
    if (this.process.kernel.now >= until) return;
    const count = this.#random.between(1, traits.batchMax);
    if (this.#window.hasRoom(this.#next + count)) {
      const commands = Array.from({ length: count }, () => this.#orders.next(this.process.kernel.now));
      if (this.#work.admits('work')) this.#send(commands);
    }
    this.#later(this.#random.skewed(100, traits.restMicrosMax), () => this.#undertake());
  }

  /** Each takes one record. */
  #send(orders: readonly Command[]): void {
    const commands = orders.flatMap((order) => [...recordsOf(order)]);
    const words = new Uint32Array(commands.length * COMMAND_WORDS);
    for (const [index, command] of commands.entries()) encodeCommand(words, index * COMMAND_WORDS, command);
    const first = this.#next;
    this.#next += commands.length;
    this.batches++;
    this.#around.invariants.sent(this.#session, first, words, first);
    const bytes = encodeRequest(this.#session, first, new Uint8Array(words.buffer));
    this.#window.add({ first, count: commands.length, bytes, seen: 0, sent: false });
    this.#pump();
  }

  #pump(): void {
    for (let batch = this.#window.next(); batch !== undefined; batch = this.#window.next()) this.#sendBatch(batch);
  }

  #sendBatch(batch: Batch): void {
    if (!batch.sent) batch.seen = this.seen;
    batch.sent = true;
    this.#ask(batch.bytes, (reply) => {
      const meaning = reply === undefined ? undefined : meaningOf(reply);
      if (meaning?.kind === 'final') {
        this.failure = meaning.why;
        return;
      }
      if (meaning?.kind === 'answered' && reply instanceof Uint32Array) this.#settle(batch, reply);
      else this.#window.fail();
      if (!this.#window.isStalled) return this.#pump();
      if (this.#resting) return;
      this.#resting = true;
      this.#later(this.#window.rest() * 1_000, () => {
        this.#resting = false;
        this.#window.resume();
        this.#pump();
      });
    });
  }

  #settle(batch: Batch, words: Uint32Array): void {
    if (!this.#window.settle(batch)) return;
    for (const [index, answer] of decodeAnswers(words, 0, batch.count).entries()) {
      this.#around.invariants.answered(this.process.name, this.#session, batch.first + index, answer, batch.seen);
      this.seen = Math.max(this.seen, answer.sequence);
      this.answered++;
    }
  }

  #ask(bytes: Uint8Array, done: Ask['done']): void {
    const ask: Ask = { done };
    this.#asks.add(ask);
    this.#around.network.request(this.process, this.#subject, bytes, (reply) => this.#finish(this.#askOf(ask), reply));
    this.#later(this.#around.traits.answerMicrosMax, () => this.#finish(ask, undefined));
  }

  #finish(ask: Ask, reply: Uint8Array | undefined): void {
    if (!this.#asks.delete(ask)) return;
    ask.done(reply === undefined ? undefined : readReply(reply));
  }

  #askOf(ask: Ask): Ask {
    if (this.#around.parts.repliesMatched) return ask;
    for (const oldest of this.#asks) return oldest;
    return ask;
  }

  #later(micros: number, action: () => void): void {
    this.process.after(micros, CODE_CLIENT, action);
  }
}
