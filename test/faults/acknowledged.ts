import type { Answer } from '../../sequencer/messages.ts';

/** What a client was told about its commands, by request number: its own record, against which the journal is checked. */
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
  #sequences = new Float64Array(1024);
  #opens = new Float64Array(1024);
  #traded = new Float64Array(1024);
  #reasons = new Uint8Array(1024);

  constructor(account: number) {
    this.account = account;
  }

  take(firstRequest: number, answers: readonly Answer[]): void {
    this.#reserve(firstRequest + answers.length);
    for (const [index, answer] of answers.entries()) {
      const request = firstRequest + index;
      if (this.sequenceOf(request) !== 0) {
        if (!this.agrees(request, answer)) this.contradictions++;
        continue;
      }
      this.count++;
      this.#sequences[request] = answer.sequence;
      this.#opens[request] = answer.open;
      this.#traded[request] = answer.traded;
      this.#reasons[request] = answer.reason;
      if (answer.sequence > this.sequenceMax) this.sequenceMax = answer.sequence;
      if (request > this.highest) this.highest = request;
    }
  }

  /** Where the request was handled; 0 if it was not answered. */
  sequenceOf(request: number): number {
    return this.#sequences[request] ?? 0;
  }

  /** Whether an outcome is the one that the client was told. */
  agrees(request: number, outcome: Pick<Answer, 'sequence' | 'open' | 'traded' | 'reason'>): boolean {
    return (
      this.#sequences[request] === outcome.sequence &&
      this.#opens[request] === outcome.open &&
      this.#traded[request] === outcome.traded &&
      this.#reasons[request] === outcome.reason
    );
  }

  /** The first request without an answer. */
  firstMissing(from = 1): number {
    let request = from;
    while (this.sequenceOf(request) !== 0) request++;
    return request;
  }

  #reserve(requests: number): void {
    if (requests < this.#sequences.length) return;
    const size = Math.max(requests + 1, this.#sequences.length * 2);
    this.#sequences = grown(this.#sequences, new Float64Array(size));
    this.#opens = grown(this.#opens, new Float64Array(size));
    this.#traded = grown(this.#traded, new Float64Array(size));
    this.#reasons = grown(this.#reasons, new Uint8Array(size));
  }
}

function grown<T extends Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
