import { readU64, readWide } from '../journal/amounts.ts';
import { decodeName } from '../journal/commands.ts';
import { EVENT_WORD, EVENT_WORDS, EventFlag, EventType } from '../journal/events.ts';
import { reasonName, reasonText } from '../journal/reasons.ts';
import type { BookLevel } from '../replicas/matcher.ts';

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

/**
 * Events as NDJSON lines. It is told of a command's events all at once, because `open` of an accepted order is what
 * is open after the whole command. Sessions and answers belong to the protocol between client and gateway and have no
 * line.
 */
export class EventLines {
  /** Names of instruments as JSON, by symbol. */
  readonly #symbols: string[] = [];
  readonly #reasons: string[] = [];
  readonly #rejections: string[] = [];

  constructor() {
    for (let code = 0; code < REASON_CODES; code++) {
      const reason = `"reason":${JSON.stringify(reasonName(code))}`;
      this.#reasons.push(reason);
      this.#rejections.push(`${reason},"text":${JSON.stringify(reasonText(code))}`);
    }
  }

  name(symbol: number, name: string): void {
    this.#symbols[symbol] = JSON.stringify(name);
  }

  /** Learns the names of instruments from the first `count` records in `words`. */
  learn(words: Uint32Array, count: number): void {
    for (let at = 0; at < count * EVENT_WORDS; at += EVENT_WORDS) {
      if (((words[at] as number) & 255) !== EventType.instrument) continue;
      this.name(words[at + EVENT_WORD.symbol] as number, decodeName(words, at + EVENT_WORD.price));
    }
  }

  /** The lines of one command, from the first `count` records in `words`. Its place is `seq`. */
  command(seq: number, words: Uint32Array, count: number): string {
    let text = '';
    const head = `{"seq":${seq},"ev":`;
    for (let at = 0; at < count * EVENT_WORDS; at += EVENT_WORDS) {
      const word = words[at] as number;
      switch (word & 255) {
        case EventType.accepted:
          text += `${head}"accepted",${this.#order(words, at)},"side":${sideOf(word)},${terms(words, at)},`;
          // The last record of a new order's command is about this order, so it tells what is open at the end.
          text += `"open":${openOf(words, (count - 1) * EVENT_WORDS)}}\n`;
          break;
        case EventType.tradeTaker:
          text += this.#trade(head, words, at - EVENT_WORDS, at);
          break;
        case EventType.canceled:
          text += `${head}"canceled",${this.#order(words, at)},"qty":${quantityOf(words, at)},`;
          text += `${this.#reasons[(word >>> 16) & 255]},"open":${openOf(words, at)}}\n`;
          break;
        case EventType.replaced:
          text += `${head}"replaced",${this.#order(words, at)},${terms(words, at)},`;
          text += (word >>> 24) & EventFlag.kept ? '"kept":true}\n' : '"kept":false}\n';
          break;
        case EventType.rejected:
          text += `${head}"rejected",${this.#order(words, at)},${this.#rejections[(word >>> 16) & 255]}}\n`;
          break;
        case EventType.instrument:
          this.learn(words.subarray(at), 1);
          text += `${head}"state","symbol":${this.#symbol(words, at)},`;
          text += (word >>> 24) & EventFlag.closed ? '"state":"closed",' : '"state":"open",';
          text += `"maxQty":${readWide(words, at + EVENT_WORD.id)},"maxPrice":${openOf(words, at)}}\n`;
          break;
      }
    }
    return text;
  }

  /** What is in a book after a command. */
  book(seq: number, symbol: number, book: { readonly bids: BookLevel[]; readonly asks: BookLevel[] }): string {
    const name = this.#symbols[symbol] ?? String(symbol);
    const sides = `"bids":${JSON.stringify(book.bids)},"asks":${JSON.stringify(book.asks)}`;
    return `{"ev":"book","seq":${seq},"symbol":${name},${sides}}\n`;
  }

  #trade(head: string, words: Uint32Array, maker: number, taker: number): string {
    const takerId = idOf(words, taker);
    const takerAccount = words[taker + EVENT_WORD.account] as number;
    return (
      `${head}"trade","account":${takerAccount},"id":${takerId},"symbol":${this.#symbol(words, taker)},` +
      `${terms(words, taker)},"side":${sideOf(words[taker] as number)},` +
      `"taker":${takerId},"maker":${idOf(words, maker)},` +
      `"takerAccount":${takerAccount},"makerAccount":${words[maker + EVENT_WORD.account]},` +
      `"takerOpen":${openOf(words, taker)},"makerOpen":${openOf(words, maker)}}\n`
    );
  }

  #order(words: Uint32Array, at: number): string {
    return `"account":${words[at + EVENT_WORD.account]},"id":${idOf(words, at)},"symbol":${this.#symbol(words, at)}`;
  }

  /** An instrument that does not exist has no name: then it is the number of the command. */
  #symbol(words: Uint32Array, at: number): string {
    const symbol = words[at + EVENT_WORD.symbol] as number;
    return this.#symbols[symbol] ?? String(symbol);
  }
}

function sideOf(head: number): string {
  return (head >>> 8) & 1 ? '"sell"' : '"buy"';
}

function terms(words: Uint32Array, at: number): string {
  return `"price":${readWide(words, at + EVENT_WORD.price)},"qty":${quantityOf(words, at)}`;
}

function quantityOf(words: Uint32Array, at: number): number {
  return readWide(words, at + EVENT_WORD.quantity);
}

function openOf(words: Uint32Array, at: number): number {
  return readWide(words, at + EVENT_WORD.open);
}

function idOf(words: Uint32Array, at: number): string | number {
  const high = words[at + EVENT_WORD.id + 1] as number;
  return high < WIDE_HIGH_WORD ? readWide(words, at + EVENT_WORD.id) : `"${readU64(words, at + EVENT_WORD.id)}"`;
}
