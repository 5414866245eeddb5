import type { Answer } from '../../sequencer/messages.ts';

/** Requests that stay in the log when it is cut: a venue keeps fewer answers for a session, so none older is repeated. */
const REPEATABLE_REQUESTS_MAX = 4096;

type ToldAnswer = Pick<Answer, 'sequence' | 'open' | 'traded' | 'reason'>;

/** What a client was told, as numbers: of each request from 1 on sequence, open, traded and reason. */
export interface ToldAnswers {
  readonly account: number;
  readonly session: number;
  readonly answers: readonly (readonly [sequence: number, open: number, traded: number, reason: number])[];
}

/**
 * What a client was told about its commands, by request number: its own record, against which the journal is checked. What
 * was checked may be {@link forget forgotten}, so that the memory of a long drill is that of what came since.
 */
export class Acknowledged {
  readonly account: number;
  /** 0 until the session is open. */
  session = 0;
  /** The highest request that was answered. */
  highest = 0;
  count = 0;
  sequenceMax = 0;
  /** Answers that came a second time and were not the same. */
  contradictions = 0;
  /** The first request that is still known. */
  #base = 1;
  #sequences = new Float64Array(1024);
  #opens = new Float64Array(1024);
  #traded = new Float64Array(1024);
  #reasons = new Uint8Array(1024);

  constructor(account: number) {
    this.account = account;
  }

  static from({ account, session, answers }: ToldAnswers): Acknowledged {
    const told = new Acknowledged(account);
    told.session = session;
    const whole = answers.map(([sequence, open, traded, reason]) => ({ sequence, open, traded, reason }));
    told.take(1, whole);
    return told;
  }

  /** All that it knows. Nothing may be missing or forgotten. */
  export(): ToldAnswers {
    const { account, session, highest } = this;
    if (this.firstMissing() !== highest + 1 || this.#base !== 1) throw new Error(`client ${account} does not know all`);
    const answers = Array.from({ length: highest }, (_, at) => {
      const [sequence = 0, open = 0, traded = 0] = [this.#sequences[at], this.#opens[at], this.#traded[at]];
      return [sequence, open, traded, this.#reasons[at] ?? 0] as const;
    });
    return { account, session, answers };
  }

  /** The first request that was not forgotten. */
  get firstKnown(): number {
    return this.#base;
  }

  /** Gives the number of commands that were not answered before. */
  take(firstRequest: number, answers: readonly ToldAnswer[]): number {
    this.#reserve(firstRequest + answers.length);
    const before = this.count;
    for (const [index, answer] of answers.entries()) {
      const request = firstRequest + index;
      if (request < this.#base) continue;
      if (this.sequenceOf(request) !== 0) {
        if (!this.agrees(request, answer)) this.contradictions++;
        continue;
      }
      this.count++;
      const at = request - this.#base;
      this.#sequences[at] = answer.sequence;
      this.#opens[at] = answer.open;
      this.#traded[at] = answer.traded;
      this.#reasons[at] = answer.reason;
      if (answer.sequence > this.sequenceMax) this.sequenceMax = answer.sequence;
      if (request > this.highest) this.highest = request;
    }
    return this.count - before;
  }

  /** Where the request was handled; 0 if it was not answered, or is forgotten. */
  sequenceOf(request: number): number {
    return this.#sequences[request - this.#base] ?? 0;
  }

  /** Whether an outcome is the one that the client was told. */
  agrees(request: number, outcome: ToldAnswer): boolean {
    const at = request - this.#base;
    return (
      this.#sequences[at] === outcome.sequence &&
      this.#opens[at] === outcome.open &&
      this.#traded[at] === outcome.traded &&
      this.#reasons[at] === outcome.reason
    );
  }

  /** The first request without an answer. */
  firstMissing(): number {
    let request = this.#base;
    while (this.sequenceOf(request) !== 0) request++;
    return request;
  }

  /** Cuts off what was answered, but for the last requests, which the venue may be asked for again. */
  forget(): void {
    const base = Math.max(this.#base, this.firstMissing() - REPEATABLE_REQUESTS_MAX);
    const from = base - this.#base;
    const kept = this.highest + 1 - base;
    if (from === 0 || kept < 0) return;
    this.#base = base;
    this.#sequences = cut(this.#sequences, from, kept, new Float64Array(sizeFor(kept)));
    this.#opens = cut(this.#opens, from, kept, new Float64Array(sizeFor(kept)));
    this.#traded = cut(this.#traded, from, kept, new Float64Array(sizeFor(kept)));
    this.#reasons = cut(this.#reasons, from, kept, new Uint8Array(sizeFor(kept)));
  }

  #reserve(endRequest: number): void {
    const needed = endRequest - this.#base + 1;
    if (needed <= this.#sequences.length) return;
    const size = Math.max(needed, this.#sequences.length * 2);
    this.#sequences = grown(this.#sequences, new Float64Array(size));
    this.#opens = grown(this.#opens, new Float64Array(size));
    this.#traded = grown(this.#traded, new Float64Array(size));
    this.#reasons = grown(this.#reasons, new Uint8Array(size));
  }
}

function sizeFor(requests: number): number {
  return Math.max(1024, 2 * requests);
}

function grown<T extends Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function cut<T extends Float64Array | Uint8Array>(from: T, first: number, count: number, to: T): T {
  to.set(from.subarray(first, first + count));
  return to;
}
