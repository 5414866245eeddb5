import { createHash } from 'node:crypto';
import { readWide, writeWide } from '../journal/amounts.ts';
import {
  COMMAND_WORD,
  COMMAND_WORDS,
  encodeCommand,
  Flag,
  Op,
  OrderType,
  Side,
  TimeInForce,
} from '../journal/commands.ts';
import { EVENT_BYTES, EVENT_WORD, EVENT_WORDS, EventType, eventReason, eventType } from '../journal/events.ts';
import type { VenueLimits } from '../journal/genesis.ts';
import { reasonName } from '../journal/reasons.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { LEVELS_PER_PAGE } from '../replicas/ladder.ts';
import { createMatcher } from '../replicas/matcher.ts';
import { MessageType, type Workload } from './challenge-workload.ts';

const SYMBOL = 0;
const ACCOUNT = 1;
const BATCH_COMMANDS = 256;
const EVENT_SLOTS = 4_096;
/** Events are looked at once so many are waiting; the rest of the slots is room for one sweep of the book. */
const EVENTS_WAITING_MAX = EVENT_SLOTS / 2;
/** A report line has at most six numbers of 16 digits, five commas and a line feed. */
const LINE_BYTES_MAX = 6 * 16 + 6;
const LINE_BYTES_TYPICAL = 32;

export interface ChallengeResult {
  /** The canonical report text. */
  readonly reports: Buffer;
  /** Of the report text, in hexadecimal. */
  readonly sha256: string;
  readonly messages: number;
  readonly trades: number;
  /** Matching alone: a pass of its own, whose events are dropped. Meaningful in a fresh process only. */
  readonly matchMs: number;
}

/** Plays a challenge workload into a fresh matcher and writes its reports in the challenge's canonical form. */
export function runChallenge(workload: Workload): ChallengeResult {
  const commands = encodeMessages(workload);
  const limits = challengeLimits(workload);
  // The timed pass comes first: V8 gives up specializing the matcher's closures once a process makes a second matcher.
  const matchMs = play(commands, limits, (events) => events.clear());
  return { ...challengeReports(workload), messages: workload.count, matchMs };
}

/** The reports of a pass that is not timed. `take` sees the bytes of all events, those of `beginning` among them. */
export function challengeReports(
  workload: Workload,
  take: (events: Uint8Array) => void = () => undefined,
  beginning = challengeCreation(),
): Pick<ChallengeResult, 'reports' | 'sha256' | 'trades'> {
  const writer = new ReportWriter(workload, beginning.length / COMMAND_WORDS + 1);
  const empty = (events: EventBuffer): void => {
    take(new Uint8Array(events.words.buffer, 0, events.next * EVENT_BYTES));
    events.drain(writer.event);
  };
  play(encodeMessages(workload), challengeLimits(workload), empty, beginning);
  const reports = writer.finish();
  return { reports, sha256: createHash('sha256').update(reports).digest('hex'), trades: writer.trades };
}

/** Applies the commands to a new matcher, gives the events away in passing, and says how many milliseconds it took. */
function play(
  commands: Uint32Array,
  limits: VenueLimits,
  empty: (events: EventBuffer) => void,
  beginning = challengeCreation(),
): number {
  const events = new EventBuffer(EVENT_SLOTS);
  const matcher = createMatcher(limits, events);
  matcher.applyMany(beginning, 0, beginning.length / COMMAND_WORDS);
  empty(events);
  const started = performance.now();
  const count = commands.length / COMMAND_WORDS;
  for (let first = 0; first < count; first += BATCH_COMMANDS) {
    matcher.applyMany(commands, first * COMMAND_WORDS, Math.min(BATCH_COMMANDS, count - first));
    if (events.next > EVENTS_WAITING_MAX) empty(events);
  }
  empty(events);
  return performance.now() - started;
}

