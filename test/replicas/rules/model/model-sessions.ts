import { EventFlag, type VenueEvent } from '../../../../journal/events.ts';
import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import { type ModelEvents, shownId } from './model-events.ts';

const IDLE_NS = 60_000_000_000n;

export interface ModelSession {
  readonly number: number;
  readonly account: number;
  readonly key: bigint;
  last: number;
  usedAt: bigint;
  readonly answers: Map<number, VenueEvent>;
}

/** What an answer tells of the command that it ends. */
export interface Outcome {
  reason: ReasonName;
  open: number;
  traded: number;
}

/** Sessions and exactly-once: docs/market-rules.md. */
export class ModelSessions {
  readonly #sessionsMax: number;
  readonly #answersMax: number;
  /** In the order of their numbers. */
  #open: ModelSession[] = [];
  #lastNumber = 0;

  constructor(sessionsMax: number, answersMax: number) {
    this.#sessionsMax = sessionsMax;
    this.#answersMax = answersMax;
  }

  find(number: number): ModelSession | undefined {
    return this.#open.find((session) => session.number === number);
  }

  open(command: MarketCommand, events: ModelEvents): ReasonName | undefined {
    const { account, id, time } = command;
    const known = this.#open.find((session) => session.account === account && session.key === id);
    if (known !== undefined) {
      known.usedAt = time;
      tell(known, command, events, EventFlag.repeat);
      return undefined;
    }
    if (this.#open.length >= this.#sessionsMax) {
      const [oldest] = [...this.#open].sort((a, b) => Number(a.usedAt - b.usedAt));
      if (oldest === undefined || time - oldest.usedAt < IDLE_NS) return 'sessionsFull';
      this.#drop(oldest);
    }
    const session = { number: ++this.#lastNumber, account, key: id, last: 0, usedAt: time, answers: new Map() };
    this.#open.push(session);
    tell(session, command, events, 0);
    return undefined;
  }

  close(session: ModelSession, command: MarketCommand, events: ModelEvents): void {
    tell(session, command, events, EventFlag.closed);
    this.#drop(session);
  }

  #drop(session: ModelSession): void {
    this.#open = this.#open.filter((one) => one !== session);
  }

  /** By its number; the account was looked at. 'repeat': its answer is told again. */
  whyNotNext(session: ModelSession, request: number): ReasonName | 'repeat' | undefined {
    if (request === session.last + 1) return undefined;
    if (request > session.last) return 'requestGap';
    return session.answers.has(request) ? 'repeat' : 'requestTooOld';
  }

  answer(session: ModelSession, command: MarketCommand, outcome: Outcome, events: ModelEvents): void {
    const { request, account, id, time } = command;
    const { reason, open, traded } = outcome;
    session.last = request;
    session.usedAt = time;
    const amounts = { price: events.sequence, quantity: traded, open };
    events.other({ type: 'answer', symbol: session.number, request, reason, ...amounts, id: shownId(id), account });
    session.answers.set(request, events.list.at(-1) as VenueEvent);
    session.answers.delete(request - this.#answersMax);
  }

  repeat(session: ModelSession, { request, id, account }: MarketCommand, events: ModelEvents): void {
    const stored = session.answers.get(request) as VenueEvent;
    const { sequence } = events;
    events.list.push({ ...stored, sequence, flags: EventFlag.repeat, id: shownId(id), account });
  }
}

function tell(session: ModelSession, { account, request }: MarketCommand, events: ModelEvents, flags: number): void {
  const quantity = flags === EventFlag.closed ? 0 : session.last;
  const { number: open, key } = session;
  events.other({ type: 'session', flags, open, quantity, id: shownId(key), account, request });
}
