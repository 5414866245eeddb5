import { PRICE_MAX, readWide, writeU64, writeWide } from '../../journal/amounts.ts';
import { BLOCK_HEADER_WORDS } from '../../journal/block.ts';
import { COMMAND_WORDS, Side } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType, eventType } from '../../journal/events.ts';
import { JournalReader } from '../../journal/reader.ts';
import { SnapshotStore } from '../../journal/snapshots.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher, type Matcher } from '../../replicas/matcher.ts';
import { listOrders, type RestingOrder } from '../../replicas/order-table.ts';
import { replayJournal, restoreNewest } from '../../replicas/replay.ts';
import { REPORTS_PER_REPLY_MAX, type ReportsAsked, type ReportsTold } from '../../sequencer/report-messages.ts';
import { isExecution } from '../../sequencer/reports.ts';

/** Commands that are replayed for an answer, at most: some ten seconds of a core. */
const REPLAY_COMMANDS_MAX = 20_000_000;
const COMMANDS_AT_ONCE = 256;
const EVENT_SLOTS = 4096;
/** Records of the answers of one replay, 32 MiB: who asks together with many gets a share, and asks for the rest. */
const RECORDS_AT_ONCE_MAX = 64 * REPORTS_PER_REPLY_MAX;
/** Of a venue's own process: what is asked for was let out, so it is on disk. */
const READ_ALL = { unflushed: true };

/** Reports that somebody misses; none after the sequence `upTo` may be told yet. */
export interface MissedReports extends ReportsAsked {
  readonly upTo: number;
}

interface Collecting {
  readonly missed: MissedReports;
  /** Of those who ask for the same account they are the same. */
  readonly records: Uint32Array[];
  readonly recordsMax: number;
  seen: number;
}

/**
 * Tells execution reports again, by a replay of the journal from a snapshot. It keeps its place, so whoever asks for what comes
 * after that takes no snapshot.
 */
export class ReportReplay {
  readonly #directory: string;
  readonly #events = new EventBuffer(EVENT_SLOTS);
  #matcher: Matcher | undefined;

  readonly #commandsMax: number;

  constructor(directory: string, commandsMax = REPLAY_COMMANDS_MAX) {
    this.#directory = directory;
    this.#commandsMax = commandsMax;
  }

  /** For all who ask, in one replay; undefined for those who miss what is too old. Rejects with a JournalError. */
  async tell(all: readonly MissedReports[]): Promise<(ReportsTold | undefined)[]> {
    const upTo = Math.max(...all.map((missed) => missed.upTo));
    const beginnings = await this.#beginnings(upTo - this.#commandsMax);
    const asked = all.filter((missed) => beginnings.some((sequence) => sequence <= beginOf(missed)));
    const told = new Map<MissedReports, ReportsTold>();
    if (asked.length > 0)
      for (const [index, one] of (await this.#tellAll(asked, upTo)).entries())
        told.set(asked[index] as MissedReports, one);
    return all.map((missed) => told.get(missed));
  }

  async #tellAll(asked: readonly MissedReports[], upTo: number): Promise<ReportsTold[]> {
    const from = Math.min(...asked.map(beginOf));
    const recordsMax = Math.min(REPORTS_PER_REPLY_MAX, Math.ceil(RECORDS_AT_ONCE_MAX / asked.length));
    const collecting = asked.map((missed): Collecting => ({ missed, records: [], recordsMax, seen: 0 }));
    const isListed = asked.some(({ live }) => live === true);
    if (from < upTo || isListed)
      this.#replay(
        await this.#matcherAt(from),
        upTo,
        Map.groupBy(collecting, ({ missed }) => missed.account),
      );
    const listed = isListed && this.#matcher !== undefined ? listOrders(this.#matcher.state.orders) : [];
    const byAccount = Map.groupBy(listed, ({ account }) => account);
    const live = new Map<number, ReportsTold>();
    return collecting.map(({ missed, records, seen }) => {
      if (missed.live === true) {
        const told = live.get(missed.account) ?? liveOrders(byAccount.get(missed.account) ?? [], upTo);
        live.set(missed.account, told);
        return told;
      }
      const words = new Uint32Array(records.length * EVENT_WORDS);
      for (const [index, record] of records.entries()) words.set(record, index * EVENT_WORDS);
      const isComplete = seen <= missed.passed + records.length;
      return { words, through: Math.max(missed.after, missed.upTo), isComplete };
    });
  }

