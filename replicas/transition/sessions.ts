import { EventFlag, EventType, Reason } from './codes.ts';
import { claimEvent } from './events.ts';
import { reject } from './market.ts';
import {
  answersAt,
  answersMax,
  counters,
  sessionsAt,
  sessionsMax,
  sessionTableAt,
  sessionTableMask,
} from './memory.ts';
import { ANSWER_BYTES, Command, SESSION_BYTES, Session, StoredAnswer } from './records.ts';

/**
 * Client sessions: what makes a repeated request harmless. Each open session keeps the number of the last request that was
 * handled and the answers of the last few. A session is found by its number, which is never used again.
 */

/** A session may give way to a new one when it was last used at least this long before: 60 s. */
const IDLE_NS: u64 = 60_000_000_000;

/** One below place 0. */
export const NO_SESSION: u32 = 0xffff_ffff;

export class Admission {
  static readonly handle: u32 = 0;
  static readonly account: u32 = 1;
  static readonly gap: u32 = 2;
  static readonly repeat: u32 = 3;
  static readonly tooOld: u32 = 4;
}

export function sessionAt(place: u32): Session {
  return changetype<Session>(sessionsAt + (place as usize) * SESSION_BYTES);
}

/** Where a session's answer to a request is or will be kept. */
export function answerOf(place: u32, request: u32): StoredAnswer {
  const row = (place as usize) * (answersMax as usize) + ((request % answersMax) as usize);
  return changetype<StoredAnswer>(answersAt + row * ANSWER_BYTES);
}

function inTable(slot: u32): u32 {
  return load<u32>(sessionTableAt + ((slot as usize) << 2));
}

function putInTable(slot: u32, entry: u32): void {
  store<u32>(sessionTableAt + ((slot as usize) << 2), entry);
}

/** The place of an open session, or {@link NO_SESSION}. */
export function findSession(number: u32): u32 {
  let slot = number & sessionTableMask;
  let entry = inTable(slot);
  while (entry !== 0 && sessionAt(entry - 1).number !== number) {
    slot = (slot + 1) & sessionTableMask;
    entry = inTable(slot);
  }
  return entry - 1;
}

/** What to do with a request; changes nothing. */
export function admit(session: Session, account: u32, request: u32): u32 {
  if (session.account !== 0 && session.account !== account) return Admission.account;
  const last = session.lastRequest;
  if (request > last) return request === last + 1 ? Admission.handle : Admission.gap;
  return request !== 0 && last - request < answersMax ? Admission.repeat : Admission.tooOld;
}

/** The place of the session that (account, key) opened before, or {@link NO_SESSION}. */
function findKey(account: u32, key: u64): u32 {
  for (let place: u32 = 0; place < sessionsMax; place++) {
    const session = sessionAt(place);
    if (session.number !== 0 && session.account === account && session.key === key) return place;
  }
  return NO_SESSION;
}

/** Opens a session and returns its place, or {@link NO_SESSION} when none may give way. */
function openSession(account: u32, key: u64, time: u64): u32 {
  let place: u32 = 0;
  while (place < sessionsMax && sessionAt(place).number !== 0) place++;
  if (place === sessionsMax) {
    place = longestUnused();
    const lastUse = sessionAt(place).lastUse;
    if (time < lastUse || time - lastUse < IDLE_NS) return NO_SESSION;
    closeSession(place);
  }
  const session = sessionAt(place);
  session.account = account;
  session.key = key;
  session.lastRequest = 0;
  session.lastUse = time;
  restoreSession(place, ++counters().lastSession);
  return place;
}

/** Of sessions last used at the same time the one with the lowest number gives way. */
function longestUnused(): u32 {
  let oldest: u32 = 0;
  for (let place: u32 = 1; place < sessionsMax; place++) {
    const session = sessionAt(place);
    const other = sessionAt(oldest);
    if (session.lastUse < other.lastUse || (session.lastUse === other.lastUse && session.number < other.number))
      oldest = place;
  }
  return oldest;
}

/** Gives a place, whose other fields are set, to a session and makes it findable. */
export function restoreSession(place: u32, number: u32): void {
  sessionAt(place).number = number;
  let slot = number & sessionTableMask;
  while (inTable(slot) !== 0) slot = (slot + 1) & sessionTableMask;
  putInTable(slot, place + 1);
}

function closeSession(place: u32): void {
  const session = sessionAt(place);
  let hole = session.number & sessionTableMask;
  while (inTable(hole) !== place + 1) hole = (hole + 1) & sessionTableMask;
  for (let slot = (hole + 1) & sessionTableMask; ; slot = (slot + 1) & sessionTableMask) {
    const entry = inTable(slot);
    if (entry === 0) break;
    const home = sessionAt(entry - 1).number & sessionTableMask;
    if (((slot - home) & sessionTableMask) >= ((slot - hole) & sessionTableMask)) {
      putInTable(hole, entry);
      hole = slot;
    }
  }
  putInTable(hole, 0);
  session.number = 0;
}

/** Opens a session, or tells of the one that is open by that key. */
export function beginSession(command: Command): void {
  let place = findKey(command.account, command.id);
  if (place !== NO_SESSION) {
    sessionAt(place).lastUse = command.time;
    return emitSession(command, place, EventFlag.repeat);
  }
  place = openSession(command.account, command.id, command.time);
  if (place === NO_SESSION) reject(command, Reason.sessionsFull);
  else emitSession(command, place, 0);
}

export function endSession(command: Command, place: u32): void {
  emitSession(command, place, EventFlag.closed);
  closeSession(place);
}

function emitSession(command: Command, place: u32, flags: u32): void {
  const session = sessionAt(place);
  const event = claimEvent();
  event.head = EventType.session | (flags << 24);
  event.symbol = 0;
  event.price = 0;
  event.quantity = flags === EventFlag.closed ? 0 : session.lastRequest;
  event.id = session.key;
  event.account = command.account;
  event.slot = 0;
  event.generation = 0;
  event.request = command.request;
  event.open = session.number;
}

export function answer(command: Command, stored: StoredAnswer, flags: u32): void {
  const event = claimEvent();
  event.head = EventType.answer | (stored.reason << 16) | (flags << 24);
  event.symbol = command.session;
  event.price = stored.sequence;
  event.quantity = stored.traded;
  event.id = command.id;
  event.account = command.account;
  event.slot = 0;
  event.generation = 0;
  event.request = command.request;
  event.open = stored.open;
}
