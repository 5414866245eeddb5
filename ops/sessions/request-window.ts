import { Reason, reasonText } from '../../journal/reasons.ts';
import { ANSWER_WORD, ANSWER_WORDS, type Refusal } from '../../sequencer/messages.ts';

/** Requests of a session that travel in one message. */
export interface RequestBatch {
  readonly first: number;
  readonly count: number;
}

const BACK_OFF_MS_MIN = 5;
const BACK_OFF_MS_MAX = 500;
/** Reasons that concern the session, not the command. */
const SESSION_REASONS = new Set<number>([Reason.requestGap, Reason.requestTooOld, Reason.sessionUnknown]);

/** What a reply means for the batch that it answers. */
export type ReplyMeaning =
  | { readonly kind: 'answered' }
  /** Sending the same again, later, may succeed. */
  | { readonly kind: 'again'; readonly why: string }
  /** It will not. */
  | { readonly kind: 'final'; readonly why: string };

const ANSWERED: ReplyMeaning = { kind: 'answered' };

/**
 * Which requests of a session go out when. Batches go out in order with several in flight; when one was not answered or
 * refused, nothing more goes out until all in flight are settled, and then whatever has no answer goes out again, in order,
 * with the same request numbers. It has no clock, no timer and no I/O: a simulator runs the same code.
 */
export class RequestWindow<Batch extends RequestBatch> {
  /** Requests from the oldest unanswered one on; no more than the venue keeps answers for, or a repeat had none. */
  readonly #windowCommands: number;
  readonly #queue: Batch[] = [];
  readonly #sent = new WeakSet<Batch>();
  #inFlight = 0;
  /** Of those, the ones that must be sent again. */
  #unsettled = 0;
  #holding = false;
  #backOffMs = BACK_OFF_MS_MIN;
  #retries = 0;

  constructor(windowCommands: number) {
    this.#windowCommands = Math.max(windowCommands, 1);
  }

  get windowCommands(): number {
    return this.#windowCommands;
  }

  /** Batches that were sent more than once. */
  get retries(): number {
    return this.#retries;
  }

  /** Batches that have no answer yet. */
  get length(): number {
    return this.#queue.length;
  }

  add(batch: Batch): void {
    this.#queue.push(batch);
  }

  /** The next batch to send now, if one may go out; it counts as in flight from here on. */
  next(): Batch | undefined {
    if (this.#holding) return undefined;
    const batch = this.#queue[this.#inFlight];
    if (batch === undefined || !this.#fits(batch.first + batch.count)) return undefined;
    this.#inFlight++;
    if (this.#sent.has(batch)) this.#retries++;
    this.#sent.add(batch);
    return batch;
  }

  /** Whether another batch, of requests up to the one before `end`, would go out at once. */
  hasRoom(end: number): boolean {
    return this.#queue.length <= this.#inFlight && this.#fits(end);
  }

  /** A batch in flight was answered. False if it was answered before. */
  settle(batch: Batch): boolean {
    const index = this.#queue.indexOf(batch);
    if (index < 0) return false;
    this.#queue.splice(index, 1);
    this.#inFlight--;
    this.#backOffMs = BACK_OFF_MS_MIN;
    return true;
  }

  /** A batch in flight must be sent again. */
  fail(): void {
    this.#holding = true;
    this.#unsettled++;
  }

  /** Whether everything in flight is settled and something must be sent again: after {@link rest} comes {@link resume}. */
  get isStalled(): boolean {
    return this.#holding && this.#unsettled === this.#inFlight;
  }

  /** Milliseconds to wait before {@link resume}; twice as long with each call, until something is answered. */
  rest(): number {
    const ms = this.#backOffMs;
    this.#backOffMs = Math.min(this.#backOffMs * 2, BACK_OFF_MS_MAX);
    return ms;
  }

  /** Everything that has no answer may go out again. */
  resume(): void {
    this.#inFlight = 0;
    this.#unsettled = 0;
    this.#holding = false;
  }

  /** Takes all batches out. */
  abandon(): Batch[] {
    return this.#queue.splice(0);
  }

  #fits(end: number): boolean {
    const oldest = this.#queue[0];
    return oldest === undefined || end - oldest.first <= this.#windowCommands;
  }
}

/** `reply` are answers as words, or a refusal (messages.ts). */
export function meaningOf(reply: Uint32Array | Refusal): ReplyMeaning {
  if (!(reply instanceof Uint32Array)) {
    if (isPassing(reply)) return { kind: 'again', why: `${reply.error}: ${reply.rule}` };
    return { kind: 'final', why: `${reply.error}: ${reply.field} is ${reply.value}; the rule is: ${reply.rule}` };
  }
  for (let at = ANSWER_WORD.tail; at < reply.length; at += ANSWER_WORDS) {
    const reason = (reply[at] as number) & 255;
    if (reason === Reason.none || !SESSION_REASONS.has(reason)) continue;
    if (reason === Reason.requestGap) return { kind: 'again', why: 'an earlier request is missing' };
    return { kind: 'final', why: reasonText(reason) };
  }
  return ANSWERED;
}

/** Whether sending the same again may succeed. */
function isPassing(refusal: Refusal): boolean {
  return refusal.error === 'busy' || refusal.error === 'requestGap' || refusal.error === 'unavailable';
}