  /** Sequences, not before `first`, after which a replay can begin. */
  async #beginnings(first: number): Promise<number[]> {
    const snapshots = (await new SnapshotStore(this.#directory).list()).map(({ sequence }) => sequence);
    const here = this.#matcher === undefined ? [] : [this.#matcher.sequence()];
    return [0, ...here, ...snapshots].filter((sequence) => sequence >= first);
  }

  /** A matcher that has not yet come past a sequence. */
  async #matcherAt(sequence: number): Promise<Matcher> {
    if (this.#matcher !== undefined && this.#matcher.sequence() <= sequence) return this.#matcher;
    this.#matcher = undefined;
    const { limits } = JournalReader.open(this.#directory, READ_ALL).genesis;
    const matcher = createMatcher(limits, this.#events);
    await restoreNewest(this.#directory, matcher, sequence, READ_ALL);
    this.#matcher = matcher;
    return matcher;
  }

  #replay(matcher: Matcher, upTo: number, byAccount: ReadonlyMap<number, readonly Collecting[]>): void {
    const begin = matcher.sequence();
    if (begin >= upTo) return;
    for (const block of replayJournal(this.#directory, begin + 1, READ_ALL)) {
      const last = Math.min(block.lastSequence, upTo);
      while (matcher.sequence() < last) {
        const next = matcher.sequence() + 1;
        const at = BLOCK_HEADER_WORDS + (next - block.firstSequence) * COMMAND_WORDS;
        matcher.applyMany(block.words, at, Math.min(COMMANDS_AT_ONCE, last - next + 1));
        this.#events.drain((words, event) => collect(words, event, byAccount));
      }
      if (last === upTo) return;
    }
  }
}

function beginOf({ live, after, upTo }: MissedReports): number {
  return live === true ? upTo : after;
}

/** @param own orders of one account */
function liveOrders(own: readonly RestingOrder[], through: number): ReportsTold {
  const told = own.slice(0, REPORTS_PER_REPLY_MAX);
  const words = new Uint32Array(told.length * EVENT_WORDS);
  for (const [index, order] of told.entries()) encodeStatus(words, index * EVENT_WORDS, order);
  return { words, through, isComplete: told.length === own.length };
}

function encodeStatus(words: Uint32Array, at: number, order: RestingOrder): void {
  const flags = order.postOnly ? EventFlag.postOnly : 0;
  words[at] = EventType.status | (Side[order.side] << 8) | (flags << 24);
  words[at + EVENT_WORD.symbol] = order.symbol;
  writeWide(words, at + EVENT_WORD.sequence, order.sequence);
  writeWide(words, at + EVENT_WORD.price, order.price > PRICE_MAX ? 0 : order.price);
  writeWide(words, at + EVENT_WORD.quantity, order.open);
  writeU64(words, at + EVENT_WORD.id, BigInt(order.id));
  words[at + EVENT_WORD.account] = order.account;
  words[at + EVENT_WORD.slot] = order.slot;
  words[at + EVENT_WORD.generation] = order.generation;
  writeWide(words, at + EVENT_WORD.open, order.open);
}

function collect(words: Uint32Array, at: number, byAccount: ReadonlyMap<number, readonly Collecting[]>): void {
  if (!isExecution(eventType(words, at))) return;
  const waiting = byAccount.get(words[at + EVENT_WORD.account] as number);
  if (waiting === undefined) return;
  const sequence = readWide(words, at + EVENT_WORD.sequence);
  let record: Uint32Array | undefined;
  for (const one of waiting) {
    if (sequence <= one.missed.after || sequence > one.missed.upTo) continue;
    one.seen++;
    if (one.seen <= one.missed.passed || one.records.length >= one.recordsMax) continue;
    record ??= words.slice(at, at + EVENT_WORDS);
    one.records.push(record);
  }
}