/** The command that must come before all others. */
export function challengeCreation(): Uint32Array {
  const words = new Uint32Array(COMMAND_WORDS);
  encodeCommand(words, 0, { op: 'instrumentCreate', symbol: SYMBOL, name: 'CHALLENGE' });
  return words;
}

/** The same, and a setting that refuses nothing: from there on the instrument follows all rules. */
export function ruledCreation(): Uint32Array {
  const words = new Uint32Array(2 * COMMAND_WORDS);
  words.set(challengeCreation());
  encodeCommand(words, COMMAND_WORDS, { op: 'instrumentSet', symbol: SYMBOL, setting: 'tick', value: 1 });
  return words;
}

/** The messages as command records, back to back. */
export function encodeMessages(workload: Workload): Uint32Array {
  const words = new Uint32Array(workload.count * COMMAND_WORDS);
  for (let k = 0, at = 0; k < workload.count; k++, at += COMMAND_WORDS) {
    const type = workload.type[k] as number;
    words[at + COMMAND_WORD.account] = ACCOUNT;
    words[at + COMMAND_WORD.symbol] = SYMBOL;
    writeWide(words, at + COMMAND_WORD.id, workload.id[k] as number);
    if (type === MessageType.cancel) {
      words[at] = Op.cancel;
      continue;
    }
    writeWide(words, at + COMMAND_WORD.price, workload.price[k] as number);
    words[at + COMMAND_WORD.quantity] = workload.quantity[k] as number;
    if (type === MessageType.modify) {
      words[at] = Op.replace;
      words[at + COMMAND_WORD.flags] = Flag.hasPrice | Flag.hasQuantity;
    } else {
      const side = (workload.side[k] as number) === 0 ? Side.buy : Side.sell;
      const tif = (workload.ioc[k] as number) === 0 ? TimeInForce.gtc : TimeInForce.ioc;
      words[at] = Op.new | (side << 8) | (OrderType.limit << 16) | (tif << 24);
    }
  }
  return words;
}

/**
 * Room for the workload and no more, so that the tables stay small and near. Orders that trade leave the book early;
 * counting them until their cancel gives an upper bound.
 */
export function challengeLimits(workload: Workload): VenueLimits {
  const live = new Set<number>();
  const pages = [new Set<number>(), new Set<number>()] as const;
  let ordersMax = 1;
  for (let k = 0; k < workload.count; k++) {
    const type = workload.type[k] as number;
    const id = workload.id[k] as number;
    if (type === MessageType.cancel) live.delete(id);
    else if ((workload.ioc[k] as number) === 0) {
      const side = workload.side[k] === 0 ? pages[0] : pages[1];
      side.add(Math.floor((workload.price[k] as number) / LEVELS_PER_PAGE));
      if (type === MessageType.new) ordersMax = Math.max(ordersMax, live.add(id).size);
    }
  }
  return {
    ordersMax,
    levelPagesMax: Math.max(2, pages[0].size + pages[1].size),
    instrumentsMax: 1,
    sessionsMax: 1,
    answersPerSessionMax: 1,
  };
}

/**
 * The canonical report text: one line a report, sorted by (message, type), trades of one message in match order.
 *
 *     0,seq,side,order_id,price_ticks,quantity            order accepted
 *     1,seq,price_ticks,quantity,maker_id,taker_id        trade
 *     2,seq,side,order_id,price_ticks                     cancel accepted, or remainder of an IOC order
 *     3,seq,side,order_id,price_ticks,quantity            modify accepted
 *     4,seq,order_id                                      cancel rejected
 *     5,seq,order_id                                      modify rejected
 *
 * The matcher's events have this order but for one: `replaced` comes before the trades that follow from it, so its line
 * waits until the message is over.
 */
class ReportWriter {
  trades = 0;
  #bytes: Buffer;
  #length = 0;
  #makerId = 0;
  readonly #workload: Workload;
  /** Sequence of the first message. */
  readonly #first: number;
  readonly #replaced = new Uint32Array(EVENT_WORDS);
  #replacedWaits = false;

