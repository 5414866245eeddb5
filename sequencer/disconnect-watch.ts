import type { Refusal } from './messages.ts';
import type { Principal } from './principals.ts';

/**
 * Who asked for cancel on disconnect, and is not heard any more. NATS does not tell a venue that a client is gone, so a client
 * shows itself: on veritape.S.alive.IDENTITY.ACCOUNT it says `{"cancelAfterMs": N}`, and when nothing comes from it for N ms,
 * neither that nor a request, all open orders of the account are to be canceled. Zero ends it, as a logout does. Each time
 * it asks anew, so that a server that has taken over knows it after one interval.
 *
 * It has no clock and no timer: whoever holds it looks, and says what time it is.
 */
export const CANCEL_AFTER_MS_MIN = 200;
export const CANCEL_AFTER_MS_MAX = 86_400_000;
/** Identities, each for an account, that are watched; more are refused. */
const WATCHED_MAX = 65_536;

const AGAIN_MS = 500;

interface Watched {
  readonly principal: Principal;
  /** 0 when it is not watched. */
  cancelAfterMs: number;
  heardMs: number;
  /** It was found late at the look before this one. */
  isLate: boolean;
  /** Sequence of the last mass cancel that its silence caused; 0 for none. */
  canceledAt: number;
}

/** What a client that shows itself is told. */
export interface AliveReply {
  readonly cancelAfterMs: number;
  /** Sequence of the last mass cancel for its silence that this server made; 0 for none. */
  readonly canceledAt: number;
}

export class DisconnectWatch {
  readonly #known = new Map<string, Watched>();
  #watching = 0;

  /** How many are watched. */
  get size(): number {
    return this.#watching;
  }

  /** Takes what a client says of itself. */
  alive(principal: Principal, cancelAfterMs: number, nowMs: number): AliveReply | Refusal {
    const isWatchable = cancelAfterMs >= CANCEL_AFTER_MS_MIN && cancelAfterMs <= CANCEL_AFTER_MS_MAX;
    if (cancelAfterMs !== 0 && !(Number.isInteger(cancelAfterMs) && isWatchable)) {
      return {
        error: 'malformed',
        field: 'cancelAfterMs',
        value: String(cancelAfterMs),
        rule: `0 for never, or a whole number from ${CANCEL_AFTER_MS_MIN} to ${CANCEL_AFTER_MS_MAX}`,
      };
    }
    const found = this.#known.get(principal.key);
    if (found === undefined && this.#known.size >= WATCHED_MAX && !this.#forgetOne()) {
      return {
        error: 'busy',
        field: 'watched',
        value: WATCHED_MAX,
        rule: 'no more are watched for cancel on disconnect',
      };
    }
    const watched = found ?? { principal, cancelAfterMs: 0, heardMs: nowMs, isLate: false, canceledAt: 0 };
    this.#known.set(principal.key, watched);
    this.#watching += Number(cancelAfterMs !== 0) - Number(watched.cancelAfterMs !== 0);
    watched.cancelAfterMs = cancelAfterMs;
    watched.heardMs = nowMs;
    watched.isLate = false;
    return { cancelAfterMs, canceledAt: watched.canceledAt };
  }

  /** A request came. */
  heard(principal: Principal, nowMs: number): void {
    const watched = this.#known.get(principal.key);
    if (watched === undefined) return;
    watched.heardMs = nowMs;
    watched.isLate = false;
  }

  /**
   * Those whose time has run out: found late at two looks in a row, because between them whatever waited to be read was read.
   * A server that stood still would otherwise cancel what its clients had asked it in time to leave. They are watched no more
   * until they ask again.
   */
  expired(nowMs: number): Principal[] {
    const gone: Principal[] = [];
    for (const watched of this.#known.values()) {
      if (watched.cancelAfterMs === 0 || nowMs - watched.heardMs < watched.cancelAfterMs) continue;
      if (!watched.isLate) {
        watched.isLate = true;
        continue;
      }
      watched.cancelAfterMs = 0;
      this.#watching--;
      gone.push(watched.principal);
    }
    return gone;
  }

  /** Nothing could be canceled now: it is taken for gone again after a while, unless it is heard before. */
  again(principal: Principal, nowMs: number): void {
    const watched = this.#known.get(principal.key);
    if (watched === undefined || watched.cancelAfterMs !== 0) return;
    this.#watching++;
    watched.cancelAfterMs = AGAIN_MS;
    watched.heardMs = nowMs;
    watched.isLate = false;
  }

  /** The mass cancel for its silence has a place in the sequence. */
  canceled(principal: Principal, sequence: number): void {
    const watched = this.#known.get(principal.key);
    if (watched !== undefined) watched.canceledAt = sequence;
  }

  /** Makes room if somebody is known who is not watched. */
  #forgetOne(): boolean {
    for (const [key, { cancelAfterMs }] of this.#known) if (cancelAfterMs === 0) return this.#known.delete(key);
    return false;
  }
}
