import { readSigned, readU64, readWide } from '../../journal/amounts.ts';
import { AccountSetting, decodeName, nameOf, Phase, Setting } from '../../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType } from '../../journal/events.ts';
import { Reason, reasonName, reasonText } from '../../journal/reasons.ts';
import type { BookLevel } from '../../replicas/matcher.ts';
import { AsciiText, ascii } from '../ascii-text.ts';

/** Ids with a higher word from here on are not exact as a JSON number. */
const WIDE_HIGH_WORD = 0x20_0000;
const REASON_CODES = 256;

/** Counts of what commands did. A trade is one event here, and two records. */
export class EventCounts {
  accepted = 0;
  rejected = 0;
  trades = 0;
  canceled = 0;
  replaced = 0;
  /** Records of every kind. */
  records = 0;

  /** Takes in the first `count` records in `words`. */
  add(words: Uint32Array, count: number): void {
    this.records += count;
    for (let at = 0; at < count * EVENT_WORDS; at += EVENT_WORDS) {
      switch ((words[at] as number) & 255) {
        case EventType.accepted:
          this.accepted++;
          break;
        case EventType.rejected:
          this.rejected++;
          break;
        case EventType.tradeTaker:
          this.trades++;
          break;
        case EventType.canceled:
          this.canceled++;
          break;
        case EventType.replaced:
          this.replaced++;
          break;
      }
    }
  }
}

const EV = {
  accepted: ascii(',"ev":"accepted"'),
  rejected: ascii(',"ev":"rejected"'),
  trade: ascii(',"ev":"trade"'),
  canceled: ascii(',"ev":"canceled"'),
  replaced: ascii(',"ev":"replaced"'),
  state: ascii(',"ev":"state"'),
  status: ascii(',"ev":"status"'),
  triggered: ascii(',"ev":"triggered"'),
  refreshed: ascii(',"ev":"refreshed"'),
  setting: ascii(',"ev":"setting"'),
  scheduled: ascii(',"ev":"scheduled"'),
  unscheduled: ascii(',"ev":"unscheduled"'),
  indicative: ascii(',"ev":"indicative"'),
  auction: ascii(',"ev":"auction"'),
  account: ascii(',"ev":"account"'),
  deposited: ascii(',"ev":"deposited"'),
  withdrawn: ascii(',"ev":"withdrawn"'),
  settled: ascii(',"ev":"settled"'),
  killed: ascii(',"ev":"killed"'),
  reinstated: ascii(',"ev":"reinstated"'),
};
const FIELD = {
  seq: ascii('{"seq":'),
  account: ascii(',"account":'),
  id: ascii(',"id":'),
  symbol: ascii(',"symbol":'),
  buy: ascii(',"side":"buy"'),
  sell: ascii(',"side":"sell"'),
  price: ascii(',"price":'),
  qty: ascii(',"qty":'),
  open: ascii(',"open":'),
  taker: ascii(',"taker":'),
  maker: ascii(',"maker":'),
  takerAccount: ascii(',"takerAccount":'),
  makerAccount: ascii(',"makerAccount":'),
  takerOpen: ascii(',"takerOpen":'),
  makerOpen: ascii(',"makerOpen":'),
  maxQty: ascii(',"maxQty":'),
  maxPrice: ascii(',"maxPrice":'),
  shard: ascii(',"shard":'),
  setting: ascii(',"setting":'),
  value: ascii(',"value":'),
  state: ascii(',"state":'),
  ends: ascii(',"ends":'),
  at: ascii(',"at":'),
  imbalance: ascii(',"imbalance":'),
  asset: ascii(',"asset":'),
  amount: ascii(',"amount":'),
  available: ascii(',"available":'),
  held: ascii(',"held":'),
  quote: ascii(',"quote":'),
  base: ascii(',"base":'),
  fee: ascii(',"fee":'),
  group: ascii(',"group":'),
};
/** Whom a kill is about: `slot` of its event. */
const KILL_SCOPE = { account: 1, group: 2 } as const;
const IN_AUCTION = ascii(',"auction":true');
const KEPT = ascii(',"kept":true');
const NOT_KEPT = ascii(',"kept":false');
const POST_ONLY = ascii(',"postOnly":true');
const NOT_POST_ONLY = ascii(',"postOnly":false');
const STATE_OPEN = ascii(',"state":"open"');
const STATE_CLOSED = ascii(',"state":"closed"');
const END = ascii('}\n');
/** More than the longest line: a trade has about 200 characters of names, twelve numbers and an instrument. */
const LINE_BYTES_MAX = 1024;