  constructor(workload: Workload, first: number) {
    this.#workload = workload;
    this.#first = first;
    this.#bytes = Buffer.allocUnsafe(LINE_BYTES_MAX + workload.count * LINE_BYTES_TYPICAL);
  }

  readonly event = (words: Uint32Array, at: number): void => {
    const k = readWide(words, at + EVENT_WORD.sequence) - this.#first;
    const type = eventType(words, at);
    if (this.#replacedWaits && type !== EventType.tradeMaker && type !== EventType.tradeTaker) this.#writeReplaced();
    if (this.#bytes.length - this.#length < LINE_BYTES_MAX) this.#grow();
    switch (type) {
      case EventType.accepted:
        this.#start(0, k);
        this.#order(words, at);
        this.#field(readWide(words, at + EVENT_WORD.quantity));
        break;
      case EventType.tradeMaker:
        this.#makerId = readWide(words, at + EVENT_WORD.id);
        return;
      case EventType.tradeTaker:
        this.trades++;
        this.#start(1, k);
        this.#field(readWide(words, at + EVENT_WORD.price));
        this.#field(readWide(words, at + EVENT_WORD.quantity));
        this.#field(this.#makerId);
        this.#field(readWide(words, at + EVENT_WORD.id));
        break;
      case EventType.canceled:
        this.#start(2, k);
        this.#order(words, at);
        break;
      case EventType.replaced:
        this.#replaced.set(words.subarray(at, at + EVENT_WORDS));
        this.#replacedWaits = true;
        return;
      case EventType.rejected:
        this.#start(this.#rejection(k, words, at), k);
        this.#field(readWide(words, at + EVENT_WORD.id));
        break;
      case EventType.instrument:
      case EventType.setting:
        return;
      default:
        throw new Error(`message ${k}: event type ${type} does not occur in the challenge`);
    }
    this.#bytes[this.#length++] = 10;
  };

  /** The text, without the last line feed. */
  finish(): Buffer {
    if (this.#replacedWaits) this.#writeReplaced();
    return this.#bytes.subarray(0, Math.max(0, this.#length - 1));
  }

  #rejection(k: number, words: Uint32Array, at: number): number {
    const type = this.#workload.type[k] as number;
    if (type === MessageType.new) {
      throw new Error(`message ${k}: the matcher refused a new order: ${reasonName(eventReason(words, at))}`);
    }
    return type === MessageType.cancel ? 4 : 5;
  }

  #writeReplaced(): void {
    if (this.#bytes.length - this.#length < LINE_BYTES_MAX) this.#grow();
    const words = this.#replaced;
    this.#replacedWaits = false;
    this.#start(3, readWide(words, EVENT_WORD.sequence) - this.#first);
    this.#order(words, 0);
    this.#field(readWide(words, EVENT_WORD.quantity));
    this.#bytes[this.#length++] = 10;
  }

  #order(words: Uint32Array, at: number): void {
    this.#field(((words[at] as number) >>> 8) & 255);
    this.#field(readWide(words, at + EVENT_WORD.id));
    this.#field(readWide(words, at + EVENT_WORD.price));
  }

  #start(type: number, k: number): void {
    this.#bytes[this.#length++] = 48 + type;
    this.#field(k);
  }

  /** A comma and the decimal digits of an integer. */
  #field(value: number): void {
    const bytes = this.#bytes;
    bytes[this.#length++] = 44;
    let digits = 1;
    for (let bound = 10; bound <= value; bound *= 10) digits++;
    let left = value;
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const tenth = Math.floor(left / 10);
      bytes[at] = 48 + (left - tenth * 10);
      left = tenth;
    }
    this.#length += digits;
  }

  #grow(): void {
    const grown = Buffer.allocUnsafe(this.#bytes.length * 2);
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
