import type { VenueLimits } from '../journal/genesis.ts';

/**
 * Client sessions: what makes a repeated request harmless. Each open session keeps the number of the last request that was
 * handled and the answers of the last few. A session is found by its number, which is never used again.
 */

/** A session may give way to a new one when it was last used at least this long before: 60 s as two u32 words of ns. */
const IDLE_NS_HIGH = 13;
const IDLE_NS_LOW = 4_165_425_152;

/** A session that is open, as gateways know it. */
export interface SessionInfo {
  readonly number: number;
  readonly account: number;
  readonly lastRequest: number;
}

export const Admission = { handle: 0, unknown: 1, account: 2, gap: 3, repeat: 4, tooOld: 5 } as const;

export interface SessionTable {
  /** The place of an open session, or -1. */
  find(session: number): number;
  /** What to do with a request; {@link Admission}. Changes nothing. Numbers of 32 bits may be given as int32. */
  admit(place: number, account: number, request: number): number;
  /** Counts a request as handled. */
  handled(place: number, request: number, timeHigh: number, timeLow: number): void;
  /** Row of the stored answer of a request that {@link admit} called a repeat, or of the one being handled. */
  answerRow(place: number, request: number): number;
  /** The place of the session that (account, key) opened before, or -1. */
  findKey(account: number, keyLow: number, keyHigh: number): number;
  /** Opens a session and returns its place, or -1 when none may give way. */
  open(account: number, keyLow: number, keyHigh: number, timeHigh: number, timeLow: number): number;
  close(place: number): void;
  /** The highest session number given so far; 0 before the first. */
  lastNumber(): number;
  restoreLastNumber(number: number): void;
  /** Makes a session that a snapshot describes findable; its columns are filled in by the caller. */
  restore(place: number, number: number): void;

  readonly places: number;
  readonly window: number;
  /** Session number in each place, 0 when it is free. */
  readonly number: Uint32Array;
  readonly account: Uint32Array;
  readonly key: Uint32Array;
  readonly lastRequest: Uint32Array;
  /** Time of last use: low and high words of ns since the Unix epoch. */
  readonly lastUse: Uint32Array;
  readonly answerSequence: Float64Array;
  readonly answerOpen: Float64Array;
  readonly answerTraded: Float64Array;
  readonly answerReason: Uint8Array;
}

/** The open sessions, in the order of their numbers. */
export function listSessions(table: SessionTable): SessionInfo[] {
  const list: SessionInfo[] = [];
  for (let place = 0; place < table.places; place++) {
    const number = table.number[place] as number;
    if (number === 0) continue;
    list.push({
      number,
      account: table.account[place] as number,
      lastRequest: table.lastRequest[place] as number,
    });
  }
  return list.sort((a, b) => a.number - b.number);
}

export function createSessionTable(limits: VenueLimits): SessionTable {
  const places = limits.sessionsMax;
  const window = limits.answersPerSessionMax;
  const number = new Uint32Array(places);
  const account = new Uint32Array(places);
  const key = new Uint32Array(places * 2);
  const lastRequest = new Uint32Array(places);
  const lastUse = new Uint32Array(places * 2);
  const answerSequence = new Float64Array(places * window);
  const answerOpen = new Float64Array(places * window);
  const answerTraded = new Float64Array(places * window);
  const answerReason = new Uint8Array(places * window);
  const last = new Uint32Array(1);

  const tableBits = 32 - Math.clz32(places * 2 - 1) + 1;
  const tableMask = (1 << tableBits) - 1;
  /** Place + 1 by session number; consecutive numbers rarely meet. */
  const table = new Int32Array(1 << tableBits);

  function find(session: number): number {
    for (let slot = session & tableMask; ; slot = (slot + 1) & tableMask) {
      const place = (table[slot] as number) - 1;
      if (place < 0 || number[place] === session) return place;
    }
  }

  function admit(place: number, owner: number, request: number): number {
    if (account[place] !== 0 && account[place] !== owner >>> 0) return Admission.account;
    const latest = lastRequest[place] as number;
    const asked = request >>> 0;
    if (asked > latest) return asked === latest + 1 ? Admission.handle : Admission.gap;
    return asked !== 0 && latest - asked < window ? Admission.repeat : Admission.tooOld;
  }

  function handled(place: number, request: number, timeHigh: number, timeLow: number): void {
    lastRequest[place] = request;
    lastUse[place * 2] = timeLow;
    lastUse[place * 2 + 1] = timeHigh;
  }

  function findKey(owner: number, keyLow: number, keyHigh: number): number {
    for (let place = 0; place < places; place++) {
      if (
        number[place] !== 0 &&
        account[place] === owner &&
        key[place * 2] === keyLow &&
        key[place * 2 + 1] === keyHigh
      )
        return place;
    }
    return -1;
  }

  function open(owner: number, keyLow: number, keyHigh: number, timeHigh: number, timeLow: number): number {
    let place = number.indexOf(0);
    if (place < 0) {
      place = longestUnused();
      if (!isIdle(place, timeHigh, timeLow)) return -1;
      close(place);
    }
    const next = (last[0] as number) + 1;
    last[0] = next;
    account[place] = owner;
    key[place * 2] = keyLow;
    key[place * 2 + 1] = keyHigh;
    handled(place, 0, timeHigh, timeLow);
    restore(place, next);
    return place;
  }

  /** Of sessions last used at the same time the one with the lowest number gives way. */
  function longestUnused(): number {
    let oldest = 0;
    for (let place = 1; place < places; place++) {
      const high = (lastUse[place * 2 + 1] as number) - (lastUse[oldest * 2 + 1] as number);
      const low = (lastUse[place * 2] as number) - (lastUse[oldest * 2] as number);
      const byNumber = (number[place] as number) - (number[oldest] as number);
      if (high < 0 || (high === 0 && (low < 0 || (low === 0 && byNumber < 0)))) oldest = place;
    }
    return oldest;
  }

  function isIdle(place: number, timeHigh: number, timeLow: number): boolean {
    const borrow = timeLow < (lastUse[place * 2] as number) ? 1 : 0;
    const high = timeHigh - (lastUse[place * 2 + 1] as number) - borrow;
    const low = (timeLow - (lastUse[place * 2] as number)) >>> 0;
    return high > IDLE_NS_HIGH || (high === IDLE_NS_HIGH && low >= IDLE_NS_LOW);
  }

  function restore(place: number, session: number): void {
    number[place] = session;
    let slot = session & tableMask;
    while (table[slot] !== 0) slot = (slot + 1) & tableMask;
    table[slot] = place + 1;
  }

  function close(place: number): void {
    let hole = (number[place] as number) & tableMask;
    while (table[hole] !== place + 1) hole = (hole + 1) & tableMask;
    for (let slot = (hole + 1) & tableMask; table[slot] !== 0; slot = (slot + 1) & tableMask) {
      const home = (number[(table[slot] as number) - 1] as number) & tableMask;
      if (((slot - home) & tableMask) >= ((slot - hole) & tableMask)) {
        table[hole] = table[slot] as number;
        hole = slot;
      }
    }
    table[hole] = 0;
    number[place] = 0;
  }

  return {
    find,
    admit,
    handled,
    answerRow: (place, request) => place * window + ((request >>> 0) % window),
    findKey,
    open,
    close,
    lastNumber: () => last[0] as number,
    restoreLastNumber: (value) => {
      last[0] = value;
    },
    restore,
    places,
    window,
    number,
    account,
    key,
    lastRequest,
    lastUse,
    answerSequence,
    answerOpen,
    answerTraded,
    answerReason,
  };
}