/**
 * Events as NDJSON lines. It is told of a command's events all at once, because `open` of an accepted order is what is
 * open after the whole command. Sessions and answers belong to the protocol between client and gateway and have no
 * line.
 */
export class EventLines {
  readonly text = new AsciiText();
  /** Names of instruments as JSON, by symbol. */
  readonly #symbols: Uint8Array[] = [];
  readonly #reasons: Uint8Array[] = [];
  readonly #rejections: Uint8Array[] = [];

  constructor() {
    for (let code = 0; code < REASON_CODES; code++) {
      const reason = `,"reason":${JSON.stringify(reasonName(code))}`;
      this.#reasons.push(ascii(reason));
      this.#rejections.push(ascii(`${reason},"text":${JSON.stringify(reasonText(code))}`));
    }
  }

  name(symbol: number, name: string): void {
    this.#symbols[symbol] = ascii(JSON.stringify(name));
  }

  /** Learns the names of instruments from the first `count` records in `words`. */
  learn(words: Uint32Array, count: number): void {
    for (let at = 0; at < count * EVENT_WORDS; at += EVENT_WORDS) {
      if (((words[at] as number) & 255) !== EventType.instrument) continue;
      this.name(words[at + EVENT_WORD.symbol] as number, decodeName(words, at + EVENT_WORD.price));
    }
  }

