import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { VenueLimits } from '../journal/genesis.ts';
import { adviseHugePages, Refused } from '../sequencer/linux.ts';

/**
 * The state transition as a running WebAssembly instance: the rules of replicas/transition/, and the memory that they work
 * on. Each instance has its own.
 */
export interface Transition {
  readonly exports: TransitionExports;
  /** All of its memory, as words. Records lie at the addresses that the exports name. */
  readonly words: Uint32Array;
}

interface Address {
  readonly value: number;
}

/** Addresses and sizes are in bytes; a u32 may come as a negative number. */
export interface TransitionExports {
  /** Applies the first commands of the inbox; returns the bytes of the events in the outbox. */
  applyInbox(count: number): number;
  restoreInstrument(symbol: number): void;
  restoreOrder(slot: number): void;
  indexRestored(slot: number): void;
  restoreSession(place: number, number: number): void;
  restoreAccount(place: number): void;
  restoreBalance(place: number): void;
  nextLevel(level: number): number;
  /** Writes into details what is kept elsewhere: before they are read. */
  straighten(): void;
  /** Pages of memory that the tables take. */
  layOut(
    orders: number,
    pages: number,
    instruments: number,
    sessions: number,
    answers: number,
    accounts: number,
    balances: number,
    seed: number,
  ): number;
  readonly countersAt: Address;
  readonly inboxAt: Address;
  readonly outboxAt: Address;
  readonly ordersAt: Address;
  readonly bestAt: Address;
  readonly levelsAt: Address;
  readonly instrumentsAt: Address;
  readonly sessionsAt: Address;
  readonly answersAt: Address;
  readonly settingsAt: Address;
  readonly detailsAt: Address;
  readonly calendarsAt: Address;
  readonly accountsAt: Address;
  readonly balancesAt: Address;
}

/** Of replicas/transition/memory.ts: numbers that are state, as words from `countersAt`. */
export const COUNTER = {
  sequence: 0,
  highWater: 2,
  freeSlot: 3,
  live: 4,
  lastSession: 5,
  elsewhere: 6,
  ruled: 7,
  due: 10,
  brought: 13,
  accounts: 14,
  balances: 15,
  inForce: 16,
  killed: 17,
} as const;
/** Commands that the inbox has room for, and events of the outbox. */
export const INBOX_COMMANDS = 256;
export const OUTBOX_EVENTS = 1024;

const FILE = new URL('./matcher.wasm', import.meta.url);
const MEMORY_PAGES_MAX = 65_536;
/** Smaller tables gain nothing. */
const HUGE_PAGES_BYTES_MIN = 2 ** 23;

let compiled: WebAssembly.Module | undefined;

/** `emptyOutbox` takes all events of a full outbox. Throws a RangeError if the limits need more memory than there can be. */
export function startTransition(limits: VenueLimits, hashSeed: number, emptyOutbox: () => void): Transition {
  const { exports, memory, pages } = layOut(limits, hashSeed, emptyOutbox);
  try {
    memory.grow(pages - 1);
  } catch (cause) {
    throw new RangeError(`limits: ${describe(limits)} take ${pages / 16} MiB, which this host does not give`, {
      cause,
    });
  }
  const words = new Uint32Array(memory.buffer);
  if (words.byteLength >= HUGE_PAGES_BYTES_MIN) preferHugePages(words);
  return { exports, words };
}

/** Throws a RangeError if the tables for these limits are larger than a transition's memory can be. Takes none. */
export function checkTables(limits: VenueLimits): void {
  layOut(limits, 0, () => undefined);
}

interface LaidOut {
  readonly exports: TransitionExports;
  readonly memory: WebAssembly.Memory<ArrayBuffer>;
  /** That the tables take, 64 KiB each; the memory has one so far. */
  readonly pages: number;
}

function layOut(limits: VenueLimits, hashSeed: number, emptyOutbox: () => void): LaidOut {
  compiled ??= compile();
  const memory = new WebAssembly.Memory<ArrayBuffer>({ initial: 1, maximum: MEMORY_PAGES_MAX });
  const instance = new WebAssembly.Instance(compiled, { env: { memory }, events: { emptyOutbox } });
  const exports = instance.exports as unknown as TransitionExports;
  const { ordersMax, levelPagesMax, instrumentsMax, sessionsMax, answersPerSessionMax } = limits;
  const pages = exports.layOut(
    ordersMax,
    levelPagesMax,
    instrumentsMax,
    sessionsMax,
    answersPerSessionMax,
    limits.accountsMax ?? 0,
    limits.balancesMax ?? 0,
    hashSeed | 0,
  );
  if (pages > MEMORY_PAGES_MAX)
    throw new RangeError(`limits: ${describe(limits)} take more than 4 GiB of memory, the most that tables may take`);
  return { exports, memory, pages };
}

/** Orders lie all over the tables, and with small pages a good part of their time is looking for the page. */
function preferHugePages(words: Uint32Array): void {
  try {
    adviseHugePages(words, false);
  } catch (error) {
    // A venue reports its own request; others take what there is.
    if (!(error instanceof Refused)) throw error;
  }
}

function describe(limits: VenueLimits): string {
  return Object.entries(limits)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function compile(): WebAssembly.Module {
  if (!existsSync(FILE)) throw new Error(`${fileURLToPath(FILE)} is missing: run npm run build in the sources`);
  return new WebAssembly.Module(readFileSync(FILE));
}
