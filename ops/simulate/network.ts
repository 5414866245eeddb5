import type { FaultStream, Faults } from './faults.ts';
import type { Kernel } from './kernel.ts';
import type { Process } from './process.ts';
import { Random } from './random.ts';

/** What a message is answered to. */
export type ReplyTo = (bytes: Uint8Array | undefined) => void;

interface Subscription {
  readonly process: Process;
  readonly handle: (bytes: Uint8Array, reply: ReplyTo | undefined, from: Process) => void;
}

export interface NetworkTraits {
  /** Microseconds from a process to another one, or to the server between them: between these. */
  readonly latencyMicros: readonly [min: number, max: number];
  /** A message that comes late comes up to so much later. */
  readonly delayMicrosMax: number;
}

const CODE_DELIVERY = 0x200;

/**
 * A NATS server's core: subjects, at most once, a reply to whom nobody serves. Messages between the same two processes come in
 * the order in which they were sent, unless a fault is that they do not. The server itself does not fail; processes lose their
 * connection to it.
 */
export class Network {
  /** Messages sent. */
  sent = 0;
  readonly #kernel: Kernel;
  readonly #faults: Faults;
  readonly #seed: number;
  readonly #traits: NetworkTraits;
  readonly #subjects = new Map<string, Set<Subscription>>();
  readonly #links = new Map<string, Link>();
  readonly #cut = new Map<object, number>();

  constructor(kernel: Kernel, faults: Faults, seed: number, traits: NetworkTraits) {
    this.#kernel = kernel;
    this.#faults = faults;
    this.#seed = seed;
    this.#traits = traits;
  }

  subscribe(process: Process, subject: string, handle: Subscription['handle']): void {
    const subscriptions = this.#subjects.get(subject) ?? new Set();
    subscriptions.add({ process, handle });
    this.#subjects.set(subject, subscriptions);
  }

  unsubscribe(process: Process, subject: string): void {
    for (const subscription of this.#subjects.get(subject) ?? [])
      if (subscription.process === process) this.#subjects.get(subject)?.delete(subscription);
  }

  publish(from: Process, subject: string, bytes: Uint8Array): void {
    this.#send(from, subject, bytes, undefined);
  }

  /** `reply` is called with what was answered, by everybody who answers; with undefined if nobody serves the subject. */
  request(from: Process, subject: string, bytes: Uint8Array, reply: ReplyTo): void {
    this.#send(from, subject, bytes, reply);
  }

  /** A process, or all of a host's, reaches nobody until then. */
  cut(who: object, micros: number): void {
    this.#cut.set(who, Math.max(this.#cut.get(who) ?? 0, this.#kernel.now + micros));
  }

  heal(): void {
    this.#cut.clear();
  }

  /** Whether a process reaches nobody now. */
  isCut(process: Process): boolean {
    const { now } = this.#kernel;
    return (this.#cut.get(process) ?? 0) > now || (this.#cut.get(process.host) ?? 0) > now;
  }

  #send(from: Process, subject: string, bytes: Uint8Array, reply: ReplyTo | undefined): void {
    if (!from.alive) return;
    let served = false;
    for (const subscription of this.#subjects.get(subject) ?? []) {
      const { process: to, handle } = subscription;
      if (!to.alive) {
        this.#subjects.get(subject)?.delete(subscription);
        continue;
      }
      served = true;
      const answer =
        reply === undefined
          ? undefined
          : (answered: Uint8Array | undefined): void => {
              const copy = answered?.slice();
              this.send(to, from, () => reply(copy));
            };
      const copy = bytes.slice();
      this.send(from, to, () => handle(copy, answer, from));
    }
    if (!served && reply !== undefined && !this.isCut(from)) this.send(from, from, () => reply(undefined));
  }

  /** A message from one process to another, which may come to nothing. */
  send(from: Process, to: Process, deliver: () => void): void {
    this.sent++;
    if (this.isCut(from) || this.isCut(to)) return;
    const link = this.#link(from, to);
    const { faults } = link;
    if (faults.happens('drop')) return;
    this.#deliver(link, to, deliver);
    if (faults.happens('duplicate')) this.#deliver(link, to, deliver);
  }

  #deliver(link: Link, to: Process, deliver: () => void): void {
    const [min, max] = this.#traits.latencyMicros;
    let at = this.#kernel.now + link.random.between(min, max);
    if (link.faults.happens('delay')) at += link.faults.detail.skewed(max, this.#traits.delayMicrosMax);
    if (link.faults.happens('reorder')) at += link.faults.detail.skewed(max, this.#traits.delayMicrosMax);
    else {
      at = Math.max(at, link.last + 1);
      link.last = at;
    }
    this.#arrive(at - this.#kernel.now, to, deliver);
  }

  #arrive(micros: number, to: Process, deliver: () => void): void {
    this.#kernel.after(micros, to, CODE_DELIVERY, () => {
      if (this.isCut(to)) return;
      // It reads its socket when it goes on.
      if (to.pausedUntil > this.#kernel.now) return this.#arrive(to.pausedUntil - this.#kernel.now, to, deliver);
      deliver();
      to.answerBells();
    });
  }

  #link(from: Process, to: Process): Link {
    const name = `${from.name}>${to.name}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { faults: this.#faults.at(name), random: new Random(this.#seed, `latency ${name}`), last: 0 };
      this.#links.set(name, link);
    }
    return link;
  }
}

interface Link {
  readonly faults: FaultStream;
  readonly random: Random;
  /** When the last message in order comes. */
  last: number;
}