  /** Adds the lines of one command, from the first `count` records in `words`. Its place is `seq`. */
  command(seq: number, words: Uint32Array, count: number): void {
    const { text } = this;
    for (let at = 0; at < count * EVENT_WORDS; at += EVENT_WORDS) {
      const head = words[at] as number;
      switch (head & 255) {
        case EventType.accepted:
          this.#begin(seq, EV.accepted, words, at);
          text.put(((head >>> 8) & 1) === 0 ? FIELD.buy : FIELD.sell);
          this.#wide(FIELD.price, words, at + EVENT_WORD.price);
          this.#wide(FIELD.qty, words, at + EVENT_WORD.quantity);
          this.#wide(FIELD.open, words, lastAbout(words, count, at) + EVENT_WORD.open);
          break;
        case EventType.tradeTaker:
          this.#trade(seq, words, at - EVENT_WORDS, at);
          break;
        case EventType.canceled:
          this.#begin(seq, EV.canceled, words, at);
          this.#wide(FIELD.qty, words, at + EVENT_WORD.quantity);
          text.put(this.#reasons[(head >>> 16) & 255] as Uint8Array);
          this.#wide(FIELD.open, words, at + EVENT_WORD.open);
          break;
        case EventType.replaced:
          this.#begin(seq, EV.replaced, words, at);
          this.#wide(FIELD.price, words, at + EVENT_WORD.price);
          this.#wide(FIELD.qty, words, at + EVENT_WORD.quantity);
          text.put(((head >>> 24) & EventFlag.kept) === 0 ? NOT_KEPT : KEPT);
          break;
        case EventType.rejected:
          this.#begin(seq, EV.rejected, words, at);
          text.put(this.#rejections[(head >>> 16) & 255] as Uint8Array);
          if (((head >>> 16) & 255) === Reason.otherShard) this.#wide(FIELD.shard, words, at + EVENT_WORD.open);
          break;
        case EventType.instrument:
          this.learn(words.subarray(at), 1);
          this.#start(seq, EV.state);
          this.#symbol(words, at);
          text.put(((head >>> 24) & EventFlag.closed) === 0 ? STATE_OPEN : STATE_CLOSED);
          this.#wide(FIELD.maxQty, words, at + EVENT_WORD.id);
          this.#wide(FIELD.maxPrice, words, at + EVENT_WORD.open);
          if (((head >>> 24) & EventFlag.elsewhere) === 0) break;
          text.put(FIELD.shard);
          text.whole(words[at + EVENT_WORD.slot] as number);
          break;
        case EventType.triggered:
          this.#begin(seq, EV.triggered, words, at);
          this.#wide(FIELD.price, words, at + EVENT_WORD.price);
          this.#wide(FIELD.open, words, at + EVENT_WORD.open);
          text.put(((head >>> 24) & EventFlag.kept) === 0 ? NOT_KEPT : KEPT);
          break;
        case EventType.refreshed:
          this.#begin(seq, EV.refreshed, words, at);
          this.#wide(FIELD.price, words, at + EVENT_WORD.price);
          this.#wide(FIELD.qty, words, at + EVENT_WORD.quantity);
          this.#wide(FIELD.open, words, at + EVENT_WORD.open);
          break;
        case EventType.setting:
          this.#setting(seq, words, at);
          break;
        case EventType.state:
          this.#state(seq, words, at);
          break;
        case EventType.indicative:
        case EventType.auction:
          this.#start(seq, (head & 255) === EventType.auction ? EV.auction : EV.indicative);
          this.#symbol(words, at);
          this.#wide(FIELD.price, words, at + EVENT_WORD.price);
          this.#wide(FIELD.qty, words, at + EVENT_WORD.quantity);
          this.#wide(FIELD.imbalance, words, at + EVENT_WORD.open);
          text.put(((head >>> 8) & 1) === 0 ? FIELD.buy : FIELD.sell);
          break;
        case EventType.account:
          this.#startOf(seq, EV.account, words, at);
          this.#name(FIELD.setting, nameOf(AccountSetting, words[at + EVENT_WORD.slot] as number));
          this.#wide(FIELD.value, words, at + EVENT_WORD.price);
          break;
        case EventType.balance:
          this.#startOf(seq, ((head >>> 24) & EventFlag.done) === 0 ? EV.deposited : EV.withdrawn, words, at);
          this.#wide(FIELD.id, words, at + EVENT_WORD.id);
          text.put(FIELD.asset);
          text.whole(words[at + EVENT_WORD.symbol] as number);
          this.#wide(FIELD.amount, words, at + EVENT_WORD.price);
          this.#wide(FIELD.available, words, at + EVENT_WORD.quantity);
          this.#wide(FIELD.held, words, at + EVENT_WORD.open);
          break;
        case EventType.settled:
          this.#begin(seq, EV.settled, words, at);
          text.put(((head >>> 8) & 1) === 0 ? FIELD.buy : FIELD.sell);
          this.#wide(FIELD.quote, words, at + EVENT_WORD.price);
          this.#wide(FIELD.base, words, at + EVENT_WORD.quantity);
          this.#signed(FIELD.fee, words, at + EVENT_WORD.open);
          break;
        case EventType.kill:
          this.#kill(seq, ((head >>> 24) & EventFlag.closed) === 0 ? EV.reinstated : EV.killed, words, at);
          break;
        case EventType.status:
          this.#begin(seq, EV.status, words, at);
          text.put(((head >>> 8) & 1) === 0 ? FIELD.buy : FIELD.sell);
          this.#wide(FIELD.price, words, at + EVENT_WORD.price);
          this.#wide(FIELD.open, words, at + EVENT_WORD.open);
          text.put(((head >>> 24) & EventFlag.postOnly) === 0 ? NOT_POST_ONLY : POST_ONLY);
          break;
        default:
          continue;
      }
      text.put(END);
    }
  }

  /** Adds what is in a book after a command. */
  book(seq: number, symbol: number, book: { readonly bids: BookLevel[]; readonly asks: BookLevel[] }): void {
    const sides = `"bids":${JSON.stringify(book.bids)},"asks":${JSON.stringify(book.asks)}`;
    const name = Buffer.from(this.#symbols[symbol] ?? ascii(String(symbol))).toString('latin1');
    this.text.text(`{"ev":"book","seq":${seq},"symbol":${name},${sides}}\n`);
  }

  #trade(seq: number, words: Uint32Array, maker: number, taker: number): void {
    const { text } = this;
    const head = words[taker] as number;
    this.#begin(seq, EV.trade, words, taker);
    this.#wide(FIELD.price, words, taker + EVENT_WORD.price);
    this.#wide(FIELD.qty, words, taker + EVENT_WORD.quantity);
    text.put(((head >>> 8) & 1) === 0 ? FIELD.buy : FIELD.sell);
    this.#wide(FIELD.taker, words, taker + EVENT_WORD.id);
    this.#wide(FIELD.maker, words, maker + EVENT_WORD.id);
    text.put(FIELD.takerAccount);
    text.whole(words[taker + EVENT_WORD.account] as number);
    text.put(FIELD.makerAccount);
    text.whole(words[maker + EVENT_WORD.account] as number);
    this.#wide(FIELD.takerOpen, words, taker + EVENT_WORD.open);
    this.#wide(FIELD.makerOpen, words, maker + EVENT_WORD.open);
    if ((head >>> 24) & EventFlag.auction) text.put(IN_AUCTION);
  }

  /** A phase, or what is or is no longer scheduled. */
  #state(seq: number, words: Uint32Array, at: number): void {
    const flags = (words[at] as number) >>> 24;
    const time = at + EVENT_WORD.id;
    const isScheduled = (flags & EventFlag.scheduled) !== 0;
    const isGone = (flags & EventFlag.closed) !== 0;
    this.#start(seq, !isScheduled ? EV.state : isGone ? EV.unscheduled : EV.scheduled);
    this.#symbol(words, at);
    if (!isGone) {
      this.text.put(FIELD.state);
      this.text.text(JSON.stringify(nameOf(Phase, words[at + EVENT_WORD.slot] as number)));
    }
    if (isScheduled) this.#wide(FIELD.at, words, time);
    else if (((words[time] as number) | (words[time + 1] as number)) !== 0) this.#wide(FIELD.ends, words, time);
  }

  #setting(seq: number, words: Uint32Array, at: number): void {
    const code = words[at + EVENT_WORD.slot] as number;
    this.#start(seq, EV.setting);
    this.#symbol(words, at);
    this.text.put(FIELD.setting);
    this.text.text(JSON.stringify(nameOf(Setting, code) ?? `setting${code}`));
    this.#wide(FIELD.value, words, at + EVENT_WORD.price);
  }

