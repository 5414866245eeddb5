import type { LogMessage } from '../../sequencer/log-messages.ts';
import type { PublishOutcome } from '../../sequencer/replicated-log.ts';
import type { FaultStream, Faults } from './faults.ts';
import type { Kernel } from './kernel.ts';
import type { Network } from './network.ts';
import { Host, Process } from './process.ts';
import { Random } from './random.ts';

interface Slot {
  readonly message: LogMessage;
  readonly sender: Process;
}

/** What a node that reads gets: the messages from a slot on, and the last slot. */
export interface LogReading {
  readonly messages: readonly LogMessage[];
  readonly last: number;
}

interface Consumer {
  readonly process: Process;
  readonly deliver: (slot: number, message: LogMessage) => void;
  /** How many messages it still has room for. */
  readonly room: () => number;
  next: number;
  scheduled: boolean;
}

/** A publish or a read without an answer is given up after so long. */
const ANSWER_MICROS_MAX = 400_000;
/** A consumer that can not be reached is tried again after so long. */
const AGAIN_MICROS = 20_000;
const DELIVERY_MICROS = 150;
const CODE_LOG = 0x600;

/**
 * The servers of a replicated JetStream stream, as nodes see them: slots that are counted from 1, publishing that demands
 * which slot is the last one, and no fence in that; answers that do not come, or late; elections, during which what is
 * published is lost or stored later. What they acknowledged they keep.
 */
export class LogServers {
  readonly #kernel: Kernel;
  readonly #network: Network;
  readonly #faults: FaultStream;
  readonly #random: Random;
  readonly #servers: Process;
  readonly #slots: Slot[] = [];
  readonly #onStored: (slot: number, message: LogMessage, sender: Process) => void;
  #consumers: Consumer[] = [];
  #electionUntil = 0;

  constructor(
    kernel: Kernel,
    network: Network,
    faults: Faults,
    seed: number,
    onStored: (slot: number, message: LogMessage, sender: Process) => void,
  ) {
    this.#kernel = kernel;
    this.#network = network;
    this.#faults = faults.at('log');
    this.#random = new Random(seed, 'log');
    this.#servers = new Process(kernel, new Host('host of the log'), 'log');
    this.#onStored = onStored;
  }

  get last(): number {
    return this.#slots.length;
  }

  /** Nothing is stored for a while. */
  elect(micros: number): void {
    this.#electionUntil = Math.max(this.#electionUntil, this.#kernel.now + micros);
  }

  /** `lastSlot` must still be the last one; undefined for whatever it is. `done` is called once. */
  publish(
    from: Process,
    message: LogMessage,
    lastSlot: number | undefined,
    done: (outcome: PublishOutcome) => void,
  ): void {
    const finish = this.#once(from, done, { kind: 'unknown', text: 'no answer' });
    this.#network.send(from, this.#servers, () => {
      const wait = this.#electionUntil - this.#kernel.now;
      if (wait <= 0) this.#store(from, message, lastSlot, finish);
      else if (this.#random.chance(500_000))
        this.#kernel.after(wait, undefined, CODE_LOG, () => this.#store(from, message, lastSlot, finish));
    });
  }

  /** Gives every message from a slot on, in order, for as long as the process lives. */
  follow(process: Process, slot: number, room: Consumer['room'], deliver: Consumer['deliver']): void {
    const consumer = { process, deliver, room, next: slot, scheduled: false };
    this.#consumers.push(consumer);
    this.#feed(consumer);
  }

  stopFollowing(process: Process): void {
    this.#consumers = this.#consumers.filter((consumer) => consumer.process !== process);
  }

  /** `done` is called once; with undefined if there was no answer. */
  read(from: Process, slot: number, done: (reading: LogReading | undefined) => void): void {
    const finish = this.#once<LogReading | undefined>(from, done, undefined);
    this.#network.send(from, this.#servers, () => {
      if (this.#electionUntil > this.#kernel.now) return;
      const messages = this.#slots.slice(Math.max(0, slot - 1)).map(({ message }) => message);
      const { last } = this;
      this.#network.send(this.#servers, from, () => finish({ messages, last }));
    });
  }

  #store(
    from: Process,
    message: LogMessage,
    lastSlot: number | undefined,
    finish: (outcome: PublishOutcome) => void,
  ): void {
    let outcome: PublishOutcome;
    if (lastSlot !== undefined && lastSlot !== this.last)
      outcome = { kind: 'rejected', text: `the last slot is ${this.last}` };
    else {
      this.#slots.push({ message, sender: from });
      outcome = { kind: 'stored', slot: this.last };
      this.#onStored(this.last, message, from);
      for (const consumer of this.#consumers) this.#feed(consumer);
    }
    if (this.#faults.happens('lost-puback')) return;
    const late = this.#faults.happens('late-puback') ? this.#faults.detail.skewed(1_000, 2 * ANSWER_MICROS_MAX) : 0;
    this.#kernel.after(late, undefined, CODE_LOG, () => this.#network.send(this.#servers, from, () => finish(outcome)));
  }

  #feed(consumer: Consumer): void {
    if (consumer.scheduled || consumer.next > this.last || !this.#consumers.includes(consumer)) return;
    consumer.scheduled = true;
    const { process } = consumer;
    const waits = this.#network.isCut(process) || process.pausedUntil > this.#kernel.now || consumer.room() === 0;
    const micros = waits ? AGAIN_MICROS : this.#random.between(DELIVERY_MICROS / 2, DELIVERY_MICROS * 4);
    this.#kernel.after(micros, process, CODE_LOG, () => {
      consumer.scheduled = false;
      const canTake = !this.#network.isCut(process) && process.pausedUntil <= this.#kernel.now;
      const count = canTake ? Math.min(consumer.room(), this.last - consumer.next + 1) : 0;
      for (let index = 0; index < count; index++) {
        const { message } = this.#slots[consumer.next - 1] as Slot;
        consumer.deliver(consumer.next++, message);
      }
      process.answerBells();
      this.#feed(consumer);
    });
  }

  #once<T>(from: Process, done: (value: T) => void, otherwise: T): (value: T) => void {
    let open = true;
    const finish = (value: T): void => {
      if (!open) return;
      open = false;
      done(value);
    };
    from.kernel.after(ANSWER_MICROS_MAX, from, CODE_LOG, () => finish(otherwise));
    return finish;
  }
}
