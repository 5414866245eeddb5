import type { Refusal } from './messages.ts';
import type { Principal } from './principals.ts';

/** One refusal as a log has it. Nothing in it is secret: a token is told as `missing` or `unknown`. */
export interface ToldRefusal {
  readonly subject: string;
  /** Undefined where the subject names none. */
  readonly identity: string | undefined;
  /** Of the subject or, without one there, of the session that the request names. */
  readonly account: number | undefined;
  readonly error: Refusal['error'];
  readonly field: string;
  readonly value: string | number;
  readonly rule: string;
  /** Refusals with the same error that were not told since the last one that was. */
  readonly untold: number;
}

/** Whoever can send could otherwise fill the log: of each kind so many at once, and then one a second. */
const TOLD_AT_ONCE_MAX = 16;
const TOLD_EVERY_MS = 1_000;
/** What clients chose is cut after so many characters. */
const SHOWN_CHARACTERS_MAX = 128;

interface Kind {
  count: number;
  untold: number;
  /** Refusals that may be told now, with fractions. */
  room: number;
  filledAtMs: number;
}

/** Counts what was refused, and tells it at a bounded rate. */
export class RefusalLog {
  readonly #kinds = new Map<Refusal['error'], Kind>();
  readonly #tell: (refusal: ToldRefusal) => void;
  readonly #nowMs: () => number;

  constructor(tell: (refusal: ToldRefusal) => void, nowMs: () => number) {
    this.#tell = tell;
    this.#nowMs = nowMs;
  }

  /** By error. */
  get counts(): Readonly<Partial<Record<Refusal['error'], number>>> {
    return Object.fromEntries([...this.#kinds].map(([error, { count }]) => [error, count]));
  }

  note(refusal: Refusal, subject: string, principal: Principal | undefined, account: number | undefined): void {
    const kind = this.#kindOf(refusal.error);
    kind.count++;
    const nowMs = this.#nowMs();
    kind.room = Math.min(TOLD_AT_ONCE_MAX, kind.room + (nowMs - kind.filledAtMs) / TOLD_EVERY_MS);
    kind.filledAtMs = nowMs;
    if (kind.room < 1) {
      kind.untold++;
      return;
    }
    kind.room--;
    const { untold } = kind;
    kind.untold = 0;
    this.#tell({
      subject: shown(subject),
      identity: principal?.identity,
      account: principal?.account ?? account,
      error: refusal.error,
      field: refusal.field,
      value: typeof refusal.value === 'string' ? shown(refusal.value) : refusal.value,
      rule: refusal.rule,
      untold,
    });
  }

  #kindOf(error: Refusal['error']): Kind {
    let kind = this.#kinds.get(error);
    if (kind === undefined) {
      kind = { count: 0, untold: 0, room: TOLD_AT_ONCE_MAX, filledAtMs: this.#nowMs() };
      this.#kinds.set(error, kind);
    }
    return kind;
  }
}

function shown(text: string): string {
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
}
