import type { VenueLimits } from '../journal/genesis.ts';
import { COUNTER, type Transition } from './transition.ts';

/**
 * Client sessions, as replicas/transition/sessions.ts keeps them. A session is 32 bytes:
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 | 0 | u32 | number, 0 when the place is free |
 * |  4 | 1 | u32 | account |
 * |  8 | 2 | u64 | the number that the client chose |
 * | 16 | 4 | u64 | time of last use, ns since the Unix epoch |
 * | 24 | 6 | u32 | the last request that was handled |
 * | 28 | 7 | u32 | zero |
 *
 * and an answer that is kept for it, too:
 *
 * | byte | word | type | field |
 * |-----:|-----:|------|-------|
 * |  0 | 0 | u64 | sequence of the command |
 * |  8 | 2 | u64 | lots open after it |
 * | 16 | 4 | u64 | lots it traded |
 * | 24 | 6 | u32 | reason, 0 unless it was refused |
 * | 28 | 7 | u32 | zero |
 */
const SESSION_SHIFT = 3;
const ANSWER_SHIFT = 3;
export const SESSION = { number: 0, account: 1, key: 2, lastUse: 4, lastRequest: 6 } as const;
export const ANSWER = { sequence: 0, open: 2, traded: 4, reason: 6 } as const;

/** A session that is open, as gateways know it. */
export interface SessionInfo {
  readonly number: number;
  readonly account: number;
  readonly lastRequest: number;
}

export interface SessionTable {
  readonly places: number;
  /** Answers kept for each session. */
  readonly window: number;
  /** {@link SESSION} fields; a session begins {@link at} its word. */
  readonly words: Uint32Array;
  /** {@link ANSWER} fields; an answer begins {@link answerAt} its word. */
  readonly answers: Uint32Array;
  at(place: number): number;
  answerAt(place: number, request: number): number;
  /** The highest session number given so far; 0 before the first. */
  lastNumber(): number;
  restoreLastNumber(number: number): void;
  /** Makes a session, whose other fields are set, findable by its number. */
  restore(place: number, number: number): void;
}

export function createSessionTable({ exports, words: memory }: Transition, limits: VenueLimits): SessionTable {
  const { sessionsMax: places, answersPerSessionMax: window } = limits;
  const first = exports.sessionsAt.value >>> 2;
  const firstAnswer = exports.answersAt.value >>> 2;
  const lastNumber = (exports.countersAt.value >>> 2) + COUNTER.lastSession;
  return {
    places,
    window,
    words: memory.subarray(first, first + (places << SESSION_SHIFT)),
    answers: memory.subarray(firstAnswer, firstAnswer + ((places * window) << ANSWER_SHIFT)),
    at: (place) => place << SESSION_SHIFT,
    answerAt: (place, request) => (place * window + (request % window)) << ANSWER_SHIFT,
    lastNumber: () => memory[lastNumber] as number,
    restoreLastNumber(number) {
      memory[lastNumber] = number;
    },
    restore: (place, number) => exports.restoreSession(place, number),
  };
}

/** The open sessions, in the order of their numbers. */
export function listSessions(table: SessionTable): SessionInfo[] {
  const { words } = table;
  const list: SessionInfo[] = [];
  for (let place = 0; place < table.places; place++) {
    const at = table.at(place);
    const number = words[at + SESSION.number] as number;
    if (number === 0) continue;
    list.push({
      number,
      account: words[at + SESSION.account] as number,
      lastRequest: words[at + SESSION.lastRequest] as number,
    });
  }
  return list.sort((a, b) => a.number - b.number);
}
