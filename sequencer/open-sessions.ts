import { readWide } from '../journal/amounts.ts';
import { EVENT_WORD, EventFlag, EventType, eventFlags, eventType } from '../journal/events.ts';
import { SLOT_SHIFT } from './rings.ts';

/** A session that is open, as a replica knows it. */
export interface OpenSession {
  readonly number: number;
  readonly account: number;
  readonly lastRequest: number;
}

/** As many as a venue can have open. Of more, those that were used longest ago are forgotten. */
const SESSIONS_KNOWN_MAX = 65_536;

/**
 * Whose each session is, and with which request it goes on: from the replicas when the venue opens, then from the events
 * that are let out. A request number may be too high, when the venue rejects what was passed on, but never too low, so that
 * nobody is held up by a gap that there is not.
 */
export class OpenSessions {
  readonly #known = new Map<number, { readonly account: number; next: number }>();
  /** Answers of one batch follow each other, so most need no look at the map: their session, and the highest request. */
  #answeredSession = 0;
  #answeredRequest = 0;

  constructor(sessions: readonly OpenSession[]) {
    for (const { number, account, lastRequest } of sessions) this.#add(number, account, lastRequest + 1);
  }

  /** Undefined for a session that is not open. */
  accountOf(session: number): number | undefined {
    return this.#known.get(session)?.account;
  }

  /** The lowest request that would leave no gap before it, if that is known. */
  nextOf(session: number): number | undefined {
    return this.#known.get(session)?.next;
  }

  /** Requests of a session, up to the one before `next`, are on their way to the sequencer. */
  pass(session: number, next: number): void {
    const known = this.#known.get(session);
    if (known !== undefined) this.#add(session, known.account, Math.max(known.next, next));
  }

  /** Takes `count` events of a ring from cursor `from`. */
  take(words: Uint32Array, mask: number, from: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const at = ((from + index) & mask) << SLOT_SHIFT;
      const type = eventType(words, at);
      if (type === EventType.answer) {
        const session = words[at + EVENT_WORD.symbol] as number;
        const request = words[at + EVENT_WORD.request] as number;
        if (session !== this.#answeredSession) {
          this.#answered();
          this.#answeredSession = session;
          this.#answeredRequest = request;
        } else if (request > this.#answeredRequest) this.#answeredRequest = request;
      } else if (type === EventType.session) this.#changed(words, at);
    }
    this.#answered();
    this.#answeredSession = 0;
  }

  /** Notes what answers of one session that followed each other have told. */
  #answered(): void {
    if (this.#answeredSession === 0) return;
    const known = this.#known.get(this.#answeredSession);
    const next = this.#answeredRequest + 1;
    if (known !== undefined && known.next < next) known.next = next;
  }

  #changed(words: Uint32Array, at: number): void {
    const session = readWide(words, at + EVENT_WORD.open);
    if ((eventFlags(words, at) & EventFlag.closed) !== 0) this.#known.delete(session);
    else {
      const next = readWide(words, at + EVENT_WORD.quantity) + 1;
      this.#add(session, words[at + EVENT_WORD.account] as number, Math.max(next, this.nextOf(session) ?? 0));
    }
  }

  #add(session: number, account: number, next: number): void {
    this.#known.delete(session);
    this.#known.set(session, { account, next });
    if (this.#known.size <= SESSIONS_KNOWN_MAX) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      break;
    }
  }
}