  /** Of an account, of a group, or of all. */
  #kill(seq: number, ev: Uint8Array, words: Uint32Array, at: number): void {
    const scope = words[at + EVENT_WORD.slot] as number;
    if (scope === KILL_SCOPE.account) return this.#startOf(seq, ev, words, at);
    this.#start(seq, ev);
    if (scope === KILL_SCOPE.group) this.#wide(FIELD.group, words, at + EVENT_WORD.price);
  }

  #name(field: Uint8Array, name: string | undefined): void {
    this.text.put(field);
    this.text.text(JSON.stringify(name ?? ''));
  }

  /** What a line about an account begins with. */
  #startOf(seq: number, ev: Uint8Array, words: Uint32Array, at: number): void {
    this.#start(seq, ev);
    this.text.put(FIELD.account);
    this.text.whole(words[at + EVENT_WORD.account] as number);
  }

  #start(seq: number, ev: Uint8Array): void {
    const { text } = this;
    text.reserve(LINE_BYTES_MAX);
    text.put(FIELD.seq);
    text.whole(seq);
    text.put(ev);
  }

  /** The part that every line about an order begins with. */
  #begin(seq: number, ev: Uint8Array, words: Uint32Array, at: number): void {
    const { text } = this;
    this.#start(seq, ev);
    text.put(FIELD.account);
    text.whole(words[at + EVENT_WORD.account] as number);
    this.#wide(FIELD.id, words, at + EVENT_WORD.id);
    this.#symbol(words, at);
  }

  /** An instrument that does not exist has no name: then it is the number of the command. */
  #symbol(words: Uint32Array, at: number): void {
    const symbol = words[at + EVENT_WORD.symbol] as number;
    const name = this.#symbols[symbol];
    this.text.put(FIELD.symbol);
    if (name === undefined) this.text.whole(symbol);
    else this.text.put(name);
  }

  /** A field of 64 bits: its digits in a string where a JSON number would not be exact. */
  #wide(field: Uint8Array, words: Uint32Array, at: number): void {
    const { text } = this;
    text.put(field);
    if ((words[at + 1] as number) < WIDE_HIGH_WORD) text.whole(readWide(words, at));
    else text.text(`"${readU64(words, at)}"`);
  }

  /** The same of a number that may be below zero. */
  #signed(field: Uint8Array, words: Uint32Array, at: number): void {
    const value = readSigned(words, at);
    this.text.put(field);
    this.text.text(typeof value === 'number' ? String(value) : `"${value}"`);
  }
}

/**
 * The last of a command's records that is about the same order as the one at word `at`, so that it tells what is open of it at
 * the end. A cascade of stops may stand in between.
 */
function lastAbout(words: Uint32Array, count: number, at: number): number {
  for (let last = (count - 1) * EVENT_WORDS; last > at; last -= EVENT_WORDS) {
    if (!TELL_WHAT_IS_OPEN.has((words[last] as number) & 255)) continue;
    if (SAME_ORDER.every((word) => words[last + word] === words[at + word])) return last;
  }
  return at;
}

const SAME_ORDER = [EVENT_WORD.account, EVENT_WORD.id, EVENT_WORD.id + 1] as const;
const TELL_WHAT_IS_OPEN: ReadonlySet<number> = new Set([
  EventType.tradeMaker,
  EventType.tradeTaker,
  EventType.canceled,
  EventType.replaced,
  EventType.triggered,
  EventType.refreshed,
]);
